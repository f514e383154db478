"""From iterables to pages: elements are pulled lazily, and a page closes when it is full or when they come slowly.

Rules of this file: it pulls in the thread that calls it; it never pulls more than a page ahead.
"""

from __future__ import annotations

import itertools
import operator
import time
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, Final

from raisin_core import pages
from raisin_core.errors import UsageError

SLOW_SECONDS: Final = 0.004
FIRST_COUNT: Final = 16


class Pager:
    """Elements of one iterable, or tuples of several (the shortest ends it), as pages' worth of values.

    `error` is what an iterable raised, or why an element cannot travel, once that has happened; what came before it
    was given out.
    """

    def __init__(self, iterables: Sequence[Iterable[Any]]) -> None:
        self.length = known_length(iterables)
        self.error: Exception | None = None
        self.pulled = 0
        self.over = False
        self._iterator: Iterator[Any] = iter(iterables[0]) if len(iterables) == 1 else zip(*iterables)
        self._count = FIRST_COUNT
        self._step = pages.TASKS if all(isinstance(each, (list, tuple, range)) for each in iterables) else 1

    def pull(self) -> list[Any]:
        """The next values, at least one unless there are none left (then `over` is True)."""
        got: list[Any] = []
        until = time.perf_counter() + SLOW_SECONDS
        while not self.over and len(got) < self._count:
            before = len(got)
            wanted = min(self._step, self._count - before)
            began = time.perf_counter()
            try:
                got.extend(islice(self._iterator, wanted))
            except Exception as error:  # noqa: BLE001 - it is the user's, and will be raised where they look
                self.error, self.over = error, True
                break
            now = time.perf_counter()
            self.over = len(got) - before < wanted
            if now >= until:
                self._step = max(1, self._step // 2)
                break
            if now - began < SLOW_SECONDS / 4:
                self._step = min(pages.TASKS, self._step * 2)
        self.pulled += len(got)
        if self._count == FIRST_COUNT and pages.is_atomic(got[:FIRST_COUNT]):
            self._count = pages.TASKS
        return got

    def encoded(self, values: list[Any], first: int) -> Iterator[tuple[int, int, pages.Encoded]]:
        """Pages of these values, as (first index, count, encoded): more than one where they are large.

        One that cannot travel ends it: those before it are given out, `error` says why.
        """
        bad: list[tuple[int, Exception]] = []
        encoded = pages.encode(values, "argument", lambda at, error: bad.append((at, error)), first)
        if bad:
            at, self.error = bad[0]
            self.over = True
            if at:
                yield from self.encoded(values[:at], first)
            return
        size = len(encoded.payload) + sum(map(len, encoded.blobs.values()))
        if size > 2 * pages.BYTES and len(values) > 1:
            self._count = max(1, len(values) // 2)
            middle = len(values) // 2
            yield from self.encoded(values[:middle], first)
            yield from self.encoded(values[middle:], first + middle)
            return
        fitting = pages.BYTES * len(values) // max(1, size)
        self._count = max(
            1, min(pages.TASKS, self._count * 2, max(fitting, 1)) if fitting < pages.TASKS else pages.TASKS
        )
        yield first, len(values), encoded


def known_length(iterables: Sequence[Iterable[Any]]) -> int | None:
    """How many elements there will be, where all that say so agree to be finite."""
    lengths = []
    for each in iterables:
        try:
            lengths.append(operator.index(len(each)))  # type: ignore[arg-type]
        except TypeError:
            return None
    return min(lengths, default=None)


def is_endless(iterables: Sequence[Iterable[Any]]) -> bool:
    """Whether the elements are known to have no end (a generator does not tell)."""
    return bool(iterables) and all(_never_ends(each) for each in iterables)


def _never_ends(iterable: Iterable[Any]) -> bool:
    if isinstance(iterable, itertools.repeat):
        return operator.length_hint(iterable, -1) < 0
    return isinstance(iterable, (itertools.count, itertools.cycle))


def check_iterables(verb: str, iterables: Sequence[Any]) -> None:
    """Raises UsageError that names the first argument that is no iterable."""
    if not iterables:
        raise UsageError(f"{verb} needs at least one iterable after the function")
    for position, each in enumerate(iterables, 1):
        try:
            iter(each)
        except TypeError:
            raise UsageError(f"{verb}: iterable {position} is {each!r} ({type(each).__name__}): not iterable") from None
