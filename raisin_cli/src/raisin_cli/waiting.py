"""The line on standard error that says how far a job is, while somebody waits for it."""

from __future__ import annotations

import shutil
import sys
import time
from typing import TYPE_CHECKING, Final

from raisin_core.texts import plain

if TYPE_CHECKING:
    from raisin_core.client.handles import Handle

DELAY: Final = 1.0
PATIENCE: Final = 3.0


class Line:
    """Draws on a terminal, in place; elsewhere it says once what holds the job up."""

    def __init__(self, handle: Handle, hint: str) -> None:
        self._handle, self._hint = handle, hint
        self._terminal = sys.stderr.isatty()
        self._began = time.monotonic()
        self._held_up_since: float | None = None
        self._told = self._drawn = False

    def tick(self) -> None:
        """Called a few times a second."""
        now, waits = time.monotonic(), self._handle.progress().waits
        self._held_up_since = (self._held_up_since or now) if waits else None
        if self._held_up_since and now - self._held_up_since >= PATIENCE and not self._told:
            self._told = True
            self.clear()
            self._write(f"raisin: nothing of it runs: {plain(waits)}. {self._hint}\n")
        if self._terminal and now - self._began >= DELAY:
            self._draw(now)

    def clear(self) -> None:
        """Take the line away."""
        if self._drawn:
            self._drawn = False
            self._write("\r\x1b[K")

    def _draw(self, now: float) -> None:
        said = self._handle.progress()
        of = f"/{said.total}" if said.total >= 0 else ""
        more = f", {said.failed} failed" if said.failed else ""
        passed = int(now - self._began)
        text = f"{plain(self._handle.name, 30)}: {said.done}{of} done{more}, {passed // 60:02}:{passed % 60:02}"
        self._drawn = True
        self._write(f"\r{text[: shutil.get_terminal_size().columns - 1]}\x1b[K")

    def _write(self, text: str) -> None:
        sys.stderr.write(text)
        sys.stderr.flush()
