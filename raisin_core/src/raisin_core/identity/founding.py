"""What the root of a cluster does: founds it, invites, removes, renames, moves its broker. Each signs the next version.

Every next version folds in who joined and left since the last one. Where somebody left or was removed, or an invitation
is withdrawn or ran out before all who have it came (whoever has it can read the key), a new epoch begins, with a key
that only those who stay get. An invitation by which somebody came who left since is closed: they still have its seed.

Rules of this file: pure but for `draw`, where random bytes come from. Nothing is signed that readers would refuse.
"""

from __future__ import annotations

import hmac
import os
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Final

import msgspec

from raisin_core.ciphers import ed25519_public, hkdf
from raisin_core.errors import RosterError, UsageError
from raisin_core.identity import documents, epochs
from raisin_core.identity.checking import check_roster
from raisin_core.identity.documents import (
    Book,
    Broker,
    Former,
    Grant,
    Member,
    Roster,
    Wrap,
    cluster_id,
    encode,
    sign_roster,
)
from raisin_core.identity.secrets import GRANT_SEED, Secrets
from raisin_core.identity.standing import Standing, read_book

Draw = Callable[[int], bytes]
LATE: Final = (
    3600  # seconds: how long after its time an invitation stays known, so that whoever came in time is not lost
)


class Root:
    """The key that a cluster stands and falls with: whoever has it decides who belongs."""

    def __init__(self, seed: bytes) -> None:
        self.seed = seed
        self.public = ed25519_public(seed)
        self.cluster = cluster_id(self.public)

    def __repr__(self) -> str:
        return f"Root(of {self.cluster.hex()[:16]})"


class Next:
    """The next version of a roster in the making: who stays, who is new, whether a new epoch begins."""

    def __init__(self, book: bytes, root_seed: bytes, now: float = 0.0) -> None:
        self.root = Root(root_seed)
        self.before = read_book(book)
        if self.before.cluster != self.root.cluster:
            raise RosterError(f"this is not the root key of {self.before.name!r}")
        self.members = dict(self.before.members)
        self.grants = [_folded(grant, self.before) for grant in self.before.grants.values()]
        self.grants = [grant for grant in self.grants if len(grant.joined) < grant.uses]
        self.broker = self.before.broker
        self.new_epoch = False
        self.former = {each.ed25519: each for each in self.before.head.former}
        self.gone(self.before.resigned())
        self.close(grant for grant in self.grants if now > grant.join_before + LATE)

    def gone(self, members: Mapping[bytes, Member]) -> None:
        """These members (by Ed25519 key) belong no more, nor do invitations that they know."""
        keys = members.keys()
        for key, member in members.items():
            self.former[key] = documents.former(member, self.before.epoch)
        if keys:
            self.new_epoch = True
            self.close(grant for grant in self.grants if not set(grant.joined).isdisjoint(keys))

    def close(self, grants: Iterable[Grant]) -> None:
        """These invitations end."""
        closed = list(grants)
        if closed:
            self.new_epoch = True
            self.grants = [grant for grant in self.grants if grant not in closed]

    def taken(self, name: str) -> bool:
        """Whether a member or an invitation has this name."""
        return name in self.members or any(grant.name == name for grant in self.grants)

    def sign(
        self,
        keys: Mapping[int, bytes],
        in_use: Collection[int] | None,
        new_key: bytes | None = None,
        draw: Draw = os.urandom,
    ) -> bytes:
        """The book. `in_use` are the epochs that are still needed (None: all whose keys are given). Raises UsageError,
        RosterError."""
        before, cluster = self.before, self.root.cluster
        epoch = before.epoch + 1 if self.new_epoch else before.epoch
        key = (new_key or draw(32)) if self.new_epoch else keys.get(epoch)
        if key is None:
            raise RosterError(f"the key of epoch {epoch} is needed to let somebody in, and is not here")
        if not self.new_epoch and not hmac.compare_digest(epochs.commitment(key), before.head.commitment):
            raise RosterError(f"what is here as the key of epoch {epoch} is another one")
        if self.new_epoch and key in keys.values():
            raise UsageError("a new epoch needs a new key")
        wanted = [each for each in sorted(keys) if each < epoch and (in_use is None or each in in_use)]
        old = {each: keys[each] for each in wanted[-documents.MAX_EPOCHS :]}
        roster = Roster(
            *(documents.FORMAT, self.root.public, before.name, before.version + 1, epoch),
            *(self.broker, list(self.members.values()), self.grants, epochs.commitment(key)),
            self._wraps(key, epoch, draw),
            epochs.seal_past(old, epoch, key, cluster),
            epochs.seal_tags(_tag_secret(self.root.seed), key, cluster, epoch),
            self._former(old),
        )
        return _signed(self.root.seed, roster)

    def _former(self, in_use: Collection[int]) -> list[Former]:
        """Those who left, while something that they may have sealed can be opened."""
        known = sorted(self.former.values(), key=lambda each: (each.epoch, each.ed25519))
        return [each for each in known if any(epoch <= each.epoch for epoch in in_use)][-documents.MAX_MEMBERS :]

    def _wraps(self, key: bytes, epoch: int, draw: Draw) -> list[Wrap]:
        there = {} if self.new_epoch else {each.x25519: each for each in epochs.wraps_of(self.before)}
        everybody: list[Member | Grant] = [*self.members.values(), *self.grants]
        recipients = [each.publics.x25519 for each in everybody]
        return [there.get(each) or epochs.wrap(key, each, self.root.cluster, epoch, draw(32)) for each in recipients]


def found(
    name: str, root_seed: bytes, me: Member, broker: Broker, epoch_key: bytes | None = None, draw: Draw = os.urandom
) -> bytes:
    """The first book of a cluster: its founder is the only member. Raises UsageError."""
    root = Root(root_seed)
    key = epoch_key or draw(32)
    wraps = [epochs.wrap(key, me.publics.x25519, root.cluster, 1, draw(32))]
    tags = epochs.seal_tags(_tag_secret(root_seed), key, root.cluster, 1)
    roster = Roster(
        *(documents.FORMAT, root.public, name, 1, 1, broker, [me], [], epochs.commitment(key)),
        wraps=wraps,
        past=[],
        tags=tags,
    )
    return _signed(root_seed, roster)


def invite(
    book: bytes,
    root_seed: bytes,
    keys: Mapping[int, bytes],
    *,
    name: str,
    join_before: float,
    account: str = "",
    roles: Iterable[str] = ("client", "worker"),
    uses: int = 1,
    in_use: Collection[int] | None = None,
    now: float = 0.0,
    draw: Draw = os.urandom,
) -> tuple[bytes, bytes]:
    """A book with an open invitation, and the invitation's seed. `join_before` and `now` are seconds since 1970;
    `account` is the name where none is given. Raises UsageError."""
    following = Next(book, root_seed, now)
    if following.taken(name):
        raise UsageError(
            f"there is a member or an invitation named {name!r} already: choose another name, or remove it"
        )
    seed = draw(GRANT_SEED)
    publics = Secrets.derive(seed).public
    following.grants.append(Grant(publics, name, account or name, sorted(set(roles)), uses, int(join_before)))
    return following.sign(keys, in_use, draw=draw), seed


def remove(
    book: bytes,
    root_seed: bytes,
    names: Iterable[str],
    keys: Mapping[int, bytes],
    epochs_in_use: Collection[int] | None = None,
    new_key: bytes | None = None,
    now: float = 0.0,
    draw: Draw = os.urandom,
) -> bytes:
    """A book without these members (or open invitations), in a new epoch: what is sealed from now on they cannot read.
    Keys of the epochs in use are kept for those who stay. Raises UsageError if there is no such name."""
    following = Next(book, root_seed, now)
    for name in names:
        if not following.taken(name):
            raise UsageError(f"there is no member and no open invitation named {name!r}")
        member = following.members.pop(name, None)
        following.gone({} if member is None else {member.publics.ed25519: member})
        following.close(grant for grant in following.grants if grant.name == name)
    return following.sign(keys, epochs_in_use, new_key, draw)


def rename(
    book: bytes,
    root_seed: bytes,
    old: str,
    new: str,
    keys: Mapping[int, bytes],
    in_use: Collection[int] | None = None,
    now: float = 0.0,
    draw: Draw = os.urandom,
) -> bytes:
    """A book in which a member has another name. Raises UsageError."""
    following = Next(book, root_seed, now)
    if old not in following.members:
        raise UsageError(f"there is no member named {old!r}")
    if following.taken(new):
        raise UsageError(f"there is a member or an invitation named {new!r} already")
    renamed = msgspec.structs.replace(following.members[old], name=new)
    following.members = {each.name: each for each in (*_without(following.members, old), renamed)}
    return following.sign(keys, in_use, draw=draw)


def move(
    book: bytes,
    root_seed: bytes,
    broker: Broker,
    keys: Mapping[int, bytes],
    in_use: Collection[int] | None = None,
    now: float = 0.0,
    draw: Draw = os.urandom,
) -> bytes:
    """A book that says another place of the broker. Raises UsageError."""
    following = Next(book, root_seed, now)
    following.broker = broker
    return following.sign(keys, in_use, draw=draw)


def fold(
    book: bytes,
    root_seed: bytes,
    keys: Mapping[int, bytes],
    in_use: Collection[int] | None = None,
    now: float = 0.0,
    draw: Draw = os.urandom,
) -> bytes:
    """A book in which whoever joined and left is part of the signed roster. Raises RosterError."""
    return Next(book, root_seed, now).sign(keys, in_use, draw=draw)


def _folded(grant: Grant, standing: Standing) -> Grant:
    key = grant.publics.ed25519
    came = [each.publics.ed25519 for each in standing.parts.admissions if each.grant == key]
    return msgspec.structs.replace(grant, joined=[*grant.joined, *came])


def _without(members: Mapping[str, Member], name: str) -> list[Member]:
    return [each for each in members.values() if each.name != name]


def _tag_secret(root_seed: bytes) -> bytes:
    """Not the root's seed, and of no use to get it."""
    return hkdf(root_seed, 32, info=b"raisin tag secret")


def _signed(root_seed: bytes, roster: Roster) -> bytes:
    try:
        check_roster(documents.decode(encode(roster), Roster))
    except ValueError as error:
        raise UsageError(f"this cannot be: {error}") from None
    return encode(Book(sign_roster(root_seed, roster)))
