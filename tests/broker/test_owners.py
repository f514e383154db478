"""Whose code a worker runs, and whose results a job takes: what the scheduler makes of both."""

from __future__ import annotations

import msgspec
import pytest

from raisin_broker import reports, scheduler
from raisin_broker.state import Job
from raisin_core import messages as m
from tests.broker.test_scheduler import FAST, Board
from tests.support import notation
from tests.support.flow import Flow

J = notation.ident("j")
JOB = "ann > Open job=j function=f options=pickles:nobody | f"


@pytest.fixture
def board() -> Board:
    return Board()


def of(job: Job, account: str) -> Job:
    job.opened = msgspec.structs.replace(job.opened, account=account)
    return job


def test_a_worker_gets_what_its_owner_runs(board: Board) -> None:
    bob = board.worker("bob")
    bob.runs = frozenset({"zoe", "yan"})
    of(board.job(3, name="j"), "ann")
    assert board.granted() is None
    of(board.job(3, name="k"), "yan")
    assert board.granted() == ("bob", "k", (0, 1))


def test_it_is_no_place_for_a_task_of_others(board: Board) -> None:
    """A task that failed elsewhere does not wait for a worker that would not have it."""
    cleo = board.worker("cleo")
    cleo.runs = frozenset({"zoe"})
    board.worker("bob")
    job = of(board.job(1), "ann")
    board.tried(job, 0, "raised", "bob")
    assert board.granted() == ("bob", "j", (0, 1))
    board.tried(job, 0, "unfit", "bob")
    assert not scheduler.someone_fits(board.state, job, 0)
    cleo.runs = frozenset()
    assert scheduler.someone_fits(board.state, job, 0)


def test_that_is_told(board: Board) -> None:
    bob = board.worker("bob")
    bob.runs = frozenset({"zoe"})
    job = of(board.job(1), "ann")
    (line,) = reports.explained(board.state, job).workers
    allow = "its owner may allow it with `raisin worker allow ann`"
    assert line.reason == f"does not run code of account ann: {allow}"
    assert list(reports.reasons(board.state, job)) == [f"no worker that is connected runs code of account ann: {allow}"]
    board.worker("cleo")
    assert list(reports.reasons(board.state, job)) == []


# -- results that can only travel as pickles -------------------------------------------------------------------------


def test_one_task_for_each_member_until_its_first_result(board: Board) -> None:
    """Whatever its slots, its workers and the chunks that were asked for, and though the pace is known."""
    bob, also = board.worker("bob", slots=4, pace=FAST), board.worker("bob2", slots=4, pace=FAST)
    also.member = "bob"
    job = board.job(100, pickles=["ann"], chunksize=7)
    granted = board.granted()
    assert granted is not None
    assert granted[2] == (0, 1)
    board.lease(bob, job, 0, 1)
    assert board.granted() is None
    board.worker("ann", pace=FAST)
    assert board.granted() == ("ann", "j", (1, 8))
    job.tasted.add("bob")
    assert board.granted() is not None
    assert board.size() == 7


def test_a_task_that_failed_counts_as_the_one(board: Board) -> None:
    bob = board.worker("bob", slots=2)
    job = board.job(3, pickles=[])
    board.tried(job, 2, "raised", "bob")
    board.lease(bob, job, 0, 1)
    assert board.granted() is None


def test_whoever_takes_everything_asks_nobody(board: Board) -> None:
    board.worker("bob", pace=FAST)
    board.job(100, chunksize=7)
    assert board.size() == 7


def test_a_held_job_gets_nothing_and_nothing_of_it_is_moved(board: Board) -> None:
    bob = board.worker("bob", pace=FAST)
    job = board.job(9, pickles=[])
    board.lease(bob, job, 0, 9)
    board.worker("cleo")
    job.held_by = "bob"
    assert scheduler.next_trim(board.state, 9.0) is None
    job.release(4, 9)
    assert board.granted() is None
    (reason,) = reports.reasons(board.state, job)
    assert reason.startswith("a result of bob can only be read with pickle")


@pytest.fixture
def flow() -> Flow:
    flow = Flow()
    flow.tell("> here ann client", "> here bob worker slots=1", JOB)
    flow.tell("ann > Page job=j number=0 first=0 count=5 last=true | a", "> turn")
    return flow


def test_a_result_that_does_not_count_holds_nothing(flow: Flow) -> None:
    flow.tell("ann > Cancel job=j", "bob > Results lease=1.1 job=j start=0 stop=1 opaque=true | r")
    assert flow.machine.state.jobs[J].held_by == ""


def test_one_that_can_be_read_without_holds_nothing_and_the_next_are_many(flow: Flow) -> None:
    flow.tell("bob > Results lease=1.1 job=j start=0 stop=1 seconds=0.0001 | r")
    assert "bob < Lease lease=1.2 job=j start=1 stop=5 function=f" in flow.tell("> turn")
    flow.tell("0.1 bob > Results lease=1.2 job=j start=1 stop=3 seconds=0.0001 opaque=true | r")
    assert flow.machine.state.jobs[J].held_by == "bob"


def test_after_a_restart_the_next_one_holds_it_again(flow: Flow) -> None:
    flow.tell("bob > Results lease=1.1 job=j start=0 stop=1 opaque=true | r", "> turn", "> killed", "> here ann client")
    assert flow.machine.state.jobs[J].opened.options.pickles == []
    flow.tell("> here bob worker slots=1")
    assert any("start=1 stop=2" in line for line in flow.tell("> turn")), "one task again"
    flow.tell("ann > Attach job=j", "> turn", "bob > Results lease=2.1 job=j start=1 stop=2 opaque=true | r")
    told = [line for line in flow.tell("> turn") if line.startswith("ann < Progress")]
    assert told[0].endswith("held=bob")


def test_what_was_released_stays_so_after_a_restart(flow: Flow) -> None:
    flow.tell("ann > Release job=j", "> turn", "> killed")
    assert flow.machine.state.jobs[J].opened.options == m.Options()


def test_an_ended_job_is_not_held(flow: Flow) -> None:
    flow.tell("bob > Results lease=1.1 job=j start=0 stop=1 opaque=true | r", "ann > Cancel job=j")
    (told,) = (line for line in flow.tell("> turn") if line.startswith("ann < Progress"))
    assert "state=cancelled" in told
    assert "held" not in told
