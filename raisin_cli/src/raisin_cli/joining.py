"""Becoming a member by an invitation.

    keys are written (0600, fsync) -> the roster, checked against the cluster's id -> the admission, signed by grant and
    guest -> the broker's roster with it -> the profile

Rules of this file: until the profile is there the same invitation can be used again, with the keys that were written
first: so an answer that was lost costs nothing.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from typing import NamedTuple

from raisin_cli import rosters
from raisin_core.client.talking import talk
from raisin_core.errors import (
    ClusterError,
    InvitationError,
    NotAdmitted,
    RaisinError,
    RosterError,
    UsageError,
    WrongBrokerKey,
)
from raisin_core.identity import documents
from raisin_core.identity.invitations import Invitation
from raisin_core.identity.profile import Profile
from raisin_core.identity.secrets import Secrets
from raisin_core.identity.standing import read_book
from raisin_core.messages import Join, Publish, Roster


class Guest(NamedTuple):
    """This machine on its way in: the invitation, its grant's keys, its own seed."""

    invitation: Invitation
    grant: Secrets
    seed: bytes


def begin(invitation: Invitation) -> Guest:
    """Make this machine's keys, or find those of an earlier try. Raises UsageError if it is a member, OSError."""
    for known in _profiles():
        if known.cluster == invitation.cluster and _still_counts(known):
            inactive = Profile.active_name() != known.name
            hint = f"; to work with it again: raisin cluster use {known.name}" if inactive else ""
            raise UsageError(f"this machine is a member of {known.name} already, as {known.me.name}{hint}")
    return Guest(invitation, Secrets.derive(invitation.seed), Profile.seed_to_join(invitation.seed))


def _profiles() -> Iterator[Profile]:
    """Those that can be used: what is wrong with others is no reason not to join."""
    for name in Profile.names():
        with contextlib.suppress(RaisinError, OSError):
            yield Profile.load(name)


def _still_counts(known: Profile) -> bool:
    """Whether the broker (if it can be asked) takes this machine for a member: it may have left, or been removed."""
    try:
        rosters.refresh(known)
    except (NotAdmitted, RosterError):
        return False
    except ClusterError:
        return True
    return True


def enter(guest: Guest) -> bytes:
    """Become a member; the book with this machine in it. Raises InvitationError, ClusterError, RosterError."""
    invitation, mine = guest.invitation, Secrets.derive(guest.seed)
    try:
        standing = read_book(_asked(guest, b""), invitation.cluster)
    except (NotAdmitted, InvitationError) as error:
        return _entered_before(guest, error)
    grant = standing.grants.get(guest.grant.curve.public)
    if grant is None:
        raise InvitationError(f"this invitation to {standing.name} was withdrawn: ask for another one")
    book = _asked(guest, documents.encode(documents.admission(invitation.seed, mine, grant, invitation.cluster)))
    if mine.public.ed25519 not in read_book(book, invitation.cluster).by_signature:
        raise InvitationError("the broker's answer does not make this machine a member: ask whoever keeps the broker")
    return book


def wrong_clock(guest: Guest, book: bytes) -> str:
    """What to say if the broker let us in at a time at which, by this machine's clock, the invitation was over."""
    grant = read_book(book, guest.invitation.cluster).grants.get(guest.grant.curve.public)
    if grant is None or time.time() <= grant.join_before:
        return ""
    now, until = (time.strftime("%Y-%m-%d %H:%M", time.localtime(each)) for each in (time.time(), grant.join_before))
    return (
        f"this machine's clock shows {now}, but the broker has let it in with an invitation until {until}: one of the "
        "clocks is wrong, and time limits of jobs depend on them"
    )


def finish(guest: Guest, book: bytes) -> Profile:
    """Make the profile; now the invitation is done with. Raises OSError, UsageError."""
    name = _free_name(read_book(book, guest.invitation.cluster).name)
    return Profile.create(name, guest.seed, book, grant_seed=guest.invitation.seed)


def _asked(guest: Guest, admission: bytes) -> bytes:
    """The book that the broker answers a guest with. Raises NotAdmitted where it does not know the grant."""
    where = guest.invitation
    try:
        said, book = talk(where.addresses, where.key, guest.grant.curve, Join(), admission, rosters.SECONDS)
    except WrongBrokerKey as error:
        raise WrongBrokerKey(
            f"{error}. Whoever answers there is not the cluster's broker: nothing was sent to it. Has the broker's "
            "address been given to another machine? Ask for a new invitation"
        ) from None
    rosters.expected(said, Roster)
    return book


def _entered_before(guest: Guest, refusal: RaisinError) -> bytes:
    """The invitation does not let in (any more): as we came by it, if the answer to an earlier try was lost; then our
    own keys are admitted. Raises InvitationError that says what the refusal was."""
    where, mine = guest.invitation, Secrets.derive(guest.seed)
    try:
        said, book = talk(where.addresses, where.key, mine.curve, Publish(), b"", rosters.SECONDS)
        rosters.expected(said, Roster)
        if mine.public.ed25519 in read_book(book, where.cluster).by_signature:
            return book
    except NotAdmitted:
        pass  # we did not come by it
    if isinstance(refusal, InvitationError):
        raise refusal
    raise InvitationError(
        "the broker does not know this invitation: it was used up, withdrawn, or its time is over; ask for another one "
        "(raisin cluster invite)"
    )


def _free_name(cluster: str) -> str:
    """What to call it here: two clusters may have one name."""
    taken = set(Profile.names())
    numbered = (f"{cluster}-{number}" for number in range(2, 10_000))
    return cluster if cluster not in taken else next(each for each in numbered if each not in taken)
