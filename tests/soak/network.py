"""A network of its own: a namespace for each host and one for the relay, with a cable from each host to the relay.

Host number i has the address 10.77.i.2 (another after `move`), the relay's end of its cable is 10.77.i.1. There are no
routes, so the relay is the only way from one host to another.

Rules of this file: names carry the process id of whoever made them; what a dead process left is removed by the next.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

PREFIX: Final = "rsn"
HUB: Final = "hub"
KILL: Final = getattr(signal, "SIGKILL", signal.SIGTERM)
COMMAND_SECONDS: Final = 20.0


def ip(*words: str, check: bool = True) -> str:
    """Run `ip`; raises RuntimeError with what it said."""
    done = subprocess.run(
        ["ip", *words], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=COMMAND_SECONDS, check=False
    )
    if check and done.returncode:
        raise RuntimeError(f"ip {' '.join(words)}: {done.stderr.strip()}")
    return done.stdout


def obstacle() -> str:
    """Why no namespaces can be made here; empty if they can."""
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        return "network namespaces need root"
    for program in ("ip", "mount", "umount"):
        if shutil.which(program) is None:
            return f"network namespaces need the program {program}"
    name = f"{PREFIX}{os.getpid()}-try"
    try:
        ip("netns", "add", name)
        ip("link", "add", "try", "netns", name, "type", "veth", "peer", "name", "eth0", "netns", name)
    except RuntimeError as error:
        return f"network namespaces cannot be made: {error}"
    finally:
        ip("netns", "del", name, check=False)
    return ""


class Network:
    """The namespaces of these hosts; a context manager."""

    def __init__(self, hosts: Sequence[str]) -> None:
        self._numbers = {name: number for number, name in enumerate(hosts)}
        self._moves = dict.fromkeys(hosts, 0)

    def __enter__(self) -> Network:
        remove_stale()
        try:
            ip("netns", "add", self.space(HUB))
            for name in self._numbers:
                self._add(name)
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _add(self, name: str) -> None:
        space, hub = self.space(name), self.space(HUB)
        ip("netns", "add", space)
        ip("link", "add", name, "netns", hub, "type", "veth", "peer", "name", "eth0", "netns", space)
        ip("-n", hub, "addr", "add", f"{self.relay_address(name)}/24", "dev", name)
        ip("-n", hub, "link", "set", name, "up")
        ip("-n", space, "addr", "add", f"{self.address(name)}/24", "dev", "eth0")
        for device in ("lo", "eth0"):
            ip("-n", space, "link", "set", device, "up")

    def close(self) -> None:
        """Remove it all."""
        for name in (*self._numbers, HUB):
            ip("netns", "del", self.space(name), check=False)

    def space(self, name: str) -> str:
        """The namespace of a host."""
        return f"{PREFIX}{os.getpid()}-{name}"

    def command(self, name: str, command: Sequence[str]) -> list[str]:
        """What runs a command on a host; the process is the command's own."""
        return ["ip", "netns", "exec", self.space(name), *command]

    def address(self, name: str) -> str:
        """Where a host is now."""
        return f"10.77.{self._numbers[name]}.{2 + self._moves[name] % 200}"

    def relay_address(self, name: str) -> str:
        """The relay's end of a host's cable."""
        return f"10.77.{self._numbers[name]}.1"

    def pids(self, name: str) -> list[int]:
        """All processes on a host."""
        return [int(pid) for pid in ip("netns", "pids", self.space(name)).split()]

    def plug(self, name: str, plugged: bool) -> None:
        """Pull a host's cable, or put it in again."""
        ip("-n", self.space(name), "link", "set", "eth0", "up" if plugged else "down")

    def move(self, name: str) -> None:
        """Give a host another address; connections from the old one are dead, and nobody is told."""
        old = self.address(name)
        self._moves[name] += 1
        ip("-n", self.space(name), "addr", "del", f"{old}/24", "dev", "eth0")
        ip("-n", self.space(name), "addr", "add", f"{self.address(name)}/24", "dev", "eth0")


def remove_stale() -> None:
    """Remove namespaces of processes that were killed before they could."""
    for maker, name in spaces():
        if not Path(f"/proc/{maker}").exists():
            for pid in ip("netns", "pids", name).split():
                send(int(pid), KILL)  # what was frozen could not notice
            ip("netns", "del", name, check=False)


def spaces() -> list[tuple[int, str]]:
    """All such namespaces: the process that made each, and its name."""
    found = (re.match(rf"{PREFIX}(\d+)-\w+", line) for line in ip("netns", "list").splitlines())
    return [(int(each[1]), each[0]) for each in found if each]


def send(pid: int, number: int) -> None:
    """Send a signal to a process that may have gone."""
    with suppress(ProcessLookupError):
        os.kill(pid, number)
