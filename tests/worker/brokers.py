"""A broker that says what a test wants, over real sockets, and a worker that hears it."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import TypeVar

import zmq

from raisin_core import envelope
from raisin_core import messages as m
from raisin_core.identity import keys
from raisin_core.messages import CHUNK, Message
from raisin_worker.agent import Agent
from tests.support.cluster import Said

PATIENCE = 20.0
M = TypeVar("M", bound=Message)


class FakeBroker:
    """Welcomes whoever comes and serves blobs; all else is up to the test. `got` is all that it was told. Whom its
    gate turns away (`admits` is off) it counts."""

    def __init__(self, path: str) -> None:
        self.keys = keys.make()
        self.address = f"ipc://{path}"
        self.context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self.gate = self.context.socket(zmq.REP)
        self.gate.bind("inproc://zeromq.zap.01")
        self.admits, self.turned_away = True, 0
        self.control, self.bulk = self._socket(self.address), self._socket(f"{self.address}.bulk")
        self.got: list[Said] = []
        self.blobs: dict[bytes, bytes] = {}
        self.roster = 0
        self.run = 1
        self.watch: Callable[[], None] = lambda: None
        self._route = b""
        self._seen = 0
        self._coming: dict[bytes, bytearray] = {}

    @property
    def met(self) -> bool:
        """Whether a worker has come."""
        return bool(self._route)

    def say(self, message: Message, payload: bytes = b"") -> None:
        self.control.send_multipart([self._route, *envelope.encode(message, payload)])

    def give(self, said: Iterable[Said]) -> None:
        for message, payload in said:
            self.say(message, payload)

    def hear(self, kind: type[M], when: Callable[[M], bool] = lambda _: True) -> tuple[M, bytes]:
        """The next message of this kind; what comes before it is left behind (in `got`)."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            while self._seen < len(self.got):
                self._seen += 1
                message, payload = self.got[self._seen - 1]
                if isinstance(message, kind) and when(message):
                    return message, payload
            self.pump()
        raise AssertionError(f"no {kind.__name__} came, but {[type(each).__name__ for each, _ in self.got]}")

    def until(self, condition: Callable[[], object]) -> None:
        deadline = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < deadline, self.got
            self.pump()

    def settle(self) -> None:
        """Until the worker has seen to all that it was told."""
        before = sum(isinstance(each, m.Held) for each, _ in self.got)
        self.say(m.ListLeases())
        self.until(lambda: sum(isinstance(each, m.Held) for each, _ in self.got) > before)

    def pump(self) -> None:
        self.watch()
        poller = zmq.Poller()
        for each in (self.gate, self.control, self.bulk):
            poller.register(each, zmq.POLLIN)
        for ready, _ in poller.poll(20):
            if ready is self.gate:
                self._on_gate()
                continue
            route, *frames = ready.recv_multipart()
            for found in envelope.decode_all(frames):
                assert not isinstance(found, envelope.Malformed), found.reason
                self._on(ready, route, *found)

    def close(self) -> None:
        self.context.destroy(linger=0)

    def _on_gate(self) -> None:
        version, request = self.gate.recv_multipart()[:2]
        self.turned_away += not self.admits
        status = b"200" if self.admits else b"400"
        self.gate.send_multipart([version, request, status, b"", b"zoe", b""])

    def _on(self, door: zmq.Socket[bytes], route: bytes, message: Message, payload: bytes) -> None:
        self.got.append((message, payload))
        if isinstance(message, m.Hello):
            self._route = route
            self.say(m.Welcome(self.run, 5.0, 15.0, "lab", self.roster))
        elif isinstance(message, m.Get):
            data = self.blobs.get(message.digest)
            size, piece = (-1, b"") if data is None else (len(data), data[message.offset : message.offset + CHUNK])
            answer = m.Chunk(message.digest, message.offset, size)
            door.send_multipart([route, *envelope.encode(answer, piece)])
        elif isinstance(message, m.Put):
            self._on_put(door, route, message, payload)

    def _on_put(self, door: zmq.Socket[bytes], route: bytes, message: m.Put, payload: bytes) -> None:
        here = self._coming.setdefault(message.digest, bytearray())
        if payload and message.offset == len(here):
            here += payload
        complete = len(here) == message.size
        if complete:
            self.blobs[message.digest] = bytes(here)
            assert hashlib.sha256(here).digest() == message.digest
        door.send_multipart([route, *envelope.encode(m.Have(message.digest, len(here), complete))])

    def _socket(self, endpoint: str) -> zmq.Socket[bytes]:
        made = self.context.socket(zmq.ROUTER)
        made.curve_server, made.curve_secretkey, made.linger = True, self.keys.secret, 0
        made.bind(endpoint)
        return made


class Running:
    """An agent in a thread of its own; what goes wrong there goes wrong in the test, too."""

    def __init__(self, agent: Agent, broker: FakeBroker) -> None:
        self.agent, self._broker = agent, broker
        self._error: BaseException | None = None
        self._stop = False
        self._thread = threading.Thread(target=self._work, daemon=True)
        broker.watch = self.check

    def check(self) -> None:
        if self._error is not None:
            raise self._error

    def __enter__(self) -> Running:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stop = True
        if self._broker.met:
            self._broker.say(m.BeatBack())  # it looks up
        self._thread.join(PATIENCE)
        self.agent.close()
        if error is None:
            self.check()

    def _work(self) -> None:
        try:
            while not self._stop:
                self.agent.turn()
        except BaseException as error:  # noqa: BLE001 - raised in `check`
            self._error = error
