"""The documents of a cluster as they are made on other machines, by name, the same at every run.

`Papers` has a root and keys for whoever is named; what it makes gets a name, too, so that dialogs can speak of it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

from raisin_core.errors import RaisinError
from raisin_core.identity import documents, epochs, founding
from raisin_core.identity.documents import Admission, Broker, Member
from raisin_core.identity.keys import Keys
from raisin_core.identity.secrets import Secrets
from raisin_core.identity.standing import Standing, read_book

LATE = 2_000_000_000.0


def seed(name: str, size: int = 32) -> bytes:
    """Bytes that belong to a name."""
    return hashlib.sha256(name.encode()).digest()[:size]


class Papers:
    """A cluster's root key, its members' and guests' keys, and all documents that were made."""

    def __init__(self, name: str = "lab", broker: bytes | None = None, addresses: Iterable[str] = ()) -> None:
        self.name = name
        self.root = seed(f"root of {name}")
        self.broker = Broker(list(addresses) or ["127.0.0.1:5757"], broker or self.keys("broker").public)
        self.documents: dict[str, bytes] = {}
        self.newest = b""
        self._grants: dict[str, bytes] = {}
        self._founder = ""
        self._drawn = 0

    def make(self, name: str, what: str, *words: str) -> None:
        """A document and its name, as a dialog asks for it: `invite zoe uses=2`."""
        given = dict(word.split("=") for word in words if "=" in word)
        asked: dict[str, Any] = {key: int(text) if text.isdigit() else text for key, text in given.items()}
        self.documents[name] = getattr(self, what)(*(word for word in words if "=" not in word), **asked)

    def secrets(self, who: str) -> Secrets:
        """All keys of a machine; of a guest that holds an invitation, `NAME_invitation`."""
        if who.endswith("_invitation"):
            return Secrets.derive(self._grants[who.removesuffix("_invitation")])
        return Secrets.derive(seed(f"{who} of {self.name}", 16 if who == "claim" else 32))

    def keys(self, who: str) -> Keys:
        """The CURVE keys of a machine."""
        return self.secrets(who).curve

    def draw(self, size: int) -> bytes:
        """What takes the place of random bytes."""
        self._drawn += 1
        return seed(f"{self.name} {self._drawn}", size)

    def found(self, who: str = "ann", *roles: str, account: str = "") -> bytes:
        """The first book."""
        self._founder, publics = who, self.secrets(who).public
        me = Member(who, account or who, sorted(roles) or ["admin", "client", "worker"], publics)
        self.newest = founding.found(self.name, self.root, me, self.broker, draw=self.draw)
        return self.newest

    def invite(self, name: str, uses: int = 1, before: float = LATE, account: str = "", roles: str = "") -> bytes:
        """The next book, with an open invitation."""
        asked = sorted(roles.split(",")) if roles else ("client", "worker")
        self.newest, self._grants[name] = founding.invite(
            self.newest,
            self.root,
            self.epochs(),
            name=name,
            join_before=before,
            account=account,
            roles=asked,
            uses=uses,
            draw=self.draw,
        )
        return self.newest

    def remove(self, *names: str) -> bytes:
        """The next book, without these."""
        self.newest = founding.remove(self.newest, self.root, names, self.epochs(), draw=self.draw)
        return self.newest

    def rename(self, old: str, new: str) -> bytes:
        """The next book, in which somebody has another name."""
        self.newest = founding.rename(self.newest, self.root, old, new, self.epochs(), draw=self.draw)
        return self.newest

    def back(self, name: str) -> bytes:
        """An earlier book: what is made next follows that one."""
        self.newest = self.documents[name]
        return self.newest

    def admission(self, invitation: str, guest: str) -> bytes:
        """What a guest says to join."""
        standing = self.standing()
        (grant,) = (each for each in standing.grants.values() if each.name == invitation)
        made = documents.admission(self._grants[invitation], self.secrets(guest), grant, standing.cluster)
        return documents.encode(made)

    def joined(self, invitation: str, guest: str) -> bytes:
        """The book once somebody has joined."""
        wanted = documents.decode(self.admission(invitation, guest), Admission)
        self.newest = self.standing().admit(wanted, 0.0).book
        return self.newest

    def resignation(self, who: str) -> bytes:
        """What a member says to leave."""
        standing = self.standing()
        return documents.encode(documents.resignation(self.secrets(who), standing.cluster, standing.version))

    def standing(self) -> Standing:
        """What the newest book means."""
        return read_book(self.newest)

    def epochs(self) -> dict[int, bytes]:
        """All keys of epochs in use, as the founder has them."""
        own = self.secrets(self._founder)
        return epochs.keys_of(self.standing(), own.x25519, own.public.x25519)


def described(book: bytes) -> str:
    """A book in words: version, members, and how many invitations are open."""
    try:
        found = read_book(book)
    except RaisinError as error:
        return f"no book: {error}"
    grants = sum(found.left(grant) > 0 for grant in found.grants.values())
    guests = f" +{grants}" if grants else ""
    return f"{found.name} {found.version}: {' '.join(found.members)}{guests}"
