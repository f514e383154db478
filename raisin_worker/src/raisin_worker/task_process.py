"""The inside of a task process: takes functions and ranges from the agent, runs them, reports.

It ends with the agent: a thread (and on Linux the kernel, also while a task keeps the interpreter to itself) watches
the lifeline and kills the whole process group. A child that a task forks has no part in the conversation.

Rules of this file: the standard library and cloudpickle only; all it needs is imported before the user's `sys.path` is
installed, so that no file of theirs stands in for one of ours.
"""

from __future__ import annotations

import faulthandler
import mmap
import os
import pickle
import select
import signal
import socket
import sys
import threading
import time
import traceback
import types
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

import cloudpickle  # noqa: F401 - from our place rather than from the user's path

from raisin_core import nesting
from raisin_core.serialization import culprit  # noqa: F401 - it is imported late otherwise
from raisin_worker import frames
from raisin_worker.capture import Capture, Streams
from raisin_worker.payloads import Piece
from raisin_worker.report import Outbox, Report
from raisin_worker.runner import Runner

TICK: Final = 0.05
IDLE_TICKS: Final = 20
BROKEN: Final = 70


class Setup(NamedTuple):
    """What the agent says first: `sys.path` or None, the client's script, blob files, where to put blobs."""

    path: list[str] | None
    main: str
    blobs: str
    made: str


def main(config: Mapping[str, Any]) -> None:
    """Run until the agent says goodbye or is gone."""
    pid = os.getpid()
    _set_signals()
    faulthandler.enable(2, all_threads=False)
    control, lifeline, memory = _connect(config)
    threading.Thread(target=_end_with, args=(lifeline, pid), daemon=True, name="raisin-lifeline").start()
    try:
        _serve(control, memory)
    except Exception:
        if os.getpid() != pid:
            raise
        os.write(2, traceback.format_exc().encode(errors="replace"))  # the agent reads it
        os._exit(BROKEN)


def _set_signals() -> None:
    """As in a fresh interpreter, whatever the agent made of its own."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if sys.platform != "win32":
        signal.pthread_sigmask(signal.SIG_SETMASK, ())


def _connect(config: Mapping[str, Any]) -> tuple[socket.socket, int | socket.socket, mmap.mmap]:
    if "port" in config:
        return _connect_back(config)
    for name in ("control", "lifeline", "words"):
        os.set_inheritable(config[name], False)
    memory = mmap.mmap(config["words"], frames.MEMORY)
    os.close(config["words"])
    return socket.socket(fileno=config["control"]), config["lifeline"], memory


def _connect_back(config: Mapping[str, Any]) -> tuple[socket.socket, socket.socket, mmap.mmap]:
    """Windows; not run here."""
    ends = []
    for name in ("control", "lifeline"):
        end = socket.create_connection(("127.0.0.1", config["port"]))
        end.sendall(f"{config['token']} {name}\n".encode())
        ends.append(end)
    with open(config["words"], "r+b") as file:
        memory = mmap.mmap(file.fileno(), frames.MEMORY)
    return ends[0], ends[1], memory


def _end_with(lifeline: int | socket.socket, group: int) -> None:
    """Wait until the agent is gone, then end everything here."""
    _let_kernel_watch(lifeline, group)
    select.select([lifeline], [], [])
    end_group(group)


def _let_kernel_watch(lifeline: int | socket.socket, group: int) -> None:
    """A pipe can raise a signal when its other end closes: this works without the interpreter's lock."""
    if sys.platform != "linux" or os.getpgrp() != group:
        return
    import fcntl

    fcntl.fcntl(lifeline, fcntl.F_SETSIG, signal.SIGKILL)
    fcntl.fcntl(lifeline, fcntl.F_SETOWN, -group)
    fcntl.fcntl(lifeline, fcntl.F_SETFL, fcntl.fcntl(lifeline, fcntl.F_GETFL) | os.O_ASYNC)


def end_group(group: int) -> None:
    """Kill this process and what its tasks started."""
    if sys.platform != "win32" and os.getpgrp() == group:
        os.killpg(group, signal.SIGKILL)
    os._exit(1)


def _serve(control: socket.socket, memory: mmap.mmap) -> None:
    words = memoryview(memory).cast("q")
    source = control.makefile("rb", buffering=64 * 1024)
    first = frames.read(source)
    if first is None:
        return
    setup = Setup(*pickle.loads(first.body))
    outbox = Outbox(control)
    capture = Capture(words, outbox.tell)
    streams = Streams(capture)
    report = Report(outbox, words, capture, Path(setup.made))
    runner = Runner(words, report, capture, streams, lambda digest: (Path(setup.blobs) / digest.hex()).read_bytes())
    helper = Helper(report, outbox, capture)
    _leave_forked_children_out(words, control, streams)
    _become_the_users(setup, words)
    outbox.send(frames.READY, frames.VERSION)
    _obey(source, runner, outbox, helper)
    streams.remove()


def _obey(source: frames.Source, runner: Runner, outbox: Outbox, helper: Helper) -> None:
    pieces: frames.Recent[Piece] = frames.Recent()
    while (frame := frames.read(source)) is not None and frame.kind != frames.BYE:
        content = pickle.loads(frame.body)
        if frame.kind == frames.DEFINE:
            runner.define(*content)
        elif frame.kind == frames.RUN:
            job, digest, timeout, told = content
            helper.wake()
            stop = runner.run(digest, frame.a, frame.b, _pieces(pieces, job, told), timeout)
            helper.rest()
            outbox.send(frames.ENDED, stop)


def _pieces(known: frames.Recent[Piece], job: bytes, told: list[tuple[int, int, bytes | None]]) -> list[Piece]:
    """The pages of a range; the agent leaves out those that are still here."""
    found = []
    for first, count, payload in told:
        piece = known.get((job, first)) if payload is None else Piece(first, count, payload)
        if piece is None:
            raise LookupError(f"a page that was never sent: {first}")
        known.put((job, first), piece)
        found.append(piece)
    return found


def _become_the_users(setup: Setup, words: memoryview) -> None:
    nesting.inside = True
    nesting.index = lambda: int(words[frames.CURRENT])
    sys.modules["__main__"] = types.ModuleType("__main__")
    sys.argv[:] = [setup.main]
    if setup.path is not None:
        sys.path[:] = setup.path


def _leave_forked_children_out(words: memoryview, control: socket.socket, streams: Streams) -> None:
    if not hasattr(os, "register_at_fork"):
        return

    def in_child() -> None:
        streams.remove()
        os.close(control.detach())
        index = int(words[frames.CURRENT])
        nesting.index = lambda: index
        words.release()  # should the child come back into the loop, it ends there

    os.register_at_fork(after_in_child=in_child)


class Helper:
    """A thread that sends what waits behind a long task; asleep while nothing runs."""

    def __init__(self, report: Report, outbox: Outbox, capture: Capture) -> None:
        self._report, self._outbox, self._capture = report, outbox, capture
        self._awake = threading.Event()
        self._running, self._idle = False, 0
        threading.Thread(target=self._work, daemon=True, name="raisin-helper").start()

    def wake(self) -> None:
        """A range begins."""
        self._running, self._idle = True, 0
        if not self._awake.is_set():
            self._awake.set()

    def rest(self) -> None:
        """It has ended."""
        self._running = False

    def _work(self) -> None:
        while self._awake.wait():
            time.sleep(TICK)
            self._report.flush_behind()
            self._capture.tick()
            self._outbox.push()
            self._idle = 0 if self._running else self._idle + 1
            if self._idle > IDLE_TICKS:  # not at once: waking a thread costs what a short task takes
                self._awake.clear()
                if self._running:
                    self._awake.set()
