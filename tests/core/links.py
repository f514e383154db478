"""A broker's sockets and a link, polled by the thread of the test; ports that are nobody else's."""

from __future__ import annotations

import socket as net
from collections.abc import Callable
from typing import TypeVar

import zmq

from raisin_broker.gate import Gate, bind_pair, serve_curve
from raisin_core import envelope
from raisin_core.identity import keys as key_files
from raisin_core.identity.keys import Keys
from raisin_core.identity.roster import Member
from raisin_core.link import Connected, Context, Link, LinkEvent, Socket
from raisin_core.messages import Message

PATIENCE = 10_000  # milliseconds: how long something may take that must happen
ZOE, BROKER, STRANGER = key_files.make(), key_files.make(), key_files.make()
Kind = TypeVar("Kind", bound=LinkEvent)


class Broker:
    """The other end: both ROUTERs and the gate."""

    def __init__(self, context: Context, address: str) -> None:
        self.members = {ZOE.public: Member(ZOE.public, "zoe", frozenset({"client"}))}
        self.gate = Gate(context, lambda: self.members)
        self.control, self.bulk = context.socket(zmq.ROUTER), context.socket(zmq.ROUTER)
        for each in (self.control, self.bulk):
            serve_curve(each, BROKER)
        self.address = bind_pair(self.control, self.bulk, address)
        self.got: list[tuple[Message, bytes]] = []
        self.senders: list[bytes] = []

    def sockets(self) -> list[Socket]:
        return [each for each in (self.gate.socket, self.control, self.bulk) if not each.closed]

    def handle(self, ready: Socket) -> None:
        if ready is self.gate.socket:
            self.gate.handle()
            return
        sender, *frames = ready.recv_multipart()
        for found in envelope.decode_all(frames):
            assert isinstance(found, tuple)
            self.got.append(found)
            self.senders.append(sender)

    def answer(self, message: Message, payload: bytes = b"") -> None:
        socket = self.bulk if message.bulk else self.control
        socket.send_multipart([self.senders[-1], *envelope.encode(message, payload)])

    def die(self) -> None:
        for each in self.sockets():
            each.close(linger=PATIENCE)  # what a killed broker had given to the system still leaves


class World:
    """A context, perhaps a broker, perhaps a link: one thread polls them all."""

    def __init__(self, context: Context, address: str) -> None:
        self.context, self.address = context, address
        self.broker: Broker | None = None
        self.link: Link | None = None
        self.events: list[LinkEvent] = []
        self.extra: dict[net.socket, Callable[[], None]] = {}
        self.reserved: tuple[net.socket, ...] = ()

    def start_broker(self) -> Broker:
        for each in self.reserved:
            each.close()
        self.broker = Broker(self.context, self.address)
        self.address = self.broker.address
        return self.broker

    def start_link(self, keys: Keys = ZOE, broker_key: bytes = BROKER.public) -> Link:
        self.link = Link(self.context, self.address, broker_key, keys)
        return self.link

    def until(self, condition: Callable[[], bool], reading: bool = True) -> None:
        """Serve everybody until it holds; the link is left alone unless `reading`."""
        waited = 0
        while not condition():
            poller = zmq.Poller()
            ours = self.link.sockets() if self.link and reading else []
            theirs = self.broker.sockets() if self.broker else []
            for each in (*ours, *theirs, *self.extra):
                poller.register(each, zmq.POLLIN)
            ready = dict(poller.poll(20))
            waited += 0 if ready else 20
            assert waited < PATIENCE, f"only {self.events}, and the broker has {self.broker and self.broker.got}"
            for each in theirs:
                if each in ready and self.broker:
                    self.broker.handle(each)
            for raw, action in self.extra.items():
                if raw.fileno() in ready:
                    action()
            if self.link and any(each in ready for each in ours):
                self.events += self.link.read(limit=10)

    def hear(self, kind: type[Kind]) -> Kind:
        """The next event of this kind; those before it are dropped."""
        self.until(lambda: any(isinstance(event, kind) for event in self.events))
        while True:
            event = self.events.pop(0)
            if isinstance(event, kind):
                return event

    def connect(self) -> tuple[Broker, Link]:
        broker, made = self.start_broker(), self.start_link()
        self.hear(Connected)
        return broker, made

    def reserve(self) -> None:
        """An address where nobody listens; `start_broker` may listen there later."""
        if self.address.startswith("127"):
            self.reserved = reserve_pair()
            self.address = f"127.0.0.1:{self.reserved[0].getsockname()[1]}"

    def listen_raw(self) -> net.socket:
        """A listener that is no broker, to be served by `extra`."""
        self.reserve()
        if self.reserved:
            raw = self.reserved[0]
            raw.setsockopt(net.SOL_SOCKET, net.SO_REUSEADDR, 1)  # so that a broker may follow at once
        else:
            raw = net.socket(net.AF_UNIX)
            raw.bind(self.address.removeprefix("ipc://"))
        raw.listen()
        return raw

    def close(self) -> None:
        if self.link is not None:
            self.link.close()
        for each in self.reserved:
            each.close()
        self.context.destroy(linger=0)


def reserve_pair() -> tuple[net.socket, net.socket]:
    """Two ports in a row that are nobody else's until these are closed, which nobody listens at."""
    for _ in range(100):
        first, second = net.socket(), net.socket()
        first.bind(("127.0.0.1", 0))
        try:
            second.bind(("127.0.0.1", first.getsockname()[1] + 1))
        except (OSError, OverflowError):
            first.close()
            second.close()
        else:
            return first, second
    raise AssertionError("no two free ports in a row")


def has_ipv6() -> bool:
    try:
        with net.socket(net.AF_INET6) as trial:
            trial.bind(("::1", 0))
    except OSError:
        return False
    return True


def bind_when_free(socket: Socket, endpoint: bytes) -> None:
    """The former socket is closed by another thread; binding is refused until that has happened."""
    for _ in range(PATIENCE):
        try:
            socket.bind(endpoint.rstrip(b"\0"))
        except zmq.ZMQError:
            socket.poll(1)
        else:
            return
    raise AssertionError(f"{endpoint!r} stays in use")
