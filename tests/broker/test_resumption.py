"""Jobs that go on with what others have recorded: whose results count, what keeps them, and who is superseded."""

from __future__ import annotations

import pytest

from raisin_broker.machine import Remembered
from raisin_broker.records import TAG, Recalled
from raisin_broker.state import Job
from raisin_core import messages as m
from tests.broker.keeping import ANN, BOB, HOUR, WORKER, Kept, leave, old_and_too_much

SQUARES = "squares"


@pytest.fixture
def kept() -> Kept:
    made = Kept()
    made.here(ANN)
    made.turn()
    return made


def tags(*arguments: int) -> bytes:
    return b"".join(b"argument %07d" % each for each in arguments)


def page(job: Job, number: int, first: int, *arguments: int, last: bool = False) -> m.Page:
    assert len(tags(*arguments)) == TAG * len(arguments)
    return m.Page(job.id, number, first, len(arguments), [], last, tags(*arguments))


def with_results(kept: Kept, *arguments: int, who: bytes = ANN) -> Job:
    """A job that recorded its results, and whose client keeps no handle."""
    kept.here(WORKER, "worker")
    job = kept.open(who, resume=SQUARES)
    kept.say(who, page(job, 0, 0, *arguments, last=True), b"a")
    kept.turn()
    while job.leases:
        lease = next(iter(job.leases.values()))
        kept.say(WORKER, m.Results(lease.id, job.id, lease.start, lease.stop, 0.0), b"r")
        kept.turn()
    assert job.state == "done"
    kept.say(who, m.Forget(job.id, keep=True))
    leave(kept, WORKER)
    kept.turn()
    return job


def asked(kept: Kept, job: Job, number: int, first: int, *arguments: int, found: list[Recalled]) -> None:
    """A page comes, and the store says something that takes its time."""
    job.recalling[number] = ANN, page(job, number, first, *arguments), b"a"
    kept.handle(Remembered(job.id, number, found))


# -- what is recalled ------------------------------------------------------------------------------------------------


def test_what_was_recorded_counts_and_keeps_its_job(kept: Kept) -> None:
    source = with_results(kept, 1, 2)
    job = kept.open(resume=SQUARES)
    kept.say(ANN, page(job, 0, 0, 2, 3), b"a")
    kept.turn()
    assert list(job.done) == [(0, 1)]
    assert job.sources == {source.id}
    old_and_too_much(kept)
    assert not kept.gone, "its results are being read by way of the other"
    found = kept.store.result(job.id, 1)
    assert found is not None
    assert found.payload == b"r"


def test_results_of_a_job_that_goes_are_computed_again(kept: Kept) -> None:
    source = with_results(kept, 1, 2)
    old_and_too_much(kept)
    assert kept.gone == [source.id]
    kept.room_is(0)
    job = kept.open(resume=SQUARES)
    kept.say(ANN, page(job, 0, 0, 1, 2), b"a")
    assert not job.done
    assert list(job.ready) == [(0, 2)]


def test_results_of_a_job_that_was_forgotten_in_this_turn_do_not_count(kept: Kept) -> None:
    """The store still has them: what was forgotten is not committed yet."""
    source = with_results(kept, 1)
    kept.machine.submissions.forget(source)
    job = kept.open(resume=SQUARES)
    kept.say(ANN, page(job, 0, 0, 1), b"a")
    assert kept.store.recall("zoe", SQUARES, tags(1))
    assert not job.done
    assert not job.sources
    kept.turn()
    assert not kept.store.recall("zoe", SQUARES, tags(1))


def test_a_source_that_goes_while_a_page_is_looked_up_does_not_count(kept: Kept) -> None:
    source = with_results(kept, 1)
    job = kept.open(resume=SQUARES)
    (found,) = kept.store.recall("zoe", SQUARES, tags(1))
    kept.machine.submissions.forget(source)
    asked(kept, job, 0, 0, 1, found=[found])
    assert list(job.ready) == [(0, 1)]
    assert not job.sources


def test_its_own_results_make_no_source_also_after_a_restart(kept: Kept) -> None:
    job = with_results(kept, 1)
    again = kept.open(resume=SQUARES)
    kept.here(WORKER, "worker")
    kept.say(ANN, page(again, 0, 0, 5), b"a")
    kept.turn()
    (lease,) = again.leases.values()
    kept.say(WORKER, m.Results(lease.id, again.id, 0, 1, 0.0), b"five")
    kept.turn()
    kept.say(ANN, page(again, 1, 1, 5, last=True), b"a")
    kept.turn()
    assert again.state == "done"
    assert again.sources == set()
    after = kept.killed()
    assert after.jobs[again.id].sources == {again.id}, "the store says it as it is"
    after.turn()
    after.turn(60.0)
    old_and_too_much(after)
    assert sorted(after.gone) == sorted([job.id, again.id])


def test_what_is_remembered_of_a_job_that_has_gone_or_ended_changes_nothing(kept: Kept) -> None:
    with_results(kept, 1)
    (found,) = kept.store.recall("zoe", SQUARES, tags(1))
    kept.handle(Remembered(b"?" * 16, 0, [found]))
    job = kept.open(resume=SQUARES)
    kept.handle(Remembered(job.id, 0, [found]))
    assert job.tasks == 0
    kept.say(ANN, m.Cancel(job.id))
    asked(kept, job, 0, 0, 1, found=[found])
    assert job.tasks == 0
    assert not job.recalling


def test_neighbours_in_one_page_are_one_result_page(kept: Kept) -> None:
    source = with_results(kept, *range(10))
    spans = len(source.arrivals)
    job = kept.open(resume=SQUARES)
    kept.say(ANN, page(job, 0, 0, *range(10), 77, 3, 2), b"a")
    assert len(job.done) == 12
    assert 77 not in job.done
    assert len(job.arrivals) == spans + 2


# -- superseded ------------------------------------------------------------------------------------------------------


def left_open(kept: Kept, *arguments: int) -> Job:
    """A job with a key, whose client is gone before it has ended."""
    job = kept.open(resume=SQUARES)
    kept.say(ANN, page(job, 0, 0, *arguments), b"a")
    kept.turn()
    leave(kept)
    kept.turn()
    return job


def test_a_job_that_nobody_attends_is_continued_by_the_next_with_its_key(kept: Kept) -> None:
    old = left_open(kept, 1, 2)
    kept.here(ANN, instance=b"the next program")
    new = kept.open(resume=SQUARES)
    kept.turn()
    assert old.state == "cancelled"
    assert new.state == "running"


def test_what_runs_of_it_is_brought_to_its_end(kept: Kept) -> None:
    kept.here(WORKER, "worker")
    old = left_open(kept, 1, 2)
    (lease,) = old.leases.values()
    kept.here(ANN, instance=b"the next program")
    new = kept.open(resume=SQUARES)
    kept.turn()
    assert old.superseded
    assert not old.ended
    assert not old.waits, "nothing more of it is given out"
    kept.say(WORKER, m.Results(lease.id, old.id, 0, 1, 0.0), b"one")
    kept.turn()
    assert old.state == "cancelled"
    kept.say(ANN, page(new, 0, 0, 1, 2), b"a")
    assert list(new.done) == [(0, 1)]
    assert new.sources == {old.id}


def test_a_lease_of_several_tasks_is_cut_behind_the_one_that_runs(kept: Kept) -> None:
    kept.here(WORKER, "worker")
    old = left_open(kept, *range(8))
    (lease,) = old.leases.values()
    lease.stop = 4
    old.ready.remove(0, 4)
    kept.here(ANN, instance=b"the next program")
    kept.open(resume=SQUARES)
    kept.said.clear()
    kept.turn()
    kept.turn()
    assert [each.message for each in kept.said if isinstance(each.message, m.Trim)] == [m.Trim(lease.id, 0)]
    kept.say(WORKER, m.Trimmed(lease.id, 1))
    assert (lease.start, lease.stop) == (0, 1)


@pytest.mark.parametrize("how", ["its client is here", "somebody watches", "another key", "another account"])
def test_other_jobs_are_not_superseded(kept: Kept, how: str) -> None:
    old = kept.open(resume=SQUARES)
    kept.say(ANN, page(old, 0, 0, 1), b"a")
    kept.here(BOB)
    if how != "its client is here":
        leave(kept)
    if how == "somebody watches":
        kept.say(BOB, m.Attach(old.id))
    if how == "another account":
        kept.machine.state.sessions[BOB].account = "yan"
    kept.open(BOB, resume="cubes" if how == "another key" else SQUARES)
    kept.turn()
    assert not old.superseded
    assert old.state == "running"


def test_whoever_attaches_to_a_superseded_job_sees_it_end_with_what_it_had(kept: Kept) -> None:
    old = left_open(kept, 1, 2)
    kept.here(ANN, instance=b"the next program")
    kept.open(resume=SQUARES)
    kept.here(BOB)
    kept.say(BOB, m.Attach(old.id))
    kept.turn()
    told = [each.message for each in kept.said if each.route == BOB and isinstance(each.message, m.Progress)]
    assert told[-1].state == "cancelled"
    kept.now += 2 * HOUR
    kept.room_is(5000)
    assert old.id in kept.jobs, "somebody has a handle"
