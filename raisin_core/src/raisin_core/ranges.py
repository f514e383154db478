"""Sets of task indices, kept as sorted disjoint ranges: a million tasks done in order are one pair of numbers.

Rules of this file: pure; a range `[start, stop)` is never empty inside a set.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator

Range = tuple[int, int]


class Ranges:
    """A mutable set of integers, as ranges.

    >>> r = Ranges([(0, 5), (8, 9)]); r.add(5, 8); list(r)
    [(0, 9)]
    >>> r.remove(2, 4); list(r), len(r), 3 in r
    ([(0, 2), (4, 9)], 7, False)
    """

    __slots__ = ("_size", "_starts", "_stops")

    def __init__(self, ranges: Iterable[Range] = ()) -> None:
        self._starts: list[int] = []
        self._stops: list[int] = []
        self._size = 0
        for start, stop in ranges:
            self.add(start, stop)

    @classmethod
    def of_sorted(cls, ranges: Iterable[Range]) -> Ranges:
        """The set of ranges that come by ascending starts (they may overlap): faster than adding each.

        >>> Ranges.of_sorted([(0, 2), (1, 4), (4, 5), (7, 9)])
        Ranges([(0, 5), (7, 9)])
        """
        found = cls()
        starts, stops, last = found._starts, found._stops, None
        for start, stop in ranges:
            if start >= stop:
                continue
            if last is None or start > last:
                starts.append(start)
                stops.append(stop)
                last = stop
            elif stop > last:
                stops[-1] = last = stop
        found._size = sum(stops) - sum(starts)
        return found

    def __iter__(self) -> Iterator[Range]:
        return iter(list(zip(self._starts, self._stops)))

    def __len__(self) -> int:
        return self._size

    def __bool__(self) -> bool:
        return self._size > 0

    def __contains__(self, index: int) -> bool:
        at = bisect_right(self._starts, index) - 1
        return at >= 0 and index < self._stops[at]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Ranges) and self._starts == other._starts and self._stops == other._stops

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Ranges({list(self)})"

    def add(self, start: int, stop: int) -> None:
        """Add `[start, stop)`; what is in already stays."""
        if start >= stop:
            return
        low = bisect_left(self._stops, start)
        high = bisect_right(self._starts, stop)
        if low < high:
            start, stop = min(start, self._starts[low]), max(stop, self._stops[high - 1])
            self._size -= sum(self._stops[low:high]) - sum(self._starts[low:high])
        self._starts[low:high] = [start]
        self._stops[low:high] = [stop]
        self._size += stop - start

    def remove(self, start: int, stop: int) -> None:
        """Remove `[start, stop)`, as far as it is in."""
        if start >= stop:
            return
        low = bisect_right(self._stops, start)
        high = bisect_left(self._starts, stop)
        if low >= high:
            return
        first, last = self._starts[low], self._stops[high - 1]
        self._size -= sum(self._stops[low:high]) - sum(self._starts[low:high])
        kept = [(a, b) for a, b in ((first, start), (stop, last)) if a < b]
        self._starts[low:high] = [a for a, _ in kept]
        self._stops[low:high] = [b for _, b in kept]
        self._size += sum(b - a for a, b in kept)

    def overlap(self, start: int, stop: int) -> list[Range]:
        """What of `[start, stop)` is in."""
        low = bisect_right(self._stops, start)
        high = bisect_left(self._starts, stop)
        return [(max(start, a), min(stop, b)) for a, b in zip(self._starts[low:high], self._stops[low:high])]

    def missing(self, start: int, stop: int) -> list[Range]:
        """What of `[start, stop)` is not in."""
        gaps, at = [], start
        for a, b in self.overlap(start, stop):
            if at < a:
                gaps.append((at, a))
            at = b
        if at < stop:
            gaps.append((at, stop))
        return gaps

    def covers(self, start: int, stop: int) -> bool:
        """Whether all of `[start, stop)` is in."""
        at = bisect_right(self._starts, start) - 1
        return start >= stop or (at >= 0 and stop <= self._stops[at])

    def first(self) -> Range:
        """The lowest range; IndexError if there is none."""
        return self._starts[0], self._stops[0]

    def take(self, count: int) -> Range:
        """Remove and return up to `count` from the front of the lowest range; IndexError if there is none."""
        start = self._starts[0]
        stop = min(self._stops[0], start + count)
        if stop == self._stops[0]:
            del self._starts[0], self._stops[0]
        else:
            self._starts[0] = stop
        self._size -= stop - start
        return start, stop
