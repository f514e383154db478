"""What goes wrong, for the end-to-end tests: a lid that closes, a cable that is pulled, a disk that is full.

Rules of this file: every fault ends with its `with` block, so that nothing stays frozen or mounted.
"""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import psutil
import pytest

from tests.e2e.support import Cluster, Program

IMPATIENT: Final = ("--beat", "0.5", "--silence", "3")
PIECE: Final = 64 * 1024


@contextlib.contextmanager
def impatient(folder: Path, *workers: str, slots: int = 1) -> Iterator[Cluster]:
    """A cluster that soon notices a silence. Tasks find their worker's name in the environment, as WHO."""
    made = Cluster(folder)
    try:
        made.start_broker(*IMPATIENT)
        for name in workers:
            named(made, name, slots)
        yield made
    finally:
        made.close()


def named(cluster: Cluster, name: str, slots: int = 1) -> Program:
    """Start a worker whose tasks find its name in the environment, as WHO."""
    return cluster.start_worker(name, slots=slots, env={"WHO": name})


# -- lids ------------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def frozen(program: Program, *, tasks: bool = True) -> Iterator[None]:
    """SIGSTOP, and SIGCONT at the end; with `tasks` also for all that it has started: as when a lid closes."""
    process = psutil.Process(program.pid)
    stopped = [process, *(process.children(recursive=True) if tasks else ())]
    for each in stopped:
        each.suspend()
    try:
        yield
    finally:
        for each in stopped:
            with contextlib.suppress(psutil.NoSuchProcess):
                each.resume()


# -- cables ----------------------------------------------------------------------------------------------------------


class Cable:
    """Passes on what comes for a broker over tcp, both ports, until it is pulled: then nothing passes, either way."""

    def __init__(self, broker: str) -> None:
        self._host, _, port = broker.partition(":")
        self._whole = threading.Event()
        self._whole.set()
        self._sockets: list[socket.socket] = []
        self._listeners = _two_ports()
        self.address = f"127.0.0.1:{self._listeners[0].getsockname()[1]}"
        for number, listener in enumerate(self._listeners):
            self._start(self._accept, listener, int(port) + number)

    def pull(self) -> None:
        """Nobody is told: both ends believe that they are connected."""
        self._whole.clear()

    def plug(self) -> None:
        """What stood is lost; whoever connects anew gets through."""
        self._close(self._sockets)
        self._whole.set()

    def close(self) -> None:
        self._whole.set()
        self._close(self._listeners + self._sockets)

    def _close(self, sockets: list[socket.socket]) -> None:
        for each in list(sockets):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
        sockets.clear()

    def _accept(self, listener: socket.socket, port: int) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = listener.accept()
                far = socket.create_connection((self._host, port))
                self._sockets += [near, far]
                self._start(self._pass, near, far)
                self._start(self._pass, far, near)

    def _pass(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(PIECE):
                if self._whole.is_set():
                    target.sendall(data)

    def _start(self, run: object, *args: object) -> None:
        threading.Thread(target=run, args=args, daemon=True).start()  # type: ignore[arg-type]


@contextlib.contextmanager
def cable(cluster: Cluster) -> Iterator[Cable]:
    """A cable to the broker of this cluster."""
    made = Cable(cluster.address)
    try:
        yield made
    finally:
        made.close()


def _two_ports() -> list[socket.socket]:
    """Listeners at two ports in a row."""
    for _ in range(100):
        first = socket.create_server(("127.0.0.1", 0))
        try:
            return [first, socket.create_server(("127.0.0.1", first.getsockname()[1] + 1))]
        except (OSError, OverflowError):
            first.close()
    raise AssertionError("no two free ports in a row")


# -- disks -----------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def small_disk(path: Path, megabytes: int) -> Iterator[Path]:
    """A file system of its own in memory, mounted at `path`; skips the test where that is not possible."""
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        pytest.skip("only root can mount a small disk")
    path.mkdir(mode=0o700)
    options = f"size={megabytes}m,mode=0700"
    command = ["mount", "-t", "tmpfs", "-o", options, "raisin-test", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    if done.returncode:
        pytest.skip(f"a small disk cannot be mounted here: {done.stderr.strip()}")
    try:
        yield path
    finally:
        subprocess.run(["umount", "--lazy", str(path)], timeout=20, check=True)


def fill(path: Path) -> Path:
    """A file that leaves no room on the disk of this directory."""
    ballast = path / "ballast"
    for piece in (PIECE, 512):
        with open(ballast, "ab", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(bytes(piece))
    return ballast
