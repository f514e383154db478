"""Real programs for the end-to-end tests: interpreters, clusters of our own, and waiting that ends.

Whatever is started here is bounded in time and ends with the test: parts of a cluster with their standard input, other
programs by `Program.close`.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import psutil

import raisin
from raisin_core.client import connection
from raisin_core.identity import keys, roster
from raisin_core.messages import VERSION

PATIENCE: Final = 30.0
"""Seconds until a test gives up waiting: much more than anything takes, much less than a hanging run."""


def until(condition: Callable[[], Any], what: str, seconds: float = PATIENCE, show: Callable[[], str] = str) -> Any:
    """Wait until a condition holds, and give what it gave; at the end say `what` was waited for, and what there is."""
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, f"waited {seconds:g} s in vain until {what}\n{show()}"
        time.sleep(0.01)
    return found


class Done(NamedTuple):
    """How a program ended."""

    code: int
    out: str
    err: str

    def ok(self) -> str:
        """What it wrote; fails where it did not end well."""
        assert self.code == 0, f"exit code {self.code}\n{self.out}\n{self.err}"
        return self.out


class Program:
    """A program that runs in the background; its output goes to files."""

    def __init__(
        self, command: Sequence[str], folder: Path, name: str, stdin: str | None = None, **options: Any
    ) -> None:
        self.name, self._files = name, [folder / f"{name}.stdout", folder / f"{name}.stderr"]
        with open(self._files[0], "wb") as out, open(self._files[1], "wb") as err:
            self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=out, stderr=err, **options)
        self._written = False
        if stdin is not None:
            assert self.process.stdin is not None
            self.process.stdin.write(stdin.encode())
            self.process.stdin.close()

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def out(self) -> str:
        return self._files[0].read_text(errors="replace")

    @property
    def err(self) -> str:
        return self._files[1].read_text(errors="replace")

    def show(self) -> str:
        """All it has said."""
        return f"{self.name}: exit code {self.process.poll()}\n{self.out}\n{self.err}"

    def await_text(self, text: str, seconds: float = PATIENCE) -> str:
        """Wait until it has written this, and give all it has written."""

        def said() -> bool:
            return text in self.out + self.err or self.process.poll() is not None

        until(said, f"{self.name} says {text!r}", seconds, self.show)
        assert text in self.out + self.err, self.show()
        return self.out + self.err

    def wait(self, seconds: float = PATIENCE) -> Done:
        """Wait for its end."""
        until(lambda: self.process.poll() is not None, f"{self.name} ends", seconds, self.show)
        if self.process.stdin is not None:
            with contextlib.suppress(OSError):
                self.process.stdin.close()
        return Done(self.process.returncode, self.out, self.err)

    def send(self, number: int) -> None:
        """Send it a signal."""
        self.process.send_signal(number)

    def kill(self) -> None:
        """As `kill -9`, and reap it."""
        self.process.kill()
        self.wait()

    def close(self) -> None:
        """End it, if it has not ended."""
        if self.process.poll() is None:
            self.process.kill()
        self.wait()


class Interpreters:
    """Starts interpreters that run a text of Python, all with the same RAISIN_HOME and directory."""

    def __init__(self, home: Path, folder: Path) -> None:
        self.home, self.folder = home, folder
        self.programs: list[Program] = []

    def start(
        self,
        code: str,
        *arguments: str,
        how: str = "file",
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        name: str = "script",
        python: str = sys.executable,
    ) -> Program:
        """Start one; `how` is it given its program: as a "file", by "-c", or on standard input ("stdin")."""
        text = textwrap.dedent(code)
        name = f"{name}{len(self.programs)}"
        file = self.folder / f"{name}.py"
        if how == "file":
            file.write_text(text)
        given = {"file": [str(file)], "-c": ["-c", text], "stdin": ["-"]}[how]
        program = Program(
            [python, *given, *arguments],
            self.folder,
            name,
            stdin=text if how == "stdin" else None,
            cwd=cwd or self.folder,
            env={**os.environ, "RAISIN_HOME": str(self.home), **(env or {})},
        )
        self.programs.append(program)
        return program

    def run(self, code: str, *arguments: str, seconds: float = PATIENCE, **options: Any) -> Done:
        """Run one to its end."""
        return self.start(code, *arguments, **options).wait(seconds)

    def close(self) -> None:
        for program in self.programs:
            program.close()


# -- the embedded cluster ------------------------------------------------------------------------------------------


def embedded_directory(home: Path) -> Path:
    """Where the embedded cluster of this home keeps its things; fails if there never was one."""
    (found,) = home.glob(f"embedded-{VERSION}-*")
    return found


def processes(home: Path) -> list[psutil.Process]:
    """All processes that were started with this home (by us or by one of them), but this one."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if _is_of(process, home) and process.pid != os.getpid() and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def _is_of(process: psutil.Process, home: Path) -> bool:
    """Programs that hold keys show their environment to root only; their arguments name the directory."""
    try:
        return bool(process.environ().get("RAISIN_HOME") == str(home))
    except psutil.AccessDenied:
        return any(str(home) in word for word in process.cmdline())


def describe(found: Sequence[psutil.Process]) -> str:
    """One line per process."""
    lines = []
    for process in found:
        with contextlib.suppress(psutil.Error):
            lines.append(f"{process.pid} (of {process.ppid()}): {' '.join(process.cmdline())[:150]!r}")
    return "\n".join(lines)


def parts(home: Path) -> dict[str, psutil.Process]:
    """The keeper, broker and worker of the embedded cluster of this home, as far as they run."""
    found = {}
    for process in processes(home):
        with contextlib.suppress(psutil.Error):
            line = process.cmdline()
            for name, module in PARTS.items():
                if module in line:
                    found[name] = process
    return found


PARTS: Final = {
    "keeper": "raisin_core.client.keeper",
    "broker": "raisin_broker.main",
    "worker": "raisin_worker.main",
}


def await_gone(home: Path, seconds: float = PATIENCE) -> None:
    """Wait until nothing of this home runs; then neither a socket nor a guest may be left."""
    until(lambda: not processes(home), "all processes have gone", seconds, lambda: describe(processes(home)))
    left = [str(path) for path in home.rglob("*") if path.is_socket()]
    left += [str(path) for path in home.glob("embedded-*/guests/*")]
    assert not left, f"left behind: {left}"


def leave_embedded() -> None:
    """Let go of the embedded cluster, as the end of this interpreter would."""
    found = connection._embedded
    if found is not None:
        found.close()
        connection._embedded = None


# -- a cluster over tcp ----------------------------------------------------------------------------------------------


class Cluster:
    """A broker and workers, as programs with their own keys and data directories, over tcp."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.data = folder / "broker"
        self.data.mkdir(mode=0o700)
        self.roster = self.data / "roster.toml"
        self.key_file = folder / "client.key"
        self.broker: Program | None = None
        self.workers: dict[str, Program] = {}
        self.address = "127.0.0.1:0"
        self._programs: list[Program] = []
        self._count = 0
        self.broker_keys, _ = keys.load_or_make(self.data / "broker.key")
        self.admit(self.key_file, "client")

    @property
    def broker_key(self) -> str:
        return self.broker_keys.public.decode()

    def admit(self, key_file: Path, *roles: str, name: str | None = None, account: str = "") -> None:
        """Make a key, and put it in the roster."""
        own, _ = keys.load_or_make(key_file)
        roster.add(self.roster, own.public, name or key_file.stem, list(roles), account)

    def start_broker(self, *options: str) -> Program:
        """Start it, or start it again at the address that it had, and wait until it listens."""
        command = ["raisin_broker.main", "--listen", self.address, "--data", str(self.data), *options]
        self.broker = self._start(command, "broker")
        said = self.broker.await_text(", pid ")
        self.address = said.split("listening on ")[1].split(",")[0]
        return self.broker

    def start_worker(
        self, name: str, *options: str, slots: int = 1, env: Mapping[str, str] | None = None, admit: bool = True
    ) -> Program:
        """Start a worker, a member of this name. It connects when it can."""
        data = self.folder / name
        data.mkdir(mode=0o700, exist_ok=True)
        if admit:
            self.admit(data / "worker.key", "worker", name=name)
        command = ["raisin_worker.main", "--broker", self.address, f"--broker-key={self.broker_key}"]
        command += ["--data", str(data), "--slots", str(slots), *options]
        self.workers[name] = self._start(command, name, env)
        return self.workers[name]

    def connect(self) -> connection.Connection:
        """Use it in this process: `with cluster.connect(): ...`."""
        return raisin.connect(self.address, broker_key=self.broker_key, key_file=self.key_file)

    def script(self, code: str, key_file: Path | None = None) -> str:
        """A program that connects first (as the member with this key)."""
        file = str(key_file or self.key_file)
        given = f"raisin.connect({self.address!r}, broker_key={self.broker_key!r}, key_file={file!r})"
        return f"import raisin\n{given}\n{textwrap.dedent(code)}"

    def show(self) -> str:
        return "\n".join(program.show() for program in self._programs)

    def close(self) -> None:
        for program in reversed(self._programs):
            program.close()

    def _start(self, command: list[str], name: str, env: Mapping[str, str] | None = None) -> Program:
        self._count += 1
        program = Program(
            [sys.executable, "-m", *command, "--end-with-stdin"],
            self.folder,
            f"{name}-{self._count}",
            cwd=self.folder,
            env={**os.environ, **(env or {})},
        )
        self._programs.append(program)
        return program


@contextlib.contextmanager
def cluster(folder: Path, *workers: str, slots: int = 1) -> Iterator[Cluster]:
    """A cluster with these workers, ended afterwards."""
    made = Cluster(folder)
    try:
        made.start_broker()
        for name in workers:
            made.start_worker(name, slots=slots)
        yield made
    finally:
        made.close()


def interrupt(program: Program) -> None:
    """Ctrl-C."""
    program.send(signal.SIGINT)
