"""What tasks print reaches whoever started them: from a thread of its own, so that a slow terminal holds nothing up.

Remote text is stripped of terminal escapes; each line is marked with the job's name, the task and the host.
"""

from __future__ import annotations

import queue
import re
import sys
import threading
from typing import Final

_ESCAPES: Final = re.compile(
    r"\x1b(\[[0-9;?]*[ -/]*[@-~]|\][^\x07\x1b]*(\x07|\x1b\\)?|.)?|[\x00-\x08\x0b-\x1a\x1c-\x1f\x7f-\x9f]"
)


def clean(text: str) -> str:
    """Without escapes and control characters, except line ends and tabs.

    >>> clean("a\\x1b[2Jb\\x07")
    'ab'
    """
    return _ESCAPES.sub("", text)


class Printer:
    """Prints what comes, in order."""

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[tuple[str, bytes] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    def put(self, mark: str, text: bytes) -> None:
        """Print this text, each line marked."""
        if self._thread is None and not self._start():
            _write(mark, text)
        else:
            self._queue.put((mark, text))

    def close(self, timeout: float = 1.0) -> None:
        """Print what is left."""
        if self._thread is not None:
            self._queue.put(None)
            self._thread.join(timeout)
            self._thread = None

    def _start(self) -> bool:
        """False while the interpreter ends: from Python 3.12 on, no thread can be started any more then."""
        thread = threading.Thread(target=self._run, name="raisin-print", daemon=True)
        try:
            thread.start()
        except RuntimeError:
            return False
        self._thread = thread
        return True

    def _run(self) -> None:
        while (item := self._queue.get()) is not None:
            _write(*item)


def _write(mark: str, text: bytes) -> None:
    for line in clean(text.decode("utf-8", "replace")).splitlines():
        try:
            sys.stdout.write(f"[{mark}] {line}\n")
            sys.stdout.flush()
        except (OSError, ValueError, AttributeError):
            return  # nobody listens
