"""Keeps the embedded cluster of one user on one machine: starts its broker and worker, restarts them when they die,
and ends them, with all they started, when the last interpreter that uses them has gone.

    python -m raisin_core.client.keeper DIRECTORY SLOTS ADDRESS

An interpreter that uses the cluster has a file `guests/PID-STARTED`. `keeper.lock` is held as long as the cluster
lives; whoever begins or ends it holds `start.lock` meanwhile.

Rules of this file: it stays small and imports little, since the first result waits for it.
"""

from __future__ import annotations

import ctypes
import os
import select
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import IO, Final

from raisin_core import home, limits

LINGER_SECONDS: Final = 0.6
LOOK_SECONDS: Final = 0.3
STOP_SECONDS: Final = 5.0
BACKOFF: Final = (0.0, 0.0, 0.3, 1.0, 5.0)

PR_SET_CHILD_SUBREAPER: Final = 36


def guest_file(directory: Path, pid: int) -> Path:
    """The file that says that a process uses the cluster."""
    return directory / "guests" / f"{pid}-{home.started(pid)}"


def has_guests(directory: Path) -> bool:
    """Whether any process uses the cluster; files of those that died are removed."""
    found = False
    for file in (directory / "guests").iterdir():
        pid, _, since = file.name.partition("-")
        try:
            alive = home.alive(int(pid), float(since))
        except ValueError:
            alive = False
        if alive:
            found = True
        else:
            file.unlink(missing_ok=True)
    return found


class Part:
    """A program of the cluster. Its standard input is a pipe that ends when the keeper does, however that happens."""

    def __init__(self, name: str, command: list[str], directory: Path) -> None:
        self.name, self._command, self._directory = name, command, directory
        self.process: subprocess.Popen[bytes] | None = None
        self._deaths = 0
        self._started = self._not_before = 0.0

    def keep(self) -> None:
        """Start it if it does not run; not too often if it dies again and again."""
        now = time.monotonic()
        if self.process is not None and self.process.poll() is not None:
            self._deaths = 0 if now - self._started > 10 else self._deaths + 1
            self._not_before = now + BACKOFF[min(self._deaths, len(BACKOFF) - 1)]
            self._drop()
        if self.process is None and now >= self._not_before:
            self._started = now
            with open(self._directory / f"{self.name}.out", "wb", opener=_private) as out:
                self.process = subprocess.Popen(
                    self._command, stdin=subprocess.PIPE, stdout=out, stderr=out, cwd=self._directory
                )

    def stop(self, seconds: float) -> None:
        """End it: first politely."""
        if self.process is None:
            return
        self.process.terminate()
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._drop()

    def _drop(self) -> None:
        assert self.process is not None
        assert self.process.stdin is not None
        pipe: IO[bytes] = self.process.stdin
        with suppress(OSError):
            pipe.close()
        self.process = None


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


class Signals:
    """SIGTERM ends the keeper; the death of a child ends its waiting at once (where the system says so)."""

    def __init__(self) -> None:
        self.stopping = False
        self._woken, wake = socket.socketpair()
        for end in (self._woken, wake):
            end.setblocking(False)
        self._wake = wake
        signal.set_wakeup_fd(wake.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGTERM, self._stop)
        if hasattr(signal, "SIGCHLD"):
            signal.signal(signal.SIGCHLD, lambda *_: None)

    def wait(self, seconds: float) -> None:
        """Wait for a signal, at most so long."""
        if select.select([self._woken], [], [], seconds)[0]:
            self._woken.recv(4096)

    def _stop(self, *_: object) -> None:
        self.stopping = True


class Keeper:
    """The cluster's life."""

    def __init__(self, directory: Path, slots: int, address: str, broker_key: str) -> None:
        self.directory = directory
        python = [sys.executable, "-m"]
        common = ["--end-with-stdin", "--data"]
        broker = [*python, "raisin_broker.main", "--listen", address, *common, str(directory / "broker")]
        worker = [*python, "raisin_worker.main", "--broker", address, f"--broker-key={broker_key}", "--contexts"]
        worker += ["--slots", str(slots), *common, str(directory / "worker")]
        self.broker = Part("broker", broker, directory)
        self.worker = Part("worker", worker, directory)
        self._address = address

    def run(self) -> None:
        """Keep both running until there are no guests."""
        last_guest = time.monotonic()
        signals = Signals()
        while not signals.stopping:
            self.broker.keep()
            self.worker.keep()
            self._reap_strays()
            signals.wait(LOOK_SECONDS)
            if has_guests(self.directory):
                last_guest = time.monotonic()
            elif time.monotonic() - last_guest > LINGER_SECONDS and self._end_if_unused():
                return
        self._end()

    def _end_if_unused(self) -> bool:
        """Look once more while nobody can begin: a newcomer waits for the lock, and then finds the cluster gone."""
        with home.Lock(self.directory / "start.lock"):
            if has_guests(self.directory):
                return False
            self._end()
            return True

    def _end(self) -> None:
        for part in (self.worker, self.broker):
            part.stop(STOP_SECONDS)
        _kill_children()
        if self._address.startswith("ipc://"):
            for suffix in ("", ".bulk"):
                Path(self._address[6:] + suffix).unlink(missing_ok=True)

    def _reap_strays(self) -> None:
        """Orphans of a worker that was killed come to us (Linux): end them, they belong to no task any more."""
        ours = {part.process.pid for part in (self.broker, self.worker) if part.process is not None}
        for pid in _children() - ours:
            _kill(pid)


def _children() -> set[int]:
    """Our child processes, where the system tells."""
    try:
        with open(f"/proc/self/task/{os.getpid()}/children", "rb") as file:
            return {int(pid) for pid in file.read().split()}
    except OSError:
        return set()


def _kill_children() -> None:
    """End whatever is still below us; killing one may bring us its children."""
    for _ in range(100):
        children = _children()
        if not children:
            return
        for pid in children:
            _kill(pid)


def _kill(pid: int) -> None:
    with suppress(OSError):
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def _become_subreaper() -> None:
    """Orphans below us become our children (Linux), so that none is left behind."""
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def main(directory: Path, slots: int, address: str, broker_key: str) -> int:
    """Keep the cluster; 0 at its end, or at once if somebody keeps it already."""
    lock = home.Lock(directory / "keeper.lock")
    if not lock.acquire(blocking=False):
        return 0
    limits.no_core_files()
    _become_subreaper()
    with suppress(KeyboardInterrupt):
        Keeper(directory, slots, address, broker_key).run()
    lock.release()
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4]))
