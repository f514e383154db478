"""Laptops of our own: network namespaces with host names and homes of raisin, joined by one switch.

Needs root on Linux; elsewhere `why_not` says why there are none. Nothing is left behind: whatever runs in a namespace
is ended with it.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from tests.cli.programs import RUN
from tests.e2e.support import until

SECONDS: Final = 60.0
SWITCH: Final = "switch"


def why_not() -> str:
    """Why there can be no laptops here; empty if there can."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return "network namespaces need root on Linux"
    missing = [name for name in ("ip", "unshare", "hostname") if shutil.which(name) is None]
    if missing:
        return f"network namespaces need {', '.join(missing)}"
    name = f"rsn{os.getpid()}-try"
    try:
        _ip("netns", "add", name)
    except subprocess.CalledProcessError as error:
        return f"network namespaces cannot be made here: {error.stderr.strip()}"
    try:
        _ip("netns", "exec", name, "unshare", "--uts", "true")
        _ip("-n", name, "link", "add", "eth0", "type", "veth", "peer", "name", "eth1")
        _ip("-n", name, "link", "add", SWITCH, "type", "bridge")
    except subprocess.CalledProcessError as error:
        return f"network namespaces are of no use here: {error.stderr.strip()}"
    finally:
        _ip("netns", "del", name)
    return ""


class Laptop:
    """A machine of its own, as far as raisin can tell: network, host name, home."""

    def __init__(self, name: str, space: str, address: str, folder: Path) -> None:
        self.name, self.space, self.address = name, space, address
        self.home = folder / name
        self.home.mkdir(mode=0o700)

    def run(self, *command: str, seconds: float = SECONDS, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """Run a program there, to its end."""
        return subprocess.run(
            self._inside(command),
            input=stdin,
            capture_output=True,
            text=True,
            timeout=seconds,
            env=self._environment(),
            cwd=self.home,
            check=False,
        )

    def raisin(self, *arguments: str, seconds: float = SECONDS, stdin: str = "") -> str:
        """Type a command of raisin's there; what it says on standard output. Fails where it does not end well."""
        done = self.run(sys.executable, "-c", RUN, *arguments, seconds=seconds, stdin=stdin)
        told = f"{self.name}> raisin {' '.join(arguments)[:80]}: exit code {done.returncode}"
        assert done.returncode == 0, f"{told}\n{done.stdout}\n{done.stderr}\n{self.logs()}"
        return done.stdout

    def python(self, code: str, seconds: float = SECONDS) -> str:
        """Run a text of Python there; what it printed. Fails where it does not end well."""
        done = self.run(sys.executable, "-c", code, seconds=seconds)
        assert done.returncode == 0, f"{self.name}> python\n{done.stdout}\n{done.stderr}\n{self.logs()}"
        return done.stdout

    def start(self, *command: str, out: Path) -> subprocess.Popen[bytes]:
        """Start a program there that goes on; what it says goes to a file."""
        with open(out, "wb") as file:
            return subprocess.Popen(
                self._inside(command),
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                env=self._environment(),
                cwd=self.home,
            )

    def pids(self) -> list[int]:
        """All that runs there."""
        return [int(pid) for pid in _ip("netns", "pids", self.space).split()]

    def logs(self) -> str:
        """The ends of the logs there, for the text of a failure."""
        files = sorted([*self.home.rglob("*.log"), *self.home.rglob("*.out")])
        return "\n".join(f"-- {self.name}: {file.name}\n{file.read_text(errors='replace')[-1500:]}" for file in files)

    def close(self) -> None:
        """End whatever runs there, and the namespace."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            for pid in self.pids():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, number)
            with contextlib.suppress(AssertionError):
                until(lambda: not self.pids(), f"nothing runs in {self.space}", 5.0)
        _ip("netns", "del", self.space)

    def _inside(self, command: tuple[str, ...]) -> list[str]:
        named = ["unshare", "--uts", "sh", "-c", f'hostname {self.name}-laptop && exec "$@"', "sh"]
        return ["ip", "netns", "exec", self.space, *named, *command]

    def _environment(self) -> Mapping[str, str]:
        return {**os.environ, "RAISIN_HOME": str(self.home), "COLUMNS": "100"}


@contextlib.contextmanager
def laptops(folder: Path, *names: str) -> Iterator[list[Laptop]]:
    """Laptops that reach one another, and nothing else."""
    mark = f"rsn{os.getpid()}"
    switch, made = f"{mark}-{SWITCH}", list[Laptop]()
    _ip("netns", "add", switch)
    try:
        _ip("-n", switch, "link", "add", SWITCH, "type", "bridge")
        _ip("-n", switch, "link", "set", SWITCH, "up")
        for at, name in enumerate(names):
            made.append(_plugged(f"{mark}-{name}", switch, at, name, folder))
        yield made
    finally:
        for each in made:
            each.close()
        _ip("netns", "del", switch)


def _plugged(space: str, switch: str, at: int, name: str, folder: Path) -> Laptop:
    address = f"10.231.57.{at + 1}"
    _ip("netns", "add", space)
    _ip("-n", space, "link", "add", "eth0", "type", "veth", "peer", "name", f"port{at}", "netns", switch)
    _ip("-n", switch, "link", "set", f"port{at}", "master", SWITCH, "up")
    _ip("-n", space, "addr", "add", f"{address}/24", "dev", "eth0")
    for device in ("lo", "eth0"):
        _ip("-n", space, "link", "set", device, "up")
    return Laptop(name, space, address, folder)


def _ip(*arguments: str) -> str:
    return subprocess.run(["ip", *arguments], capture_output=True, text=True, check=True, timeout=SECONDS).stdout
