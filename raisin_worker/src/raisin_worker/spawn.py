"""Starts a task process: its own session, a socket, a lifeline, shared words, and a pipe for what it writes.

The lifeline is a pipe on which nothing is ever said: when its writing end closes because the agent is gone, the task
process and all that it started end. On Windows all of this goes over loopback TCP with a token (not run here).

Rules of this file: the agent's side only.
"""

from __future__ import annotations

import mmap
import os
import secrets
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from raisin_worker import bootstrap, frames

CONNECT_SECONDS: Final = 20.0
IDLE: Final = frames.IDLE.to_bytes(8, sys.byteorder, signed=True)


class Spawned(NamedTuple):
    """A task process and the agent's ends of what leads to it; `output` is -1 where it cannot be polled."""

    process: subprocess.Popen[bytes]
    control: socket.socket
    lifeline: int | socket.socket
    output: int
    memory: mmap.mmap


def spawn(python: str, cwd: Path | None, env: Mapping[str, str] | None, scratch: Path) -> Spawned:
    """Start it. Raises OSError if the interpreter or the directory cannot be used."""
    if sys.platform == "win32":
        return _spawn_on_windows(python, cwd, env, scratch)
    ours, theirs = socket.socketpair()
    watched, lifeline = os.pipe()
    output, written = os.pipe()
    words = _memory(scratch)
    memory = mmap.mmap(words, frames.MEMORY)
    memory[:8] = IDLE
    inherited = (theirs.fileno(), watched, words)
    config = dict(zip(("control", "lifeline", "words"), inherited))
    try:
        process = _popen(python, config, cwd, env, written, inherited)
    except BaseException:
        for fd in (lifeline, output):
            os.close(fd)
        ours.close()
        memory.close()
        raise
    finally:
        theirs.close()
        for fd in (watched, words, written):
            os.close(fd)
    ours.setblocking(False)
    os.set_blocking(output, False)
    return Spawned(process, ours, lifeline, output, memory)


def _memory(scratch: Path) -> int:
    """A nameless file to share memory by; one that is never written to a disk, where there is such a thing."""
    if hasattr(os, "memfd_create"):
        fd: int = os.memfd_create("raisin-slot")
    else:
        with tempfile.TemporaryFile(dir=scratch) as file:
            fd = os.dup(file.fileno())
    os.truncate(fd, frames.MEMORY)
    return fd


def _popen(
    python: str,
    config: Mapping[str, Any],
    cwd: Path | None,
    env: Mapping[str, str] | None,
    output: int,
    inherited: tuple[int, ...] = (),
) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        bootstrap.command(python, config),
        cwd=cwd,
        env=None if env is None else dict(env),
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        pass_fds=inherited,
        start_new_session=sys.platform != "win32",
    )


def _spawn_on_windows(python: str, cwd: Path | None, env: Mapping[str, str] | None, scratch: Path) -> Spawned:
    """Not run here. The process connects back twice and shows the token; its output goes to a file in `scratch`."""
    words = Path(tempfile.mkstemp(prefix="words-", dir=scratch)[1])
    words.write_bytes(IDLE + bytes(frames.MEMORY - len(IDLE)))
    token = secrets.token_hex(16)
    with socket.create_server(("127.0.0.1", 0)) as server, open(scratch / f"output-{token[:8]}", "wb") as output:
        server.settimeout(CONNECT_SECONDS)
        config = {"port": server.getsockname()[1], "token": token, "words": str(words)}
        process = _popen(python, config, cwd, env, output.fileno())
        try:
            ends: dict[str, socket.socket] = {}
            while len(ends) < 2:
                name, end = _admit(server, token)
                ends[name] = end
        except BaseException:
            process.kill()
            process.wait()
            raise
    with open(words, "r+b") as file:
        memory = mmap.mmap(file.fileno(), frames.MEMORY)
    ends["control"].setblocking(False)
    return Spawned(process, ends["control"], ends["lifeline"], -1, memory)


def _admit(server: socket.socket, token: str) -> tuple[str, socket.socket]:
    """The next connection that shows the token, and which one it says to be."""
    while True:
        end, _ = server.accept()
        end.settimeout(CONNECT_SECONDS)
        said = end.makefile("rb").readline(256).decode(errors="replace").split()
        if len(said) == 2 and secrets.compare_digest(said[0], token) and said[1] in ("control", "lifeline"):
            return said[1], end
        end.close()
