"""Row "malformed, oversized or unknown message": counted, logged, answered; the peer is dropped when it persists."""

from __future__ import annotations

import contextlib
import random

import pytest
import zmq

import raisin
from raisin_broker.peers import MOST_GARBLED
from raisin_core import envelope
from raisin_core.envelope import FIRST, MAX_HEADER
from raisin_core.identity import keys
from raisin_core.link import MAX_FRAME
from raisin_core.messages import Beat, BeatBack, Hello, Refused, Welcome, WhoAreYou
from tests.e2e import support
from tests.e2e.support import until

pytestmark = pytest.mark.slow  # what it tests is the same on every Python

UNKNOWN = [FIRST, b"\x92\xa7unknown\x01"]
TOO_LARGE = [FIRST, bytes(MAX_HEADER + 1)]


@pytest.fixture(scope="module")
def cluster(module_folder):
    with support.cluster(module_folder, "ann") as made:
        yield made


class Peer:
    """A member that says what it likes."""

    def __init__(self, cluster, socket):
        self.socket = socket
        own, _ = keys.load_or_make(cluster.key_file)
        socket.linger = 0
        socket.curve_serverkey = cluster.broker_keys.public
        socket.curve_publickey, socket.curve_secretkey = own.public, own.secret
        socket.connect(f"tcp://{cluster.address}")

    def say(self, message):
        self.socket.send_multipart(envelope.encode(message))

    def hear(self, count=1):
        """The next messages; fails where there are fewer."""
        heard = []
        while len(heard) < count:
            assert self.socket.poll(10_000), f"only {heard}"
            heard += [message for message, _ in envelope.decode_all(self.socket.recv_multipart())]
        return heard

    def hello(self):
        self.say(Hello(b"instance".ljust(16, b"."), "client", "a host", 1))
        (answer,) = self.hear()
        assert isinstance(answer, Welcome)


@pytest.fixture
def peer(cluster):
    context = zmq.Context()
    with contextlib.closing(context.socket(zmq.DEALER)) as socket:
        yield Peer(cluster, socket)
    context.destroy(linger=0)


@pytest.fixture(autouse=True)
def goes_on(cluster):
    """Afterwards the cluster still works."""
    yield
    with cluster.connect():
        assert raisin.process(abs, (-1,)) == 1


@pytest.mark.parametrize(
    ("frames", "reason"),
    [
        ([b"hello"], "not a raisin message"),
        ([FIRST, b"\xff\xff"], "bad header"),
        (UNKNOWN, "bad header: Invalid value 'unknown'"),
        (TOO_LARGE, f"a header of {MAX_HEADER + 1} bytes"),
        ([FIRST], "1 frames instead of 2 or 3"),
        ([FIRST, b"\x93\xa4beat\x00\x00", b"payload"], "Beat carries no payload"),
    ],
    ids=["no message", "malformed", "unknown", "oversized", "no header", "with a payload"],
)
def test_garbled_message_is_answered_and_logged(cluster, peer, frames, reason):
    """And what is well said behind it is heard."""
    peer.hello()
    peer.socket.send_multipart(frames)
    peer.say(Beat())
    refused, beat = peer.hear(2)
    assert isinstance(refused, Refused)
    assert (refused.code, refused.fatal) == ("malformed", False)
    assert refused.reason.startswith(reason)
    assert beat == BeatBack()
    log = (cluster.data / "broker.log").read_text()
    assert reason in log


def test_garbled_message_upon_message(cluster, peer):
    """Whoever persists is dropped, and heard again when it says who it is."""
    peer.hello()
    for _ in range(MOST_GARBLED):
        peer.socket.send_multipart(UNKNOWN)
    assert {(each.code, each.fatal) for each in peer.hear(MOST_GARBLED)} == {("malformed", False)}
    for _ in range(1000):
        peer.socket.send_multipart(UNKNOWN)
    peer.say(Beat())
    (last,) = peer.hear()
    assert (last.code, last.fatal) == ("malformed", True)
    assert last.reason.startswith(f"{MOST_GARBLED + 1} messages could not be read, the last one: bad header")
    peer.hello()  # nothing else came before that
    peer.say(Beat())
    assert peer.hear() == [BeatBack()]


def test_garbled_message_that_is_too_large_for_the_socket(peer):
    """The connection ends before the broker has taken all of it into its memory, and the session with it."""
    peer.hello()
    peer.socket.send_multipart([FIRST, bytes(2 * MAX_FRAME)])

    def answered():
        peer.say(Beat())
        return peer.socket.poll(100)

    until(answered, "a new connection stands")
    assert peer.hear()[0] == WhoAreYou()


def test_garbled_message_of_random_bytes(cluster, peer):
    chance = random.Random(2)
    for _ in range(2000):
        frames = [chance.randbytes(chance.randrange(20)) for _ in range(chance.randrange(1, 5))]
        if chance.random() < 0.7:
            frames[0] = FIRST
        peer.socket.send_multipart(frames)
    heard = peer.hear(MOST_GARBLED + 1)
    assert [(each.code, each.fatal) for each in heard] == [("malformed", False)] * MOST_GARBLED + [("malformed", True)]
