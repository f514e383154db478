"""What the broker is asked about who belongs to the cluster, and changes of the roster by whoever has its root key.

Rules of this file: a change begins with the newest roster that the broker has, and is kept here only after the broker
has it, so that what it says and what this machine believes are never two histories.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar

from raisin_core import home
from raisin_core.client.talking import talk
from raisin_core.errors import ClusterError, InvitationError, NotAdmitted, RaisinError, RosterError, UsageError
from raisin_core.identity.founding import Root
from raisin_core.identity.profile import Profile
from raisin_core.messages import ListMembers, MemberLine, Members, Message, Publish, Refused, Roster

SECONDS: Final = 10.0

_KINDS: Final[dict[str, type[RaisinError]]] = {
    "roster": RosterError,
    "invitation": InvitationError,
    "role": NotAdmitted,
}
Answer = TypeVar("Answer", bound=Message)


def ask(profile: Profile, message: Message, kind: type[Answer], payload: bytes = b"") -> tuple[Answer, bytes]:
    """The broker's answer to a member. Raises ClusterError, RosterError."""
    try:
        said, book = talk(profile.addresses, profile.broker_key, profile.secrets.curve, message, payload, SECONDS)
    except NotAdmitted as error:
        raise NotAdmitted(f"{error}: {profile.me.name} was removed from {profile.name}, or has left") from None
    return expected(said, kind), book


def expected(said: Message, kind: type[Answer]) -> Answer:
    """The answer, if it is of the kind that was asked for. Raises the error that a refusal means."""
    if isinstance(said, Refused):
        raise _KINDS.get(said.code, ClusterError)(f"the broker refused: {said.reason}")
    if not isinstance(said, kind):
        raise ClusterError(f"the broker answered with {type(said).__name__} where {kind.__name__} was expected")
    return said


def refresh(profile: Profile) -> list[int]:
    """Take over the broker's roster if it is newer; the epochs whose keys are in use. Raises ClusterError."""
    said, book = ask(profile, Publish(), Roster)
    if book:
        profile.adopt(book)
    return said.epochs


def present(profile: Profile) -> list[MemberLine]:
    """Who is connected. Raises ClusterError."""
    said, _ = ask(profile, ListMembers(), Members)
    return said.lines


def root_of(profile: Profile) -> Root:
    """The root key, if it is on this machine. Raises UsageError that says on whose it is."""
    if profile.root is not None:
        return profile.root
    admins = [each.name for each in profile.standing.members.values() if "admin" in each.roles]
    where = f"that is on {' or '.join(admins)}" if admins else "that is on the machine that created the cluster"
    raise UsageError(f"only the root key of {profile.name} can do this, and {where}: type it there")


def change(profile: Profile, make: Callable[[Root, list[int]], tuple[bytes, Any]]) -> Any:
    """Make another roster and publish it; what `make` gave beside the book. `make` gets the root key and the epochs
    in use. Raises UsageError, ClusterError, RosterError."""
    root = root_of(profile)
    with home.Lock(profile.directory / "change.lock"):
        epochs = refresh(profile)
        book, more = make(root, epochs)
        ask(profile, Publish(), Roster, book)
        profile.adopt(book)
    return more
