"""A cluster of people with real keys: its book, and each of them as somebody who seals and submits."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from raisin_core import messages as m
from raisin_core import pages
from raisin_core.identity import documents, founding
from raisin_core.identity.documents import Broker, Member
from raisin_core.identity.profile import Profile
from raisin_core.identity.sealed import Held, MemberSealer
from raisin_core.identity.sealing import Context, Parcel, Warrant
from raisin_core.identity.secrets import Secrets
from raisin_core.identity.standing import read_book
from raisin_core.messages import LeaseId, Options

LATER = 3600.0
"""Seconds: how long warrants count."""

Said = tuple[m.Message, bytes]


class Person:
    """A member, as its own programs see the cluster."""

    def __init__(self, cluster: Cluster, name: str) -> None:
        self.seed = os.urandom(32)
        self.secrets = Secrets.derive(self.seed)
        self.name, self._cluster = name, cluster
        self.sealer = MemberSealer(self)

    @property
    def key(self) -> bytes:
        return self.secrets.public.ed25519

    @property
    def held(self) -> Held:
        return Held(read_book(self._cluster.book), self._cluster.keys)

    @property
    def mine(self) -> frozenset[bytes]:
        return frozenset({self.key})

    def profile(self) -> Profile:
        """Its profile on this machine, in RAISIN_HOME."""
        return Profile.create("lab", self.seed, self._cluster.book)


class Cluster:
    """Anna has made it; the others have joined. `people` are their names, accounts and roles."""

    def __init__(self, addresses: Sequence[str], key: bytes, people: Mapping[str, tuple[str, list[str]]]) -> None:
        self.root_seed = os.urandom(32)
        self.keys = {1: os.urandom(32)}
        self.people = {"anna": Person(self, "anna")}
        founder = Member("anna", "anna", ["admin", "client", "worker"], self.people["anna"].secrets.public)
        self.book = founding.found("lab", self.root_seed, founder, Broker(list(addresses), key), self.keys[1])
        for name, (account, roles) in people.items():
            self.people[name] = Person(self, name)
            self._join(self.people[name], account, roles)
        self.book = founding.fold(self.book, self.root_seed, self.keys)

    def __getitem__(self, name: str) -> Person:
        return self.people[name]

    @property
    def version(self) -> int:
        return read_book(self.book).version

    def remove(self, name: str) -> bytes:
        """The next book, in a new epoch."""
        key, epoch = os.urandom(32), max(self.keys) + 1
        self.book = founding.remove(self.book, self.root_seed, [name], self.keys, new_key=key)
        self.keys = {**self.keys, epoch: key}
        return self.book

    def _join(self, guest: Person, account: str, roles: list[str]) -> None:
        now = time.time()
        book, seed = founding.invite(
            self.book, self.root_seed, self.keys, name=guest.name, join_before=now + 60, account=account, roles=roles
        )
        standing = read_book(book)
        (grant,) = standing.grants.values()
        self.book = standing.admit(documents.admission(seed, guest.secrets, grant, standing.cluster), now).book


class Work(NamedTuple):
    """One lease, and what the broker says before it, in this order; a malicious one swaps some of it."""

    function: m.Function
    function_payload: bytes
    page: m.Argument
    page_payload: bytes
    lease: m.Lease

    def said(self) -> list[Said]:
        return [(self.function, self.function_payload), (self.page, self.page_payload), (self.lease, b"")]


def work(
    person: Person,
    function: bytes,
    values: Sequence[Any],
    number: int = 1,
    job: bytes | None = None,
    blobs: Mapping[bytes, bytes] | None = None,
    tags: bytes = b"",
    **stated: Any,
) -> Work:
    """What a member submits, as a broker hands it to a worker: one page, leased as a whole. `blobs` are the names of
    the page's -> those that they travel by; `stated` changes the warrant."""
    job = job or os.urandom(16)
    sealed = person.sealer.seal(Parcel(function), Context("function", b"", 0, 0))
    digest, count = hashlib.sha256(sealed).digest(), len(values)
    warrant = Warrant(digest, Options(), time.time() + LATER, b"p" * 32)
    warrant = msgspec.structs.replace(warrant, **stated)
    blobs = blobs or {}
    payload = person.sealer.seal(
        Parcel(pages.encode(values).payload, blobs, tags), Context("arguments", job, 0, count, 0), warrant
    )
    page = m.Argument(job, 0, 0, count, sorted(blobs.values()))
    return Work(m.Function(digest), sealed, page, payload, m.Lease(LeaseId(1, number), job, 0, count, digest))
