"""The broker's disk: room held in reserve, what was forgotten is deleted bit by bit (its blobs, too), and how much is
used.

While there is plenty of room a file holds some of it. When a commit finds the disk full, the file goes: what runs can
still record its results, and nothing new is taken until there is room for the file again.

Rules of this file: files and sizes, no decision about jobs.
"""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Final

from raisin_broker.retention import Room
from raisin_broker.store.base import Store
from raisin_broker.store.reserve import Reserve
from raisin_broker.store.sweeping import Sweeper, Uploads
from raisin_core.errors import StoreError

RESERVE: Final = 32 * 1024 * 1024
LOOK_SECONDS: Final = 1.0
TIDY_SECONDS: Final = 0.25
SWEEP_SECONDS: Final = 60.0
FULL: Final = ("is full", "No space left", "quota")


class Housekeeper:
    """Looks after a broker's directory. `most` is how much may be kept (0: no limit), `clients` gives the keys of the
    members that are connected as clients, `reserve` is how much room is held back; sizes in bytes."""

    def __init__(
        self,
        directory: Path,
        store: Store,
        blobs: Uploads,
        log: logging.Logger,
        most: int = 0,
        clients: Callable[[], Collection[str]] = tuple,
        reserve: int = RESERVE,
    ) -> None:
        self._directory, self._store, self._blobs, self._log = directory, store, blobs, log
        self._most, self._size = most, reserve
        self._reserve = Reserve(directory / "reserve", reserve)
        self._reserve.take()
        self._sweeper = Sweeper(blobs, store.blobs_in_use, clients, time.time())
        self._look_at = self._tidy_at = self._sweep_at = 0.0
        self._tidying = True
        self._counted = False
        self._used = 0
        self._short = ""

    @property
    def busy(self) -> bool:
        """Whether it wants to go on at once."""
        return self._tidying or self._sweeper.busy

    def look(self, now: float) -> Room | None:
        """Call it every turn: deletes a little of what was forgotten; once a second (more often while there is too much
        and it changes), says how things stand."""
        if self._tidying or now >= min(self._tidy_at, self._look_at):
            self._tidying, self._tidy_at = self._tidy(), now + TIDY_SECONDS
        self._sweep(now)
        if now < self._look_at or self.busy:
            return None
        self._refill()
        if (short := self._shortage()) != self._short:
            self._log.warning("%s", short or "there is room on the disk again")
            self._short = short
        return self._room(now)

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

    def _sweep(self, now: float) -> None:
        if now >= self._sweep_at:
            self._sweep_at = now + SWEEP_SECONDS
            self._sweeper.begin()
        if not self._sweeper.busy:
            return
        try:
            if removed := self._sweeper.step(time.time()):
                self._log.info("removed %d blobs that nothing uses", removed)
        except (StoreError, OSError) as error:
            self._log.error("cannot delete blobs that nothing uses: %s", error)

    def _room(self, now: float) -> Room | None:
        """How things stand; before it says that there is too much, blobs are counted anew, so that what went since
        then does not count."""
        try:
            used = self._store.size() + self._sweeper.used + self._blobs.added
        except StoreError as error:
            self._log.error("%s", error)
            self._look_at = now + LOOK_SECONDS
            return None
        if 0 < self._most < used and not self._counted:
            self._counted = True
            self._sweeper.begin()
            return None
        moving = 0 < self._most < used != self._used  # much comes, or goes: more has to go soon
        self._counted, self._used = False, used
        self._look_at = now + (TIDY_SECONDS if moving else LOOK_SECONDS)
        return Room(used, self._short)

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
