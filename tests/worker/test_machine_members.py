"""The machine of a member's worker by itself: what it takes, what it refuses, whom its slots serve."""

from __future__ import annotations

import msgspec
import pytest

from raisin_core import messages as m
from raisin_core.identity.sealing import Opened, Parcel
from raisin_core.messages import LeaseId
from raisin_core.peer import Connected, Received, Say, Tick
from raisin_worker import commands as c
from raisin_worker import machine as machines
from raisin_worker.delivery import MOST_REFUSALS
from raisin_worker.events import Died, Outcome, RangeEnded, Ready
from raisin_worker.machine import Me, Worker
from tests.support.bench import BLOB, ONE, THREE, TWO, others, said
from tests.support.sealed import ANNA, BEN, FUNCTION, JOB, MEMBERSHIP, NOW, WARRANT, ZOE, opened
from tests.support.wire import passed


class Members:
    """A member's worker on a bench; what it was told was opened before."""

    def __init__(self, slots: int = 1, roster: int = 7) -> None:
        self.worker = Worker(Me(b"w" * 16, "den", 7, "3.11", slots), MEMBERSHIP)
        self.now = 100.0
        self.on(Tick())
        self.greeting = [*self.on(Connected()), *self.hear(m.Welcome(1, 5.0, 15.0, "lab", roster))]

    def on(self, event: c.Event, seconds: float = 0.0, wall: float = NOW) -> list[c.Command]:
        self.now += seconds
        out = self.worker.handle(event, self.now, wall)
        self.worker.check()
        return out

    def hear(self, message: m.Message, payload: bytes = b"", wall: float = NOW) -> list[c.Command]:
        return self.on(Received(*passed(message, payload)), wall=wall)

    def bring(self, page: Opened | None, job: bytes = JOB, number: int = 0) -> list[c.Command]:
        """A page of ten tasks, and the function."""
        self.on(c.Unsealed(m.Function(FUNCTION), Opened(Parcel(b"function"))))
        return self.on(c.Unsealed(m.Argument(job, number, number * 10, 10), page, "" if page else "forged"))

    def lease(self, lease: LeaseId, job: bytes = JOB, start: int = 0, stop: int = 10) -> list[c.Command]:
        return self.hear(m.Lease(lease, job, start, stop, FUNCTION, b"", 2.5))

    def ready(self, slot: int = 0) -> list[c.Command]:
        return self.on(Ready(slot))


def runs(out: list[c.Command]) -> list[c.Run]:
    return [each for each in out if isinstance(each, c.Run)]


def refused(out: list[c.Command]) -> list[c.Refuse]:
    return [each for each in out if isinstance(each, c.Refuse)]


@pytest.fixture
def members() -> Members:
    return Members()


# -- what it takes ---------------------------------------------------------------------------------------------------


def test_hello_names_its_roster_and_whose_code_it_runs(members: Members) -> None:
    hello = said(members.greeting)[0]
    assert isinstance(hello, m.Hello)
    assert (hello.roster, hello.runs) == (7, ["zoe", "anna"])


@pytest.mark.parametrize(("roster", "tells"), [(6, True), (7, False), (8, False)])
def test_a_broker_with_an_older_roster_is_told(roster: int, tells: bool) -> None:
    out = Members(roster=roster).greeting
    assert (Say(m.Publish(), b"book 7") in out) == tells


def test_what_was_opened_and_stands_the_test_runs(members: Members) -> None:
    members.ready()
    members.bring(opened())
    (run,) = runs(members.lease(ONE))
    assert (run.lease, run.submitter, run.fingerprint) == (ONE, ANNA, WARRANT.fingerprint)
    assert [page.payload for page in run.pages] == [b"page"]


@pytest.mark.parametrize(
    "message", [m.Function(FUNCTION), m.Argument(JOB, 0, 0, 10), m.Context(b"c" * 32)], ids=lambda each: type(each)
)
def test_what_nobody_opened_is_not_even_kept(members: Members, message: m.Message) -> None:
    members.hear(message, b"payload")
    state = members.worker.state
    assert not state.functions
    assert not state.pages
    assert not state.contexts


def test_without_a_clock_nothing_runs(members: Members) -> None:
    members.ready()
    members.bring(opened())
    out = members.worker.handle(Received(m.Lease(ONE, JOB, 0, 10, FUNCTION, b"", 2.5)), members.now)
    assert len(refused(out)) == 1
    assert not runs(out)


# -- what it refuses -------------------------------------------------------------------------------------------------


def test_a_refused_lease_is_answered_and_gone(members: Members) -> None:
    members.ready()
    members.bring(opened(BEN))
    (refusal,) = refused(members.lease(ONE))
    assert (refusal.lease, refusal.job, refusal.start, refusal.stop) == (ONE, JOB, 0, 10)
    assert "raisin worker allow ben" in refusal.reason
    assert members.worker.state.leases == {}
    results = m.Results(ONE, JOB, 0, 10, 0.0, [], [(0, "why")])
    assert members.on(c.Refusal(results, b"sealed")) == [Say(results, b"sealed")]
    assert members.on(Tick(), 1.0) == []
    assert said(members.hear(m.Judged(JOB, 0, 10, "recorded"))) == []


def test_what_is_refused_is_refused_before_its_blobs_are_asked_for(members: Members) -> None:
    members.bring(opened(BEN)._replace(parcel=Parcel(b"page", {BLOB: b"x" * 32})))
    out = others(members.lease(ONE))
    assert [type(each) for each in out] == [c.Refuse]


def test_a_warrant_may_run_out_while_its_lease_waits(members: Members) -> None:
    members.bring(opened())
    assert not runs(members.lease(ONE))  # its slot is starting
    (refusal,) = refused(members.on(Ready(0), wall=NOW + 61.0))
    assert "a time that is past" in refusal.reason


def test_a_member_may_be_removed_while_its_lease_waits(members: Members) -> None:
    members.bring(opened())
    members.lease(ONE)
    clients = {ZOE: MEMBERSHIP.clients[ZOE]}
    out = members.on(c.Renewed(msgspec.structs.replace(MEMBERSHIP, clients=clients)))
    assert "signed by no client" in refused(out)[0].reason


def test_pages_may_not_change_while_a_lease_waits(members: Members) -> None:
    members.bring(opened())
    members.lease(ONE)
    out = members.bring(opened(BEN))
    assert len(refused(out)) == 1


def test_a_lease_of_more_tasks_than_there_can_be_is_given_back(
    members: Members, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machines, "MOST_REFUSED", 4)
    members.bring(None)
    out = members.lease(ONE)
    assert said(out) == [m.Trimmed(ONE, 4)]
    assert [(each.start, each.stop) for each in refused(out)] == [(0, 4)]


def test_a_broker_that_leases_what_is_refused_fills_no_memory(members: Members) -> None:
    for number in range(2 * MOST_REFUSALS):
        results = m.Results(LeaseId(1, number), JOB, number, number + 1, 0.0, [], [(number, "why")])
        members.on(c.Refusal(results, b"sealed"))
    assert len(members.worker.state.unjudged) == MOST_REFUSALS


def test_a_running_lease_is_not_replaced(members: Members) -> None:
    members.ready()
    members.bring(opened())
    members.lease(ONE)
    members.bring(opened(), job=b"x" * 16)
    assert members.lease(ONE, job=b"x" * 16) == []
    assert members.worker.state.leases[ONE].job == JOB
    assert members.lease(TWO, start=5, stop=5) == []
    assert list(members.worker.state.leases) == [ONE]


# -- whom slots serve ------------------------------------------------------------------------------------------------


def test_a_slot_serves_one_submitter_and_is_started_anew_for_another(members: Members) -> None:
    members.ready()
    members.bring(opened())
    assert len(runs(members.lease(ONE))) == 1  # one that has served nobody may serve anybody
    other = b"o" * 16
    members.bring(opened(ZOE), job=other)
    assert others(members.lease(TWO, job=other)) == []
    members.on(Outcome(0, 0, 10, 0.1, [], [], b"r", []))
    assert others(members.on(RangeEnded(0, 10))) == [c.StartSlot(0, ZOE, b"")]
    define, run = others(members.ready())
    assert isinstance(define, c.Define)
    assert isinstance(run, c.Run)
    assert run.submitter == ZOE


def test_submitters_do_not_take_each_others_slot_while_it_starts(members: Members) -> None:
    members.ready()
    members.bring(opened())
    members.lease(ONE)
    members.on(Outcome(0, 0, 10, 0.1, [], [], b"r", []))
    members.on(RangeEnded(0, 10))
    other = b"o" * 16
    members.bring(opened(ZOE), job=other)
    assert others(members.lease(TWO, job=other)) == [c.StartSlot(0, ZOE, b"")]
    assert others(members.lease(THREE)) == []
    assert runs(members.ready())[0].lease == TWO


def test_a_slot_that_is_starting_for_nobody_is_waited_for(members: Members) -> None:
    members.bring(opened())
    assert others(members.lease(ONE)) == []
    assert runs(members.ready())[0].submitter == ANNA


def test_two_submitters_get_a_slot_each() -> None:
    members = Members(slots=2)
    other = b"o" * 16
    members.bring(opened())
    members.lease(ONE)
    members.bring(opened(ZOE), job=other)
    members.lease(TWO, job=other)
    started = [*runs(members.ready(0)), *runs(members.ready(1))]
    assert {(run.slot, run.submitter) for run in started} == {(0, ANNA), (1, ZOE)}


def test_whoever_waits_for_a_slot_that_never_starts_hears_of_it(members: Members) -> None:
    members.bring(opened())
    members.lease(ONE)
    out: list[c.Command] = []
    for _ in range(3):
        out += [*members.on(Died(0, -1, "crash", "no")), *members.on(Tick(), 1.0)]
    crashes = [each for each in said(out) if isinstance(each, m.Crashed)]
    assert [crash.lease for crash in crashes] == [ONE]


# -- blobs -----------------------------------------------------------------------------------------------------------


def test_blobs_are_asked_for_by_the_names_that_were_signed(members: Members) -> None:
    wire = b"t" * 32
    members.ready()
    members.on(c.Unsealed(m.Function(FUNCTION), Opened(Parcel(b"function"))))
    page = opened()._replace(parcel=Parcel(b"page", {BLOB: wire}))
    members.on(c.Unsealed(m.Argument(JOB, 0, 0, 10, [b"z" * 32]), page))
    assert others(members.lease(ONE)) == [c.FetchBlob(wire, BLOB)]
    assert runs(members.on(c.BlobHere(wire, True, BLOB)))


def test_a_blob_that_is_not_what_one_member_said_harms_no_other(members: Members) -> None:
    wrong, right, other = b"t" * 32, b"u" * 32, b"o" * 16
    members.bring(opened()._replace(parcel=Parcel(b"page", {BLOB: wrong})))
    members.bring(opened(ZOE)._replace(parcel=Parcel(b"page", {BLOB: right})), job=other)
    assert others(members.lease(ONE)) == [c.FetchBlob(wrong, BLOB)]
    assert others(members.lease(TWO, job=other)) == [c.FetchBlob(right, BLOB)]
    crashed = said(members.on(c.BlobHere(wrong, False, BLOB)))
    assert [each.lease for each in crashed if isinstance(each, m.Crashed)] == [ONE]
    assert list(members.worker.state.leases) == [TWO]


# -- the cluster changes ---------------------------------------------------------------------------------------------


def test_hello_is_said_again_when_other_code_may_run(members: Members) -> None:
    runs = frozenset({"anna", "ben"})
    (hello,) = said(members.on(c.Renewed(msgspec.structs.replace(MEMBERSHIP, runs=runs, version=8))))
    assert isinstance(hello, m.Hello)
    assert (hello.roster, hello.runs) == (8, ["zoe", "anna", "ben"])


def test_a_newer_roster_alone_is_no_reason_for_another_hello(members: Members) -> None:
    assert members.on(c.Renewed(msgspec.structs.replace(MEMBERSHIP, version=8))) == []


def test_whoever_is_not_to_run_here_any_more_is_ended_in_the_midst() -> None:
    members = Members(slots=3)
    other = b"o" * 16
    members.ready(0)
    members.bring(opened())
    members.lease(ONE)
    members.bring(opened(ZOE), job=other)
    members.ready(1)
    members.lease(TWO, job=other)
    members.on(Outcome(0, 0, 4, 0.1, [], [], b"r", []))
    out = members.on(c.Renewed(msgspec.structs.replace(MEMBERSHIP, runs=frozenset())))
    assert others(out) == [c.EndSlot(0)]
    assert m.Trimmed(ONE, 4) in said(out)
    assert list(members.worker.state.leases) == [TWO]


def test_a_process_that_waits_for_somebodys_next_task_ends_too(members: Members) -> None:
    """It may have begun something that goes on."""
    members.ready()
    members.bring(opened())
    members.lease(ONE)
    members.on(Outcome(0, 0, 10, 0.1, [], [], b"r", []))
    members.on(RangeEnded(0, 10))
    assert others(members.on(c.Renewed(msgspec.structs.replace(MEMBERSHIP, runs=frozenset())))) == [c.EndSlot(0)]


def test_a_broker_cannot_end_a_members_worker(members: Members) -> None:
    assert others(members.hear(m.Farewell(final=True))) == []


@pytest.mark.parametrize("how", ["told", "not let in"])
def test_who_was_removed_ends_everything_and_keeps_what_it_made(how: str) -> None:
    members = Members(slots=2)
    members.ready(0)
    members.ready(1)
    members.bring(opened())
    members.lease(ONE, stop=5)
    members.on(Outcome(0, 0, 2, 0.1, [], [], b"r", []))
    members.lease(THREE, start=5)
    if how == "told":
        out = members.hear(m.Refused("member", "removed", fatal=True))
    else:
        out = members.on(c.Removed())
    assert others(out) == [c.EndSlot(0), c.EndSlot(1)]
    state = members.worker.state
    assert not state.leases
    assert not state.pages
    assert len(state.unjudged) == 1
    assert members.on(Tick(), 60.0) == []
    members.on(Connected())
    again = said(members.hear(m.Welcome(2, 5.0, 15.0, "lab", 7)))
    assert [type(each) for each in again] == [m.Results, m.Held]
    members.bring(opened())
    assert others(members.lease(TWO)) == [c.StartSlot(0, ANNA, b"")]


def test_a_worker_without_members_keeps_its_slots_when_it_is_refused() -> None:
    worker = Worker(Me(b"w" * 16, "den", 7, "3.11", 1))
    worker.handle(Tick(), 0.0)
    worker.handle(Ready(0), 0.0)
    out = worker.handle(Received(m.Refused("member", "removed", fatal=True)), 0.0)
    assert out == []
    assert worker.state.slots[0].state == "idle"
