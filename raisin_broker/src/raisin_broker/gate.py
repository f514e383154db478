"""The gate: whom the broker's sockets let in, how they are secured, and where they listen.

Rules of this file: CURVE and a known key, or nothing. libzmq asks the gate (ZAP, RFC 27) at each handshake; without an
answer nobody gets in, since the sockets enforce their domain. Open connections are not asked about again: whoever reads
messages checks their `User-Id`, the member's public key. No thread: the gate is polled along with what it guards.
"""

from __future__ import annotations

import contextlib
import errno
import importlib
import os
import socket as net
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

import zmq
from zmq.utils import z85

from raisin_broker.limits import Rate
from raisin_core.addresses import Address, parse_address
from raisin_core.errors import ListenError
from raisin_core.identity.keys import Keys
from raisin_core.link import MAX_FRAME, Context, Socket

ENDPOINT: Final = "inproc://zeromq.zap.01"
DOMAIN: Final = b"raisin"
DEFAULT_LISTEN: Final = "127.0.0.1:5757"
HANDSHAKE_TIMEOUT: Final = 5_000
"""Milliseconds that a stranger may hold a connection without having shaken hands; longer than a link waits."""
BURST: Final = 500
EACH_SECOND: Final = 50.0
"""How often a key may shake hands over tcp: a handshake costs as much as a hundred messages, and whoever tries libzmq's
routing ids out (some 400,000 of them end the broker) would need hours. Who comes too often is not answered: that looks
like a slow broker, and links try again; a refusal would be final."""

BARRED_SECONDS: Final = 2.0
"""How long a member waits outside whose connection was broken off for what it sent."""

_VERSION: Final = b"1.0"
_MAX_REFUSED: Final = 1000
_TRIES: Final = 50


class GateFailed(Exception):
    """The gate does not work any more: the broker must end."""


class Gate:
    """Answers libzmq's questions about who may connect, for all sockets of a context. One per context. `refusals` and
    `delayed` count those that were refused, and those that were not answered because they came too often."""

    def __init__(self, context: Context, members: Callable[[], Mapping[bytes, object]]) -> None:
        """`members` gives those who may connect, by public key (Z85); it is asked at each handshake."""
        self._members = members
        self._rate = Rate(BURST, EACH_SECOND)
        self._barred: dict[bytes, float] = {}
        self._broken_off: dict[bytes, None] = {}
        self._refused: dict[tuple[str, str], None] = {}
        self.refusals = self.delayed = 0
        self.socket: Socket = context.socket(zmq.ROUTER)
        self.socket.linger = 0
        try:
            self.socket.bind(ENDPOINT)
        except zmq.ZMQError:
            self.socket.close()
            raise

    def handle(self) -> None:
        """Answer all questions that have arrived. Never blocks; what is no proper question is refused or ignored."""
        while True:
            try:
                frames = self.socket.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                return
            if len(frames) < 4 or frames[1]:
                continue  # nowhere to send an answer to
            status, user = self._decide(frames[2:])
            if user and self._too_often(user, frames[5]):
                continue
            text = b"OK" if user else b"not admitted"
            try:
                self.socket.send_multipart([*frames[:2], _VERSION, frames[3], status, text, user, b""], zmq.NOBLOCK)
            except zmq.Again:
                continue  # an unanswered question admits nobody

    def refused(self) -> list[tuple[str, str]]:
        """Those refused since the last call, each once: public key (empty if it showed none) and network address."""
        found = list(self._refused)
        self._refused.clear()
        return found

    def hang_up(self, route: bytes, frame: zmq.Frame) -> None:
        """Break off a connection, once, by a frame that came on it; its member does not get in for `BARRED_SECONDS`.

        libzmq has no way to do that, so the system's socket is shut down. If the connection has gone meanwhile, another
        may have its number: that one is broken off if it comes from the same computer, and made anew by its peer.
        """
        key, now = str(frame.get("User-Id")).encode(), time.monotonic()
        self._barred = {each: until for each, until in self._barred.items() if until > now}
        self._barred[key] = now + BARRED_SECONDS
        self._broken_off[route] = None
        if len(self._broken_off) > _MAX_REFUSED:
            del self._broken_off[next(iter(self._broken_off))]
        with contextlib.suppress(OSError, ValueError), net.socket(fileno=os.dup(int(str(frame.get("__fd"))))) as found:
            if found.family not in (net.AF_INET, net.AF_INET6) or found.getpeername()[0] == frame.get("Peer-Address"):
                found.shutdown(net.SHUT_RDWR)

    def broken_off(self, route: bytes) -> bool:
        """Whether what still comes from there was sent before the connection was broken off."""
        return route in self._broken_off

    def close(self) -> None:
        """From now on nobody new gets in. Close it before the sockets it guards: their connections do not end before
        the gate's socket has taken note: when it is polled, or closed."""
        self.socket.close()

    def _too_often(self, key: bytes, address: bytes) -> bool:
        """Whether a member is barred, or shakes hands more often than it needs to. At a local socket nobody counts:
        only this user reaches it, with as many programs as there may be."""
        now = time.monotonic()
        near = not address or address.startswith(b"localhost")
        late = self._barred.get(key, 0.0) > now or not (near or self._rate.admits(key, now))
        self.delayed += late
        return late

    def _decide(self, question: list[bytes]) -> tuple[bytes, bytes]:
        """Status and user id for a question: version, request id, domain, address, identity, mechanism, credentials."""
        address = question[3].decode(errors="replace")[:100] if len(question) > 3 else ""
        key = z85.encode(question[6]) if len(question) == 7 and len(question[6]) == 32 else b""
        asked_rightly = key and question[0] == _VERSION and question[2] == DOMAIN and question[5] == b"CURVE"
        if asked_rightly and key in self._members():
            return b"200", key
        self.refusals += 1
        if len(self._refused) < _MAX_REFUSED:
            self._refused[key.decode(), address] = None
        return b"400", b""


def serve_curve(socket: Socket, keys: Keys, sndhwm: int = 100_000, rcvhwm: int = 1_000) -> None:
    """Make a ROUTER a broker's, before it is bound: CURVE, the gate, limits. High-water marks count messages."""
    socket.linger = 0
    socket.curve_server = 1
    socket.curve_secretkey = keys.secret
    socket.zap_domain = DOMAIN
    socket.setsockopt(zmq.ZAP_ENFORCE_DOMAIN, 1)
    socket.maxmsgsize = MAX_FRAME
    socket.handshake_ivl = HANDSHAKE_TIMEOUT
    socket.router_mandatory = 1
    socket.sndhwm, socket.rcvhwm = sndhwm, rcvhwm
    socket.backlog = 1024  # all workers come at once after a restart


def bind_pair(control: Socket, bulk: Socket, address: str = DEFAULT_LISTEN) -> str:
    """Bind both sockets: `HOST:PORT` and the next port, or `ipc:///PATH` and that with `.bulk`; give the real address.

    Port 0 takes any two free ones in a row, host `*` all interfaces. Raises ListenError, ValueError.
    """
    wanted = parse_address(address)
    if wanted.path:
        _check_socket_free(wanted)
        return _bind_both(control, bulk, wanted)
    wanted = wanted._replace(host=_resolve(wanted.host))
    control.ipv6 = bulk.ipv6 = wanted.is_ipv6
    if wanted.port:
        return _bind_both(control, bulk, wanted)
    for _ in range(_TRIES):
        found = wanted._replace(port=_free_port(control, wanted))
        try:
            return _bind_both(control, bulk, found)
        except ListenError as error:
            if error.errno != errno.EADDRINUSE:
                raise
    raise ListenError(f"no two free ports in a row on {wanted.host}, in {_TRIES} tries: name a port with --listen")


def _free_port(control: Socket, wanted: Address) -> int:
    """A port that the system would choose: below 65535, so that there is a next one."""
    family = net.AF_INET6 if wanted.is_ipv6 else net.AF_INET
    with net.socket(family, net.SOCK_STREAM) as trial:
        trial.bind(("" if wanted.host == "*" else wanted.host, 0))
        port: int = trial.getsockname()[1]
    return min(port, 65534)


def _bind_both(control: Socket, bulk: Socket, address: Address) -> str:
    _bind(control, address.control, address.port)
    try:
        _bind(bulk, address.bulk, address.port + 1)
    except ListenError:
        control.unbind(control.get_string(zmq.LAST_ENDPOINT))
        raise
    return str(address)


def _bind(socket: Socket, endpoint: str, port: int) -> None:
    try:
        socket.bind(endpoint)
    except zmq.ZMQError as error:
        raise _explained(error.errno or 0, endpoint, port) from None


def _explained(number: int, endpoint: str, port: int) -> ListenError:
    where = endpoint.removeprefix("tcp://")
    if number == errno.EADDRINUSE and endpoint.startswith("tcp://"):
        text = f"port {port} is in use by {_user_of(port)}; choose another with --listen (a broker takes two in a row)"
    elif number in (errno.EADDRNOTAVAIL, errno.ENODEV):
        text = f"cannot listen on {where}: this computer does not have that address"
    elif number == errno.EACCES and endpoint.startswith("tcp://"):
        text = f"cannot listen on {where}: ports below 1024 are for administrators; choose another with --listen"
    else:
        text = f"cannot listen on {where}: {os.strerror(number) if number < zmq.ENOTSUP else zmq.strerror(number)}"
    error = ListenError(text)
    error.errno = number
    return error


def _user_of(port: int) -> str:
    """The program that listens on a port, if that can be found out."""
    try:
        psutil: Any = importlib.import_module("psutil")
        for each in psutil.net_connections(kind="tcp"):
            if each.status == "LISTEN" and each.laddr.port == port and each.pid:
                return f"{psutil.Process(each.pid).name()} (pid {each.pid})"
    except Exception:  # noqa: BLE001 - not installed, not allowed, gone meanwhile: it is only a help
        return "another program"
    return "another program"


def _resolve(host: str) -> str:
    """libzmq binds to numbers only."""
    if host == "*" or ":" in host:
        return host
    try:
        return str(net.getaddrinfo(host, None, net.AF_INET, net.SOCK_STREAM)[0][4][0])
    except OSError as error:
        raise ListenError(f"cannot listen on {host}: {error.strerror or error}") from None


def _check_socket_free(address: Address) -> None:
    """libzmq would take over the path of a broker that is running, so ask whether somebody answers there."""
    if sys.platform == "win32":
        return
    with net.socket(net.AF_UNIX, net.SOCK_STREAM) as trial:
        try:
            trial.connect(address.path)
        except OSError:
            return
    error = ListenError(f"{address} is in use by another broker; choose another with --listen")
    error.errno = errno.EADDRINUSE
    raise error
