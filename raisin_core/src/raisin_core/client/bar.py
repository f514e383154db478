"""A progress bar, where a person is looking and it takes over a second."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Final, TextIO

from raisin_core.texts import plain

DELAY: Final = 1.0
EVERY: Final = 0.2
WIDTH: Final = 30

Counts = Callable[[], tuple[int, int, int]]


class Bar:
    """Draws `name [####....] 120/500 3 failed 00:12` on one line. `counts` gives done, failed and total (-1:
    unknown)."""

    def __init__(self, name: str, wanted: bool | None, counts: Counts, stream: TextIO | None = None) -> None:
        self._name, self._counts = plain(name, 60), counts
        self._stream = stream or sys.stderr
        self._on = someone_looks(self._stream) if wanted is None else wanted
        self._began = time.monotonic()
        self._next = self._began + DELAY
        self._drawn = False

    def tick(self) -> None:
        """Draw, if it is time to."""
        if self._on and time.monotonic() >= self._next:
            self._next = time.monotonic() + EVERY
            self._draw()

    def finish(self) -> None:
        """Draw the end, if anything was drawn."""
        if self._drawn:
            self._draw()
            self._write("\n")
            self._drawn = False

    def __enter__(self) -> Bar:
        return self

    def __exit__(self, *error: object) -> None:
        self.finish()

    def _draw(self) -> None:
        done, failed, total = self._counts()
        full = WIDTH * done // total if total > 0 else 0
        bar = f"[{'#' * full}{'.' * (WIDTH - full)}] {done}/{total}" if total >= 0 else f"{done} done"
        trouble = f", {failed} failed" if failed else ""
        passed = int(time.monotonic() - self._began)
        self._drawn = True
        self._write(f"\r{self._name} {bar}{trouble} {passed // 60:02}:{passed % 60:02}\x1b[K")

    def _write(self, text: str) -> None:
        try:
            self._stream.write(text)
            self._stream.flush()
        except (OSError, ValueError):
            self._on = False  # nobody looks any more


def someone_looks(stream: TextIO) -> bool:
    """Whether a person sees this stream: a terminal, or a notebook."""
    try:
        if stream.isatty():
            return True
    except (AttributeError, ValueError):
        return False
    return type(stream).__module__.startswith("ipykernel.")
