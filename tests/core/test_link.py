from __future__ import annotations

import os
import select
import socket as net
from collections.abc import Iterator
from pathlib import Path

import pytest
import zmq

from raisin_broker.gate import serve_curve
from raisin_core import envelope, link, wire
from raisin_core.identity.roster import Member
from raisin_core.link import (
    BulkLost,
    Connected,
    Context,
    Disconnected,
    Garbled,
    HandshakeFailed,
    Link,
    Received,
    Socket,
)
from raisin_core.messages import Beat, BeatBack, Farewell, Get, Have, LeaseId, Put, Results

from .links import BROKER, PATIENCE, STRANGER, ZOE, World, bind_when_free, has_ipv6

SCHEMES = ["tcp", pytest.param("ipc", marks=pytest.mark.skipif(not zmq.has("ipc"), reason="no ipc here"))]
DIGEST = b"d" * 32


@pytest.fixture(params=SCHEMES)
def world(request: pytest.FixtureRequest, home: Path) -> Iterator[World]:
    context: Context = zmq.Context()
    made = World(context, "127.0.0.1:0" if request.param == "tcp" else f"ipc://{home}/broker")
    yield made
    made.close()


# -- the table of link.py --------------------------------------------------------------------------------------------


def test_connects_talks_and_says_so_once(world: World) -> None:
    broker, made = world.connect()
    assert made.connected
    assert made.send(Results(LeaseId(1, 2), b"j" * 16, 0, 1, 0.5), b"payload")
    world.until(lambda: bool(broker.got))
    assert broker.got == [(Results(LeaseId(1, 2), b"j" * 16, 0, 1, 0.5), b"payload")]
    broker.answer(BeatBack())
    assert world.hear(Received) == Received(BeatBack(), b"")
    assert world.events == []


def test_what_is_posted_goes_together_and_in_order(world: World) -> None:
    broker, made = world.connect()
    made.post(Beat(1))
    made.post(Results(LeaseId(1, 2), b"j" * 16, 0, 1, 0.5), b"payload")
    made.post(Beat(2))
    made.flush()
    world.until(lambda: len(broker.got) == 3)
    assert [message for message, _ in broker.got] == [Beat(1), Results(LeaseId(1, 2), b"j" * 16, 0, 1, 0.5), Beat(2)]


def test_a_full_queue_gives_the_connection_up(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    broker, made = world.connect()
    with monkeypatch.context() as full:
        full.setattr(wire.Wire, "send", lambda wire, frames: False)
        made.post(Beat())
        made.flush()
    world.hear(Disconnected)
    world.hear(Connected)
    made.post(Beat(7))
    made.flush()
    world.until(lambda: (Beat(7), b"") in broker.got)
    assert (Beat(), b"") not in broker.got


@pytest.mark.skipif(not has_ipv6(), reason="no IPv6 here")
@pytest.mark.parametrize("world", ["tcp"], indirect=True)
def test_ipv6(world: World) -> None:
    world.address = "[::1]:0"
    broker, made = world.connect()
    made.send(Beat())
    made.send(Get(DIGEST, 0))
    world.until(lambda: len(broker.got) == 2)


def test_nobody_listens_then_somebody_does(world: World) -> None:
    world.reserve()
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


def test_accepts_and_says_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "HANDSHAKE_TIMEOUT", 50)
    with world.listen_raw():
        world.start_link()
        for _ in range(link.ATTEMPTS + 1):  # however often: it is not taken for another key
            failed = world.hear(HandshakeFailed)
            assert (failed.reason, failed.over) == ("silent", False)
            assert "says nothing" in failed.detail


def test_accepts_and_closes(world: World) -> None:
    with world.listen_raw() as raw:
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
    raw = world.listen_raw()
    world.start_link()
    raw.accept()[0].close()
    raw.close()
    if world.address.startswith("ipc"):
        os.unlink(world.address.removeprefix("ipc://"))
    world.start_broker()
    world.until(lambda: Connected() in world.events)
    assert all(event.reason == "silent" for event in world.events if isinstance(event, HandshakeFailed))


@pytest.mark.parametrize("greeting", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"SSH-2.0-OpenSSH_9.2\r\n"])
def test_no_zeromq_at_all(world: World, greeting: bytes) -> None:
    with world.listen_raw() as raw:
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
    monkeypatch.setattr(wire, "_HWM", 2)
    _, made = world.connect()
    message = Results(LeaseId(1, 2), b"j" * 16, 0, 1, 0.5)
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
    world.until(lambda: bool(monitor.poll(0)), reading=False)
    assert made.read(limit=5) == [Received(Have(DIGEST, 3, True), b"")] * 25 + [BulkLost()]
    assert made.connected
    assert len(made.sockets()) == 2
    broker.bulk = world.context.socket(zmq.ROUTER)
    serve_curve(broker.bulk, BROKER)
    bind_when_free(broker.bulk, endpoint)
    assert made.send(Get(DIGEST, 3))
    world.until(lambda: len(broker.got) == 2)
    assert broker.got[1] == (Get(DIGEST, 3), b"")


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
    assert made.read() == []
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


@pytest.mark.parametrize("key", [b"", b"short", STRANGER.public[:-1] + b"~"])
def test_a_broker_key_that_is_none(key: bytes) -> None:
    context: Context = zmq.Context()
    with pytest.raises(ValueError, match="key"):
        Link(context, "lab", key, ZOE)
    context.term()
