"""Who belongs to a cluster: what a book means once all of it was verified, from the root to the last guest.

Rules of this file: pure; nothing is believed that no key of the chain root -> grant -> guest stands for, whoever brings
it; whatever is odd is RosterError (the roster, resignations) or InvitationError (admissions), and changes nothing.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import Final

import msgspec

from raisin_core.ciphers import hkdf, verify, x25519
from raisin_core.errors import InvitationError, RosterError, Tampered
from raisin_core.identity.checking import check_roster, keys_in
from raisin_core.identity.documents import (
    FORMAT,
    MAX_MEMBERS,
    Admission,
    Book,
    Broker,
    Former,
    Grant,
    Member,
    Resignation,
    Roster,
    Signed,
    admission_text,
    cluster_id,
    decode,
    encode,
    former,
    guest_name,
    resignation_text,
    roster_text,
)

_PROBE: Final = hkdf(b"raisin", 32, info=b"raisin probe of X25519 keys")


@dataclass(frozen=True, eq=False, repr=False)
class Standing:
    """Everybody who belongs to the cluster now, and the book that proves it. Immutable; equal if the books are.

    `members` are by name, `by_key` by CURVE key (Z85), `by_signature` by Ed25519 key: who resigned or was removed is in
    none of them. `grants` are the roster's by CURVE key, those that were used up since, too (a guest who lost the
    answer comes again).
    """

    book: bytes
    cluster: bytes
    name: str
    version: int
    epoch: int
    broker: Broker
    members: Mapping[str, Member]
    by_key: Mapping[bytes, Member]
    by_signature: Mapping[bytes, Member]
    grants: Mapping[bytes, Grant]
    parts: Book
    _draft: _Draft

    def newer_than(self, other: Standing) -> bool:
        """Whether this is to take the other's place: a later roster, or the same one with more added to it."""
        return (self.version, self._added) > (other.version, other._added)

    def admit(self, admission: Admission, now: float) -> Standing:
        """With the guest as a member; itself if it is one already. `now` is wall-clock time, in seconds since 1970.

        Raises InvitationError: used up, after its time, unknown, forged, or a name or key that another has.
        """
        draft = self._draft.copy()
        if not draft.admit(admission, now):
            return self
        return draft.standing(Book(self.parts.roster, [*self.parts.admissions, admission], self.parts.resignations))

    def resign(self, resignation: Resignation) -> Standing:
        """Without the member that leaves; itself if it has left already. Raises RosterError: forged, or no member."""
        draft = self._draft.copy()
        if not draft.resign(resignation):
            return self
        return draft.standing(Book(self.parts.roster, self.parts.admissions, [*self.parts.resignations, resignation]))

    def carry(self, other: Standing) -> Standing:
        """With what was added to the other and still counts here: whoever adopts a newer book calls this, so that
        nobody is lost who joined or left while it was signed. Raises RosterError for another cluster's."""
        if other.cluster != self.cluster:
            raise RosterError(f"a roster of another cluster: {other.name!r}, with another root key")
        draft = self._draft.copy()
        came = [each for each in other.parts.admissions if _counts(draft, each)]
        left = [each for each in other.parts.resignations if _leaves(draft, each)]
        if not came and not left:
            return self
        mine = self.parts
        return draft.standing(Book(mine.roster, [*mine.admissions, *came], [*mine.resignations, *left]))

    def former(self, signature: bytes) -> Former | None:
        """Who signed with this Ed25519 key while it was a member, which it is no longer."""
        return self._draft.former.get(signature)

    def resigned(self) -> Mapping[bytes, Member]:
        """Who has left since the roster was signed, by Ed25519 key."""
        return MappingProxyType(self._draft.resigned)

    @property
    def head(self) -> Roster:
        """The signed roster, but for its members and wraps."""
        return self._draft.head

    @property
    def all_grants(self) -> list[Grant]:
        """The roster's grants."""
        return list(self.grants.values())

    def left(self, grant: Grant) -> int:
        """How many guests may still come by a grant: a book is for a guest only while there are some, or once it is
        one of its members."""
        return self._draft.left(grant)

    @property
    def _added(self) -> int:
        return len(self.parts.admissions) + len(self.parts.resignations)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Standing) and self.book == other.book

    def __hash__(self) -> int:
        return hash(self.book)

    def __repr__(self) -> str:
        return f"<roster {self.version} of {self.name}, {len(self.members)} members>"


def read_book(data: bytes, cluster: bytes | None = None) -> Standing:
    """What a book means, of the cluster with this id (None: of whichever it says). Raises RosterError, InvitationError
    (one of the admissions in it)."""
    book = decode(bytes(data), Book)
    draft = _Draft.of(read_roster(book.roster, cluster))
    for admission in book.admissions:
        if not draft.admit(admission):
            raise InvitationError(f"the book admits {admission.name!r} twice")
    for resignation in book.resignations:
        if not draft.resign(resignation):
            raise RosterError("the book lets a member leave twice")
    return draft.standing(book)


def read_roster(signed: Signed, cluster: bytes | None = None) -> Roster:
    """A roster, its signature and all it says verified. Raises RosterError."""
    _check_format(signed.body)
    roster = decode(signed.body, Roster)
    own = cluster_id(roster.root)
    if cluster is not None and not hmac.compare_digest(own, cluster):
        raise RosterError(f"this roster is another cluster's: one named {roster.cluster!r}, with another root key")
    try:
        verify(roster.root, roster_text(own, signed.body), signed.signature)
    except Tampered:
        raise RosterError("this roster is not signed by its cluster's root") from None
    try:
        check_roster(roster)
    except ValueError as error:
        raise RosterError(f"roster {roster.version} of {roster.cluster!r}: {error}") from None
    return roster


def _check_format(body: bytes) -> None:
    """Tell a roster of a later raisin from damage, before it is read as what it is not."""
    if len(body) > 1 and body[0] >> 4 == 9 and FORMAT < body[1] < 128:  # an array of up to 15, then a small number
        raise RosterError(f"this roster has format {body[1]}, this raisin reads {FORMAT}: upgrade raisin")


def same_roster(one: Standing, other: Standing) -> bool:
    """Whether both books are about the same signed roster."""
    return one.parts.roster.body == other.parts.roster.body


class _Draft:
    """A standing in the making."""

    def __init__(self, roster: Roster) -> None:
        self.head = roster
        self.members: dict[str, Member] = {}
        self.by_key: dict[bytes, Member] = {}
        self.by_signature: dict[bytes, Member] = {}
        self.grants: dict[bytes, Grant] = {}
        self.guests: dict[bytes, int] = {}  # by the grant's Ed25519 key
        self.taken: set[bytes] = set()
        self.resigned: dict[bytes, Member] = {}
        self.former = {each.ed25519: each for each in roster.former}

    @classmethod
    def of(cls, roster: Roster) -> _Draft:
        draft = cls(msgspec.structs.replace(roster, members=[], wraps=[]))
        for member in roster.members:
            draft._add(member)
        for grant in roster.grants:
            draft.grants[grant.publics.ed25519] = grant
            draft.taken.update(keys_in(grant.publics))
        return draft

    def copy(self) -> _Draft:
        copied = _Draft(self.head)
        copied.members, copied.by_key, copied.by_signature = {**self.members}, {**self.by_key}, {**self.by_signature}
        copied.grants, copied.guests = self.grants, {**self.guests}
        copied.taken, copied.resigned, copied.former = {*self.taken}, {**self.resigned}, {**self.former}
        return copied

    def admit(self, admission: Admission, now: float | None = None) -> bool:
        """Add a guest; False if it is a member already. Raises InvitationError."""
        key = admission.publics.ed25519
        known = self.by_signature.get(key)
        if known is not None and known.publics == admission.publics:
            return False
        grant = self.grants.get(admission.grant)
        if grant is None:
            raise InvitationError("this invitation is not known here (any more): ask for a new one")
        if key in grant.joined or key in self.former:
            raise InvitationError("these keys belonged to a member that has left: ask for a new invitation")
        if now is not None and now > grant.join_before:
            raise InvitationError("this invitation was to be used earlier: ask for a new one")
        if not self.left(grant):
            raise InvitationError("this invitation has been used: ask for a new one")
        self._check_guest(admission, grant)
        self.guests[admission.grant] = self.guests.get(admission.grant, 0) + 1
        self._add(Member(admission.name, grant.account, grant.roles, admission.publics))
        return True

    def _check_guest(self, admission: Admission, grant: Grant) -> None:
        keys = keys_in(admission.publics)
        if len(set(keys)) < len(keys) or not self.taken.isdisjoint(keys):
            raise InvitationError("one of these keys is another member's")
        if admission.name != guest_name(grant, admission.publics):
            raise InvitationError("this admission is for another name than the invitation's")
        if admission.name in self.members or any(each.name == admission.name for each in self.resigned.values()):
            raise InvitationError(f"the name {admission.name!r} is taken: try again, or ask for a new invitation")
        if len(self.members) >= MAX_MEMBERS:
            raise InvitationError(f"the cluster has {MAX_MEMBERS} members, and there is no room for more")
        _verify_admission(cluster_id(self.head.root), admission)

    def resign(self, resignation: Resignation) -> bool:
        """Take a member out; False if it left before. Raises RosterError."""
        if resignation.member in self.resigned:
            return False
        member = self.by_signature.get(resignation.member)
        if member is None or resignation.version > self.head.version:
            raise RosterError("somebody leaves who is no member")
        text = resignation_text(cluster_id(self.head.root), resignation.member, resignation.version)
        try:
            verify(resignation.member, text, resignation.signature)
        except Tampered:
            raise RosterError(f"{member.name!r} did not sign that it leaves") from None
        del self.members[member.name], self.by_key[member.publics.key], self.by_signature[resignation.member]
        self.resigned[resignation.member] = member
        self.former[resignation.member] = former(member, self.head.epoch)
        return True

    def left(self, grant: Grant) -> int:
        """How many guests may still come by it."""
        return grant.uses - len(grant.joined) - self.guests.get(grant.publics.ed25519, 0)

    def standing(self, book: Book) -> Standing:
        head = self.head
        grants = {grant.publics.key: grant for grant in self.grants.values()}
        return Standing(
            book=encode(book),
            cluster=cluster_id(head.root),
            name=head.cluster,
            version=head.version,
            epoch=head.epoch,
            broker=head.broker,
            members=MappingProxyType(self.members),
            by_key=MappingProxyType(self.by_key),
            by_signature=MappingProxyType(self.by_signature),
            grants=MappingProxyType(grants),
            parts=book,
            _draft=self,
        )

    def _add(self, member: Member) -> None:
        self.members[member.name] = member
        self.by_key[member.publics.key] = member
        self.by_signature[member.publics.ed25519] = member
        self.taken.update(keys_in(member.publics))


@lru_cache(maxsize=MAX_MEMBERS)
def _verify_admission(cluster: bytes, admission: Admission) -> None:
    """Whether grant and guest signed it; costs up to some milliseconds, so it is remembered. Raises InvitationError."""
    text = admission_text(cluster, admission.grant, admission.publics, admission.name)
    try:
        verify(admission.grant, text, admission.by_grant)
        verify(admission.publics.ed25519, text, admission.by_self)
        x25519(_PROBE, admission.publics.x25519)  # nothing could be wrapped for a point of low order
    except Tampered:
        raise InvitationError("this admission is not signed by the invitation and its guest") from None


def _counts(draft: _Draft, admission: Admission) -> bool:
    try:
        return draft.admit(admission)
    except InvitationError:
        return False


def _leaves(draft: _Draft, resignation: Resignation) -> bool:
    try:
        return draft.resign(resignation)
    except RosterError:
        return False
