"""A closed cluster made in the test: its root, its members, and what each of them sees."""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

import msgspec

from raisin_core import pages
from raisin_core.client.memberseal import TAG, MemberSeal
from raisin_core.identity import founding
from raisin_core.identity.documents import Broker, Member
from raisin_core.identity.epochs import keys_of
from raisin_core.identity.sealed import Held, MemberSealer
from raisin_core.identity.sealing import Attestation, Context, Parcel
from raisin_core.identity.secrets import Secrets
from raisin_core.identity.standing import Standing, read_book
from raisin_core.messages import Open, Options, Page, Result

ROOT = b"r" * 32
ACCOUNTS = {"me": "me", "desk": "me", "zoe": "zoe", "eve": "eve"}
ROLES = {"me": ["client", "worker"], "desk": ["client", "worker"], "zoe": ["client", "worker"], "eve": ["client"]}


def seed(name: str) -> bytes:
    return hashlib.sha256(name.encode()).digest()


@lru_cache
def secrets(name: str) -> Secrets:
    return Secrets.derive(seed(name))


def member(name: str) -> Member:
    return Member(name, ACCOUNTS[name], ROLES[name], secrets(name).public)


@lru_cache
def founded(names: tuple[str, ...], addresses: tuple[str, ...], key: bytes, root: bytes) -> bytes:
    """The book of such a cluster; made once, since it costs."""
    book = founding.found("lab", root, member(names[0]), Broker(list(addresses), key))
    following = founding.Next(book, root)
    following.members |= {name: member(name) for name in names[1:]}
    return following.sign(keys_in(book, names[0]), None)


@lru_cache
def keys_in(book: bytes, name: str) -> dict[int, bytes]:
    own = secrets(name)
    return keys_of(standing(book), own.x25519, own.public.x25519)


@lru_cache
def standing(book: bytes) -> Standing:
    return read_book(book)


class Cluster:
    """A cluster of these members; the first is its founder. Each change is a newer book."""

    def __init__(
        self, names: Sequence[str] = ("me", "desk", "zoe", "eve"), broker: Broker | None = None, root: bytes = ROOT
    ) -> None:
        where = broker or Broker(["127.0.0.1:5757"], secrets("broker").curve.public)
        self.root, self.founder = root, names[0]
        self.book = founded(tuple(names), tuple(where.addresses), where.key, root)

    def keys(self, name: str) -> dict[int, bytes]:
        """The keys of the epochs, as this member gets them."""
        return keys_in(self.book, name)

    def remove(self, name: str) -> None:
        self.book = founding.remove(self.book, self.root, [name], self.keys(self.founder))

    def move(self, broker: Broker) -> None:
        self.book = founding.move(self.book, self.root, broker, self.keys(self.founder))


class Circle:
    """What a member's jobs see of the cluster (memberseal.Circle), and what its sealer asks for (sealed.View)."""

    def __init__(self, cluster: Cluster, name: str, mine: Iterable[str] = ()) -> None:
        self._cluster, self.name = cluster, name
        self.secrets = secrets(name)
        self.signature = self.secrets.public.ed25519
        self.mine = frozenset(secrets(each).public.ed25519 for each in (name, *mine))
        self.held = self._held()
        self.sealer = MemberSealer(self)

    def _held(self) -> Held:
        return Held(standing(self._cluster.book), self._cluster.keys(self.name))

    def of_my_account(self, signature: bytes) -> bool:
        found = self.held.standing.by_signature.get(signature)
        return found is not None and found.account == ACCOUNTS[self.name]

    def refresh(self) -> bool:
        before, self.held = self.held, self._held()
        return self.held.standing != before.standing


def outcomes(values: Sequence[Any], start: int) -> bytes:
    """A result page with these values."""
    return pages.encode_outcomes(pages.Outcomes(start, list(values), array("d", [0]), array("d", [0]), 0, {})).payload


class Worker:
    """Answers pages of arguments as an honest worker does: squares them."""

    def __init__(self, circle: Circle) -> None:
        self.circle = circle
        self._leases = 0

    def answer(self, page: Page, payload: bytes) -> bytes:
        """The results of all tasks of a page."""
        context = Context("arguments", page.job, page.first, page.count, page.number)
        opened = self.circle.sealer.open(payload, context)
        warrant: Any = opened.statement
        values = [value * value for value in pages.decode(opened.payload, dict[bytes, bytes]().__getitem__)]
        said = Attestation(opened.signer, warrant.fingerprint)
        return self.seal(page.job, page.first, values, said, opened.parcel.tags)

    def seal(
        self, job: bytes, first: int, values: Sequence[Any], said: Attestation, tags: bytes = b"", start: int = -1
    ) -> bytes:
        """Results that this worker stands for; `start` is what they say inside, where that is something else."""
        self._leases += 1
        place = Context("results", job, first, len(values), lease=(1, self._leases))
        payload = outcomes(values, first if start < 0 else start)
        return self.circle.sealer.seal(Parcel(payload, {}, tags), place, said)


JOB, OTHER = b"j" * 16, b"o" * 16
BIG = b"big" * 100_000
TAGS = bytes(range(4 * TAG))


class World:
    """A cluster, a job of mine in it with one page of four tasks, and zoe's worker."""

    def __init__(self, resume: str = "", deadline: float = 0.0) -> None:
        self.cluster = Cluster()
        self.me, self.zoe = Circle(self.cluster, "me"), Circle(self.cluster, "zoe")
        self.worker = Worker(self.zoe)
        self.seal = MemberSeal(self.me, JOB)
        digest = hashlib.sha256(BIG).digest()
        form = Open(JOB, "map", "secret name", b"f" * 32, Options(deadline=deadline), blobs=[digest])
        if resume:
            form = msgspec.structs.replace(form, resume=resume, fingerprint=b"p" * 32, parts=b"the parts")
        self.open, self.function, self.blobs = self.seal.submit(form, b"the function", {digest: BIG})
        encoded = pages.encode([1, 2, 3, 4])
        self.tags = TAGS if resume else b""
        self.page, self.payload, _ = self.seal.page(Page(JOB, 0, 0, 4, tags=self.tags), encoded.payload, encoded.blobs)

    def result(self, **more: object) -> Result:
        return msgspec.structs.replace(Result(JOB, 1, 1, 0, 4, [], "host", "zoe"), **more)

    def honest(self) -> bytes:
        return self.worker.answer(self.page, self.payload)

    def attested(self, submitter: str = "me", fingerprint: bytes | None = None) -> Attestation:
        fingerprint = self.open.fingerprint if fingerprint is None else fingerprint
        return Attestation(secrets(submitter).public.ed25519, fingerprint)
