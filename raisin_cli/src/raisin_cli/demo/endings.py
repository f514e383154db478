"""An end in good order, whatever asks for it.

Rules of this file: signal handlers are put back as they were.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

ASKS: Final = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]


@contextmanager
def in_order() -> Iterator[None]:
    """Inside, SIGTERM and SIGHUP unwind the stack like Ctrl-C."""

    def end(number: int, _: object) -> None:
        raise SystemExit(128 + number)

    with _handlers(ASKS, end):
        yield


@contextmanager
def undisturbed() -> Iterator[None]:
    """Inside, nothing interrupts: for the moment in which things are put away."""
    with _handlers([signal.SIGINT, *ASKS], signal.SIG_IGN):
        yield


@contextmanager
def _handlers(numbers: list[signal.Signals], handler: Callable[[int, Any], None] | signal.Handlers) -> Iterator[None]:
    before = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)
