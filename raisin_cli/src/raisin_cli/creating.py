"""Founding a cluster: root key, own keys, the first roster. The broker is here, or elsewhere by a claim.

Rules of this file: keys are on disk before anybody is told of them; a broker elsewhere gets the roster, no more.
"""

from __future__ import annotations

import secrets as random
import shutil
from typing import NamedTuple

from raisin_cli import background, network, programs, rosters
from raisin_core import home
from raisin_core.addresses import parse_address
from raisin_core.client.talking import talk
from raisin_core.errors import ClusterError, ListenError, UsageError
from raisin_core.identity import founding, keys
from raisin_core.identity.documents import Broker, Member
from raisin_core.identity.invitations import Claim
from raisin_core.identity.profile import Profile
from raisin_core.identity.secrets import MEMBER_SEED, Secrets
from raisin_core.interfaces import own_addresses
from raisin_core.messages import Publish, Roster

ROLES = ["admin", "client", "worker"]


class Me(NamedTuple):
    """How this machine will be called, and whose it is."""

    name: str
    account: str


def here(cluster: str, me: Me, listen: str) -> Profile:
    """Found a cluster whose broker is on this machine, and start the broker. Raises UsageError, ListenError, OSError,
    StartError."""
    _new(cluster)
    if programs.broker_directory(cluster).exists():
        raise UsageError(
            f"a broker of a cluster called {cluster} was on this machine before (its profile is gone): choose another "
            f"name, or move {programs.broker_directory(cluster)} away"
        )
    if problem := network.free(listen):
        raise ListenError(problem)
    address = parse_address(listen)
    if not address.port and not address.path:
        raise UsageError("--listen: others must know the port, so the system cannot choose it")
    directory = programs.make_broker_directory(cluster, address)
    own, _ = keys.load_or_make(directory / "broker.key")
    profile = _found(cluster, me, Broker(own_addresses(listen)[:16], own.public))
    home.write_private(directory / "book", profile.standing.book)
    _start(cluster)
    return profile


def _start(cluster: str) -> None:
    """Start the broker; if it cannot be, nothing was founded: nobody knows these keys. Raises StartError, OSError."""
    broker = programs.broker_of(cluster)
    assert broker is not None
    try:
        background.start(broker)
    except BaseException:
        background.stop(broker)
        Profile.discard(cluster)
        shutil.rmtree(broker.directory, ignore_errors=True)
        raise


def elsewhere(cluster: str, me: Me, claim: Claim) -> Profile:
    """Found a cluster at a broker that has none yet; again after an answer that was lost. Raises ClusterError,
    UsageError."""
    profile = _begun(cluster, claim) or _found(cluster, me, Broker(claim.addresses, claim.key))
    claimant = Secrets.derive(claim.seed).curve
    try:
        said, _ = talk(claim.addresses, claim.key, claimant, Publish(), profile.standing.book, rosters.SECONDS)
        rosters.expected(said, Roster)
    except ClusterError as error:
        if not _founded(profile):
            raise type(error)(f"{error}; once that is put right, type the same line again") from None
    return profile


def _new(cluster: str) -> None:
    if cluster in Profile.names():
        raise UsageError(f"this machine has a cluster called {cluster} already: raisin cluster use {cluster}")


def _begun(cluster: str, claim: Claim) -> Profile | None:
    """What an earlier try has made: of the same claim, and founded by nobody else."""
    if cluster not in Profile.names():
        return None
    profile = Profile.load(cluster)
    if profile.root is None or profile.broker_key != claim.key or profile.standing.version > 1:
        _new(cluster)
    return profile


def _founded(profile: Profile) -> bool:
    """Whether the broker has this cluster's roster, for an answer may have been lost."""
    try:
        rosters.refresh(profile)
    except ClusterError:
        return False
    return True


def _found(cluster: str, me: Me, broker: Broker) -> Profile:
    root, seed = random.token_bytes(32), random.token_bytes(MEMBER_SEED)
    member = Member(me.name, me.account, sorted(ROLES), Secrets.derive(seed).public)
    book = founding.found(cluster, root, member, broker, random.token_bytes(32))
    return Profile.create(cluster, seed, book, root)
