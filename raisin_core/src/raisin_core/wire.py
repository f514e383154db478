"""One connection to one address: a DEALER socket and its monitor, and what the monitor's news mean.

What libzmq's monitor reports (4.3.5, the same over tcp and ipc; CONNECT_DELAYED and CLOSED left out):

    a broker that admits us      CONNECTED, HANDSHAKE_SUCCEEDED
    nobody listens               CONNECT_RETRIED again and again (doubling to RECONNECT_IVL_MAX); no such host: the same
    a key not in the roster      CONNECTED, HANDSHAKE_FAILED_AUTH (400), DISCONNECTED; libzmq never tries again
    another broker key           CONNECTED, HANDSHAKE_FAILED_NO_DETAIL (EPIPE, ECONNRESET), DISCONNECTED,
                                 CONNECT_RETRIED: 20 times a second for ever: the pause begins anew at each CONNECTED
    accepts and is silent        CONNECTED, after HANDSHAKE_IVL HANDSHAKE_FAILED_NO_DETAIL (EAGAIN), and from the start
    a ZeroMQ without CURVE       CONNECTED, HANDSHAKE_FAILED_PROTOCOL, DISCONNECTED; libzmq never tries again
    no ZeroMQ at all (HTTP, ...) CONNECTED, DISCONNECTED; libzmq never tries again
    the broker dies later        DISCONNECTED, CONNECT_RETRIED, and from the start

A broker that is killed during a handshake looks once like one with another key, hence `ATTEMPTS`.

Rules of this file: it never blocks, and decides nothing but what has happened.
"""

from __future__ import annotations

import errno
import itertools
import struct
from collections.abc import Iterator
from typing import Final, Literal

import msgspec
import zmq

from raisin_core import envelope
from raisin_core.identity.keys import Keys
from raisin_core.peer import Connected, Disconnected, Received

MAX_FRAME: Final = envelope.MAX_PAYLOAD + 1024 * 1024
ATTEMPTS: Final = 3
"""Handshakes in a row that the other side must have broken off to count as another key."""
CONNECT_TIMEOUT: Final = 3_000
HANDSHAKE_TIMEOUT: Final = 4_000
"""Milliseconds; shorter than the broker's, so that a slow broker looks silent and not like one that breaks off."""

_HWM: Final = 100_000
_EVENTS: Final = (
    zmq.EVENT_HANDSHAKE_SUCCEEDED
    | zmq.EVENT_HANDSHAKE_FAILED_AUTH
    | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL
    | zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL
    | zmq.EVENT_DISCONNECTED
    | zmq.EVENT_CONNECT_RETRIED
)
_numbers = itertools.count()

Context = zmq.Context[zmq.Socket[bytes]]
Socket = zmq.Socket[bytes]


class HandshakeFailed(msgspec.Struct, frozen=True):
    """An attempt to connect failed. If it is `over`, nothing more is tried until `reset()`, at no address.

    `silent`: nobody answers. `key`: somebody without the broker's key does. `refused`: the broker does not admit us.
    With `bulk` this happened to the second connection, the one for blobs.
    """

    reason: Literal["key", "silent", "refused"]
    detail: str
    over: bool
    bulk: bool = False


class Garbled(msgspec.Struct, frozen=True):
    """Frames that are no message; `version` is the sender's where it could be read, else -1."""

    reason: str
    version: int


class Wire:
    """One DEALER and its monitor. `up`: the handshake has succeeded; `over`: nothing is tried any more."""

    def __init__(self, context: Context, endpoint: str, broker_key: bytes, keys: Keys) -> None:
        self.up = self.over = False
        self._endpoint = endpoint
        self._dropped = False  # this attempt has ended, and that was told or is not worth telling
        self._broken_off = 0
        self._socket = dealer(context, endpoint, broker_key, keys)
        self._socket.ipv6 = "[" in endpoint
        self._monitor: Socket = context.socket(zmq.PAIR)
        self._monitor.linger = self._monitor.rcvhwm = 0  # unlimited: libzmq's own thread would wait for us
        where = f"inproc://raisin-monitor-{next(_numbers)}"
        self._socket.monitor(where, _EVENTS)
        self._monitor.connect(where)
        self._socket.connect(endpoint)

    def sockets(self) -> list[Socket]:
        return [] if self.over else [self._socket, self._monitor]

    @property
    def usable(self) -> bool:
        """Whether it is up, and no news waits (after success, news can only be bad)."""
        return self.up and not self._monitor.poll(0)

    def send(self, frames: list[bytes]) -> bool:
        try:
            self._socket.send_multipart(frames, zmq.NOBLOCK)
        except zmq.Again:
            return False
        return True

    def receive(self, limit: int | None = None) -> Iterator[Received | Garbled]:
        """Messages that have arrived; all of them without a limit."""
        for _ in itertools.count() if limit is None else range(limit):
            try:
                frames = self._socket.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                return
            for found in envelope.decode_all(frames):
                yield Received(*found) if isinstance(found, tuple) else Garbled(found.reason, found.version)

    def watch(self) -> Iterator[Connected | Disconnected | HandshakeFailed]:
        """What the monitor has to say."""
        while not self._socket.closed:
            try:
                kind, value = struct.unpack("=hi", self._monitor.recv_multipart(zmq.NOBLOCK)[0])
            except zmq.Again:
                return
            event = self._judge(kind, value)
            if event is not None:
                yield event

    def close(self, linger_ms: int = 0) -> None:
        if not self._socket.closed:
            self._socket.disable_monitor()
            self._monitor.close()
            self._socket.close(linger_ms)

    def _judge(self, kind: int, value: int) -> Connected | Disconnected | HandshakeFailed | None:
        """What one event of the monitor means: see the table at the top."""
        if kind == zmq.EVENT_HANDSHAKE_SUCCEEDED:
            self.up, self._broken_off = True, 0
            return Connected()
        if kind == zmq.EVENT_CONNECT_RETRIED:
            return self._on_retried()
        if kind == zmq.EVENT_DISCONNECTED:
            return self._on_disconnected()
        self._dropped = True
        if kind == zmq.EVENT_HANDSHAKE_FAILED_AUTH:
            return self._fail("refused", f"the broker at {self._where} does not admit this key (status {value})")
        if kind == zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL:
            return self._fail("key", f"{self._where} answers without a key, or in another way than a broker")
        return self._on_broken_off(value)

    def _on_retried(self) -> HandshakeFailed | None:
        dropped, self._dropped = self._dropped, False
        if dropped:
            return None
        self._broken_off = 0
        return HandshakeFailed("silent", f"nobody answers at {self._where}", over=False)

    def _on_disconnected(self) -> Disconnected | HandshakeFailed | None:
        was_up, self.up = self.up, False
        if was_up:
            self._dropped = True
            return Disconnected()
        if self._dropped:
            return None
        self._dropped = True
        return self._fail("key", f"{self._where} answers, but is no broker")

    def _on_broken_off(self, value: int) -> HandshakeFailed | None:
        if value == errno.EAGAIN:
            self._broken_off = 0
            return HandshakeFailed("silent", f"{self._where} accepts connections and says nothing", over=False)
        self._broken_off += 1
        if self._broken_off < ATTEMPTS:
            return None
        return self._fail("key", f"{self._where} breaks off each handshake: it has another key, or is no broker")

    def _fail(self, reason: Literal["key", "refused"], detail: str) -> HandshakeFailed:
        self.over = True
        self.close()  # disconnecting it would not do: libzmq goes on trying
        return HandshakeFailed(reason, detail, over=True)

    @property
    def _where(self) -> str:
        return self._endpoint.removeprefix("tcp://")


def dealer(context: Context, endpoint: str, broker_key: bytes, keys: Keys) -> Socket:
    dealer: Socket = context.socket(zmq.DEALER)
    dealer.linger = 0
    dealer.curve_serverkey = broker_key
    dealer.curve_publickey, dealer.curve_secretkey = keys.public, keys.secret
    dealer.sndhwm = dealer.rcvhwm = _HWM
    dealer.maxmsgsize = MAX_FRAME
    near = endpoint.startswith("ipc:")  # it is being started on this machine, and somebody waits for it
    dealer.reconnect_ivl, dealer.reconnect_ivl_max = (10, 40) if near else (50, 1_000)
    dealer.connect_timeout, dealer.handshake_ivl = CONNECT_TIMEOUT, HANDSHAKE_TIMEOUT
    return dealer
