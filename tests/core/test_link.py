from __future__ import annotations

import os
import select
import socket as net
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest
import zmq
from raisin_broker.gate import Gate, bind_pair, serve_curve
from raisin_core import envelope, link
from raisin_core.identity import keys as key_files
from raisin_core.identity.keys import Keys
from raisin_core.identity.roster import Member
from raisin_core.link import (
    Address,
    BulkLost,
    Connected,
    Context,
    Disconnected,
    Garbled,
    HandshakeFailed,
    Link,
    LinkEvent,
    Received,
    Socket,
    endpoints,
    parse_address,
)
from raisin_core.messages import Beat, BeatBack, Farewell, Get, Have, Message, Put, Results
from raisin_core.messages import LeaseId as Lease

PATIENCE = 10_000  # milliseconds: how long something may take that must happen
ZOE, BROKER, STRANGER = key_files.make(), key_files.make(), key_files.make()
SCHEMES = ["tcp", pytest.param("ipc", marks=pytest.mark.skipif(not zmq.has("ipc"), reason="no ipc here"))]
DIGEST = b"d" * 32
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
        found = envelope.decode(frames)
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


@pytest.fixture(params=SCHEMES)
def world(request: pytest.FixtureRequest, home: Path) -> Iterator[World]:
    context: Context = zmq.Context()
    made = World(context, "127.0.0.1:0" if request.param == "tcp" else f"ipc://{home}/broker")
    yield made
    if made.link is not None:
        made.link.close()
    for each in made.reserved:
        each.close()
    context.destroy(linger=0)


def has_ipv6() -> bool:
    try:
        with net.socket(net.AF_INET6) as trial:
            trial.bind(("::1", 0))
    except OSError:
        return False
    return True


@pytest.mark.skipif(not has_ipv6(), reason="no IPv6 here")
@pytest.mark.parametrize("world", ["tcp"], indirect=True)
def test_ipv6(world: World) -> None:
    world.address = "[::1]:0"
    broker, made = world.connect()
    made.send(Beat())
    made.send(Get(DIGEST, 0))
    world.until(lambda: len(broker.got) == 2)


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


def reserve(world: World) -> None:
    """An address where nobody listens; `start_broker` may listen there later."""
    if world.address.startswith("127"):
        world.reserved = reserve_pair()
        world.address = f"127.0.0.1:{world.reserved[0].getsockname()[1]}"


# -- the table of link.py --------------------------------------------------------------------------------------------


def test_connects_talks_and_says_so_once(world: World) -> None:
    broker, made = world.connect()
    assert made.connected
    assert made.send(Results(Lease(1, 2), b"j" * 16, 0, 1, 0.5), b"payload")
    world.until(lambda: bool(broker.got))
    assert broker.got == [(Results(Lease(1, 2), b"j" * 16, 0, 1, 0.5), b"payload")]
    broker.answer(BeatBack())
    assert world.hear(Received) == Received(BeatBack(), b"")
    assert world.events == []


def test_nobody_listens_then_somebody_does(world: World) -> None:
    reserve(world)
    made = world.start_link()
    for _ in range(2):
        failed = world.hear(HandshakeFailed)
        assert (failed.reason, failed.over, failed.bulk) == ("silent", False, False)
        assert f"nobody answers at {world.address}" in failed.detail
    assert not made.send(Beat())
    world.start_broker()
    world.hear(Connected)


def test_no_such_host(world: World) -> None:
    world.address = "no-such-host.invalid:5757"
    world.start_link()
    failed = world.hear(HandshakeFailed)
    assert (failed.reason, failed.over) == ("silent", False)


def test_another_broker_key(world: World) -> None:
    broker = world.start_broker()
    made = world.start_link(broker_key=STRANGER.public)
    failed = world.hear(HandshakeFailed)
    assert (failed.reason, failed.over) == ("key", True)
    assert world.address in failed.detail
    assert not made.send(Beat())
    assert made.read() == []
    assert made.sockets() == []
    assert broker.gate.refusals == 0


def test_a_key_that_the_broker_does_not_know(world: World) -> None:
    broker = world.start_broker()
    made = world.start_link(keys=STRANGER)
    failed = world.hear(HandshakeFailed)
    assert (failed.reason, failed.over) == ("refused", True)
    assert "400" in failed.detail
    broker.members[STRANGER.public] = Member(STRANGER.public, "new", frozenset({"worker"}))
    made.reset()
    world.hear(Connected)


def listen_raw(world: World) -> net.socket:
    """A listener that is no broker, to be served by `world.extra`."""
    reserve(world)
    if world.reserved:
        raw = world.reserved[0]
        raw.setsockopt(net.SOL_SOCKET, net.SO_REUSEADDR, 1)  # so that a broker may follow at once
    else:
        raw = net.socket(net.AF_UNIX)
        raw.bind(world.address.removeprefix("ipc://"))
    raw.listen()
    return raw


def test_accepts_and_says_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link, "HANDSHAKE_TIMEOUT", 50)
    with listen_raw(world):
        world.start_link()
        for _ in range(link.ATTEMPTS + 1):  # however often: it is not taken for another key
            failed = world.hear(HandshakeFailed)
            assert (failed.reason, failed.over) == ("silent", False)
            assert "says nothing" in failed.detail


def test_accepts_and_closes(world: World) -> None:
    with listen_raw(world) as raw:
        accepted: list[None] = []

        def close() -> None:
            accepted.append(raw.accept()[0].close())

        world.extra[raw] = close
        world.start_link()
        failed = world.hear(HandshakeFailed)
        assert (failed.reason, failed.over) == ("key", True)
        assert len(accepted) >= link.ATTEMPTS
        while select.select([raw], [], [], 0)[0]:
            close()  # those on their way
        assert not select.select([raw], [], [], 0.2)[0]  # it has given up; it tried every 0.05 s


def test_broken_off_once_is_not_another_key(world: World) -> None:
    """As when the broker is killed during a handshake and started again."""
    raw = listen_raw(world)
    world.start_link()
    raw.accept()[0].close()
    raw.close()
    if world.address.startswith("ipc"):
        os.unlink(world.address.removeprefix("ipc://"))
    world.start_broker()
    world.until(lambda: Connected() in world.events)
    assert all(event.reason == "silent" for event in world.events if isinstance(event, HandshakeFailed))


@pytest.mark.parametrize("greeting", [b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n", b"SSH-2.0-OpenSSH_9.2\r\n"])
def test_no_zeromq_at_all(world: World, greeting: bytes) -> None:
    with listen_raw(world) as raw:
        accepted: list[net.socket] = []

        def greet() -> None:
            accepted.append(raw.accept()[0])
            accepted[-1].sendall(greeting)

        world.extra[raw] = greet
        world.start_link()
        failed = world.hear(HandshakeFailed)
        for each in accepted:
            each.close()
    assert (failed.reason, failed.over) == ("key", True)


def test_zeromq_without_curve(world: World) -> None:
    plain: Socket = world.context.socket(zmq.ROUTER)
    plain.bind("tcp://127.0.0.1:*" if world.address.startswith("127") else world.address)
    world.address = plain.last_endpoint.decode().rstrip("\0")
    world.start_link()
    failed = world.hear(HandshakeFailed)
    assert (failed.reason, failed.over) == ("key", True)
    plain.close()


# -- what is not lost, and what is not sent --------------------------------------------------------------------------


def test_what_arrived_before_the_end_is_heard_before_it(world: World) -> None:
    """Though nobody read while the broker said it and closed."""
    broker, made = world.connect()
    made.send(Beat())
    world.until(lambda: bool(broker.got))
    for _ in range(20):
        broker.answer(BeatBack())
    broker.answer(Farewell(final=True))
    monitor = made.sockets()[1]
    broker.die()
    assert monitor.poll(PATIENCE)  # the end of the connection has been noticed
    events = made.read(limit=5)
    assert events == [Received(BeatBack(), b"")] * 20 + [Received(Farewell(final=True), b""), Disconnected()]


def test_nothing_is_sent_late(world: World) -> None:
    """What the old connection did not take is not said on the next one, where Hello must come first."""
    broker, made = world.connect()
    made.send(Beat())
    world.until(lambda: bool(broker.got))
    monitor = made.sockets()[1]
    broker.die()
    assert monitor.poll(PATIENCE)
    assert not made.send(Beat(1))  # the end is known though nobody has read of it
    world.hear(Disconnected)
    assert not made.send(Beat(2))
    assert not made.connected
    again = world.start_broker()
    world.hear(Connected)
    assert made.send(Beat(3))
    world.until(lambda: bool(again.got))
    assert again.got == [(Beat(3), b"")]


def test_reset_begins_anew(world: World) -> None:
    broker, made = world.connect()
    before = made.sockets()
    assert made.sockets() is before
    made.reset()
    assert made.sockets() is not before
    assert all(each.closed for each in before)
    assert not made.send(Beat(1))
    world.hear(Connected)
    made.send(Beat(2))
    world.until(lambda: bool(broker.got))
    assert broker.got == [(Beat(2), b"")]


def test_close_lets_a_goodbye_out(world: World) -> None:
    broker, made = world.connect()
    made.send(Beat(7))
    made.close(linger_ms=PATIENCE)
    assert made.sockets() == []
    assert made.read() == []
    assert not made.send(Beat(8))
    world.until(lambda: bool(broker.got))
    assert broker.got == [(Beat(7), b"")]
    made.close()


def test_a_full_queue_is_told(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link, "_HWM", 2)
    _, made = world.connect()
    message = Results(Lease(1, 2), b"j" * 16, 0, 1, 0.5)
    assert not all(made.send(message, bytes(1024 * 1024)) for _ in range(50))  # nobody reads at the other end


# -- reading ---------------------------------------------------------------------------------------------------------


def test_read_takes_no_more_than_its_limit(world: World) -> None:
    broker, made = world.connect()
    made.send(Beat())
    world.until(lambda: bool(broker.got))
    for _ in range(25):
        broker.answer(BeatBack())
    assert made.sockets()[0].poll(PATIENCE)
    assert len(made.read(limit=3)) <= 3
    world.until(lambda: len(world.events) >= 22)


@pytest.mark.parametrize(
    ("frames", "version"),
    [
        ([b"rsn\x09", b"from the future"], 9),
        ([b"hello"], -1),
        ([b""], -1),
        ([envelope.FIRST, b"\xc1"], 1),
        ([envelope.FIRST, b"\x91\xa8beatback", b"payload"], 1),
    ],
)
def test_what_is_no_message_is_told(world: World, frames: list[bytes], version: int) -> None:
    broker, made = world.connect()
    made.send(Beat())
    world.until(lambda: bool(broker.got))
    broker.control.send_multipart([broker.senders[-1], *frames])
    garbled = world.hear(Garbled)
    assert garbled.version == version
    broker.answer(BeatBack())  # and the connection goes on
    world.hear(Received)


# -- the second connection -------------------------------------------------------------------------------------------


def test_bulk_is_opened_when_it_is_needed(world: World) -> None:
    broker, made = world.connect()
    assert len(made.sockets()) == 2
    assert made.send(Put(DIGEST, 0, 3), b"abc")
    assert len(made.sockets()) == 4
    world.until(lambda: bool(broker.got))
    assert broker.got == [(Put(DIGEST, 0, 3), b"abc")]
    broker.answer(Have(DIGEST, 3, True))
    assert world.hear(Received).message == Have(DIGEST, 3, True)
    assert world.events == []


def test_bulk_lost_alone_is_told_and_made_again(world: World) -> None:
    broker, made = world.connect()
    made.send(Get(DIGEST, 0))
    world.until(lambda: bool(broker.got))
    endpoint = broker.bulk.last_endpoint
    broker.answer(Have(DIGEST, 3, True))
    world.hear(Received)
    for _ in range(25):
        broker.answer(Have(DIGEST, 3, True))
    monitor = made.sockets()[3]
    broker.bulk.close(linger=PATIENCE)
    assert monitor.poll(PATIENCE)
    assert made.read(limit=5) == [Received(Have(DIGEST, 3, True), b"")] * 25 + [BulkLost()]
    assert made.connected
    assert len(made.sockets()) == 2
    broker.bulk = world.context.socket(zmq.ROUTER)
    serve_curve(broker.bulk, BROKER)
    bind_when_free(broker.bulk, endpoint)
    assert made.send(Get(DIGEST, 3))
    world.until(lambda: len(broker.got) == 2)
    assert broker.got[1] == (Get(DIGEST, 3), b"")


def bind_when_free(socket: Socket, endpoint: bytes) -> None:
    """The former socket is closed by another thread; binding is refused until that has happened."""
    for _ in range(PATIENCE):
        try:
            socket.bind(endpoint.rstrip(b"\0"))
        except zmq.ZMQError as error:
            assert error.errno == zmq.EADDRINUSE
            socket.poll(1)
        else:
            return
    raise AssertionError(f"{endpoint!r} stays in use")


def test_bulk_that_cannot_be_reached(world: World) -> None:
    broker, made = world.connect()
    broker.bulk.unbind(broker.bulk.last_endpoint)
    made.send(Get(DIGEST, 0))
    failed = world.hear(HandshakeFailed)
    assert (failed.reason, failed.over, failed.bulk) == ("silent", False, True)
    assert made.connected


def test_bulk_that_is_somebody_else(world: World) -> None:
    """Control goes on; nothing more is sent on the second connection until a reset."""
    broker, made = world.connect()
    endpoint = broker.bulk.last_endpoint
    broker.bulk.close()
    broker.bulk = world.context.socket(zmq.ROUTER)
    serve_curve(broker.bulk, STRANGER)
    bind_when_free(broker.bulk, endpoint)
    made.send(Get(DIGEST, 0))
    failed = world.hear(HandshakeFailed)
    assert (failed.reason, failed.over, failed.bulk) == ("key", True, True)
    assert not made.send(Get(DIGEST, 0))
    assert len(made.sockets()) == 2
    made.send(Beat())
    world.until(lambda: bool(broker.got))
    made.reset()
    world.hear(Connected)


def test_bulk_ends_with_control(world: World) -> None:
    broker, made = world.connect()
    made.send(Get(DIGEST, 0))
    world.until(lambda: bool(broker.got))
    broker.control.close(linger=0)
    world.hear(Disconnected)
    assert len(made.sockets()) == 2
    assert not made.send(Get(DIGEST, 0))


# -- addresses -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("address", "control", "bulk"),
    [
        ("lab:5757", "tcp://lab:5757", "tcp://lab:5758"),
        ("tcp://lab.example.org:6000", "tcp://lab.example.org:6000", "tcp://lab.example.org:6001"),
        (" lab ", "tcp://lab:5757", "tcp://lab:5758"),
        (":6000", "tcp://127.0.0.1:6000", "tcp://127.0.0.1:6001"),
        ("[::1]:6000", "tcp://[::1]:6000", "tcp://[::1]:6001"),
        ("[fe80::1%eth0]", "tcp://[fe80::1%eth0]:5757", "tcp://[fe80::1%eth0]:5758"),
        ("ipc:///run/x y", "ipc:///run/x y", "ipc:///run/x y.bulk"),
    ],
)
def test_endpoints(address: str, control: str, bulk: str) -> None:
    assert endpoints(address) == (control, bulk)
    assert endpoints(str(parse_address(address))) == (control, bulk)


@pytest.mark.parametrize(
    "address",
    [
        "",
        "tcp://",
        "::1:5757",
        "lab:",
        "lab:x",
        "lab:-1",
        "lab:65535",
        "lab:99999",
        "lab:٥٧",
        "udp://lab:1",
        "lab:0",
        "*:5757",
        "a b:1",
        "zoe@lab:1",
        "lab:1/x",
        "ipc://relative",
        "ipc://@abstract",
        "ipc:///" + "x" * 100,
        "ipc:///a\0b",
    ],
)
def test_what_is_no_address(address: str) -> None:
    with pytest.raises(ValueError, match="is no address of a broker"):
        endpoints(address)


def test_addresses_to_listen_at() -> None:
    assert parse_address("*:0") == Address("*", 0)
    assert parse_address(":0") == Address("127.0.0.1", 0)


@pytest.mark.parametrize("key", [b"", b"short", STRANGER.public[:-1] + b"~"])
def test_a_broker_key_that_is_none(key: bytes) -> None:
    context: Context = zmq.Context()
    with pytest.raises(ValueError, match="key"):
        Link(context, "lab", key, ZOE)
    context.term()
