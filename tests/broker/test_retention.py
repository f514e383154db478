"""Retention: what is never forgotten, and what goes when it is old enough."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raisin_broker.machine import TurnEnded
from raisin_broker.retention import LOOK_SECONDS, Room
from raisin_broker.state import Instant
from raisin_core import digests
from raisin_core import messages as m
from tests.broker.keeping import ANN, BOB, HOUR, WORKER, Kept, alone, leave, old_and_too_much


@pytest.fixture
def kept() -> Kept:
    made = Kept()
    made.here(ANN)
    made.here(BOB)
    made.turn()
    return made


# -- what stays ------------------------------------------------------------------------------------------------------


def test_what_nobody_needs_goes(kept: Kept) -> None:
    job = alone(kept)
    old_and_too_much(kept)
    assert kept.gone == [job.id]


def test_what_is_followed_stays_until_it_is_not(kept: Kept) -> None:
    job = alone(kept)
    kept.say(BOB, m.Follow(job.id, 1, "arrival", 0, 10))
    old_and_too_much(kept)
    kept.say(BOB, m.Unfollow(job.id, 1))
    old_and_too_much(kept)
    assert not kept.gone, "it is still watched"
    leave(kept, BOB)
    old_and_too_much(kept)
    assert kept.gone == [job.id]


def test_what_is_read_stays_although_the_handle_has_gone(kept: Kept) -> None:
    job = kept.ended()
    kept.say(ANN, m.Follow(job.id, 1, "arrival", 0, 10))
    kept.say(ANN, m.Forget(job.id, keep=True))
    assert not job.watchers
    old_and_too_much(kept)
    assert not kept.gone


def test_what_somebody_attached_to_stays_until_the_handle_goes(kept: Kept) -> None:
    job = alone(kept)
    kept.say(BOB, m.Attach(job.id))
    old_and_too_much(kept)
    assert not kept.gone
    kept.say(BOB, m.Forget(job.id, keep=True))
    old_and_too_much(kept)
    assert kept.gone == [job.id]


def test_what_its_client_may_have_a_handle_for_stays(kept: Kept) -> None:
    job = kept.ended()
    kept.say(ANN, m.Forget(job.id, keep=True))
    other = kept.ended()
    old_and_too_much(kept)
    assert kept.gone == [job.id]
    assert other.id in kept.jobs


def test_what_another_process_of_the_member_opened_is_not_held_by_this_one(kept: Kept) -> None:
    job = alone(kept)
    kept.here(ANN, instance=b"another process!")
    old_and_too_much(kept)
    assert kept.gone == [job.id]


def test_what_runs_or_will_run_stays(kept: Kept) -> None:
    waiting, closed = kept.open(last=False), kept.open()
    leave(kept)
    old_and_too_much(kept)
    assert not kept.gone, "no worker is here yet, but the jobs are to run"
    kept.here(WORKER, "worker")
    old_and_too_much(kept)
    assert len(waiting.leases) + len(closed.leases) == 1
    assert not kept.gone


def test_what_was_leased_before_a_restart_stays(kept: Kept) -> None:
    kept.here(WORKER, "worker")
    job = kept.open(last=False)
    leave(kept)
    kept.turn()
    after = kept.killed()
    assert after.jobs[job.id].limbo
    after.jobs[job.id].held = False
    after.now += 2 * HOUR
    after.handle(Room(5000))
    assert job.id in after.jobs


def test_what_is_recalled_stays(kept: Kept) -> None:
    job = alone(kept)
    job.recalling[0] = BOB, m.Page(job.id, 0, 0, 1, [], True), b""
    old_and_too_much(kept)
    assert not kept.gone


# -- abandoned -------------------------------------------------------------------------------------------------------


def test_an_open_job_with_nothing_to_run_goes_when_its_client_has_left(kept: Kept) -> None:
    job = kept.open(tasks=0)
    old_and_too_much(kept)
    assert not kept.gone, "its client is here, and may add to it"
    leave(kept)
    old_and_too_much(kept)
    assert kept.gone == [job.id]


def test_a_job_whose_context_has_gone_with_its_client_is_abandoned(kept: Kept) -> None:
    """Nobody else can bring it back; whoever attaches to the job keeps it."""
    context = digests.content(b"")
    kept.here(ANN, context=context)
    lost, attached = kept.open(context=context), kept.open(context=context)
    old_and_too_much(kept)
    assert not kept.gone
    kept.say(BOB, m.Attach(attached.id))
    leave(kept)
    old_and_too_much(kept)
    assert kept.gone == [lost.id]


def test_a_job_whose_context_is_still_here_can_go_on(kept: Kept) -> None:
    """Another interpreter of the same directory and environment has brought it, too."""
    context = digests.content(b"")
    kept.here(ANN, context=context)
    kept.here(BOB, context=context)
    job = kept.open(context=context)
    leave(kept)
    old_and_too_much(kept)
    assert not kept.gone
    leave(kept, BOB)
    old_and_too_much(kept)
    assert kept.gone == [job.id]


# -- results for others ----------------------------------------------------------------------------------------------


def test_what_holds_results_of_a_job_that_stays_stays(kept: Kept) -> None:
    source = alone(kept)
    kept.ended(BOB).sources.add(source.id)
    old_and_too_much(kept)
    assert not kept.gone
    leave(kept, BOB)
    old_and_too_much(kept)
    assert len(kept.gone) == 2


def test_a_job_may_hold_its_own_results(kept: Kept) -> None:
    """So it is read back after a restart."""
    job = alone(kept)
    job.sources.add(job.id)
    old_and_too_much(kept)
    assert kept.gone == [job.id]


def test_jobs_that_hold_results_of_each_other_go_together(kept: Kept) -> None:
    one, other, third = kept.ended(), kept.ended(), kept.ended()
    one.sources.add(other.id)
    other.sources.add(one.id)
    leave(kept)
    kept.room_is(1001)
    assert sorted(kept.gone) == sorted([one.id, other.id])
    assert third.id in kept.jobs


def test_a_source_is_as_young_as_the_youngest_job_with_its_results(kept: Kept) -> None:
    source, middle, young = kept.ended(), kept.ended(), kept.ended()
    young.sources.add(source.id)
    leave(kept)
    kept.room_is(1001)
    assert kept.gone == [middle.id]


def test_a_source_that_is_not_here_keeps_nothing(kept: Kept) -> None:
    job = alone(kept)
    job.sources.add(b"?" * 16)
    old_and_too_much(kept)
    assert kept.gone == [job.id]


# -- age -------------------------------------------------------------------------------------------------------------


@given(ages=st.lists(st.floats(0.0, 2 * HOUR), max_size=8), keep=st.floats(1.0, 2 * HOUR))
def test_what_is_old_enough_goes_and_nothing_else(ages: list[float], keep: float) -> None:
    kept = Kept(seconds=keep, most=0)
    kept.here(ANN)
    jobs = [kept.ended() for _ in ages]
    leave(kept)
    kept.turn()
    kept.now += 2 * HOUR
    for job, age in zip(jobs, ages):
        job.ended_at = 1e9 + kept.now - age
    wall = 1e9 + kept.now
    kept.turn()
    assert set(kept.gone) == {job.id for job in jobs if job.ended_at <= wall - keep}


def test_it_looks_once_a_minute_and_says_when(kept: Kept) -> None:
    assert Kept().machine.retention.deadline() is None
    job = kept.ended()
    leave(kept)
    kept.turn()
    looked = kept.now
    assert kept.machine.retention.deadline() is not None
    job.ended_at = 1.0
    before = kept.machine.retention.deadline()
    assert before is not None
    assert before <= looked + LOOK_SECONDS
    kept.turn(before - kept.now - 0.1)
    assert not kept.gone
    kept.turn(0.1)
    assert kept.gone == [job.id]
    assert kept.machine.retention.deadline() is None


@pytest.mark.parametrize(("keep", "wait"), [(2.0, 1.0), (0.0, 1.0), (30.0, 15.0), (1e9, LOOK_SECONDS)])
def test_a_short_time_is_looked_at_more_often(keep: float, wait: float) -> None:
    kept = Kept(seconds=keep)
    kept.here(ANN)
    kept.open()
    kept.turn()
    assert kept.machine.retention.deadline() == pytest.approx(kept.now + wait)


def test_a_clock_that_goes_backwards_makes_nothing_old(kept: Kept) -> None:
    job = alone(kept)
    kept.machine.handle(TurnEnded(), Instant(kept.now + 2 * LOOK_SECONDS, 5.0))
    assert job.id in kept.jobs
