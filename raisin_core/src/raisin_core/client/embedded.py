"""The embedded cluster: broker and worker of one user on one machine, shared by all that user's interpreters.

Whoever comes first starts it, in a session of its own (terminal signals do not reach it); `keeper` keeps it while
anybody uses it. Keys and roster are made once; only this user's programs can connect (CURVE and the gate, and a
private directory).
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import threading
from pathlib import Path
from typing import Final, NamedTuple

from raisin_core import detached, home, logs
from raisin_core.client import keeper
from raisin_core.errors import InstallationError, UsageError
from raisin_core.identity import keys, roster
from raisin_core.messages import VERSION

PARTS: Final = ("raisin_broker", "raisin_worker")


class Place(NamedTuple):
    """Where the embedded cluster is, and what it takes to connect."""

    directory: Path
    address: str
    broker_key: bytes
    keys: keys.Keys
    slots: int


def ensure() -> Place:
    """Make sure that the embedded cluster runs, or is about to, and that it knows of this process.

    Raises InstallationError where a part is missing, UsageError for a wrong RAISIN_SLOTS, OSError where the directory
    cannot be used.
    """
    directory = home.private_directory(home.home() / f"embedded-{VERSION}-{home.host_name()}")
    home.private_directory(directory / "guests")
    with home.Lock(directory / "start.lock"):
        place = _place(directory)
        keeper.guest_file(directory, os.getpid()).touch(0o600)
        lock = home.Lock(directory / "keeper.lock")
        try:
            if lock.acquire(blocking=False):
                lock.release()
                _start(place)
        except BaseException:
            leave(place)
            raise
    return place


def leave(place: Place) -> None:
    """This process does not use it any more."""
    keeper.guest_file(place.directory, os.getpid()).unlink(missing_ok=True)


def complaint(place: Place) -> str:
    """What the broker says that cannot start, if that is so."""
    said = logs.tail(place.directory / "broker.out")
    return "" if "listening on" in said else said


def tail(place: Place) -> str:
    """The last lines of what its parts said, for the text of an error."""
    files = [place.directory / name for name in ("keeper.out", "broker.out", "worker.out")]
    files += [place.directory / name / f"{name}.log" for name in ("broker", "worker")]
    found = [(file.name, logs.tail(file, 8)) for file in files]
    return "\n".join(f"{name}:\n{text}" for name, text in found if text)


def _place(directory: Path) -> Place:
    """Keys, roster and address; made at the first use."""
    found = {}
    for name in ("broker", "worker"):
        found[name], _ = keys.load_or_make(home.private_directory(directory / name) / f"{name}.key")
    found["client"], _new = keys.load_or_make(directory / "client.key")
    path = directory / "broker" / "roster.toml"
    known = roster.Roster.load(path).members
    for name in ("client", "worker"):
        if found[name].public not in known:
            roster.add(path, found[name].public, f"{home.host_name()}-{name}"[:64], [name])
    return Place(directory, _address(directory), found["broker"].public, found["client"], _slots())


def _slots() -> int:
    """As many as cores, unless told otherwise. Raises UsageError."""
    chosen = os.environ.get("RAISIN_SLOTS") or str(os.cpu_count() or 1)
    if not chosen.isdecimal() or int(chosen) < 1:
        raise UsageError(f"RAISIN_SLOTS must be a whole number from 1 on, not {chosen!r}")
    return int(chosen)


def _address(directory: Path) -> str:
    """An ipc socket where the system has such; else a port that stays the same."""
    if os.name == "posix":
        return f"ipc://{home.runtime_directory() / 'embedded.sock'}"
    return f"127.0.0.1:{_port(directory)}"


def _port(directory: Path) -> int:
    """Not run here: a pair of free ports, chosen once and kept."""
    import socket

    path = directory / "port"
    if path.exists():
        return int(path.read_text())
    with socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))
        port: int = min(trial.getsockname()[1], 65_000)
    home.write_private(path, str(port).encode())
    return port


def _start(place: Place) -> None:
    missing = [name.replace("_", "-") for name in PARTS if importlib.util.find_spec(name) is None]
    if missing:
        raise InstallationError(
            f"running on this machine needs {' and '.join(missing)}: pip install {' '.join(missing)} (or all: raisin)"
        )
    command = ["-m", "raisin_core.client.keeper", str(place.directory), str(place.slots)]
    command += [place.address, place.broker_key.decode()]
    process = detached.start(command, place.directory, place.directory / "keeper.out")
    # Somebody must reap it, should it end before this interpreter does; nobody else may hold on to it.
    with contextlib.suppress(RuntimeError):  # while the interpreter ends, no thread can be started any more
        threading.Thread(target=process.wait, name="raisin-keeper", daemon=True).start()
