"""Room held on the disk, so that running work can still be recorded when the disk is full.

Rules of this file: the room is real blocks, not a sparse file; nothing here raises: a broker lives without its reserve,
and `held` says whether it has it.
"""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from pathlib import Path
from typing import Final

_PIECE: Final = 1024 * 1024
_BINARY: Final = getattr(os, "O_BINARY", 0)


class Reserve:
    """A file of `size` bytes beside the database, for its owner only.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as place:
    ...     reserve = Reserve(Path(place) / "reserve", 1000)
    ...     reserve.take(), reserve.held, reserve.release(), reserve.held
    (True, True, None, False)
    """

    def __init__(self, path: Path, size: int) -> None:
        self._path, self._size = path, size

    @property
    def held(self) -> bool:
        """Whether the room is held (by this process or one before it)."""
        try:
            return os.lstat(self._path).st_size >= self._size
        except OSError:
            return False

    def take(self) -> bool:
        """Hold the room; False if the disk has not that much, or the file cannot be made."""
        if not self.held:
            try:
                self._fill()
            except OSError:
                self.release()
        return self.held

    def release(self) -> None:
        """Give the room back."""
        with suppress(OSError):
            self._path.unlink(missing_ok=True)

    def _fill(self) -> None:
        flags = os.O_RDWR | os.O_CREAT | os.O_TRUNC | getattr(os, "O_NOFOLLOW", 0) | _BINARY
        handle = os.open(self._path, flags, 0o600)
        try:
            if not self._allocate(handle):
                self._write(handle)
            os.fsync(handle)  # some file systems find out only now
        finally:
            os.close(handle)

    def _allocate(self, handle: int) -> bool:
        """Ask the system for the room; whether it knows how to."""
        if not hasattr(os, "posix_fallocate") or self._size == 0:
            return self._size == 0
        try:
            os.posix_fallocate(handle, 0, self._size)
        except OSError as error:
            if error.errno in (errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS):
                return False
            raise
        return True

    def _write(self, handle: int) -> None:
        """Bytes that no file system can leave out."""
        left = self._size
        while left:
            left -= os.write(handle, os.urandom(min(left, _PIECE)))
