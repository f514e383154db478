"""What a worker knows of its cluster: who is in it, and whose code its owner lets it run.

It comes from the newest roster and from its owner's settings, never from what anybody says of themselves.

Rules of this file: pure data.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import msgspec


class Client(NamedTuple):
    """A member that may submit: its name, and whose machine it is."""

    member: str
    account: str


class Membership(msgspec.Struct, frozen=True):
    """`name` and `account` are this machine's. `clients` are all that may submit, by their Ed25519 keys; `mine` are the
    keys of this machine and of those that its owner confirmed as theirs; `runs` are the accounts whose code the owner
    lets run here besides. `version` and `book` are the roster's, which broker and worker compare."""

    name: str
    account: str
    version: int
    book: bytes
    clients: Mapping[bytes, Client]
    mine: frozenset[bytes]
    runs: frozenset[str]

    def accounts(self) -> list[str]:
        """The accounts whose jobs the broker may offer, the machine's own first. Never empty: that would mean
        everybody's."""
        theirs = {client.account for key, client in self.clients.items() if key in self.mine}
        return [self.account, *sorted((theirs | self.runs) - {self.account})]

    def takes(self, signer: bytes) -> bool:
        """Whether the code of this client runs here."""
        client = self.clients.get(signer)
        return client is not None and (signer in self.mine or client.account in self.runs)
