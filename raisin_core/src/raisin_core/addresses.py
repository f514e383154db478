"""Where a broker is: what people write, and the two endpoints that it means.

Rules of this file: whatever is not clearly an address is an error that says how one looks; nothing is looked up.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

import zmq

DEFAULT_PORT: Final = 5757
MAX_IPC_PATH: Final = 100
"""Bytes, for the longer of the two: macOS allows 103 for the path of a socket, Linux 107."""

_TCP: Final = re.compile(r"(?:tcp://)?(?:\[([0-9A-Fa-f:.]+(?:%[\w.-]+)?)\]|([\w.-]*|\*))(?::([0-9]{1,5}))?", re.ASCII)


class Address(NamedTuple):
    """Where a broker is: host and port (0 where the system is to choose), or the path of an ipc socket."""

    host: str
    port: int
    path: str = ""

    @property
    def control(self) -> str:
        """The endpoint of the control connection."""
        return f"ipc://{self.path}" if self.path else f"tcp://{_bracket(self.host)}:{self.port}"

    @property
    def bulk(self) -> str:
        """The endpoint for blobs: the next port, or `.bulk` after the path."""
        return f"ipc://{self.path}.bulk" if self.path else f"tcp://{_bracket(self.host)}:{self.port + 1}"

    @property
    def is_ipv6(self) -> bool:
        """Whether libzmq must be told so: it then takes names for IPv6 ones, and misses brokers on 127.0.0.1."""
        return ":" in self.host

    def __str__(self) -> str:
        return self.control.removeprefix("tcp://")


def parse_address(address: str) -> Address:
    """Read `HOST`, `HOST:PORT`, `[IPV6]:PORT`, each also after `tcp://`, or `ipc:///PATH`. Raises ValueError.

    Without a port it is 5757, without a host 127.0.0.1; port 0 and the host `*` are for listening only.

    >>> str(parse_address("tcp://lab.example.org")), parse_address(":0"), parse_address("[::1]:6000").host
    ('lab.example.org:5757', Address(host='127.0.0.1', port=0, path=''), '::1')
    """
    text = address.strip()
    if text.startswith("ipc://"):
        return Address("", 0, _path(text.removeprefix("ipc://"), address))
    found = _TCP.fullmatch(text)
    if not found or not text.removeprefix("tcp://"):
        raise _wrong(address, "write HOST:PORT, [IPV6]:PORT or ipc:///PATH")
    six, host, port = found[1], found[2], DEFAULT_PORT if found[3] is None else int(found[3])
    if port > 65534:
        raise _wrong(address, "the port must be below 65535 (the next one is used, too)")
    return Address(six or host or "127.0.0.1", port)


def endpoints(address: str) -> tuple[str, str]:
    """The endpoints of a broker, to connect to: control and bulk. Raises ValueError.

    >>> endpoints("lab.example.org:5757")
    ('tcp://lab.example.org:5757', 'tcp://lab.example.org:5758')
    """
    parsed = parse_address(address)
    if not parsed.path and (parsed.port == 0 or parsed.host == "*"):
        raise _wrong(address, "a host and its port are needed")
    return parsed.control, parsed.bulk


def _path(path: str, address: str) -> str:
    if not zmq.has("ipc"):
        raise _wrong(address, "this system has no ipc sockets; write HOST:PORT")
    if not path.startswith("/") or "\0" in path:
        raise _wrong(address, "after ipc:// comes a path that begins with /")
    if len(path.encode(errors="surrogateescape")) > MAX_IPC_PATH - len(".bulk"):
        raise _wrong(address, f"the path of a socket may have up to {MAX_IPC_PATH - len('.bulk')} bytes")
    return path


def _wrong(address: str, why: str) -> ValueError:
    return ValueError(f"{address!r} is no address of a broker: {why}")


def _bracket(host: str) -> str:
    return f"[{host}]" if ":" in host else host
