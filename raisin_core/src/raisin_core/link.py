"""The peer's end of its connection to the broker: two DEALER sockets, watched; no clock and no thread.

Rules of this file: it never blocks and never decides when to try again; nothing that was meant for one connection goes
out on the next; nothing that arrived is lost because the connection ended. One thread uses a link.

A broker may have several addresses (a laptop's changes as it travels): all are tried at once, and the first at which
the broker proves its key is the connection; the other attempts are given up. When it is lost, all are tried anew.

A broker that speaks another version of the protocol shakes hands like any other: its messages are `Garbled`. With
ZMQ_IMMEDIATE nothing stale would be sent, but what has arrived and was not read is lost with the connection (a
farewell, say): so it is off, and a new connection gets a new socket instead.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from raisin_core import envelope
from raisin_core.addresses import endpoints
from raisin_core.identity.keys import Keys, check_key
from raisin_core.messages import Message
from raisin_core.peer import Connected, Disconnected, Received
from raisin_core.wire import ATTEMPTS, MAX_FRAME, Context, Garbled, HandshakeFailed, Socket, Wire

__all__ = [
    "ATTEMPTS",
    "MAX_ADDRESSES",
    "MAX_FRAME",
    "BulkLost",
    "Connected",
    "Context",
    "Disconnected",
    "Garbled",
    "HandshakeFailed",
    "Link",
    "LinkEvent",
    "Received",
    "Socket",
]

MAX_ADDRESSES: Final = 16
FAILURES: Final = 5
"""After so many at other addresses, one that was given up is tried again."""
_TELLING: Final = ("refused", "key", "silent")


class BulkLost(msgspec.Struct, frozen=True):
    """The second connection is gone: what was said there and not answered must be said again (that makes a new one)."""


LinkEvent = Connected | Disconnected | HandshakeFailed | BulkLost | Received | Garbled


class Link:
    """The connection to one broker. Poll `sockets()`; when one is readable, `read()`."""

    def __init__(self, context: Context, address: str | Sequence[str], broker_key: bytes, keys: Keys) -> None:
        """`broker_key` and `keys` are Z85 text; `address` is an endpoint or as people write it, or several of them
        (the first `MAX_ADDRESSES` count). Raises ValueError."""
        self._context, self._broker_key, self._keys = context, check_key(broker_key.decode()), keys
        self._addresses = _checked(address)
        self._tries: dict[str, Wire] = {}
        self._failed: dict[str, HandshakeFailed] = {}
        self._failures = 0
        self._address = ""
        self._control: Wire | None = None
        self._bulk: Wire | None = None
        self._sockets: list[Socket] | None = None
        self._posted = envelope.Bundle()
        self._overflowed = False
        self._begin()

    @property
    def address(self) -> str:
        """Where the broker is connected, or was last; all where it may be, if it never was."""
        return self._address or ", ".join(self._addresses)

    def move(self, addresses: Sequence[str]) -> None:
        """Where to look for the broker from the next attempt on. Raises ValueError."""
        self._addresses = _checked(addresses)

    @property
    def connected(self) -> bool:
        """Whether messages can be sent, as far as was read."""
        return self._control is not None and self._control.up

    def sockets(self) -> list[Socket]:
        """What to poll for reading: the very same list as long as nothing has changed."""
        if self._sockets is None:
            self._sockets = [each for wire in self._wires() for each in wire.sockets()]
        return self._sockets

    def send(self, message: Message, payload: bytes = b"") -> bool:
        """Send a message, on the connection that it is for; False if there is none now, or its queue is full."""
        control = self._control
        if control is None or not control.usable:
            return False
        if not message.bulk:
            return control.send(envelope.encode(message, payload))
        if self._bulk is None:
            self._bulk, self._sockets = self._wire(endpoints(self._address)[1]), None
        return not self._bulk.over and self._bulk.send(envelope.encode(message, payload))

    def post(self, message: Message, payload: bytes = b"") -> None:
        """Send a control message with the next `flush`, together with others; it is lost if the connection is."""
        self._posted.add(message, payload)
        if self._posted.full:
            self.flush()

    def flush(self) -> None:
        """Send what was posted. If the queue is full, the connection is given up, and `read` says so."""
        frames = self._posted.take()
        if frames and self._control is not None and self._control.usable and not self._control.send(frames):
            self.reset()
            self._overflowed = True

    def read(self, limit: int = 1000) -> list[LinkEvent]:
        """What has happened, oldest first: up to `limit` messages of each connection (more when one has ended)."""
        overflowed, self._overflowed = self._overflowed, False
        lost: list[LinkEvent] = [Disconnected()] if overflowed else []
        return [*lost, *self._read_control(limit), *self._read_bulk(limit)]

    def reset(self) -> None:
        """Throw the connections away, with all that is in them, and begin anew: after silence, or after a failure."""
        self.close()
        self._begin()

    def close(self, linger_ms: int = 0) -> None:
        """Close the sockets; what was sent for control has `linger_ms` to leave, what was only posted is forgotten.
        `reset` opens new ones."""
        self._posted.take()
        if self._control is not None:
            self._control.close(linger_ms)
        self._control = None
        self._end_tries()
        self._close_bulk()
        self._sockets = None

    def _begin(self) -> None:
        """Look for the broker at all its addresses."""
        self._tries = {each: self._wire(endpoints(each)[0]) for each in self._addresses}
        self._failed.clear()
        self._sockets = None

    def _end_tries(self) -> None:
        for wire in self._tries.values():
            wire.close()
        self._tries = {}

    def _wires(self) -> Iterator[Wire]:
        yield from self._tries.values()
        yield from (wire for wire in (self._control, self._bulk) if wire is not None)

    def _wire(self, endpoint: str) -> Wire:
        return Wire(self._context, endpoint, self._broker_key, self._keys)

    def _close_bulk(self) -> None:
        if self._bulk is not None:
            self._bulk.close()
        self._bulk = self._sockets = None

    def _read_tries(self) -> Iterator[LinkEvent]:
        """News of the attempts, until one of them has succeeded."""
        for address, wire in tuple(self._tries.items()):
            for event in wire.watch():
                if isinstance(event, Connected):
                    self._control, self._address = self._tries.pop(address), address
                    self._end_tries()
                    self._sockets = None
                    yield event
                    return
                if isinstance(event, HandshakeFailed):
                    yield self._judge(address, event)

    def _judge(self, address: str, event: HandshakeFailed) -> HandshakeFailed:
        """One address has failed: it is over when all have; what tells more than a silence is said."""
        self._failed[address] = event
        if event.over:
            del self._tries[address]
            self._failures, self._sockets = 0, None
        elif any(each not in self._tries for each in self._addresses):
            self._try_again()
        worst = min(self._failed.values(), key=lambda each: _TELLING.index(each.reason))
        detail = "; ".join(dict.fromkeys(each.detail for each in self._failed.values()))
        return HandshakeFailed(worst.reason, detail, over=not self._tries)

    def _try_again(self) -> None:
        """Where somebody else answered the broker may be by now, and a broker that said no may have been told."""
        self._failures += 1
        if self._failures >= FAILURES:
            more = {each: self._wire(endpoints(each)[0]) for each in self._addresses if each not in self._tries}
            self._tries |= more
            self._failures, self._sockets = 0, None

    def _read_control(self, limit: int) -> Iterator[LinkEvent]:
        if self._tries:
            yield from self._read_tries()
        if (wire := self._control) is None:
            return
        yield from wire.receive(limit)
        for event in wire.watch():
            if isinstance(event, Disconnected):
                yield from wire.receive()
                if self._bulk is not None and not self._bulk.over:
                    yield from self._bulk.receive()
                self.reset()  # a new socket: the old one would send what it still holds before our Hello
                yield event
                return

    def _read_bulk(self, limit: int) -> Iterator[LinkEvent]:
        if (wire := self._bulk) is None or wire.over:
            return
        yield from wire.receive(limit)
        for event in wire.watch():
            if isinstance(event, HandshakeFailed):
                if event.over:
                    self._sockets = None  # a connection that was given up has none left
                yield msgspec.structs.replace(event, bulk=True)
            elif isinstance(event, Disconnected):
                yield from wire.receive()
                self._close_bulk()
                yield BulkLost()
                return


def _checked(address: str | Sequence[str]) -> list[str]:
    """The addresses, each once. Raises ValueError."""
    each = list(dict.fromkeys([address] if isinstance(address, str) else address))[:MAX_ADDRESSES]
    if not each:
        raise ValueError("no address of a broker was given")
    for one in each:
        endpoints(one)
    return each
