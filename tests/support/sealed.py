"""Leases of a cluster's members as a worker sees them: what was signed, and everything that could be swapped in it."""

from __future__ import annotations

import msgspec

from raisin_core import messages as m
from raisin_core.identity.sealing import Opened, Parcel, Warrant
from raisin_core.messages import LeaseId, Options
from raisin_worker.membership import Client, Membership
from raisin_worker.state import Argued, Defined, WorkLease

JOB, OTHER = b"j" * 16, b"k" * 16
FUNCTION = b"f" * 32
ZOE, ANNA, BEN, EVE = (bytes([number]) * 32 for number in range(4))
"""Ed25519 keys: this machine's (it may submit, too), an allowed one's, one's that is not, and a stranger's."""
NOW = 1_000_000.0

CLIENTS = {
    ZOE: Client("zoe-laptop", "zoe"),
    ANNA: Client("anna-laptop", "anna"),
    BEN: Client("ben-laptop", "ben"),
}
MEMBERSHIP = Membership("zoe-laptop", "zoe", 7, b"book 7", CLIENTS, frozenset({ZOE}), frozenset({"anna"}))
WARRANT = Warrant(FUNCTION, Options(task_timeout=2.5), NOW + 60.0, b"p" * 32)


def lease(start: int = 0, stop: int = 10, number: int = 1) -> WorkLease:
    """A lease of tasks `[start, stop)`."""
    return WorkLease(LeaseId(1, number), JOB, start, stop, FUNCTION, b"", 2.5)


def page(number: int = 0, signer: bytes = ANNA, warrant: Warrant = WARRANT, job: bytes = JOB) -> Argued:
    """A page of ten tasks, as it was opened."""
    return Argued(m.Argument(job, number, number * 10, 10), b"page", opened(signer, warrant))


def opened(signer: bytes = ANNA, warrant: Warrant = WARRANT) -> Opened:
    """What a sealer gives for a page of arguments."""
    member, account = CLIENTS.get(signer, Client("eve", "eve"))
    tags = bytes(range(160))
    return Opened(Parcel(b"page", {}, tags), False, signer, member, account, warrant)


def changed(warrant: Warrant = WARRANT, /, **fields: object) -> Warrant:
    """A warrant that says something else."""
    return msgspec.structs.replace(warrant, **fields)


def optional(**fields: object) -> Warrant:
    """A warrant with other options."""
    return changed(options=msgspec.structs.replace(WARRANT.options, **fields))


def function() -> Defined:
    """The function, as it was opened."""
    return Defined(b"function", {})
