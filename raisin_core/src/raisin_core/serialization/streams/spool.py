"""Bytes that wait for their reader: in memory at first, in an unnamed file when they become many.

Rules of this file: first in, first out.
"""

from __future__ import annotations

import tempfile
from collections import deque
from typing import IO, Final

IN_MEMORY: Final = 1 << 22  # bytes


class Spool:
    """A queue of bytes objects."""

    def __init__(self) -> None:
        self._here: deque[bytes] = deque()
        self._size = 0
        self._file: IO[bytes] | None = None
        self._lengths: deque[int] = deque()
        self._at = 0

    def __bool__(self) -> bool:
        return bool(self._here or self._lengths)

    def put(self, data: bytes) -> None:
        if self._file is None and self._size + len(data) > IN_MEMORY:
            self._file = tempfile.TemporaryFile(prefix="raisin-")  # noqa: SIM115 - closed when it is empty
        if self._file is None:
            self._here.append(data)
            self._size += len(data)
        else:
            self._file.seek(0, 2)
            self._file.write(data)
            self._lengths.append(len(data))

    def get(self) -> bytes | None:
        """The oldest bytes; None where nothing waits."""
        if self._here:
            data = self._here.popleft()
            self._size -= len(data)
            return data
        if not self._lengths or self._file is None:
            return None
        self._file.seek(self._at)
        data = self._file.read(self._lengths.popleft())
        self._at += len(data)
        if not self._lengths:
            self.close()
        return data

    def close(self) -> None:
        """Forget what waits."""
        if self._file is not None:
            self._file.close()
        self._file, self._at, self._size = None, 0, 0
        self._here.clear()
        self._lengths.clear()
