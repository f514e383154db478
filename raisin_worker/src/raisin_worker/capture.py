"""What tasks print: kept per task for its record, and told line by line to whoever started the job.

Text belongs to the task that runs when it is written. Of one task, `KEPT` bytes are kept; per second, `LINES` lines
are told and the rest is counted. What is written to the file descriptors themselves goes to the agent's pipe instead.

Rules of this file: the standard library only; it runs inside the task process, in any interpreter, in any thread.
"""

from __future__ import annotations

import io
import os
import sys
import threading
import time
from collections.abc import Callable
from typing import Any, Final

from raisin_worker import frames

KEPT: Final = 64 * 1024
LINE: Final = 8 * 1024
LINES: Final = 100

Tell = Callable[[int, bytes], None]


class Capture:
    """Collects the text of tasks. `tell(index, text)` is called at most `LINES` times a second; it must not block."""

    def __init__(self, words: memoryview, tell: Tell, clock: Callable[[], float] = time.monotonic) -> None:
        self._words, self._tell, self._clock = words, tell, clock
        self._lock = threading.RLock()  # a signal handler that prints may interrupt a print
        self._texts: dict[int, bytearray] = {}
        self._line, self._owner = bytearray(), 0
        self._second, self._told, self._more = clock(), 0, 0

    def write(self, data: bytes, descriptor: int) -> None:
        index = self._words[frames.CURRENT]
        if index < 0:
            os.write(descriptor, data)
            return
        with self._lock:
            text = self._texts.setdefault(index, bytearray())
            text += data[: KEPT - len(text)]
            self._forward(index, data)

    def take(self, start: int, stop: int) -> dict[int, str]:
        """The texts of tasks `[start, stop)`, which are forgotten then."""
        if not self._texts:
            return {}
        with self._lock:
            taken = {index: self._texts.pop(index) for index in sorted(self._texts) if start <= index < stop}
        return {index: _decode(text) for index, text in taken.items()}

    def tick(self) -> None:
        """Time has passed: say how many lines were left out."""
        with self._lock:
            self._allowance()

    def end_line(self) -> None:
        """No task runs any more: say what has no line end, and what was left out."""
        with self._lock:
            self._flush_line()
            self._say_more()

    def end(self) -> None:
        """The range is over: forget what nobody will ask for."""
        self.end_line()
        with self._lock:
            self._texts.clear()

    def _forward(self, index: int, data: bytes) -> None:
        if self._owner != index:
            self._flush_line()
            self._owner = index
        self._line += data
        end = self._line.rfind(b"\n") + 1
        if end:
            lines = bytes(self._line[:end])
            del self._line[:end]
            self._say(lines)
        if len(self._line) > LINE:
            self._flush_line()

    def _flush_line(self) -> None:
        if self._line:
            line, self._line = bytes(self._line[:LINE]), bytearray()
            self._say(line + b"\n")

    def _say(self, text: bytes) -> None:
        lines = text.splitlines(keepends=True)
        allowed = self._allowance()
        self._more += max(0, len(lines) - allowed)
        if allowed > 0:
            told = b"".join(line[:LINE] for line in lines[:allowed])
            self._told += min(len(lines), allowed)
            self._tell(self._owner, told)

    def _allowance(self) -> int:
        now = self._clock()
        if now - self._second >= 1.0:
            self._second, self._told = now, 0
            self._say_more()
        return LINES - self._told

    def _say_more(self) -> None:
        if self._more:
            more, self._more = self._more, 0
            self._tell(self._owner, b"... %d lines more\n" % more)


class Sink(io.RawIOBase):
    """The bytes below `sys.stdout`; it cannot be closed, and a subprocess that inherits it gets the descriptor."""

    def __init__(self, capture: Capture, descriptor: int) -> None:
        self._capture, self._descriptor = capture, descriptor

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._descriptor

    def write(self, data: Any) -> int:
        taken = bytes(data)
        self._capture.write(taken, self._descriptor)
        return len(taken)

    def close(self) -> None:
        return


def stream(capture: Capture, descriptor: int) -> io.TextIOWrapper:
    """A text stream that hands over each write at once, so that it counts for the right task."""
    sink: Any = Sink(capture, descriptor)
    return io.TextIOWrapper(sink, encoding="utf-8", errors="backslashreplace", newline="\n", write_through=True)


class Streams:
    """Puts a capture in the place of `sys.stdout` and `sys.stderr`."""

    def __init__(self, capture: Capture) -> None:
        self._streams = stream(capture, 1), stream(capture, 2)

    def install(self) -> None:
        """Also again, for a task that has put something else there and left it."""
        sys.stdout, sys.stderr = self._streams

    def remove(self) -> None:
        sys.stdout, sys.stderr = sys.__stdout__, sys.__stderr__


def _decode(text: bytearray) -> str:
    cut = "\n... (cut)" if len(text) >= KEPT else ""
    return text.decode("utf-8", "replace") + cut
