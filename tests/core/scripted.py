"""A broker that follows a script, with real sockets, in a thread of its own; and a machine that joined its cluster.

It does what a broker does for one client: takes jobs and pages, has them computed by an honest worker, gives results.
`tamper` may change each result on its way.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from typing import Any

import zmq

from raisin_core import messages as m
from raisin_core.client import connection
from raisin_core.identity import roster
from raisin_core.identity.documents import Broker as Place
from raisin_core.identity.profile import Profile
from raisin_core.link import Context, Socket

from .closed import ROOT, Cluster, Worker, secrets, seed
from .links import BROKER, Broker

Tamper = Callable[[m.Result, bytes], tuple[m.Result, bytes]]


class Scripted:
    """The broker's thread. `heard` is what the client said; what is `said` goes to it at the next turn."""

    def __init__(self) -> None:
        self._context: Context = zmq.Context()
        self._broker = Broker(self._context, "127.0.0.1:0")
        self.address = self._broker.address
        self.heard: list[tuple[m.Message, bytes]] = []
        self.news = threading.Condition()
        self.tamper: Tamper = lambda message, payload: (message, payload)
        self.worker: Worker | None = None
        self.roster = 0
        self.prints: list[bytes] = []
        self.silent = False
        self.blobs: dict[bytes, bytes] = {}
        self._pages: list[tuple[m.Page, bytes]] = []
        self._readers: dict[int, set[int]] = {}
        self._to_say: list[tuple[m.Message, bytes]] = []
        self._wake, self._woken = self._pair()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def admit(self, *names: str) -> None:
        members = {secrets(name).curve.public: name for name in names}
        self._broker.members = {key: roster.Member(key, name, frozenset({"client"})) for key, name in members.items()}

    def say(self, message: m.Message, payload: bytes = b"") -> None:
        self._to_say.append((message, payload))
        self._wake.send(b"")

    def until(self, condition: Callable[[], object]) -> None:
        with self.news:
            assert self.news.wait_for(condition, 20), self.heard

    def said(self, kind: type[m.Message]) -> list[tuple[Any, bytes]]:
        return [each for each in self.heard if isinstance(each[0], kind)]

    def close(self) -> None:
        self._wake.send(b"end")
        self._thread.join(10)
        self._context.destroy(linger=0)

    def _pair(self) -> tuple[Socket, Socket]:
        one, other = self._context.socket(zmq.PAIR), self._context.socket(zmq.PAIR)
        one.bind("inproc://wake")
        other.connect("inproc://wake")
        return one, other

    def _serve(self) -> None:
        poller = zmq.Poller()
        for each in (*self._broker.sockets(), self._woken):
            poller.register(each, zmq.POLLIN)
        while True:
            for ready, _ in poller.poll():
                if ready is self._woken:
                    if self._woken.recv():
                        return
                    continue
                self._broker.handle(ready)
            for message, payload in self._broker.got:
                self._answer(message, payload)
                with self.news:
                    self.heard.append((message, payload))
                    self.news.notify_all()
            self._broker.got.clear()
            while self._to_say and self._broker.senders:
                self._reply(*self._to_say.pop(0))

    def _answer(self, message: m.Message, payload: bytes) -> None:
        answer = self._reply
        if self.silent:
            return
        match message:
            case m.Hello():
                answer(m.Welcome(1, 5.0, 15.0, roster=self.roster))
            case m.Open():
                answer(m.Opened(message.job, 16))
                for each in self.prints:
                    answer(m.Printed(message.job, 0, "host"), each)
            case m.Page():
                self._pages.append((message, payload))
                answer(m.Stored(message.job, message.number + 1, 16))
                self._give()
            case m.Follow():
                self._readers.setdefault(message.reader, set())
                self._give()
            case m.ListMembers():
                answer(m.Members([m.MemberLine("zoe", "worker", "zoe-host", 1.0, 4, 1), m.MemberLine("?", "x", "", 0)]))
            case _:
                pass

    def _reply(self, message: m.Message, payload: bytes = b"") -> None:
        with contextlib.suppress(zmq.ZMQError):  # the client has gone
            self._broker.answer(message, payload)

    def _give(self) -> None:
        """Each reader each page, once."""
        for reader, given in self._readers.items():
            for arrival, (page, payload) in enumerate(self._pages, 1):
                if self.worker is not None and arrival not in given:
                    given.add(arrival)
                    results = self.worker.answer(page, payload)
                    stop = page.first + page.count
                    said = m.Result(page.job, reader, arrival, page.first, stop, [], "zoe-host", "zoe")
                    self._reply(*self.tamper(said, results))


class Joined:
    """A cluster whose broker follows the script, and this machine's profile of it, named lab."""

    def __init__(self, broker: Scripted, *before: str, name: str = "me") -> None:
        self.broker = broker
        self.cluster = Cluster(broker=Place([*before, broker.address], BROKER.public))
        broker.admit(name)
        broker.roster = 2
        self.profile = Profile.create("lab", seed(name), self.cluster.book, ROOT if name == "me" else None)
        Profile.use("lab")


def forget_connections() -> None:
    """As in a new interpreter."""
    for each in connection._all():
        each.close()
    connection._active.clear()
    connection._member = None
    connection._belongs = None
