"""Who belongs to the cluster: said outside of sessions, too; answered with the newest roster, or refused.

The payloads are documents of `identity.documents`, which their readers verify; the broker keeps and hands them on.
"""

from __future__ import annotations

import msgspec

from raisin_core.messages.base import Index, Label, Message, Text


class Roster(Message, frozen=True):
    """The newest roster with what was added to it since; said when asked for, and to whoever holds an older one.
    `epochs` are those of the keys that jobs here are sealed with."""

    way = "broker>peer"
    payload = "the book: the signed roster, admissions and resignations"
    version: Index
    epochs: list[Index] = []


class Publish(Message, frozen=True):
    """A newer roster, signed with the root key; with an empty payload only asks for the broker's. The first one founds
    the cluster, and needs the key of the broker's claim."""

    way = "peer>broker"
    payload = "a book"


class Join(Message, frozen=True):
    """A guest, connected with its grant's key, becomes a member; with an empty payload only asks for the roster. The
    same keys again get the same answer."""

    way = "peer>broker"
    payload = "the admission: the guest's public keys, signed by the grant's key and its own"


class Resign(Message, frozen=True):
    """A member leaves the cluster, for good."""

    way = "peer>broker"
    payload = "the resignation, signed by the member"


class ListMembers(Message, frozen=True):
    """Asks who is here."""

    way = "peer>broker"


class MemberLine(msgspec.Struct, frozen=True, array_like=True):
    """A session: of which member, as what, on which host, since how many seconds; a worker's slots, and how many of
    them are busy."""

    member: Label
    role: str
    host: Text
    seconds: float
    slots: int = 0
    busy: int = 0


class Members(Message, frozen=True):
    """The answer to ListMembers: the sessions there are."""

    way = "broker>peer"
    lines: list[MemberLine]
