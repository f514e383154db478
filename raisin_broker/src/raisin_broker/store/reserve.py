"""Room held back on a disk: a file that is given up when it fills.

Rules of this file: the file holds nothing, and may be deleted by anybody at any time.
"""

from __future__ import annotations

import os
from pathlib import Path


class Reserve:
    """`size` bytes held by a file at `path`, once `take` has worked."""

    def __init__(self, path: Path, size: int) -> None:
        self._path, self._size = path, size

    @property
    def held(self) -> bool:
        """Whether the room is held."""
        try:
            return self._path.stat().st_size >= self._size
        except OSError:
            return False

    def take(self) -> bool:
        """Hold the room; False if there is none."""
        try:
            with open(self._path, "wb") as file:
                os.chmod(self._path, 0o600)
                for _ in range(-(-self._size // 2**20)):
                    file.write(bytes(2**20))
        except OSError:
            self.release()
        return self.held

    def release(self) -> None:
        """Give the room back."""
        self._path.unlink(missing_ok=True)
