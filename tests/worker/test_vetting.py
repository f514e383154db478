"""What a worker of a cluster runs, and all that it does not: every field that a broker could swap, one by one."""

from __future__ import annotations

import math
from collections.abc import Callable

import msgspec
import pytest

from raisin_core import messages as m
from raisin_core.identity.sealing import Attestation
from raisin_worker.membership import Client, Membership
from raisin_worker.state import Argued, Defined, WorkLease
from raisin_worker.vetting import Accepted, vet
from tests.support.sealed import (
    ANNA,
    BEN,
    CLIENTS,
    EVE,
    FUNCTION,
    MEMBERSHIP,
    NOW,
    OTHER,
    WARRANT,
    ZOE,
    changed,
    function,
    lease,
    opened,
    optional,
    page,
)


class Case:
    """A lease that is as it should be, before something is swapped."""

    def __init__(self) -> None:
        self.lease = lease(5, 15)
        self.function = function()
        self.pages = [page(0), page(1)]
        self.membership = MEMBERSHIP
        self.now = NOW

    def verdict(self) -> Accepted | str:
        return vet(self.lease, self.function, self.pages, self.membership, self.now)


def put(case: Case, **fields: object) -> Case:
    for name, value in fields.items():
        setattr(case, name, value)
    return case


def signed_by(case: Case, signer: bytes) -> Case:
    return put(case, pages=[page(0, signer), page(1, signer)])


def stated(case: Case, **fields: object) -> Case:
    return put(case, pages=[page(number, warrant=changed(**fields)) for number in (0, 1)])


def asked(case: Case, **options: object) -> Case:
    return put(case, pages=[page(number, warrant=optional(**options)) for number in (0, 1)])


def leased(case: Case, **fields: object) -> Case:
    return put(case, lease=msgspec.structs.replace(case.lease, **fields))


def renewed(case: Case, **fields: object) -> Case:
    return put(case, membership=msgspec.structs.replace(case.membership, **fields))


def second(case: Case, page: Argued) -> Case:
    return put(case, pages=[case.pages[0], page])


def unstated(case: Case, statement: object) -> Case:
    for each in case.pages:
        each.opened = opened()._replace(statement=statement)  # type: ignore[arg-type]
    return case


def test_what_an_allowed_member_asked_for_is_accepted() -> None:
    assert Case().verdict() == Accepted(ANNA, b"p" * 32)


ACCEPTED: dict[str, Callable[[Case], Case]] = {
    "its own code": lambda case: signed_by(case, ZOE),
    "code of a machine that its owner confirmed": lambda case: renewed(signed_by(case, BEN), mine={BEN}),
    "asked for by name": lambda case: asked(case, where=["x", "zoe-laptop"]),
    "at the last moment": lambda case: put(case, now=NOW + 60.0),
    "pages that were signed one after the other": lambda case: second(
        case, page(1, warrant=changed(not_after=NOW + 99.0))
    ),
    "the whole of its pages": lambda case: leased(case, start=0, stop=20),
}


@pytest.mark.parametrize("change", ACCEPTED.values(), ids=ACCEPTED)
def test_accepted(change: Callable[[Case], Case]) -> None:
    case = Case()
    change(case)
    assert isinstance(case.verdict(), Accepted)


REFUSED: dict[str, tuple[Callable[[Case], Case], str]] = {
    # who
    "a member that its owner did not allow": (
        lambda case: signed_by(case, BEN),
        "zoe-laptop runs only code of zoe, anna; its owner may allow it: raisin worker allow ben",
    ),
    "a machine of the owner's account that was not confirmed": (
        lambda case: renewed(case, clients={ANNA: Client("zoe-desk", "zoe")}, runs=frozenset({"ben"})),
        "zoe-laptop runs only code of machines that its owner confirmed, and of ben; there: raisin trust zoe-desk, "
        "or: raisin worker allow zoe",
    ),
    "a stranger": (lambda case: signed_by(case, EVE), "signed by no client"),
    "nobody": (lambda case: signed_by(case, b""), "signed by no client"),
    "a machine that was confirmed and removed since": (
        lambda case: renewed(signed_by(case, EVE), mine=frozenset({EVE, ZOE})),
        "signed by no client",
    ),
    "an allowed account that is a worker only": (
        lambda case: renewed(case, clients={ZOE: CLIENTS[ZOE]}),
        "signed by no client",
    ),
    "an allowed member after it was disallowed": (
        lambda case: renewed(case, runs=frozenset()),
        "raisin worker allow anna",
    ),
    # what
    "another function in the lease": (lambda case: leased(case, function=b"g" * 32), "another function"),
    "another function in the warrant": (lambda case: stated(case, function=b"g" * 32), "another function"),
    "a function that is not what its digest names": (
        lambda case: put(case, function=Defined(b"", {}, "not the function that its digest names")),
        "its function is not what a member sealed: not the function",
    ),
    "a page that cannot be opened": (
        lambda case: second(case, Argued(m.Argument(case.lease.job, 1, 10, 10), b"", None, "forged")),
        "its arguments are not what a member sealed: forged",
    ),
    "a page that nobody opened": (
        lambda case: second(case, Argued(m.Argument(case.lease.job, 1, 10, 10), b"x")),
        "they were not opened",
    ),
    "a page with a problem though it was opened": (
        lambda case: second(case, Argued(m.Argument(case.lease.job, 1, 10, 10), b"x", opened(), "odd")),
        "not what a member sealed: odd",
    ),
    "no statement": (lambda case: unstated(case, None), "nobody has signed"),
    "a worker's statement": (lambda case: unstated(case, Attestation(ANNA)), "nobody has signed"),
    # when
    "after its time": (lambda case: put(case, now=NOW + 60.1), "until a time that is past"),
    "when nobody knows the time": (lambda case: put(case, now=math.nan), "until a time that is past"),
    "at a time that is none": (lambda case: stated(case, not_after=math.nan), "until a time that is past"),
    "one page after its time": (
        lambda case: second(case, page(1, warrant=changed(not_after=NOW - 1))),
        "until a time that is past",
    ),
    # how and where
    "elsewhere": (lambda case: asked(case, where=["ben-laptop"]), "did not ask zoe-laptop"),
    "longer": (lambda case: leased(case, task_timeout=9.0), "another task_timeout"),
    "for ever": (lambda case: leased(case, task_timeout=0.0), "another task_timeout"),
    "in a context": (lambda case: leased(case, context=b"c" * 32), "embedded clusters"),
    # which tasks
    "a page of another job": (lambda case: second(case, page(1, job=OTHER)), "another job"),
    "another job": (lambda case: leased(case, job=OTHER), "another job"),
    "tasks before its pages": (lambda case: put(case, pages=case.pages[1:]), "not those of tasks 5 to 14"),
    "tasks behind its pages": (lambda case: leased(case, stop=21), "not those of tasks 5 to 20"),
    "tasks between its pages": (
        lambda case: put(leased(case, stop=25), pages=[page(0), page(2)]),
        "not those of tasks 5 to 24",
    ),
    "no pages": (lambda case: put(case, pages=[]), "not those of tasks 5 to 14"),
    "no tasks": (lambda case: leased(case, stop=5), "not those of tasks"),
    "tasks before the first": (lambda case: leased(case, start=-1), "not those of tasks"),
    # all of one piece
    "pages of two submitters": (lambda case: second(case, page(1, ZOE)), "several submitters"),
    "pages with other options": (lambda case: second(case, page(1, warrant=optional(retries=9))), "together"),
    "pages with another fingerprint": (
        lambda case: second(case, page(1, warrant=changed(fingerprint=b"q" * 32))),
        "together",
    ),
}


@pytest.mark.parametrize(("change", "why"), REFUSED.values(), ids=REFUSED)
def test_refused(change: Callable[[Case], Case], why: str) -> None:
    case = Case()
    change(case)
    verdict = case.verdict()
    assert isinstance(verdict, str)
    assert why in verdict


def test_every_field_of_a_lease_counts_or_is_a_name() -> None:
    """A field that is added to leases must be vetted, or be listed here as one that says nothing of what runs."""
    vetted = {"job", "start", "stop", "function", "context", "task_timeout"}
    assert {each.name for each in msgspec.structs.fields(m.Lease)} == vetted | {"lease"}
    own = {"id", "slot", "submitter", "fingerprint"}
    assert {each.name for each in msgspec.structs.fields(WorkLease)} == vetted | own


# -- whose code ------------------------------------------------------------------------------------------------------


def test_the_broker_hears_whose_jobs_to_offer_its_own_account_first() -> None:
    assert MEMBERSHIP.accounts() == ["zoe", "anna"]
    confirmed = msgspec.structs.replace(MEMBERSHIP, mine=frozenset({ZOE, BEN}))
    assert confirmed.accounts() == ["zoe", "anna", "ben"]


def test_a_worker_that_runs_nobodys_code_does_not_say_everybodys() -> None:
    lonely = Membership("box", "lab", 1, b"", {ANNA: CLIENTS[ANNA]}, frozenset({ZOE}), frozenset())
    assert lonely.accounts() == ["lab"]
    assert not any(lonely.takes(key) for key in (ZOE, ANNA, EVE, b""))


def test_warrants_that_differ_only_in_their_time_are_together() -> None:
    later = changed(WARRANT, not_after=NOW + 1)
    assert vet(lease(0, 20), function(), [page(0), page(1, warrant=later)], MEMBERSHIP, NOW) == Accepted(
        ANNA, WARRANT.fingerprint
    )
    assert WARRANT.function == FUNCTION
