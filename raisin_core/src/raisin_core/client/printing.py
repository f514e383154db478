"""What tasks print reaches whoever started them: from a thread of its own, so that a slow terminal holds nothing up.

Remote text is stripped of terminal escapes; each line is marked with the job's name, the task and the host.
"""

from __future__ import annotations

import queue
import sys
import threading

from raisin_core.texts import plain, shown


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
    for line in shown(text.decode("utf-8", "replace")).splitlines():
        try:
            sys.stdout.write(f"[{plain(mark)}] {line}\n")
            sys.stdout.flush()
        except (OSError, ValueError, AttributeError):
            return  # nobody listens
