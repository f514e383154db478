"""The broker's disk: room held in reserve, what was forgotten is deleted bit by bit, and how much is used.

While there is plenty of room a file holds some of it. When a commit finds the disk full, the file goes: what runs can
still record its results, and nothing new is taken until there is room for the file again.

Rules of this file: files and sizes, no decision about jobs.
"""

from __future__ import annotations

import logging
import shutil
from pathlib import Path
from typing import Final

from raisin_broker.retention import Room
from raisin_broker.store.base import Store
from raisin_broker.store.blobs import Blobs
from raisin_broker.store.reserve import Reserve
from raisin_core.errors import StoreError

RESERVE: Final = 32 * 1024 * 1024
LOOK_SECONDS: Final = 1.0
TIDY_SECONDS: Final = 0.25
FULL: Final = ("is full", "No space left", "quota")


class Housekeeper:
    """Looks after a broker's directory. `reserve` is how much room is held back, in bytes."""

    def __init__(
        self, directory: Path, store: Store, blobs: Blobs, log: logging.Logger, reserve: int = RESERVE
    ) -> None:
        self._directory, self._store, self._blobs, self._log = directory, store, blobs, log
        self._size = reserve
        self._reserve = Reserve(directory / "reserve", reserve)
        self._reserve.take()
        self._look_at = self._tidy_at = 0.0
        self._short = ""
        self.busy = True

    def look(self, now: float) -> Room | None:
        """Call it every turn: deletes a little of what was forgotten; once a second, says how things stand."""
        if self.busy or now >= self._tidy_at:
            self.busy, self._tidy_at = self._tidy(), now + TIDY_SECONDS
        if now < self._look_at or self.busy:
            return None
        self._look_at = now + LOOK_SECONDS
        self._refill()
        short = self._shortage()
        if short != self._short:
            self._log.warning("%s", short or "there is room on the disk again")
            self._short = short
        try:
            return Room(self._store.size() + self._blobs.size(), short)
        except StoreError as error:
            self._log.error("%s", error)
            return None

    def relieve(self, error: StoreError) -> bool:
        """A commit did not work: whether giving back the reserve may help."""
        if not self._reserve.held or not any(word in str(error) for word in FULL):
            return False
        self._log.warning("the disk of %s is full: its reserve is used to finish what runs", self._directory)
        self._reserve.release()
        self._look_at = 0.0
        return True

    def close(self) -> None:
        """The room is for others while no broker runs."""
        self._reserve.release()

    def _tidy(self) -> bool:
        try:
            return self._store.tidy()
        except StoreError as error:
            self._log.error("cannot delete what was forgotten: %s", error)
            return False

    def _refill(self) -> None:
        if not self._reserve.held and self._free() >= 2 * self._size:
            self._reserve.take()

    def _shortage(self) -> str:
        if self._reserve.held and self._free() >= self._size // 4:
            return ""
        return (
            f"the disk of the broker's directory {self._directory} is full ({self._free() / 1e6:.0f} MB free): "
            "what runs is finished, nothing new is taken until there is room"
        )

    def _free(self) -> int:
        try:
            return shutil.disk_usage(self._directory).free
        except OSError:
            return 0
