"""Bytes that wait for their reader: in memory at first, in an unnamed file when they become many.

All queues of a stream share one store, so that neither its memory nor its files grow with the number of generators.

Rules of this file: first in, first out; a forked child does not touch its parent's file.
"""

from __future__ import annotations

import os
from collections import deque
from typing import IO, Any, Final, NamedTuple

from raisin_core.errors import ForkError

IN_MEMORY: Final = 1 << 22  # bytes, of all queues of a stream
OVERHEAD: Final = 64  # bytes that a bytes object costs beside its own
JOINED: Final = 1 << 14  # bytes; what is smaller waits together


class Place(NamedTuple):
    """Where bytes are in the file."""

    start: int
    length: int
    room: int


class Store:
    """What waits, in memory or in one file whose free places are used again."""

    def __init__(self) -> None:
        self._size = 0
        self._file: IO[bytes] | None = None
        self._process = os.getpid()
        self._end = self._used = 0
        self._free: dict[int, list[int]] = {}  # by room

    def put(self, data: bytes) -> bytes | Place:
        """What to ask for the bytes with."""
        if self._size + len(data) + OVERHEAD <= IN_MEMORY:
            self._size += len(data) + OVERHEAD
            return data
        room = 1 << (max(len(data), 1) - 1).bit_length()
        file, free = self._opened(), self._free.setdefault(room, [])
        start = free.pop() if free else self._end
        self._end = max(self._end, start + room)
        self._used += 1
        file.seek(start)
        file.write(data)
        return Place(start, len(data), room)

    def get(self, what: bytes | Place) -> bytes:
        """The bytes, which do not wait any longer."""
        if isinstance(what, bytes):
            self._size -= len(what) + OVERHEAD
            return what
        file = self._opened()
        file.seek(what.start)
        data = file.read(what.length)
        self.drop(what)
        return data

    def drop(self, what: bytes | Place) -> None:
        """Nobody will ask for these."""
        if isinstance(what, bytes):
            self._size -= len(what) + OVERHEAD
            return
        self._free[what.room].append(what.start)
        self._used -= 1
        if not self._used:
            self.close()

    def close(self) -> None:
        """Forget what the file holds."""
        if self._file is not None:
            self._file.close()
        self._file, self._end, self._used = None, 0, 0
        self._free.clear()

    def _opened(self) -> IO[bytes]:
        if os.getpid() != self._process:
            raise ForkError("a stream is read on by the process that began: what waits is in a file of that process")
        if self._file is None:
            import tempfile  # takes long, and is seldom needed

            self._file = tempfile.TemporaryFile(prefix="raisin-")  # noqa: SIM115 - closed when nothing waits in it
        return self._file

    def __del__(self) -> None:
        if self._file is not None:
            self._file.close()


class Spool:
    """A queue of bytes."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._queue: deque[Any] = deque()
        self._tail = bytearray()  # small pieces behind those of the queue

    def __bool__(self) -> bool:
        return bool(self._queue or self._tail)

    def put(self, data: bytes) -> None:
        if len(data) >= JOINED or not self:
            self._flush()
            self._queue.append(self._store.put(data))
            return
        self._tail += data
        if len(self._tail) >= JOINED:
            self._flush()

    def get(self) -> bytes | None:
        """The oldest bytes; None where nothing waits."""
        if not self._queue:
            self._flush()
        return self._store.get(self._queue.popleft()) if self._queue else None

    def clear(self) -> None:
        """Forget what waits."""
        while self._queue:
            self._store.drop(self._queue.popleft())
        self._tail = bytearray()

    def _flush(self) -> None:
        if self._tail:
            self._queue.append(self._store.put(bytes(self._tail)))
            self._tail = bytearray()
