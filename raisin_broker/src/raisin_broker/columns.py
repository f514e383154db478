"""Pages and result pages of a job, as columns of numbers: a million of them are a few megabytes.

Rules of this file: pure. What is not needed for deciding (who computed it, which blobs a result has) stays in the
store.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Iterable


class Pages:
    """Pages of arguments: consecutive, numbered from 0.

    >>> pages = Pages(); pages.add(4); pages.add(2, [b"digest"])
    >>> len(pages), pages.tasks, pages.span(1), pages.of(3), list(pages.numbers(3, 5)), pages.blobs(1)
    (2, 6, (4, 2), 0, [0, 1], [b'digest'])
    """

    __slots__ = ("_blobs", "firsts", "tasks")

    def __init__(self, firsts: Iterable[int] = (), tasks: int = 0, blobs: dict[int, list[bytes]] | None = None) -> None:
        self.firsts = array("q", firsts)
        self.tasks = tasks
        self._blobs = blobs or {}

    def __len__(self) -> int:
        return len(self.firsts)

    def add(self, count: int, blobs: list[bytes] | None = None) -> None:
        """The next page, with so many tasks."""
        if blobs:
            self._blobs[len(self.firsts)] = blobs
        self.firsts.append(self.tasks)
        self.tasks += count

    def span(self, number: int) -> tuple[int, int]:
        """First task and count of a page."""
        first = self.firsts[number]
        return first, (self.firsts[number + 1] if number + 1 < len(self.firsts) else self.tasks) - first

    def blobs(self, number: int) -> list[bytes]:
        """The blobs that a page needs."""
        return self._blobs.get(number, [])

    def of(self, index: int) -> int:
        """The number of the page that holds a task (-1 if there is none)."""
        return bisect_right(self.firsts, index) - 1

    def numbers(self, start: int, stop: int) -> range:
        """The pages that hold tasks `[start, stop)`."""
        return range(self.of(start), bisect_right(self.firsts, stop - 1))


class Arrivals:
    """Result pages, numbered from 1 in the order in which they came: which tasks each answers."""

    __slots__ = ("starts", "stops")

    def __init__(self, starts: Iterable[int] = (), stops: Iterable[int] = ()) -> None:
        self.starts, self.stops = array("q", starts), array("q", stops)

    def __len__(self) -> int:
        return len(self.starts)

    def add(self, start: int, stop: int) -> int:
        """The next page; returns its number."""
        self.starts.append(start)
        self.stops.append(stop)
        return len(self.starts)

    def span(self, arrival: int) -> tuple[int, int]:
        """The tasks `[start, stop)` of a page."""
        return self.starts[arrival - 1], self.stops[arrival - 1]
