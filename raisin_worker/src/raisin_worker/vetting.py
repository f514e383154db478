"""Whether a lease is what a member asked for whose code may run here: looked at before anything of it runs.

The broker is not believed: what a lease says must be what the submitter signed with each page of arguments, and its
function the one that was named there. What is not, is refused with a reason that its submitter can read.

Rules of this file: pure; whatever is not known to be right is refused.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from raisin_core.identity.sealing import Warrant
from raisin_worker.membership import Client, Membership
from raisin_worker.state import Argued, Defined, WorkLease


class Accepted(NamedTuple):
    """On whose warrant a lease runs (an Ed25519 key), and that warrant's fingerprint."""

    submitter: bytes
    fingerprint: bytes


def vet(
    lease: WorkLease, function: Defined, pages: Sequence[Argued], membership: Membership, wall: float
) -> Accepted | str:
    """On whose warrant to run a lease with these pages, at this wall-clock time (seconds since the epoch); or, as a
    text, why not."""
    complaints = (
        *_about_lease(lease, function, pages),
        *(text for page in pages for text in _about_page(lease, page, membership, wall)),
        *(text for one, two in pairwise(pages) for text in _about_pair(one, two)),
    )
    for complaint in complaints:
        return complaint
    warrant, opened = _warrant(pages[0]), pages[0].opened
    if warrant is None or opened is None:
        return "nobody stands for these arguments"
    return Accepted(opened.signer, warrant.fingerprint)


def _about_lease(lease: WorkLease, function: Defined, pages: Sequence[Argued]) -> Iterator[str]:
    if lease.context:
        yield "it is to run in a client's own environment, which is for embedded clusters only"
    if function.problem:
        yield f"its function is not what a member sealed: {function.problem}"
    at = lease.start
    for page in pages:
        if page.message.first <= at:
            at = max(at, page.message.first + page.message.count)
    if not 0 <= lease.start < lease.stop <= at:
        yield f"its arguments are not those of tasks {lease.start} to {lease.stop - 1}"


def _about_page(lease: WorkLease, page: Argued, membership: Membership, wall: float) -> Iterator[str]:
    opened, warrant = page.opened, _warrant(page)
    if page.problem or opened is None:
        yield f"its arguments are not what a member sealed: {page.problem or 'they were not opened'}"
        return
    if warrant is None:
        yield "nobody has signed what is to be done with its arguments"
        return
    if page.message.job != lease.job:
        yield "its arguments are those of another job"
    client = membership.clients.get(opened.signer)
    if client is None:
        yield "its arguments were signed by no client of this cluster"
    elif not membership.takes(opened.signer):
        yield _not_taken(client, membership)
    yield from _about_warrant(lease, warrant, membership.name, wall)


def _about_warrant(lease: WorkLease, warrant: Warrant, name: str, wall: float) -> Iterator[str]:
    if warrant.function != lease.function:
        yield "its submitter asked for another function"
    if not wall <= warrant.not_after:
        yield "its submitter asked for it until a time that is past (or this machine's clock is wrong)"
    if warrant.options.where and name not in warrant.options.where:
        yield f"its submitter did not ask {name} for it"
    if lease.task_timeout != warrant.options.task_timeout:
        yield "its submitter asked for another task_timeout"


def _about_pair(one: Argued, two: Argued) -> Iterator[str]:
    """All pages of a lease must be one submitter's, of one job as it was submitted."""
    first, second = one.opened, two.opened
    if first is None or second is None or first.signer != second.signer:
        yield "its arguments are several submitters'"
    a, b = _warrant(one), _warrant(two)
    if a is None or b is None or (a.options, a.fingerprint) != (b.options, b.fingerprint):
        yield "its arguments were not submitted together"


def _warrant(page: Argued) -> Warrant | None:
    statement = page.opened.statement if page.opened is not None else None
    return statement if isinstance(statement, Warrant) else None


def _not_taken(client: Client, membership: Membership) -> str:
    name, others = membership.name, ", ".join(sorted(membership.runs))
    if client.account == membership.account:
        only = "machines that its owner confirmed" + (f", and of {others}" if others else "")
        return (
            f"{name} runs only code of {only}; there: raisin trust {client.member}, "
            f"or: raisin worker allow {client.account}"
        )
    only = ", ".join(membership.accounts())
    return f"{name} runs only code of {only}; its owner may allow it: raisin worker allow {client.account}"
