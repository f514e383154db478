"""A small cluster with made-up people, the same at every run."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from types import ModuleType

import pytest

from raisin_core.ciphers import choice
from raisin_core.identity import documents, founding
from raisin_core.identity.documents import Admission, Broker, Member
from raisin_core.identity.epochs import keys_of
from raisin_core.identity.sealed import Held, MemberSealer
from raisin_core.identity.secrets import Secrets
from raisin_core.identity.standing import Standing, read_book
from tests.core.test_ciphers import LIBRARIES, installed

ROOT = b"root".ljust(32, b".")
BROKER = Broker(["lab.example.org:5757"], b"rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7")
NOW = 1_800_000_000
SOON = NOW + 3600
BOTH_LIBRARIES = pytest.mark.parametrize("library", sorted(LIBRARIES), indirect=True)


@pytest.fixture
def library(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The library that computes everything."""
    found = installed(request.param)
    monkeypatch.setattr(choice, "LIBRARIES", (found.__name__.rpartition(".")[2],))
    choice.library.cache_clear()
    assert choice.library() is found
    yield found
    choice.library.cache_clear()


def seed(name: str) -> bytes:
    """The seed of somebody's keys."""
    return hashlib.sha256(name.encode()).digest()


def secrets(name: str) -> Secrets:
    """Somebody's keys."""
    return Secrets.derive(seed(name))


def member(name: str, *roles: str, account: str = "") -> Member:
    """Somebody as a roster has them."""
    return Member(name, account or name, sorted(roles or ("client", "worker")), secrets(name).public)


class Draw:
    """Random bytes that are the same at every run."""

    def __init__(self, start: str = "") -> None:
        self._start, self._count = start, 0

    def __call__(self, size: int) -> bytes:
        self._count += 1
        return hashlib.sha256(f"{self._start} {self._count}".encode()).digest()[:size]


class Lab:
    """A cluster as its root sees it; ann founded it."""

    def __init__(self, name: str = "lab", root: bytes = ROOT) -> None:
        self.draw = Draw(name)
        self.root = root
        ann = member("ann", "admin", "client", "worker")
        self.standing = read_book(founding.found(name, root, ann, BROKER, draw=self.draw))
        self.seeds: dict[str, bytes] = {}

    @property
    def keys(self) -> dict[int, bytes]:
        return keys_of(self.standing, secrets("ann").x25519, secrets("ann").public.x25519)

    def invite(self, name: str, uses: int = 1, roles: tuple[str, ...] = ("client", "worker")) -> bytes:
        book, self.seeds[name] = founding.invite(
            *(self.standing.book, self.root, self.keys),
            name=name,
            join_before=SOON,
            uses=uses,
            roles=roles,
            now=NOW,
            draw=self.draw,
        )
        self.standing = read_book(book, self.standing.cluster)
        return self.seeds[name]

    def admission(self, invitation: str, guest: str) -> Admission:
        grant = next(each for each in self.standing.grants.values() if each.name == invitation)
        return documents.admission(self.seeds[invitation], secrets(guest), grant, self.standing.cluster)

    def join(self, invitation: str, guest: str) -> None:
        self.standing = self.standing.admit(self.admission(invitation, guest), NOW)

    def welcome(self, *names: str) -> None:
        """All of them invited, joined and folded in."""
        for name in names:
            self.invite(name)
            self.join(name, name)
        self.fold()

    def fold(self) -> None:
        self.standing = read_book(founding.fold(self.standing.book, self.root, self.keys, draw=self.draw))

    def remove(self, *names: str, in_use: tuple[int, ...] | None = None) -> None:
        book = founding.remove(self.standing.book, self.root, names, self.keys, in_use, draw=self.draw)
        self.standing = read_book(book)

    def resign(self, name: str) -> None:
        word = documents.resignation(secrets(name), self.standing.cluster, self.standing.version)
        self.standing = self.standing.resign(word)

    def keys_for(self, name: str, standing: Standing | None = None) -> dict[int, bytes]:
        own = secrets(name)
        return keys_of(standing or self.standing, own.x25519, own.public.x25519)


class Machine:
    """What a sealer asks a profile for."""

    def __init__(self, lab: Lab, name: str, *mine: str) -> None:
        self.secrets = secrets(name)
        self.held = Held(lab.standing, lab.keys_for(name))
        self.mine = frozenset(secrets(each).public.ed25519 for each in (name, *mine))

    def sealer(self) -> MemberSealer:
        return MemberSealer(self)
