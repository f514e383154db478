"""A member's worker and its cluster: the roster as the broker and other programs of this machine renew it, and where
the broker is.

Rules of this file: only what `Profile` has verified changes anything; what is refused is logged, and one's own is kept.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

from raisin_core.errors import RaisinError
from raisin_worker.membership import Client, Membership

if TYPE_CHECKING:
    from raisin_core.identity.profile import Profile

LOOK_SECONDS: Final = 1.0


class Belonging:
    """The profile of this machine, watched."""

    def __init__(self, profile: Profile, log: logging.Logger) -> None:
        self.profile, self._log = profile, log
        self._look_at = 0.0
        self._problem = ""

    def membership(self) -> Membership:
        """Who belongs to the cluster, and whose code runs here, as of now."""
        profile, standing = self.profile, self.profile.standing
        clients = {
            key: Client(member.name, member.account)
            for key, member in standing.by_signature.items()
            if "client" in member.roles
        }
        return Membership(
            name=profile.me.name,
            account=profile.me.account,
            version=standing.version,
            book=standing.book,
            clients=clients,
            mine=frozenset(profile.mine),
            runs=frozenset(profile.runs),
        )

    def adopt(self, book: bytes) -> bool:
        """Take the broker's roster; whether anything is new. An older or forged one is logged, and changes nothing."""
        return self._renewed(lambda: self.profile.adopt(book), "the broker's roster is refused")

    def look(self, now: float) -> bool:
        """Whether another program of this machine has renewed roster or settings; looks once in a second."""
        if now < self._look_at:
            return False
        self._look_at = now + LOOK_SECONDS
        return self._renewed(self.profile.reload, "the profile cannot be read anew")

    def _renewed(self, renew: Callable[[], bool], problem: str) -> bool:
        try:
            renewed = renew()
        except (RaisinError, OSError) as error:
            text = f"{problem}: {error}"
            if text != self._problem:  # once, not each second
                self._log.error("%s", text)
            self._problem = text
            return False
        self._problem = ""
        return renewed


class Addresses:
    """Where the broker may be, tried in turn; `known` gives the addresses as of now, at least one."""

    def __init__(self, known: Callable[[], Sequence[str]]) -> None:
        self._known = known
        self.current = known()[0]

    def several(self) -> bool:
        """Whether there is another one to try."""
        known = self._known()
        return len(known) > 1 or self.current not in known

    def go_on(self) -> bool:
        """Take the next one; whether all have been tried in this round."""
        known = list(self._known())
        at = known.index(self.current) + 1 if self.current in known else 0
        self.current = known[at % len(known)]
        return at % len(known) == 0
