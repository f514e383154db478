"""A real broker as a process on loopback, and peers that speak to it as they please: raw sockets, any bytes.

Rules of this file: everything is bounded in time, and ends with its `with` block.
"""

from __future__ import annotations

import contextlib
import itertools
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, Protocol, TypeVar

import zmq

from raisin_core import digests, envelope
from raisin_core import messages as m
from raisin_core.addresses import endpoints
from raisin_core.identity import keys as key_files
from raisin_core.identity import roster
from raisin_core.identity.keys import Keys
from tests.e2e.support import Cluster

PATIENCE: Final = 10_000
"""Milliseconds: how long something may take that must happen."""
ENOUGH: Final = 200
"""Milliseconds in which what must not happen would have happened: a round trip takes about one."""

Kind = TypeVar("Kind", bound=m.Message)
Socket = zmq.Socket[bytes]
_numbers = itertools.count(1)

FUNCTION: Final = b"some function"


def ident() -> bytes:
    """An id that nobody has had."""
    return next(_numbers).to_bytes(16, "big")


class Doors(Protocol):
    """Where a broker is, and who has come there."""

    context: zmq.Context[Socket]
    key: bytes
    peers: list[Peer]

    @property
    def address(self) -> str: ...


class Peer:
    """A DEALER with somebody's key, at the door for control or for blobs."""

    def __init__(self, broker: Doors, keys: Keys | None, bulk: bool = False, routing_id: bytes = b"") -> None:
        self.instance = ident()
        self.socket: Socket = broker.context.socket(zmq.DEALER)
        self.socket.linger, self.socket.handshake_ivl = 0, 500
        broker.peers.append(self)
        if keys is not None:
            self.socket.curve_publickey, self.socket.curve_secretkey = keys.public, keys.secret
            self.socket.curve_serverkey = broker.key
        if routing_id:
            self.socket.routing_id = routing_id
        self._heard: list[tuple[m.Message, bytes]] = []
        self.socket.connect(endpoints(broker.address)[int(bulk)])

    def raw(self, frames: Sequence[bytes]) -> None:
        self.socket.send_multipart(frames)

    def say(self, message: m.Message, payload: bytes = b"") -> None:
        self.raw(envelope.encode(message, payload))

    def hello(self, role: str, **more: object) -> m.Message:
        """Begin a session; what the broker says to that."""
        greeting = {"instance": self.instance, "role": role, "host": "here", "pid": 1, "slots": int(role == "worker")}
        self.say(m.Hello(**{**greeting, **more}))  # type: ignore[arg-type]
        return self.hear(m.Welcome, m.Refused)

    def hear(self, *kinds: type[m.Message]) -> m.Message:
        """The next message of one of these kinds; what comes before it is kept in `missed`."""
        return self.hear_all(*kinds)[0]

    def hear_all(self, *kinds: type[m.Message]) -> tuple[m.Message, bytes]:
        end = time.monotonic() + PATIENCE / 1000
        while time.monotonic() < end:
            while self._heard:
                found = self._heard.pop(0)
                if isinstance(found[0], kinds):
                    return found
            if self.socket.poll(50):
                for each in envelope.decode_all(self.socket.recv_multipart()):
                    assert isinstance(each, tuple), each
                    self._heard.append(each)
        raise AssertionError(f"heard no {' or '.join(kind.__name__ for kind in kinds)}")

    def hears_nothing(self, milliseconds: int = ENOUGH) -> bool:
        return not self._heard and not self.socket.poll(milliseconds)

    def open_job(self, tasks: int = 1) -> bytes:
        """A job with one page, acknowledged."""
        job = ident()
        self.say(m.Open(job, "map", "f", digests.content(FUNCTION), m.Options()), FUNCTION)
        self.say(m.Page(job, 0, 0, tasks, last=True), b"arguments")
        self.hear(m.Closed)
        return job

    def ask(self, message: m.Message, payload: bytes = b"") -> m.Message:
        """What the broker says to this, apart from how jobs stand."""
        self.say(message, payload)
        while isinstance(answer := self.hear(m.Message), m.Progress):
            pass
        return answer

    def beat(self) -> None:
        """All that was said before has been handled."""
        self.say(m.Beat())
        self.hear(m.BeatBack)


class Broker:
    """A broker process with a roster, and its members: they are made when they are asked for."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.cluster = Cluster(folder)
        self.context: zmq.Context[Socket] = zmq.Context()
        self.context.max_sockets = 20_000
        self.key = self.cluster.broker_keys.public
        self.program = self.cluster.start_broker(*options)
        self.members: dict[str, Keys] = {}
        self.peers: list[Peer] = []

    def hang_up(self) -> None:
        """End all connections of peers."""
        while self.peers:
            self.peers.pop().socket.close()

    @property
    def address(self) -> str:
        return self.cluster.address

    @property
    def log(self) -> str:
        return (self.cluster.data / "broker.log").read_text()

    def member(self, name: str, *roles: str, account: str = "") -> Keys:
        """The keys of a member; in the roster from the first time on."""
        if name not in self.members:
            self.members[name] = key_files.make()
            roster.add(self.cluster.roster, self.members[name].public, name, list(roles or ("client",)), account)
        return self.members[name]

    def peer(self, name: str, *roles: str, bulk: bool = False, routing_id: bytes = b"", account: str = "") -> Peer:
        return Peer(self, self.member(name, *roles, account=account), bulk, routing_id)

    def client(self, name: str = "ann", account: str = "") -> Peer:
        """A member with a session as a client."""
        peer = self.peer(name, "client", account=account)
        assert isinstance(peer.hello("client"), m.Welcome)
        return peer

    def worker(self, name: str = "bob") -> Peer:
        """A member with a session as a worker."""
        peer = self.peer(name, "worker")
        assert isinstance(peer.hello("worker"), m.Welcome)
        peer.say(m.Held([], 0))
        return peer

    def serves(self) -> bool:
        """Whether it is there, and has time for a client that has just come."""
        peer = self.client("witness")
        peer.beat()
        self.peers.remove(peer)
        peer.socket.close()
        return self.program.process.poll() is None

    def close(self) -> None:
        self.hang_up()
        self.context.destroy(linger=0)
        self.cluster.close()


@contextlib.contextmanager
def broker(folder: Path, *options: str) -> Iterator[Broker]:
    """A broker, ended afterwards."""
    made = Broker(folder, *options)
    try:
        yield made
    finally:
        made.close()
