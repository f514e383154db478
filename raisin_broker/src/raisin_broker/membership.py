"""Who belongs to the cluster: judges what peers publish, who joins and who leaves.

Before there is a roster, only the claim's key may bring the first one. Later ones count by the root's signature alone,
whoever brings them; a guest counts by its grant's, and who leaves by its own.

Rules of this file: no I/O. Each judgement gives the standing that should be in force then, and changes nothing: whoever
asks makes it durable and then says `adopt`. What is not accepted raises RosterError or InvitationError, with a text
that says what to do.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from raisin_broker.outbox import Ask
from raisin_broker.state import Member
from raisin_core.ciphers import verify
from raisin_core.errors import InvitationError, RosterError, Tampered
from raisin_core.identity import documents
from raisin_core.identity.documents import Admission, Resignation
from raisin_core.identity.standing import Standing, read_book, same_roster
from raisin_core.messages import Join, Publish, Resign

Guest = Literal["join", "found"]


class Membership:
    """The book in force. `claim` is the CURVE key (Z85) of whoever may found the cluster, while there is none;
    `broker_key` is the broker's own."""

    def __init__(self, broker_key: bytes, standing: Standing | None = None, claim: bytes = b"") -> None:
        self.broker_key = broker_key
        self.standing = standing
        self.claim = claim
        self._view()

    def adopt(self, standing: Standing) -> None:
        """This is durable: it is in force."""
        self.standing, self.claim = standing, b""
        self._view()

    def judge(self, ask: Ask, now: float) -> Standing:
        """The standing with what somebody asks for; the one in force where it has that already. `now` is wall-clock
        time. Raises RosterError, InvitationError."""
        match ask.message:
            case Publish():
                return self._published(ask.key.encode(), ask.payload)
            case Join():
                return self._joined(ask.key.encode(), ask.payload, now)
            case Resign():
                return self._resigned(ask.key.encode(), ask.payload)
        raise RosterError(f"{type(ask.message).__name__} changes no roster")

    def _published(self, key: bytes, book: bytes) -> Standing:
        if self.standing is None and self.claim and key == self.claim and book:
            return self._first(book)
        if self.standing is None or not book:
            return self._founded()
        found = read_book(book, self.standing.cluster)
        if found.version > self.standing.version:
            return found.carry(self.standing)
        if found.version < self.standing.version:
            raise RosterError(
                f"this roster has version {found.version}, older than the broker's {self.standing.version}: fetch that "
                "one, and change it"
            )
        if not same_roster(found, self.standing):
            raise RosterError(
                f"there is another roster of version {found.version}: the root key was used in two places; fetch the "
                "broker's, and change that one"
            )
        return self.standing.carry(found)

    def _first(self, book: bytes) -> Standing:
        found = read_book(book)
        if found.broker.key != self.broker_key:
            raise RosterError("this roster names another broker's key: use the claim that this broker printed")
        return found

    def _joined(self, key: bytes, admission: bytes, now: float) -> Standing:
        """Whoever has an invitation's seed can read the epoch's key in the roster: so that is for those only who may
        still come, or have come."""
        standing = self._founded()
        grant = standing.grants.get(key)
        if grant is None:
            raise InvitationError("this key is no invitation's: join with the line that you were sent")
        if not admission:
            if not standing.left(grant):
                raise InvitationError("this invitation has been used: ask for a new one")
            if now > grant.join_before:
                raise InvitationError("this invitation was to be used earlier: ask for a new one")
            return standing
        try:
            wanted = documents.decode(admission, Admission)
        except RosterError as error:
            raise InvitationError(str(error)) from None
        if wanted.grant != grant.publics.ed25519:
            raise InvitationError("this admission belongs to another invitation: join with the line that it came from")
        after = standing.admit(wanted, now)
        if after == standing:
            _check_self(standing, wanted)
        return after

    def _resigned(self, key: bytes, resignation: bytes) -> Standing:
        standing = self._founded()
        wanted = documents.decode(resignation, Resignation)
        member = standing.by_key.get(key)
        if member is None or member.publics.ed25519 != wanted.member:
            raise RosterError("a member leaves by its own word alone: nobody else's key may bring it")
        return standing.resign(wanted)

    def _founded(self) -> Standing:
        if self.standing is None:
            raise RosterError("this broker serves no closed cluster yet: found one with the claim that it printed")
        return self.standing

    def _view(self) -> None:
        """What is asked for at each handshake, and told to the machine."""
        standing = self.standing
        self.members: Mapping[str, Member] = {}
        roles: dict[tuple[str, ...], frozenset[str]] = {}  # most have the same
        self.guests: Mapping[str, Guest] = {self.claim.decode(): "found"} if self.claim else {}
        if standing is not None:
            self.members = {
                key.decode(): Member(it.name, roles.setdefault(tuple(it.roles), frozenset(it.roles)), it.account)
                for key, it in standing.by_key.items()
            }
            self.guests = {key.decode(): "join" for key in standing.grants}
        self.doors: Mapping[bytes, object] = {each.encode(): each for each in (*self.members, *self.guests)}


def _check_self(standing: Standing, admission: Admission) -> None:
    """Whether somebody who is a member already says so itself. Raises InvitationError."""
    text = documents.admission_text(standing.cluster, admission.grant, admission.publics, admission.name)
    try:
        verify(admission.publics.ed25519, text, admission.by_self)
    except Tampered:
        raise InvitationError("this admission is not signed by its guest") from None
