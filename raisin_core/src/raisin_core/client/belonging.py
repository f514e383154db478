"""This machine as a member of a cluster, while it is connected to it: what its profile says, for jobs and the session.

Several interpreters use one profile at the same time; whichever hears of a newer roster first stores it.

Rules of this file: what the broker gives is taken only as far as the cluster's root, or a guest's invitation, stands
for it; what is refused is logged once, and what was known stays.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Sequence
from typing import Final

from raisin_core.errors import InvitationError, KeyFileError, RosterError, SealError, UsageError
from raisin_core.identity.documents import Member
from raisin_core.identity.profile import Profile
from raisin_core.identity.standing import Standing, read_book

SHOWN: Final = 8
_WRONG: Final = (RosterError, InvitationError, SealError, KeyFileError, UsageError, OSError)
_log: Final = logging.getLogger("raisin")


class Belonging:
    """A profile in use: `memberseal.Circle` and `session.Keeper`."""

    def __init__(self, profile: Profile) -> None:
        self.profile = profile
        self.sealer = profile.sealer(former=True)
        self.signature = profile.secrets.public.ed25519
        self._logged: set[str] = set()
        self._announced = False

    @classmethod
    def load(cls, name: str | None) -> Belonging:
        """The cluster of this name, or the active one. Raises what Profile.load does."""
        return cls(Profile.load(name))

    @property
    def version(self) -> int:
        """That of the newest roster known here."""
        return self.profile.standing.version

    @property
    def book(self) -> bytes:
        """What proves who belongs."""
        return self.profile.standing.book

    @property
    def addresses(self) -> Sequence[str]:
        """Where the broker may be."""
        return self.profile.addresses

    @property
    def mine(self) -> list[str]:
        """The names of the user's own machines."""
        by_signature = self.profile.standing.by_signature
        return sorted(by_signature[key].name for key in self.profile.mine if key in by_signature)

    def of_my_account(self, signature: bytes) -> bool:
        """Whether a member of this machine's account signs with this Ed25519 key, or one did while it was a member."""
        standing = self.profile.standing
        member = standing.by_signature.get(signature) or standing.former(signature)
        me = standing.by_signature.get(self.signature)
        return member is not None and me is not None and member.account == me.account

    def refresh(self) -> bool:
        """Look whether another process knows a newer roster; True if so."""
        try:
            return self.profile.reload()
        except _WRONG as error:
            self._log(f"the profile of {self.profile.name!r} cannot be read again: {error}")
            return False

    @property
    def removed(self) -> str:
        """What to say when this machine does not belong any more."""
        name = self.profile.name
        return f"this machine is no member of {name!r} any more: it was removed, or has left; ask for a new invitation"

    def adopt(self, book: bytes) -> bool:
        """Take a newer roster; False if the root signed it without this machine. Any other that is wrong is logged."""
        try:
            self.profile.adopt(book)
        except _WRONG as error:
            if self._is_removed(book):
                return False
            self._log(f"the broker of {self.profile.name!r} gave a roster that is not taken: {error}")
        return True

    def not_admitted(self, detail: str) -> None:
        """The broker does not let this machine in. Whoever said so has not proved to be it: what runs is waited for."""
        self._log(f"{detail}; perhaps this machine was removed from {self.profile.name!r}: raisin doctor")

    def check_workers(self, names: Sequence[str]) -> None:
        """Whether these are members that work. Raises UsageError."""
        workers = [each.name for each in self.profile.standing.members.values() if "worker" in each.roles]
        for name in names:
            if name not in workers:
                there = ", ".join(map(repr, sorted(workers)[:SHOWN])) or "none"
                raise UsageError(f"where={name!r} is no member of {self.profile.name!r} that works; there are: {there}")

    def announcement(self) -> str:
        """The first time: whose machines get the code; then empty."""
        if self._announced:
            return ""
        self._announced = True
        return whose(self.profile.name, self.profile.standing, self.signature)

    def _is_removed(self, book: bytes) -> bool:
        """Whether a roster that the root signed, newer than the one known here, is without this machine."""
        with contextlib.suppress(RosterError, InvitationError):
            found = read_book(book, self.profile.cluster)
            return found.newer_than(self.profile.standing) and self.signature not in found.by_signature
        return False

    def _log(self, text: str) -> None:
        if text not in self._logged:
            self._logged.add(text)
            _log.warning(text)


def whose(name: str, standing: Standing, me: bytes) -> str:
    """Whose machines get the code of a job in this cluster."""
    others = [each for each in standing.members.values() if "worker" in each.roles and each.publics.ed25519 != me]
    if not others:
        return f"raisin: {name}; no other machine works there yet"
    shown = ", ".join(map(_shown, sorted(others, key=lambda each: each.name)[:SHOWN]))
    more = f" and {len(others) - SHOWN} more" if len(others) > SHOWN else ""
    return f"raisin: {name}; your code goes to its members' machines: {shown}{more}"


def _shown(member: Member) -> str:
    return member.name if member.name == member.account else f"{member.name} ({member.account})"
