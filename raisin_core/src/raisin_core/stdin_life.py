"""A program that ends when whoever started it does: its standard input ends then, however that happened."""

from __future__ import annotations

import os
import signal
import sys
import threading


def end_with_stdin() -> None:
    """Watch standard input in a thread; at its end this process gets SIGTERM."""
    threading.Thread(target=_watch, name="raisin-stdin", daemon=True).start()


def _watch() -> None:
    try:
        while os.read(0, 4096):
            pass
    except OSError:
        pass
    if sys.platform == "win32":  # not run in our own tests: os.kill would end the process without clean-up
        signal.raise_signal(signal.SIGTERM)
    else:
        os.kill(os.getpid(), signal.SIGTERM)
