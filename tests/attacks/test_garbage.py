"""What is no message, too large, too deep, too slow, or never ends: the broker goes on serving."""

from __future__ import annotations

import contextlib
import socket as net
from collections.abc import Iterator

import msgspec
import psutil
import pytest
import zmq

from raisin_broker.peers import MOST_GARBLED
from raisin_core import envelope
from raisin_core import messages as m
from raisin_core.link import MAX_FRAME
from tests.attacks.support import PATIENCE, Broker, Peer
from tests.attacks.support import broker as a_broker
from tests.e2e.support import until

pytestmark = pytest.mark.slow
NESTED = b"\x91" * 100_000 + b"\xc0"
GREETING = b"\xff" + bytes(8) + b"\x7f\x03\x01CURVE" + bytes(15 + 32 + 1)  # ZMTP's 64 bytes
V = envelope.FIRST


def pack(value: object) -> bytes:
    return msgspec.msgpack.encode(value)


GARBAGE = {
    "nothing": [b""],
    "no magic": [b"hello", b"world"],
    "only the version": [V],
    "no header": [V, b""],
    "text": [V, b"\xa5hello"],
    "unknown tag": [V, pack(["no such message", 1])],
    "too few fields": [V, pack(["page"])],
    "wrong types": [V, pack(["beat", "a", []])],
    "cut": [V, pack(["beat", 1, 2])[:-1]],
    "an id too short": [V, pack(["cancel", b"short"])],
    "a negative index": [V, pack(["fetch", bytes(16), -1])],
    "an index beyond all": [V, pack(["fetch", bytes(16), 2**64 - 1])],
    "a payload where there is none": [V, pack(["beat"]), b"payload"],
    "an array of four billion": [V, b"\xdd\xff\xff\xff\xff"],
    "a text of four billion": [V, b"\x92\xa4hello"[:1] + b"\xdb\xff\xff\xff\xff"],
    "deeply nested": [V, NESTED],
    "nested in a field": [V, b"\x92\xa4beat" + NESTED],
    "nested maps": [V, b"\x92\xa4beat" + b"\x81\x01" * 50_000 + b"\xc0"],
    "a large header": [V, bytes(envelope.MAX_HEADER + 1)],
    "a large payload": [V, pack(["wrote", bytes(16), 0]), bytes(envelope.MAX_PAYLOAD + 1)],
    "many frames": [V, *[b"x"] * 1000],
    "a bundle of garbage": [V, *[b"x", b"y"] * envelope.BUNDLE],
    "no UTF-8": [V, pack(["open", bytes(16), "map", "?", bytes(32), []]).replace(b"\xa1?", b"\xa1\xff")],
}


@pytest.mark.parametrize("name", GARBAGE)
def test_garbage_is_answered_and_changes_nothing(broker: Broker, name: str) -> None:
    peer = broker.client("eve")
    peer.raw(GARBAGE[name])
    answer = peer.hear(m.Refused)
    assert isinstance(answer, m.Refused)
    assert (answer.code, answer.fatal) == ("malformed", False)
    assert len(answer.reason) < 300, "nothing of it is sent back"
    if len(GARBAGE[name]) != 1 + 2 * envelope.BUNDLE:  # so many at once end the session
        peer.beat()


def test_a_bundle_of_many_large_messages_is_not_even_read(broker: Broker) -> None:
    """Each frame is allowed, together they are more than any bundle can be."""
    peer = broker.client("eve")
    peer.raw([V, *[pack(["wrote", bytes(16), 0]), bytes(6 * 2**20)] * 5])
    answer = peer.hear(m.Refused)
    assert isinstance(answer, m.Refused)
    assert "11 frames" in answer.reason


@pytest.mark.parametrize("bulk", [False, True])
def test_a_frame_that_is_too_large_ends_the_connection(broker: Broker, bulk: bool) -> None:
    peer = broker.peer("eve", bulk=bulk)
    monitor = peer.socket.get_monitor_socket(zmq.EVENT_DISCONNECTED)
    peer.raw([V, bytes(MAX_FRAME + 1)])
    assert monitor.poll(PATIENCE)
    peer.socket.disable_monitor()
    monitor.close()
    assert broker.serves()


def test_a_flood_from_a_member_ends_its_connection_and_nobody_elses(broker: Broker) -> None:
    """It is told why, then nobody listens, then it is out for a while; the log stays short."""
    peer, honest = broker.client("eve"), broker.client("ann")
    before = broker.log.count("\n")
    monitor = peer.socket.get_monitor_socket(zmq.EVENT_DISCONNECTED)
    for _ in range(MOST_GARBLED + 1):
        peer.raw([V, b"garbage"])
    refusals = [peer.hear(m.Refused) for _ in range(MOST_GARBLED + 1)]
    assert [each.fatal for each in refusals if isinstance(each, m.Refused)] == [False] * MOST_GARBLED + [True]
    peer.say(m.Beat())
    honest.beat()
    assert peer.hears_nothing(0)
    while not monitor.poll(0):
        with contextlib.suppress(zmq.Again):
            peer.socket.send_multipart([V, b"garbage"], zmq.NOBLOCK)
    honest.beat()
    job = honest.open_job()
    honest.say(m.Cancel(job))
    peer.socket.disable_monitor()
    monitor.close()
    broker.hang_up()
    again = broker.peer("eve")
    assert not again.socket.poll(0)
    assert isinstance(again.hello("client"), m.Welcome), "after a while it may come back"
    assert broker.log.count("\n") - before < 100
    assert broker.program.process.poll() is None


def test_a_flood_at_the_door_for_blobs(broker: Broker) -> None:
    peer, honest = broker.peer("eve", bulk=True), broker.client("ann")
    for number in range(5_000):
        peer.raw([V, b"garbage"] if number % 2 else [b"x"] * 5)
    honest.beat()
    peer.say(m.Get(bytes(32), 0))
    assert peer.hear_all(m.Chunk) == (m.Chunk(bytes(32), 0, -1), b"")


# -- connections -----------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def half_open(made: Broker, count: int, said: bytes = b"") -> Iterator[list[net.socket]]:
    """So many connections that go no further than these bytes."""
    host, _, port = made.address.partition(":")
    found: list[net.socket] = []
    try:
        for number in range(count):
            found.append(net.create_connection((host, int(port) + number % 2), timeout=5))
            found[-1].sendall(said)
        yield found
    finally:
        for each in found:
            each.close()


@pytest.mark.parametrize(
    "said", [b"", GREETING[:10], GREETING, GREETING + b"\x06" + (MAX_FRAME - 9).to_bytes(8, "big") + bytes(5)]
)
def test_half_open_connections_keep_nobody_out(broker: Broker, said: bytes) -> None:
    """400 that say nothing, begin a greeting, end it, or announce a large command."""
    honest = broker.client("ann")
    with half_open(broker, 400, said):
        honest.beat()
        assert broker.serves()
    honest.beat()


def test_a_slow_drip_is_cut_off(broker: Broker) -> None:
    """A byte now and then does not prolong the time that a stranger has."""
    host, _, port = broker.address.partition(":")
    honest, drops = broker.client("ann"), iter(GREETING)
    with net.create_connection((host, int(port)), timeout=0.2) as dripping:

        def cut() -> bool:
            honest.beat()
            try:
                dripping.sendall(bytes([next(drops)]))
                while dripping.recv(1000):
                    pass
            except TimeoutError:
                return False
            except ConnectionError:
                pass
            return True

        until(cut, "the slow connection is cut off", 20)
    left = len(list(drops))
    assert 0 < left < len(GREETING) - 5, "not because of what it said, and before it had said all"


@pytest.fixture
def folder_broker(folder: object) -> Iterator[Broker]:
    with a_broker(folder) as made:  # type: ignore[arg-type]
        yield made


def test_when_the_files_run_out_the_broker_stays_and_goes_on_afterwards(folder_broker: Broker) -> None:
    """Strangers take all its open files: members that are here are served meanwhile, new ones afterwards."""
    resource = pytest.importorskip("resource")
    process = psutil.Process(folder_broker.program.pid)
    if not hasattr(process, "rlimit"):
        pytest.skip("the limits of another process cannot be set here")
    honest = folder_broker.client("ann")
    few = process.num_fds() + 30
    process.rlimit(resource.RLIMIT_NOFILE, (few, few))
    with half_open(folder_broker, 200):
        until(lambda: process.num_fds() >= few, "all of its files are open")
        honest.beat()
        job = honest.open_job(3)
        honest.say(m.Cancel(job))
        honest.beat()
        late = Peer(folder_broker, folder_broker.member("late"))
        late.say(m.Hello(late.instance, "client", "here", 1))
        honest.beat()
    assert isinstance(late.hear(m.Welcome), m.Welcome), "it gets in when there is room"
    assert folder_broker.program.process.poll() is None


def test_the_broker_may_open_as_many_files_as_the_system_allows(broker: Broker) -> None:
    resource = pytest.importorskip("resource")
    process = psutil.Process(broker.program.pid)
    if not hasattr(process, "rlimit"):
        pytest.skip("the limits of another process cannot be asked for here")
    soft, hard = process.rlimit(resource.RLIMIT_NOFILE)
    assert soft == hard
    assert process.rlimit(resource.RLIMIT_CORE)[0] == 0
