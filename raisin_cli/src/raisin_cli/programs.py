"""The background programs of a cluster on this machine: its worker, and its broker where that is here.

Rules of this file: nothing secret stands in a command line; a broker's directory is apart from all profiles.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from raisin_cli import background
from raisin_cli.background import Program
from raisin_core import home
from raisin_core.addresses import Address, parse_address
from raisin_core.interfaces import EVERYWHERE

READY: Final = ", pid "
LISTEN: Final = "listen"
NEAR: Final = "near"


def broker_directory(cluster: str) -> Path:
    """Where the broker of a cluster keeps its things, if it is on this machine."""
    return home.brokers() / cluster


def profile_directory(cluster: str) -> Path:
    """Where this machine keeps what makes it a member of a cluster."""
    return home.home() / "clusters" / cluster


def make_broker_directory(cluster: str, listen: Address) -> Path:
    """The directory, with what the broker is to listen on, and the way to it from this machine, which must not depend
    on the network that a laptop happens to be in. Raises OSError."""
    directory = home.private_directory(broker_directory(cluster))
    near = listen._replace(host="127.0.0.1") if listen.host in EVERYWHERE else listen
    home.write_private(directory / LISTEN, str(listen).encode())
    home.write_private(directory / NEAR, str(near).encode())
    return directory


def listening(cluster: str) -> Address | None:
    """What this cluster's broker listens on; None if it is not on this machine. Raises ValueError, OSError."""
    try:
        return parse_address((broker_directory(cluster) / LISTEN).read_text("utf-8"))
    except FileNotFoundError:
        return None


def broker_arguments(cluster: str) -> list[str] | None:
    """The options of this cluster's broker; None if it is not on this machine."""
    listen = listening(cluster)
    return None if listen is None else ["--data", str(broker_directory(cluster)), "--listen", str(listen)]


def broker_of(cluster: str) -> Program | None:
    """The cluster's broker, if it is on this machine."""
    arguments = broker_arguments(cluster)
    if arguments is None:
        return None
    command = ("-m", "raisin_broker.main", *arguments)
    return Program("broker", broker_directory(cluster), command, READY)


def worker_of(cluster: str) -> Program:
    """This machine's worker for the cluster."""
    command = ("-m", "raisin_worker.main", "--cluster", cluster)
    return Program("worker", profile_directory(cluster) / "worker", command, READY)


def programs_of(cluster: str) -> list[Program]:
    """All of them, in the order in which they start."""
    broker = broker_of(cluster)
    return [*([broker] if broker else []), worker_of(cluster)]


def stop_all(cluster: str) -> list[str]:
    """End them; the names of those that ran. Raises OSError."""
    return [each.name for each in reversed(programs_of(cluster)) if background.stop(each)]
