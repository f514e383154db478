"""An object as a stream: what goes beside it first, then itself, then the items of its generators as they come.

Rules of this file: nothing is drawn from a file or generator before its bytes are asked for; large buffers and the
pieces that a pickle consists of are passed on without copies.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Iterator
from typing import Final

from raisin_core.serialization import compression, values
from raisin_core.serialization.streams import frames
from raisin_core.serialization.streams.entries import OUT_OF_BAND, Entry, entry
from raisin_core.serialization.streams.frames import ALONE, CHECKED, CONTENT, END, ITEMS, LAST, OBJECT, Piece

FLUSH: Final = b""  # an empty piece: send on what there is
MOST: Final = 4096  # items in one go
PAUSE: Final = 0.01  # s; an item that took longer is sent at once
LONGEST: Final = 1024  # bytes of a text in a run
NUMBERS: Final = frozenset((int, float, bool, type(None)))
Part = tuple[Iterable[Piece], int]  # bytes, and the flag of their frames: checked by a CRC or not
TEXTS: Final = frozenset((str, bytes))


class Outgoing:
    """The channels of one stream: what is still to be written beside the object."""

    def __init__(self, copy_file: bool | int) -> None:
        self.copy_file = copy_file
        self.contents: deque[tuple[int, Iterable[Piece]]] = deque()
        self.lazy: deque[Lazy] = deque()
        self._last = 0

    def content(self, chunks: Iterable[Piece]) -> int:
        self._last += 1
        self.contents.append((self._last, chunks))
        return self._last

    def items(self, iterator: Iterator[object]) -> int:
        self._last += 1
        self.lazy.append(Lazy(self._last, iterator))
        return self._last


class Lazy:
    """A channel of items."""

    def __init__(self, number: int, iterator: Iterator[object]) -> None:
        self.number, self.iterator = number, iterator
        self.sent = 0
        self.most = 1
        self.ended = False

    def paced(self, count: int, seconds: float) -> None:
        """So many items took so long: take more of them, or fewer, next time."""
        self.sent += count
        self.most = min(MOST, self.most * 2) if seconds < PAUSE else max(1, self.most // 2)


class Writer:
    """Writes one object. `level` is that of compression; sealed streams check themselves and need no CRC."""

    def __init__(self, outgoing: Outgoing, level: int = -1, sealed: bool = False, name: str = "object") -> None:
        self._out, self._level, self._name = outgoing, level, name
        self._check = 0 if sealed else CHECKED

    def write(self, found: Entry, first: bytes = frames.TAG) -> Iterator[Piece]:
        """The stream of an entry, in pieces. Raises what reading its files and generators raises."""
        yield first
        yield from self._contents()
        alone = 0 if self._out.lazy else ALONE
        yield from self._framed(OBJECT, 0, self._parts(found), LAST | alone)
        if alone:
            return
        yield FLUSH
        while self._out.lazy:
            lazy = self._out.lazy.popleft()
            yield from self._turn(lazy)
            if not lazy.ended:
                self._out.lazy.append(lazy)
            yield FLUSH
        yield from frames.packed(END, LAST | ALONE, 0, [])

    def _parts(self, found: Entry) -> list[Part]:
        if not found.buffers:
            return [([found.first(), *found.data], self._check)]
        return [([found.first()], self._check), (found.buffers, 0), (found.data, self._check)]

    def _contents(self) -> Iterator[Piece]:
        while self._out.contents:
            number, chunks = self._out.contents.popleft()
            yield from self._framed(CONTENT, number, [(chunks, self._check)], LAST)

    def _framed(self, kind: bytes, channel: int, parts: list[Part], at_end: int) -> Iterator[Piece]:
        """Frames with these bytes; the flags `at_end` are for the last one. Each part has its own flag for the CRC."""
        groups = ((group, flag) for pieces, flag in parts for group in frames.grouped(pieces))
        group: list[Piece] | None
        group, flag = next(groups, ([], 0))
        while group is not None:
            after, after_flag = next(groups, (None, 0))
            codec, payload = self._compressed(group)
            yield from frames.packed(kind, codec | flag | (at_end if after is None else 0), channel, payload)
            group, flag = after, after_flag

    def _compressed(self, group: list[Piece]) -> tuple[int, list[Piece]]:
        size = sum(map(len, group))
        if not self._level or size < compression.SMALLEST:
            return 0, group
        joined = memoryview(group[0] if len(group) == 1 else b"".join(group))
        codec, data = compression.compress(joined, self._level)
        return (codec, [data]) if codec else (0, group)

    def _turn(self, lazy: Lazy) -> Iterator[Piece]:
        """Some items of one generator: more of them the faster they come."""
        parts: list[Part] = []
        run: list[object] = []
        start = time.perf_counter()
        count = 0
        for item in lazy.iterator:
            count += 1
            if type(item) in NUMBERS or (type(item) in TEXTS and len(item) <= LONGEST):  # type: ignore[arg-type]
                run.append(item)
            else:
                parts += self._run(run)
                run = []
                found = entry(item, self._out, f"{self._name}, item {lazy.sent + count - 1} of its generator")
                parts += self._parts(found)
                yield from self._contents()
                if found.buffers or found.size() >= OUT_OF_BAND:
                    break  # it may refer to what the next item will overwrite
            if count >= lazy.most or (not count & 63 and time.perf_counter() - start > PAUSE):
                break
        else:
            lazy.ended = True
        parts += self._run(run)
        lazy.paced(count, time.perf_counter() - start)
        if parts or lazy.ended:
            yield from self._framed(ITEMS, lazy.number, _joined(parts), LAST if lazy.ended else 0)

    def _run(self, items: list[object]) -> list[Part]:
        return self._parts(Entry(frames.RUN, b"", [], [values.encode(items)])) if items else []


def _joined(parts: list[Part]) -> list[Part]:
    """Neighbours with the same check as one, so that small items share frames."""
    found: list[tuple[list[Piece], int]] = []
    for pieces, check in parts:
        if not found or found[-1][1] != check:
            found.append(([], check))
        found[-1][0].extend(pieces)
    return list(found)


def tag(value: object) -> bytes:
    """A stream's tag that says its object's type, for people who look into the file."""
    name = "".join(each for each in type(value).__qualname__ if each.isalnum() or each in "._")
    return f"</>raisin {frames.VERSION} {name[:40]}</>".encode("ascii", "replace")
