"""What people are told of jobs."""

from __future__ import annotations

import pytest

from raisin_broker import reports
from raisin_broker.state import Job
from raisin_core import digests
from raisin_core import messages as m
from tests.broker.keeping import ANN, BOB, WORKER, Kept, leave


@pytest.fixture
def kept() -> Kept:
    made = Kept()
    made.here(ANN)
    made.turn()
    return made


def reasons(kept: Kept, job: Job) -> list[str]:
    return list(reports.reasons(kept.machine.state, job))


def line(kept: Kept, job: Job) -> m.JobLine:
    return reports.line(kept.machine.state, job)


def test_a_line_says_what_is_durable(kept: Kept) -> None:
    kept.commits = False
    job = kept.ended()
    kept.turn()
    assert (line(kept, job).state, line(kept, job).ended, line(kept, job).total) == ("running", 0.0, -1)
    kept.commits = True
    kept.machine.out.go_on()
    kept.turn()
    found = line(kept, job)
    assert (found.state, found.total, found.account, found.attended) == ("cancelled", 1, "zoe", True)
    assert found.ended == job.ended_at > 1e9
    leave(kept)
    assert not line(kept, job).attended


def test_why_nothing_runs_in_the_order_in_which_it_is_worth_knowing(kept: Kept) -> None:
    context = digests.content(b"")
    kept.here(ANN, context=context)
    job = kept.open(context=context)
    assert reasons(kept, job) == ["no worker is connected"]
    leave(kept)
    kept.machine.state.room = "the disk is full"
    gone = "the client that submitted it is not connected"
    assert reasons(kept, job) == [gone, "no worker is connected", "the disk is full"]


def test_a_job_that_is_not_closed_says_whether_its_client_is_there(kept: Kept) -> None:
    kept.here(WORKER, "worker")
    job = kept.open(tasks=0)
    assert reasons(kept, job) == ["all that was submitted is done, but it was not closed"]
    leave(kept)
    assert reasons(kept, job)[0].endswith("but it was not closed, and its client is not connected")


def test_an_ended_job_says_so_and_no_more(kept: Kept) -> None:
    job = kept.ended()
    kept.machine.state.room = "the disk is full"
    assert reasons(kept, job) == ["it is cancelled"]


def test_waiting_for_workers_of_before(kept: Kept) -> None:
    kept.here(WORKER, "worker")
    job = kept.open()
    kept.turn()
    after = kept.killed()
    assert "waiting for workers that had some of its tasks before the broker restarted" in reasons(
        after, after.jobs[job.id]
    )


def test_members_that_were_asked_for_and_are_not_there(kept: Kept) -> None:
    kept.here(WORKER, "worker")
    name = b"j" * 16
    kept.say(ANN, m.Open(name, "map", "f", digests.content(b"f"), m.Options(where=["zoe", "yan"])), b"f")
    assert reasons(kept, kept.jobs[name])[0] == "none of zoe, yan is connected"


def test_each_worker_and_why_it_runs_no_more_of_it(kept: Kept) -> None:
    kept.here(WORKER, "worker")
    kept.here(BOB, "worker")
    busy = kept.open(tasks=2)
    kept.turn()
    job = kept.open()
    kept.turn()
    state = kept.machine.state
    found = {each.member: each for each in reports.explained(state, job).workers}
    assert sum(each.running for each in found.values()) == 0 == reports.running(job)
    assert {each.reason for each in found.values()} == {f"busy with {busy.opened.name}"}
    state.sessions[BOB].draining, state.sessions[WORKER].suspect = True, True
    found = {each.member: each for each in reports.explained(state, job).workers}
    assert found["bob"].reason == "draining: it takes no more work"
    assert found["worker"].reason == "silent: it may be asleep or gone"


def test_whose_a_job_is(kept: Kept) -> None:
    refused = reports.not_yours(kept.open())
    assert refused.code == "not yours"
    assert "belongs to zoe; only machines of that account" in refused.reason
