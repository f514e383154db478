"""The private cluster: one broker and two workers, real processes with their own keys, over tcp on this machine.

What dies is started again after a tenth of a second, as systemd does. All parts end with this process, however that
ends: their standard input is a pipe of ours.

Rules of this file: nothing touches the user's own raisin: every part has its data in the private directory.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Final

from raisin_cli.demo import endings
from raisin_core import home
from raisin_core.errors import RaisinError
from raisin_core.identity import keys, roster

WORKERS: Final = ("anna", "ben")
RESTART_SECONDS: Final = 0.1
RESTARTS: Final = 5
START_SECONDS: Final = 30.0
STOP_SECONDS: Final = (0.5, 3.0)
KILL: Final = getattr(signal, "SIGKILL", signal.SIGTERM)  # Windows has one way only


class DemoError(RaisinError):
    """The demo cannot go on; the text says why."""


class Part:
    """A program of the cluster. `pid` and `said` (its start-up line) are set once it has said where it is."""

    def __init__(self, name: str, directory: Path, command: Callable[[], list[str]]) -> None:
        self.name, self.directory, self._command = name, home.private_directory(directory), command
        self.process: subprocess.Popen[bytes] | None = None
        self.pid: int | None = None
        self.said = ""
        self.deaths = self._failures = 0
        self._died = 0.0

    def start(self) -> None:
        """Start it."""
        self.pid, self.said = None, ""
        with open(self._out, "wb") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", *self._command(), "--end-with-stdin", "--data", str(self.directory)],
                stdin=subprocess.PIPE,
                stdout=out,
                stderr=out,
                cwd=self.directory,
                env=_environment(self.directory),
                start_new_session=True,  # Ctrl-C is for us, and we end them in order
            )

    def tend(self) -> None:
        """Notice that it runs, or has died; start it again when it is time. Raises DemoError if it does not start."""
        assert self.process is not None
        code = self.process.poll()
        if code is None:
            if self.pid is None:
                self._listen()
        elif not self._died:
            self._bury(code)
        elif time.monotonic() - self._died >= RESTART_SECONDS:
            self._died = 0.0
            self._close()
            self.start()

    def _bury(self, code: int) -> None:
        """It has died: of a kill, or because it could not start (the port may be taken for a moment)."""
        self._failures = self._failures + 1 if self.pid is None else 0
        if self._failures and (not self.deaths or self._failures > RESTARTS):
            raise DemoError(f"{self.name} did not start (exit code {code}):\n{self.tail()}")
        self._died, self.pid = time.monotonic(), None
        self.deaths += 1

    def stop(self) -> None:
        """End it and wait for its end: a second SIGTERM tells a worker not to wait for its tasks."""
        if self.process is None:
            return
        for seconds in STOP_SECONDS:
            with suppress(OSError):
                self.process.terminate()
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(seconds)
                break
        else:
            self.process.kill()
            self.process.wait()
        self._close()

    def tail(self) -> str:
        """What it wrote last."""
        return "\n".join(self._out.read_text(errors="replace").splitlines()[-15:])

    @property
    def _out(self) -> Path:
        return self.directory / "out"

    def _listen(self) -> None:
        found = re.search(r"^.*, pid (\d+)$", self._out.read_text(errors="replace"), re.MULTILINE)
        if found:
            self.said, self.pid = found[0], int(found[1])

    def _close(self) -> None:
        if self.process is not None and self.process.stdin is not None:
            with suppress(OSError):
                self.process.stdin.close()


class Cluster:
    """Broker and workers; as a context manager it runs inside the block."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.address = "127.0.0.1:0"
        self.broker = Part("the broker", directory / "broker", self._broker_command)
        self.workers = [Part(name, directory / name, self._worker_command) for name in WORKERS]
        self.key_file = directory / "client.key"
        self._make_keys()

    def _make_keys(self) -> None:
        """Each machine's own key, in its own directory; whom the broker admits stands in its roster."""
        own, _ = keys.load_or_make(self.broker.directory / "broker.key")
        self.broker_key = own.public.decode()
        roster_file = self.broker.directory / "roster.toml"
        roster.add(roster_file, keys.load_or_make(self.key_file)[0].public, "you", ["client"])
        for worker in self.workers:
            key, _ = keys.load_or_make(worker.directory / "worker.key")
            roster.add(roster_file, key.public, worker.name, ["worker"])

    def _broker_command(self) -> list[str]:
        return ["raisin_broker.main", "--listen", self.address]

    def _worker_command(self) -> list[str]:
        return ["raisin_worker.main", "--broker", self.address, f"--broker-key={self.broker_key}", "--slots", "1"]

    @property
    def parts(self) -> list[Part]:
        return [self.broker, *self.workers]

    def tend(self) -> None:
        """What a service manager does: start again what has died. Raises DemoError."""
        for part in self.parts:
            part.tend()

    def worker(self, pid: int) -> Part | None:
        """The worker with this process."""
        return next((part for part in self.workers if part.pid == pid), None)

    def __enter__(self) -> Cluster:
        try:
            self._start(self.broker)
            found = re.search(r"listening on (\S+),", self.broker.said)
            if found is None:
                raise DemoError(f"the broker does not say where it listens: {self.broker.said}")
            self.address = found[1]
            self._start(*self.workers)
        except BaseException:
            self.stop()
            raise
        return self

    def _start(self, *parts: Part) -> None:
        until = time.monotonic() + START_SECONDS
        for part in parts:
            part.start()
        while any(part.pid is None for part in parts):
            if time.monotonic() > until:
                raise DemoError(f"the private cluster did not start within {START_SECONDS:.0f} s:\n{parts[0].tail()}")
            for part in parts:
                part.tend()
            time.sleep(0.005)

    def stop(self) -> None:
        """End all parts, workers first."""
        with endings.undisturbed():
            for part in reversed(self.parts):
                part.stop()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()


def _environment(directory: Path) -> dict[str, str]:
    """The user's, but raisin's own variables; a relative search path would mean something else in another directory."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RAISIN_")}
    environment["RAISIN_HOME"] = str(directory)
    if path := environment.get("PYTHONPATH"):
        environment["PYTHONPATH"] = os.pathsep.join(os.path.abspath(each) for each in path.split(os.pathsep))
    return environment
