"""Members of a closed cluster that say what they please: raw sockets with their keys."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import zmq

from raisin_core import messages as m
from raisin_core.identity.keys import Keys
from raisin_core.identity.standing import read_book
from tests.attacks.support import Peer, Socket
from tests.closed.support import Closed


class Doors:
    """A closed cluster's broker, for raw peers."""

    def __init__(self, cluster: Closed) -> None:
        self.context: zmq.Context[Socket] = zmq.Context()
        self.peers: list[Peer] = []
        self.address, self.key = cluster.address, read_book(cluster.book).broker.key

    def peer(self, keys: Keys, role: str = "", bulk: bool = False, **hello: object) -> Peer:
        """Somebody with these keys; with a session where a role is given."""
        made = Peer(self, keys, bulk)
        if role:
            assert isinstance(made.hello(role, roster=1, **hello), m.Welcome)
        return made

    def close(self) -> None:
        """End all connections."""
        while self.peers:
            self.peers.pop().socket.close()
        self.context.destroy(linger=0)


@contextlib.contextmanager
def doors_of(cluster: Closed) -> Iterator[Doors]:
    """Its broker's doors; connections end afterwards."""
    made = Doors(cluster)
    try:
        yield made
    finally:
        made.close()
