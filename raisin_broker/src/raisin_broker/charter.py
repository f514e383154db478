"""What a broker keeps of its closed cluster: the book; before there is one, the claim with which it can be founded.

    DATA/book        the newest roster, with who joined and left since
    DATA/claim.key   the seed of the claim: whoever has it may bring the first roster, once

Rules of this file: persist, then speak: a change is on the disk before it is in force, and before anybody hears of it.
What is there and cannot be read lets nobody in. No key of a cluster's root or of an epoch ever comes here.
"""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from zmq.utils import z85

from raisin_broker.belonging import Answered, RosterChanged
from raisin_broker.membership import Membership
from raisin_broker.outbox import Ask
from raisin_core import home
from raisin_core.errors import InvitationError, RosterError
from raisin_core.identity import invitations
from raisin_core.identity.documents import MAX_BOOK
from raisin_core.identity.invitations import Claim
from raisin_core.identity.keys import Keys
from raisin_core.identity.secrets import GRANT_SEED, Secrets
from raisin_core.identity.standing import Standing, read_book
from raisin_core.messages import RefusalCode, Refused

BOOK: Final = "book"
CLAIM: Final = "claim.key"

_HEADER: Final = "# Whoever has this may found a cluster with this broker, once: never copy or send this file.\n"
_LONGEST: Final = 1000


class Charter:
    """Answers what is asked about who belongs. `keep` makes a book durable (it may raise OSError)."""

    def __init__(self, membership: Membership, keep: Callable[[bytes], None]) -> None:
        self.membership = membership
        self._keep = keep

    @property
    def closed(self) -> bool:
        """Whether there is a roster that its root signed."""
        return self.membership.standing is not None

    def answer(self, ask: Ask, now: float) -> RosterChanged | Answered:
        """The event that follows. `now` is wall-clock time."""
        try:
            standing = self.membership.judge(ask, now)
            if standing == self.membership.standing:
                return Answered(ask.route)
            self._keep(standing.book)
        except InvitationError as error:
            return _refused(ask.route, "invitation", str(error))
        except RosterError as error:
            return _refused(ask.route, "roster", str(error))
        except OSError as error:
            reason = f"the broker cannot keep the roster ({error.strerror or error}): nothing has changed, try again"
            return _refused(ask.route, "busy", reason)
        self.membership.adopt(standing)
        return self.as_it_is(ask.route)

    def as_it_is(self, asked: bytes = b"") -> RosterChanged:
        """Who belongs now, for the machine."""
        it, standing = self.membership, self.membership.standing
        if standing is None:
            return RosterChanged({}, it.guests, asked=asked)
        extended = bool(standing.parts.admissions or standing.parts.resignations)
        facts = standing.name, standing.version, standing.epoch, extended, standing.book
        return RosterChanged(it.members, it.guests, *facts, asked)


def opened(directory: Path, own: Keys, claimable: bool, relieve: Callable[[OSError], bool]) -> Charter:
    """The charter in a broker's directory; where there is no book, with a claim if it is `claimable`. `relieve` is
    asked to make room where a book cannot be written. Raises RosterError (the book is damaged), OSError."""
    path = directory / BOOK
    standing = read(path)
    claim = b""
    if standing is not None:
        (directory / CLAIM).unlink(missing_ok=True)  # used
    elif claimable:
        claim = Secrets.derive(claim_seed(directory / CLAIM)).curve.public

    def keep(book: bytes) -> None:
        try:
            home.write_private(path, book)
        except OSError as error:
            if not relieve(error):
                raise
            home.write_private(path, book)
        (directory / CLAIM).unlink(missing_ok=True)

    return Charter(Membership(own.public, standing, claim), keep)


def read(path: Path) -> Standing | None:
    """The book in a file; None if there is none. Raises RosterError, OSError."""
    try:
        with open(path, "rb") as file:
            book = file.read(MAX_BOOK + 1)
    except FileNotFoundError:
        return None
    try:
        return read_book(book)
    except (RosterError, InvitationError) as error:
        raise RosterError(
            f"{path}: {error}; put a copy in its place: from a backup, or the file `book` of any member's profile"
        ) from None


def claim_seed(path: Path) -> bytes:
    """The seed in a claim's file; a new one if there is none, or others could read it. Raises OSError."""
    try:
        with open(path, "rb") as file:
            private = os.name != "posix" or not stat.S_IMODE(os.fstat(file.fileno()).st_mode) & 0o077
            text = file.read(_LONGEST).decode(errors="replace")
        seed = bytes.fromhex(text.splitlines()[-1]) if private and text else b""
    except (FileNotFoundError, ValueError):
        seed = b""
    if len(seed) != GRANT_SEED:
        seed = secrets.token_bytes(GRANT_SEED)
        home.write_private(path, f"{_HEADER}{seed.hex()}\n".encode())
    return seed


def claim_line(directory: Path, addresses: Sequence[str], own: Keys) -> str:
    """The line by which somebody may found a cluster here. It is secret. Raises OSError."""
    return invitations.line(Claim(list(addresses[:16]), z85.decode(own.public), claim_seed(directory / CLAIM)))


def _refused(route: bytes, code: RefusalCode, reason: str) -> Answered:
    return Answered(route, Refused(code, reason))
