"""What is known of this machine's network: whether a broker could listen, who answers, whether a firewall is active.

Rules of this file: it asks this machine only, sends nothing, and needs no rights; what cannot be known is not claimed.
"""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Final, NamedTuple

from raisin_core.addresses import Address, parse_address

TRY_SECONDS: Final = 2.0


class Firewall(NamedTuple):
    """One that is active on this machine, and the command that lets the broker's two ports through."""

    name: str
    command: str


def free(listen: str) -> str:
    """Why a broker could not listen there; empty if it can. Raises ValueError."""
    address = parse_address(listen)
    if address.path or not address.port:
        return ""
    host = "" if address.host == "*" else address.host
    for port in (address.port, address.port + 1):
        with socket.socket(socket.AF_INET6 if address.is_ipv6 else socket.AF_INET) as trial:
            if os.name == "posix":  # elsewhere it would take a port that is in use
                trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                trial.bind((host, port))
            except OSError as error:
                return f"port {port} cannot be listened on ({error.strerror}): choose another, --listen '*:PORT'"
    return ""


def answers(address: Address, seconds: float = TRY_SECONDS) -> str:
    """Why no connection to a TCP address can be made; empty if one can, or if it is none."""
    if address.path:
        return ""
    try:
        socket.create_connection((address.host, address.port), seconds).close()
    except OSError as error:
        return str(error.strerror or error)
    return ""


def firewalls(port: int, etc: Path = Path("/etc"), run: Path = Path("/run")) -> list[Firewall]:
    """Those known to be active here (Linux: ufw, firewalld)."""
    found = []
    if _says_yes(etc / "ufw" / "ufw.conf"):
        found.append(Firewall("ufw", f"sudo ufw allow {port}:{port + 1}/tcp"))
    if (run / "firewalld.pid").exists() or (run / "firewalld").is_dir():
        ports = f"--add-port={port}-{port + 1}/tcp"
        found.append(Firewall("firewalld", f"sudo firewall-cmd {ports} && sudo firewall-cmd --permanent {ports}"))
    return found


def _says_yes(path: Path) -> bool:
    try:
        lines = path.read_text(errors="replace").splitlines()
    except OSError:
        return False
    return any(line.strip().lower() == "enabled=yes" for line in lines)
