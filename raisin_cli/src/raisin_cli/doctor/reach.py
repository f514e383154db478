"""Which of address, port, firewall and key is wrong, where a broker cannot be used.

One step after the other, for each address: its name is looked up, TCP connects (both ports), the broker proves its key,
it admits this machine's.

Rules of this file: each step is tried for a few seconds; what comes back is findings.
"""

from __future__ import annotations

import errno
import socket
import time
from collections.abc import Iterator, Sequence
from typing import Final

from raisin_cli.doctor.findings import Finding
from raisin_core.addresses import Address, parse_address
from raisin_core.client.talking import talk
from raisin_core.errors import BrokerUnreachable, ClusterError, NotAdmitted, VersionMismatch, WrongBrokerKey
from raisin_core.identity.keys import Keys
from raisin_core.messages import ListMembers

CONNECT_SECONDS: Final = 3.0
TALK_SECONDS: Final = 4.0
AREA: Final = "reachability"
STARTED: Final = "is the broker started there (raisin cluster status)? "

_NO_WAY: Final = (errno.ENETUNREACH, errno.EHOSTUNREACH, getattr(errno, "EHOSTDOWN", errno.EHOSTUNREACH))


def broker(addresses: Sequence[str], broker_key: bytes, own: Keys) -> list[Finding]:
    """Try each address. Where one is good, the others are warnings only."""
    tried = [address(each, broker_key, own) for each in addresses]
    if not tried:
        return [
            Finding(AREA, "wrong", "the roster names no address of the broker", "raisin cluster addresses HOST:PORT")
        ]
    if any(each.state == "ok" for each in tried):
        return [each if each.state == "ok" else each._replace(state="warning") for each in tried]
    return tried


def address(text: str, broker_key: bytes, own: Keys) -> Finding:
    """Try one address, step by step, up to the first that fails."""
    try:
        parsed = parse_address(text)
    except ValueError as error:
        return _wrong(text, "address", str(error), "raisin cluster addresses HOST:PORT, on the creator's machine")
    for found in _connects(text, parsed):
        return found
    began = time.monotonic()
    try:
        talk([text], broker_key, own, ListMembers(), seconds=TALK_SECONDS)
    except ClusterError as error:
        return _judged(text, error)
    took = 1000 * (time.monotonic() - began)
    return Finding(
        AREA, "ok", f"{text}: it connects, the broker's key is right, it admits this machine ({took:.0f} ms)"
    )


def _connects(text: str, parsed: Address) -> Iterator[Finding]:
    """What is wrong with name, address, ports or the way there."""
    if parsed.path:
        return
    try:
        socket.getaddrinfo(parsed.host, parsed.port, type=socket.SOCK_STREAM)
    except OSError as error:
        advice = "check the name, or use the number of the address"
        yield _wrong(text, "address", f"the name {parsed.host} is not known here ({error.strerror})", advice)
        return
    for port in (parsed.port, parsed.port + 1):
        try:
            socket.create_connection((parsed.host, port), CONNECT_SECONDS).close()
        except OSError as error:
            yield _no_connection(text, port, error, second=port != parsed.port)
            return


def _no_connection(text: str, port: int, error: OSError, second: bool) -> Finding:
    if isinstance(error, ConnectionRefusedError):
        if second:
            advice = f"the broker uses two ports: something keeps {port} from it, or forwards only the first"
            return _wrong(text, "port", f"port {port - 1} answers, {port} does not", advice)
        advice = f"{STARTED}Does it listen on this address and port (--listen)?"
        return _wrong(text, "port", f"the machine answers, but nobody listens on port {port}", advice)
    if isinstance(error, TimeoutError):
        if second:
            advice = f"let {port} through as well (ufw: sudo ufw allow {port - 1}:{port}/tcp)"
            return _wrong(text, "firewall", f"port {port - 1} answers, {port} is dropped by a firewall", advice)
        advice = (
            "is the machine on, and in the same network? Has it another address now (raisin cluster addresses)? "
            f"Let its firewall pass ports {port} and {port + 1}"
        )
        return _wrong(text, "firewall or address", f"nothing comes back from port {port}", advice)
    if error.errno in _NO_WAY:
        advice = "connect this machine to that network, or use another address (raisin cluster addresses)"
        return _wrong(text, "address", f"no way leads there from this network ({error.strerror})", advice)
    return _wrong(text, "address", f"no connection ({error.strerror or error})", "check the address")


def _judged(text: str, error: ClusterError) -> Finding:
    """What a failure behind an open port means."""
    if isinstance(error, WrongBrokerKey):
        advice = "another broker, or another program, is at this address and port: check both, or ask for an invitation"
        return _wrong(text, "key", "somebody answers who does not have the broker's key", advice)
    if isinstance(error, NotAdmitted):
        advice = "ask for a new invitation: this machine was removed, or its keys are not those that it joined with"
        return _wrong(text, "own key", "the broker does not admit this machine", advice)
    if isinstance(error, VersionMismatch):
        return _wrong(text, "version", str(error), "install the same version of raisin here and there")
    if isinstance(error, BrokerUnreachable):
        advice = "a frozen broker, or another program: look at the broker's log (broker.log in its directory)"
        return _wrong(text, "port", "something accepts connections and says nothing", advice)
    return _wrong(text, "broker", str(error), "look at the broker's log (broker.log in its directory)")


def _wrong(text: str, what: str, problem: str, advice: str) -> Finding:
    return Finding(AREA, "wrong", f"{text}: wrong is the {what}: {problem}", advice)
