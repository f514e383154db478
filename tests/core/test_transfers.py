from __future__ import annotations

import hashlib
import random

import pytest

from raisin_core.messages import CHUNK, Chunk, Get, Have, Put
from raisin_core.transfers import PATIENCE, WINDOW, Memory, Said, Transfers


class Broker:
    """A broker's blobs, as far as a peer can see: see raisin_broker.bulk."""

    def __init__(self) -> None:
        self.blobs: dict[bytes, bytes] = {}
        self.parts: dict[bytes, bytes] = {}

    def answer(self, said: Said) -> tuple[Have | Chunk, bytes]:
        message, payload = said
        if isinstance(message, Put):
            return self.put(message, payload), b""
        assert isinstance(message, Get)
        data = self.blobs.get(message.digest)
        if data is None:
            return Chunk(message.digest, message.offset, -1), b""
        return Chunk(message.digest, message.offset, len(data)), data[message.offset : message.offset + CHUNK]

    def put(self, message: Put, payload: bytes) -> Have:
        if message.digest in self.blobs:
            return Have(message.digest, message.size, True)
        part = self.parts.setdefault(message.digest, b"")
        if message.offset == len(part):
            part = self.parts[message.digest] = part + payload
        if len(part) < message.size:
            return Have(message.digest, len(part), False)
        data = self.parts.pop(message.digest)
        if hashlib.sha256(data).digest() != message.digest:
            return Have(message.digest, 0, False)
        self.blobs[message.digest] = data
        return Have(message.digest, message.size, True)


class Peer:
    """One that brings or gets blobs, over a connection that may lose everything from some point on."""

    def __init__(self, broker: Broker, seed: int = 0, loss: float = 0.0) -> None:
        self.broker, self.random, self.loss = broker, random.Random(seed), loss
        self.transfers = Transfers()
        self.there: list[bytes] = []
        self.most = 0

    def bring(self, data: bytes) -> bytes:
        digest = hashlib.sha256(data).digest()
        self.talk(self.transfers.send(digest, len(data), lambda at, length: data[at : at + length]))
        return digest

    def get(self, digest: bytes) -> bytes | None:
        got: list[bytes | None] = []
        self.talk(self.transfers.fetch(digest, Memory(got.append)))
        assert len(got) == 1, "it was told once"
        return got[0]

    def talk(self, said: list[Said]) -> None:
        """Until nobody has anything to say."""
        out = list(said)
        while out:
            self.most = max(self.most, len(out))
            if self.random.random() < self.loss:
                out = self.transfers.restart()
                continue
            message, payload = self.broker.answer(out.pop(0))
            if isinstance(message, Have):
                more, complete = self.transfers.on_have(message)
                if complete:
                    self.there.append(message.digest)
            else:
                more, _ = self.transfers.on_chunk(message, payload)
            out += more


SIZES = [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 10 * CHUNK, 20 * CHUNK + 7]


@pytest.mark.parametrize("size", SIZES)
def test_there_and_back(size):
    data, broker = random.Random(size).randbytes(size), Broker()
    peer = Peer(broker)
    digest = peer.bring(data)
    assert broker.blobs == {digest: data}
    assert peer.there == [digest]
    assert Peer(broker).get(digest) == data


@pytest.mark.parametrize("seed", range(20))
def test_a_connection_that_is_lost_again_and_again(seed):
    data, broker = random.Random(seed).randbytes(6 * CHUNK + 5), Broker()
    digest = Peer(broker, seed, 0.1).bring(data)
    assert broker.blobs == {digest: data}
    assert Peer(broker, seed, 0.1).get(digest) == data


def test_only_a_few_pieces_are_under_way():
    data, broker = bytes(30 * CHUNK), Broker()
    peer = Peer(broker)
    peer.bring(data)
    assert 1 < peer.most <= WINDOW
    other = Peer(broker)
    other.get(hashlib.sha256(data).digest())
    assert 1 < other.most <= WINDOW + 1


def test_what_the_broker_has_is_not_sent():
    data, broker = bytes(3 * CHUNK), Broker()
    Peer(broker).bring(data)
    peer = Peer(broker)
    peer.bring(data)
    assert peer.most == 1
    assert len(peer.there) == 1


def test_it_goes_on_where_somebody_else_stopped():
    data, broker = random.Random(1).randbytes(4 * CHUNK), Broker()
    digest = hashlib.sha256(data).digest()
    broker.parts[digest] = data[: 2 * CHUNK]
    sent = []
    transfers = Transfers()
    out = transfers.send(digest, len(data), lambda at, length: data[at : at + length])
    while out:
        sent += [message.offset for message, payload in out if payload]
        answers = [broker.answer(each)[0] for each in out]
        out = [said for answer in answers for said in transfers.on_have(answer)[0]]
    assert sent == [2 * CHUNK, 3 * CHUNK]
    assert broker.blobs == {digest: data}


def test_damaged_parts_begin_anew():
    """What another had brought was not what the digest says."""
    data, broker = random.Random(1).randbytes(3 * CHUNK), Broker()
    digest = hashlib.sha256(data).digest()
    broker.parts[digest] = bytes(CHUNK)
    Peer(broker).bring(data)
    assert broker.blobs == {digest: data}


def test_a_blob_that_the_broker_does_not_have():
    assert Peer(Broker()).get(bytes(32)) is None


def test_a_blob_that_is_not_what_its_digest_says():
    broker = Broker()
    broker.blobs[bytes(32)] = b"something else"
    assert Peer(broker).get(bytes(32)) is None


def test_the_same_blob_twice_is_one_transfer():
    transfers = Transfers()
    assert len(transfers.send(bytes(32), 5, lambda at, length: b"12345"[at : at + length])) == 1
    assert transfers.send(bytes(32), 5, lambda at, length: b"") == []


def test_whoever_asks_while_a_blob_is_on_its_way_gets_it_too():
    data, broker = b"content", Broker()
    digest = hashlib.sha256(data).digest()
    broker.blobs[digest] = data
    transfers = Transfers()
    got: list[bytes | None] = []
    out = [said for _ in range(3) for said in transfers.fetch(digest, Memory(got.append))]
    while out:
        message, payload = broker.answer(out.pop(0))
        assert isinstance(message, Chunk)
        out += transfers.on_chunk(message, payload)[0]
    assert got == [data] * 3


def test_answers_that_nobody_waits_for():
    transfers = Transfers()
    assert transfers.on_have(Have(bytes(32), 5, True)) == ([], False)
    assert transfers.on_chunk(Chunk(bytes(32), 0, 5), b"12345") == ([], None)


def test_what_nobody_answers_is_asked_again():
    """The broker says nothing while its disk is full."""
    transfers, data = Transfers(), b"sultana"
    digest = hashlib.sha256(data).digest()
    assert transfers.look(100.0) == []
    asked = transfers.send(digest, len(data), lambda at, length: data[at : at + length])
    assert transfers.look(100.0 + PATIENCE / 2) == []
    assert transfers.look(100.0 + PATIENCE) == asked
    assert transfers.look(100.5 + PATIENCE) == [], "not before it was given time to answer"
    said, complete = transfers.on_have(Have(digest, 0, False))
    assert (said[0][1], complete) == (data, False)
    assert transfers.look(101.0 + 2 * PATIENCE) == [], "something has come"
    assert transfers.on_have(Have(digest, len(data), True)) == ([], True)
    assert transfers.look(1000.0) == [], "nothing is under way"
