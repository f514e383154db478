"""Where this host can be reached: the addresses of its network interfaces.

Rules of this file: what the system says, and no look-ups; an address that means something on this host alone (loopback,
link-local) is none that others could use.
"""

from __future__ import annotations

import importlib
import ipaddress
import socket
from collections.abc import Iterator
from typing import Any, Final

from raisin_core.addresses import Address, parse_address

EVERYWHERE: Final = {"*": (4,), "0.0.0.0": (4,), "::": (4, 6)}
"""What a broker listens on to be reached by all interfaces, and by which versions of IP it then is."""


def own_addresses(listening: str) -> list[str]:
    """The addresses at which others find a broker that listens on this one. Raises ValueError (not an address).

    >>> own_addresses("192.168.1.20:5757"), own_addresses("ipc:///run/raisin")
    (['192.168.1.20:5757'], ['ipc:///run/raisin'])
    """
    wanted = parse_address(listening)
    if wanted.path or wanted.host not in EVERYWHERE:
        return [str(wanted)]
    found = sorted(_hosts(EVERYWHERE[wanted.host]), key=lambda host: (host.version, not host.is_private, host))
    return [str(Address(str(host), wanted.port)) for host in found] or [str(Address("127.0.0.1", wanted.port))]


def _hosts(versions: tuple[int, ...]) -> Iterator[Any]:
    psutil: Any = importlib.import_module("psutil")
    families = {socket.AF_INET: 4, socket.AF_INET6: 6}
    for each in (one for many in psutil.net_if_addrs().values() for one in many):
        if families.get(each.family) in versions:
            host = ipaddress.ip_address(each.address.partition("%")[0])
            if not (host.is_loopback or host.is_link_local):
                yield host
