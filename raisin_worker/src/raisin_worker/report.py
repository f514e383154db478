"""Results on their way out of a task process: collected by the loop, sent as pages by it or by a helper thread.

The loop appends to lists and nothing else. Whoever sends takes a prefix of them (each step is one operation of the
interpreter, so that the loop needs no lock) and holds `lock` meanwhile. What a trim has cut off is never sent, unless
it was sent before.

Rules of this file: the standard library only; it runs inside the task process, in any interpreter.
"""

from __future__ import annotations

import os
import pickle
import socket
import sys
import threading
import time
from array import array
from collections import deque
from pathlib import Path
from typing import Any, Final

from raisin_core import pages
from raisin_core.failures import Failure
from raisin_worker import frames
from raisin_worker.capture import Capture
from raisin_worker.payloads import failure, reason

LATE: Final = 0.05
MEMORY_SECONDS: Final = 0.02


class Outbox:
    """Frames to the agent, whole and in order, from any thread."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._waiting: deque[bytes] = deque()
        self._lock = threading.Lock()

    def send(self, kind: int, a: int = 0, b: int = 0, body: bytes = b"") -> None:
        """Send it, waiting for the agent if it must be."""
        self._waiting.append(frames.pack(kind, a, b, body))
        with self._lock:
            self._drain()

    def tell(self, index: int, text: bytes) -> None:
        """Send what a task wrote; never waits for another sender, who might be the one that was interrupted to
        print."""
        self._waiting.append(frames.pack(frames.WROTE, index, 0, text))
        self.push()

    def push(self) -> None:
        """Send what waits, unless somebody does so already."""
        if self._waiting and self._lock.acquire(blocking=False):
            try:
                self._drain()
            finally:
                self._lock.release()

    def _drain(self) -> None:
        while self._waiting:
            self._control.sendall(self._waiting.popleft())


class Report:
    """The results of one range. `base` is the index of the first that was not sent; `classes` is the job's table where
    pages are to be written without pickle, None where they are pickled."""

    def __init__(self, outbox: Outbox, words: memoryview, capture: Capture, blobs: Path) -> None:
        self._outbox, self._words, self._capture, self._blobs = outbox, words, capture, blobs
        self.lock = threading.Lock()
        self.items: list[Any] = []
        self.wall, self.cpu = array("d"), array("d")
        self.unfit: dict[int, str] = {}
        self.timed = False
        self.classes: tuple[type, ...] | None = None
        self.base = 0
        self.sent = time.monotonic()
        self.typical = self.typical_cpu = 0.0
        self.spent = self.spent_cpu = 0.0
        self._memory, self._memory_at = 0, 0.0

    def begin(self, start: int) -> None:
        with self.lock:
            self.items.clear()
            self.unfit.clear()
            del self.wall[:], self.cpu[:]
            self.base, self.sent = start, time.monotonic()
            self.spent = self.spent_cpu = 0.0

    def set_timed(self, timed: bool) -> None:
        """Whether each task brings its own times; a page has either those or one mean."""
        if timed != self.timed:
            self.flush()
            self.timed = timed

    def next(self) -> int:
        """The index of the next result to come."""
        with self.lock:
            return self.base + len(self.items)

    def append(self, item: Any, seconds: float) -> None:
        """A result that did not come by the loop."""
        with self.lock:
            if self.timed:
                del self.wall[len(self.items) :], self.cpu[len(self.items) :]
                self.wall.append(seconds)
                self.cpu.append(seconds)
            self.items.append(item)

    def last_wall(self) -> float:
        """How long the last task took, if it was timed by itself and is still here."""
        try:
            return self.wall[-1]
        except IndexError:
            return 0.0

    def flush(self) -> None:
        """Send all there is; for the thread that runs the tasks."""
        self._words[frames.SINCE] = 0
        with self.lock:
            while count := self._count():
                self._send(count, self.spent, self.spent_cpu)
            self.spent = self.spent_cpu = 0.0
            self.sent = time.monotonic()

    def flush_behind(self) -> None:
        """Send what waits behind a task that takes long; for the helper thread."""
        if not self.items or time.monotonic() - self.sent < LATE:
            return
        with self.lock:
            count = self._fit_to_send(self._count())
            if count:
                self.spent -= count * self.typical
                self.spent_cpu -= count * self.typical_cpu
                self._send(count, count * self.typical, count * self.typical_cpu)
                self.sent = time.monotonic()

    def _count(self) -> int:
        return max(0, min(len(self.items), self._words[frames.STOP] - self.base, pages.TASKS))

    def _fit_to_send(self, count: int) -> int:
        """Up to the first value that cannot be encoded now: a task that runs may be changing it, so it has to wait."""
        items = self.items[:count]
        if pages.is_atomic(items):
            return count
        bad: list[int] = []
        pages.encode(items, failed=lambda at, error: bad.append(at))
        return bad[0] if bad else count

    def _send(self, count: int, seconds: float, cpu: float) -> None:
        start, stop = self.base, self.base + count
        items, wall, cpus = self.items[:count], self.wall[:count], self.cpu[:count]
        if not self.timed:
            wall, cpus = array("d", [max(0.0, seconds) / count]), array("d", [max(0.0, cpu) / count])
        else:
            seconds = sum(wall)
        text = self._capture.take(start, stop)
        unfit = {index: self.unfit.pop(index) for index in list(self.unfit) if index < stop} if self.unfit else {}
        outcomes = pages.Outcomes(start, items, wall, cpus, self._peak(), text)
        page, opaque, failed = self._encode(outcomes, unfit)
        failed = [index for index in failed if index not in unfit]
        told = sorted(unfit.items())
        body = frames.pack_outcome(max(0.0, seconds), failed, told, list(page.blobs), page.payload, opaque)
        self._outbox.send(frames.OUTCOME, start, stop, body)
        del self.items[:count], self.wall[:count], self.cpu[:count]
        self.base = stop

    def _encode(self, outcomes: pages.Outcomes, unfit: dict[int, str]) -> pages.Written:
        """The page, its blobs in files, and which of its tasks raised or gave what cannot travel."""
        try:
            written = _encode(outcomes, self.classes)
            for digest, data in written.page.blobs.items():
                self._write(digest, data)
        except OSError as error:  # no room for the blobs: another host may have it
            unfit.update(dict.fromkeys(range(outcomes.start, outcomes.start + len(outcomes.items)), reason(error)))
            written = _encode(outcomes._replace(items=[failure(error)] * len(outcomes.items)), self.classes)
        return written

    def _write(self, digest: bytes, data: bytes) -> None:
        path = self._blobs / digest.hex()
        if not path.exists():
            part = path.with_suffix(".part")
            with open(part, "wb", opener=_private) as file:
                file.write(data)
            os.replace(part, path)

    def _peak(self) -> int:
        now = time.monotonic()
        if now - self._memory_at > MEMORY_SECONDS:
            self._memory, self._memory_at = peak_memory(), now
        return self._memory


def _encode(outcomes: pages.Outcomes, classes: tuple[type, ...] | None) -> pages.Written:
    encode = _pickled if classes is None else _plain
    try:
        return encode(outcomes, classes)
    except BaseException:  # noqa: BLE001 - a value whose pickling exits: find out which
        return encode(outcomes._replace(items=[_checked(item) for item in outcomes.items]), classes)


def _pickled(outcomes: pages.Outcomes, classes: object) -> pages.Written:
    page = pages.encode_outcomes(outcomes)
    (_, told, *_), _ = pickle.loads(pages.unpack(page.payload, page.blobs.__getitem__))
    return pages.Written(page, False, sorted(outcomes.start + at for at in told))


def _plain(outcomes: pages.Outcomes, classes: tuple[type, ...] | None) -> pages.Written:
    from raisin_core import plain_pages  # what it needs takes a while to import

    return plain_pages.encode_outcomes(outcomes, classes or ())


def _checked(item: Any) -> Any:
    try:
        pages.encode([item])
    except BaseException as error:  # noqa: BLE001 - its own code may raise anything
        return item if type(item) is Failure else failure(error)
    return item


def peak_memory() -> int:
    """The most memory that this process ever had, in bytes; 0 where it is not known."""
    if sys.platform == "linux":
        try:
            # not getrusage: there, a process begins with the peak of the one that started it
            status = Path("/proc/self/status").read_bytes()
            return int(status.split(b"VmHWM:", 1)[1].split(None, 1)[0]) * 1024
        except (OSError, IndexError, ValueError):
            return 0
    if sys.platform == "darwin":
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return 0


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
