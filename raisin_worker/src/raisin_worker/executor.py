"""The agent's side of one task process: starts it, gives it ranges, reads what it says, ends it with all its children.

Nothing here blocks the agent for long: what cannot be written yet waits in `_out` (see `wants_write`), reading takes
what is there, and only ending a process waits for it. What the process writes itself (file descriptors 1 and 2) is kept
as a bounded tail, for the report of its death.

Rules of this file: nothing is unpickled; after `Died`, or `kill`, an executor is over and another one takes its place.
"""

from __future__ import annotations

import os
import pickle
import shutil
import stat
import tempfile
import time
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, Literal

from raisin_worker import frames
from raisin_worker.events import Died, Outcome, SlotEvent
from raisin_worker.frames import CURRENT, IDLE, SINCE, STOP, FrameError
from raisin_worker.group import Group
from raisin_worker.incoming import Incoming
from raisin_worker.spawn import spawn

TAIL: Final = 8 * 1024
DETAIL: Final = 4000
READ: Final = 256 * 1024
READS: Final = 32
PROTOCOL: Final = 5
DYING_SECONDS: Final = 0.2

Piece = tuple[int, int, bytes]


class Executor:
    """One task process.

    `python` runs it, in `cwd` with `env` (None: the agent's own); `path` becomes its `sys.path` (None: as it is);
    `main` is the client's script, for `sys.argv`. `blobs` holds files named by hex digest; `scratch` must be private to
    this worker and on the file system of `blobs`. Raises OSError if the interpreter or the directory cannot be used.
    """

    def __init__(
        self,
        slot: int,
        python: str,
        cwd: Path | None,
        env: Mapping[str, str] | None,
        path: Sequence[str] | None,
        main: str | None,
        blobs: Path,
        scratch: Path,
    ) -> None:
        self.slot = slot
        self._spawned = spawn(python, cwd, env, scratch)
        self._control, self._output = self._spawned.control, self._spawned.output
        self._group = Group(self._spawned.process)
        self.pid = self._group.pid
        self._words = memoryview(self._spawned.memory).cast("q")
        self._blobs, self._made = blobs, Path(tempfile.mkdtemp(prefix=f"slot{slot}-", dir=scratch))
        self._incoming, self._splitter = Incoming(slot), frames.Splitter()
        self._out: deque[memoryview] = deque()
        self._tail = bytearray()
        self._pages: frames.Recent[int] = frames.Recent()
        self._defined: set[bytes] = set()
        self._timeout = 0.0
        self._why: tuple[int, str] | None = None
        self._over = False
        setup = (None if path is None else list(path), main or "", str(blobs), str(self._made))
        self._say(frames.SETUP, 0, 0, setup)

    # -- what to poll ------------------------------------------------------------------------------------------------

    def fileno(self) -> int:
        """The socket: readable when there is something to `read`, writable when `flush` would help."""
        return self._control.fileno()

    def fds(self) -> list[int]:
        """All that is worth polling for reading; empty once the process is over."""
        return [] if self._over else [fd for fd in (self.fileno(), self._output, self._group.fd) if fd >= 0]

    def wants_write(self) -> bool:
        """Whether something waits until the socket can be written to."""
        return bool(self._out) and not self._over

    # -- what the agent tells ----------------------------------------------------------------------------------------

    def define(self, digest: bytes, payload: bytes) -> None:
        """Give it a function (see `payloads`); again is harmless."""
        if digest not in self._defined:
            self._defined.add(digest)
            self._say(frames.DEFINE, 0, 0, (digest, payload))

    def run(
        self, job: bytes, digest: bytes, start: int, stop: int, pieces: Sequence[Piece], task_timeout: float
    ) -> None:
        """Run `[start, stop)`, one range at a time. `pieces` (first, count, payload) cover it; `task_timeout` is in
        seconds, 0 for none. Raises ValueError if a range runs already or the function was not defined."""
        if self._incoming.range is not None or digest not in self._defined or not start < stop:
            raise ValueError(f"slot {self.slot} cannot run [{start}, {stop}) now")
        self._incoming.begin(start, stop)
        self._timeout = task_timeout
        if not self._over:
            self._words[SINCE], self._words[CURRENT], self._words[STOP] = 0, start - 1, stop
        told = [self._known(job, piece) for piece in pieces]
        self._say(frames.RUN, start, stop, (job, digest, task_timeout, told))

    def trim(self, stop: int) -> int:
        """Let the range end at `stop`, or as soon after as is safe; where it ends: all tasks below are run.

        What runs at this moment, and the task after it, still belong to the range. Tasks that begin while the new end
        is being written may be reported as well."""
        if self._incoming.range is None or self._over:
            return self._incoming.reported
        old, current = self._words[STOP], self._words[CURRENT]
        if current != IDLE:
            self._words[STOP] = min(old, max(stop, current + 2))
        return self._words[STOP]

    def current(self) -> tuple[int, float] | None:
        """The task that runs, and since when (seconds, monotonic; for tasks under a millisecond, of their block)."""
        if self._incoming.range is None or self._over:
            return None
        index, since = self._words[CURRENT], self._words[SINCE]
        return (index, since * 1e-9) if since and self._incoming.range[0] <= index < self._incoming.range[1] else None

    def deadline(self) -> float | None:
        """When `check_timeout` should be called (seconds, monotonic); None if no task is timed now."""
        current = self.current()
        return current[1] + self._timeout if current is not None and self._timeout > 0 else None

    def check_timeout(self, now: float) -> bool:
        """End the process if its task has run for longer than `task_timeout`; the next `read` says so."""
        deadline, current = self.deadline(), self.current()
        if deadline is None or current is None or now < deadline:
            return False
        self._why = current[0], f"ran longer than {self._timeout:g} s"
        self._group.end()
        return True

    def flush(self) -> None:
        """Write what waits, as far as the process takes it."""
        with suppress(BlockingIOError, ConnectionError):  # its death is noticed by `read`
            while self._out and not self._over:
                sent = self._control.send(self._out[0])
                if sent < len(self._out[0]):
                    self._out[0] = self._out[0][sent:]
                else:
                    self._out.popleft()

    def kill(self) -> None:
        """End the process and whatever it started, now. There will be no more events."""
        if not self._over:
            self._group.end()
            self._close()

    def stop(self, grace: float) -> None:
        """Let it end by itself for `grace` seconds, once its range is over; then kill it. What it says is not read."""
        if self._over:
            return
        self._say(frames.BYE, 0, 0, ())
        deadline = time.monotonic() + grace
        while not self._group.ended() and (left := deadline - time.monotonic()) > 0:
            self._group.pause(left, self._control)
            self._receive()
            self._read_output()
            self.flush()
        self.kill()

    # -- what the process tells --------------------------------------------------------------------------------------

    def read(self) -> list[SlotEvent]:
        """What has happened, without waiting; `Died` is the last event of an executor."""
        if self._over:
            return []
        ended = self._group.ended()  # looked at first, so that nothing it said before is missed
        events: list[SlotEvent] = []
        try:
            state = self._read_frames(events)
        except (FrameError, OSError) as error:
            return [*events, self._death(f"its results were refused: {error}")]
        self._read_output()
        if state == "closed" or (ended and state == "empty"):
            return [*events, self._death("")]
        self.flush()
        return events

    def _read_frames(self, events: list[SlotEvent]) -> Literal["closed", "empty", "more"]:
        for _ in range(READS):
            data = self._receive()
            if not data:
                return "empty" if data is None else "closed"
            for frame in self._splitter.feed(data):
                event = self._incoming.take(frame)
                if isinstance(event, Outcome):
                    for digest in event.blobs:
                        keep_blob(self._made, self._blobs, digest)
                events.append(event)
        return "more"

    def _receive(self) -> bytes | None:
        """Some bytes; none at its end; None if there is nothing now."""
        try:
            return self._control.recv(READ)
        except BlockingIOError:
            return None
        except ConnectionError:
            return b""

    def _read_output(self) -> None:
        for _ in range(READS if self._output >= 0 else 0):
            try:
                data = os.read(self._output, READ)
            except BlockingIOError:
                return
            if not data:  # all that could write have closed it: polling it would never rest
                os.close(self._output)
                self._output = -1
                return
            self._tail = (self._tail + data)[-TAIL:]

    # -- its end -----------------------------------------------------------------------------------------------------

    def _death(self, broken: str) -> Died:
        patience = time.monotonic() + DYING_SECONDS
        while not broken and not self._group.ended() and (left := patience - time.monotonic()) > 0:
            self._group.pause(left, self._control)
        if not broken and not self._group.ended():
            broken = "it closed its connection"
        index = self._blamed()
        self._group.end()
        self._read_output()
        detail = broken or self._group.describe()
        if self._why is not None:
            index, detail = self._why
        elif tail := bytes(self._tail).decode("utf-8", "replace").strip():
            detail = f"{detail}; last output: {tail[-DETAIL:]}"
        self._close()
        return Died(self.slot, index, "crash" if self._why is None else "timeout", detail)

    def _blamed(self) -> int:
        """The task that it ran, as far as is known; -1 if it had not taken up a range or had ended it."""
        current, running = self._words[CURRENT], self._incoming.range
        if running is None or current < running[0]:
            return -1
        return min(current, running[1] - 1)

    def _close(self) -> None:
        self._over = True
        self._incoming.range = None
        self._out.clear()
        self._words.release()
        self._spawned.memory.close()
        self._control.close()
        if self._output >= 0:
            os.close(self._output)
        lifeline = self._spawned.lifeline
        os.close(lifeline) if isinstance(lifeline, int) else lifeline.close()
        shutil.rmtree(self._made, ignore_errors=True)

    # -- small things ------------------------------------------------------------------------------------------------

    def _known(self, job: bytes, piece: Piece) -> tuple[int, int, bytes | None]:
        """A piece as it is told: without the payload, if the process has it still."""
        first, count, payload = piece
        known = self._pages.get((job, first)) is not None
        self._pages.put((job, first), count)
        return first, count, None if known else payload

    def _say(self, kind: int, a: int, b: int, content: object) -> None:
        self._out.append(memoryview(frames.pack(kind, a, b, pickle.dumps(content, PROTOCOL))))
        self.flush()


def keep_blob(made: Path, blobs: Path, digest: bytes) -> None:
    """Move a blob from where the process made it to where blobs are. Raises OSError or FrameError."""
    source, target = made / digest.hex(), blobs / digest.hex()
    if source.exists() and not stat.S_ISREG(source.lstat().st_mode):
        raise FrameError("a blob that is no file")
    if not target.exists():
        shutil.move(source, target)
    else:
        source.unlink(missing_ok=True)
