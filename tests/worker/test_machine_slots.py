"""The worker's machine by itself: giving back, and slots that start, change over and die."""

from __future__ import annotations

import math

import pytest

from raisin_core import messages as m
from raisin_core.messages import LeaseId
from raisin_core.peer import Disconnected, Exit, Say
from raisin_worker import commands as c
from raisin_worker.delivery import MOST_CRASHES
from raisin_worker.events import Died, RangeEnded, Ready
from tests.support.bench import (
    CONTEXT,
    JOB,
    ONE,
    OTHER,
    THREE,
    TWO,
    Bench,
    judged,
    others,
    ready_bench,
    said,
)


@pytest.fixture
def bench() -> Bench:
    return ready_bench()


# -- trimming, dropping, draining ------------------------------------------------------------------------------------


def test_a_lease_that_waits_is_trimmed_at_once(bench: Bench) -> None:
    bench.give(ONE, 0, 5)
    bench.give(TWO, 5, 10)
    assert bench.hear(m.Trim(TWO, 7)) == [Say(m.Trimmed(TWO, 7))]
    assert bench.hear(m.Trim(TWO, 9)) == [Say(m.Trimmed(TWO, 7))]
    assert bench.hear(m.Trim(TWO, 0)) == [Say(m.Trimmed(TWO, 5))]
    assert list(bench.worker.state.leases) == [ONE]


def test_a_lease_that_runs_ends_where_its_slot_says(bench: Bench) -> None:
    bench.give(ONE, 0, 9)
    assert bench.hear(m.Trim(ONE, 0)) == [c.TrimSlot(0, ONE, 0)]
    assert bench.on(c.SlotTrimmed(0, ONE, 4)) == [Say(m.Trimmed(ONE, 4))]
    bench.done(0, 5)  # one more was run before the slot heard of it
    assert said(bench.on(RangeEnded(0, 5))) == []
    assert not bench.worker.state.leases


def test_a_lease_that_is_not_here_is_given_back_whole(bench: Bench) -> None:
    assert bench.hear(m.Trim(ONE, 3)) == [Say(m.Trimmed(ONE, 0))]


def test_dropped_pages_take_with_them_what_waited_for_them(bench: Bench) -> None:
    """All their tasks are done by others; a lease without its pages would wait for ever."""
    bench.give(ONE, 0, 5)
    bench.give(TWO, 5, 10)
    bench.give(THREE, 20, 25)
    assert said(bench.hear(m.Drop(JOB, [0, 1]))) == [m.Trimmed(TWO, 5)]
    assert list(bench.worker.state.leases) == [ONE, THREE]
    assert set(bench.worker.state.pages[JOB]) == {2}


def test_a_job_that_is_over_ends_where_it_runs(bench: Bench) -> None:
    bench.give(ONE, 0, 5)
    bench.give(TWO, 5, 10)
    bench.give(THREE, 0, 5, job=OTHER)
    assert bench.hear(m.Over([JOB])) == [c.StartSlot(0, b"", b"")]
    assert list(bench.worker.state.leases) == [THREE]
    assert set(bench.worker.state.pages) == {OTHER}
    bench.done(0, 1)  # said by the process that is gone
    assert isinstance(others(bench.on(Ready(0)))[-1], c.Run)


def test_a_range_whose_results_are_all_sent_is_let_go_on(bench: Bench) -> None:
    bench.give(ONE, 0, 5)
    bench.done(0, 5)
    assert bench.hear(m.Over([JOB])) == []
    bench.on(RangeEnded(0, 5))
    assert not bench.worker.state.leases


def test_draining(bench: Bench) -> None:
    bench.give(ONE, 0, 5)
    bench.give(TWO, 5, 10)
    out = bench.on(c.Drain())
    assert said(out) == [m.Draining(), m.Trimmed(TWO, 5)]
    assert others(out) == [c.TrimSlot(0, ONE, 0)]
    bench.on(c.SlotTrimmed(0, ONE, 2))
    assert said(bench.give(THREE, 10, 12)) == [m.Trimmed(THREE, 10)]
    bench.done(0, 2)
    assert others(bench.on(RangeEnded(0, 2))) == []  # there is no verdict yet
    assert bench.hear(judged(0, 2)) == [Say(m.Goodbye()), Exit()]
    assert said(bench.on(c.Drain())) == []


def test_draining_takes_ten_seconds_at_most(bench: Bench) -> None:
    bench.give(ONE, 0, 5)
    bench.on(c.Drain())
    for _ in range(9):
        assert Exit() not in bench.tick(1.0)
    assert bench.worker.next_deadline() == bench.now + 1.0
    assert bench.tick(1.0)[-2:] == [Say(m.Goodbye()), Exit()]


def test_a_new_session_hears_of_the_draining(bench: Bench) -> None:
    bench.give(ONE, 0, 5)
    bench.on(c.Drain())
    assert said(bench.welcome())[-1] == m.Draining()


def test_a_worker_without_work_drains_at_once(bench: Bench) -> None:
    assert bench.on(c.Drain()) == [Say(m.Draining()), Say(m.Goodbye()), Exit()]


# -- slots -----------------------------------------------------------------------------------------------------------


def test_slots_start_at_once_if_it_is_eager() -> None:
    bench = Bench(slots=2)
    assert bench.tick() == [c.StartSlot(0, b"", b""), c.StartSlot(1, b"", b"")]
    assert bench.tick() == []


def test_else_when_they_are_needed_and_for_whom() -> None:
    bench = Bench(slots=2, eager=False)
    assert bench.tick() == []
    assert bench.worker.next_deadline() is None
    bench.welcome()
    assert bench.worker.next_deadline() not in (None, math.inf)
    bench.hear(m.Context(CONTEXT), b"here")
    assert others(bench.give(ONE, 0, 5, context=CONTEXT)) == [c.StartSlot(0, CONTEXT, b"here")]
    assert others(bench.give(TWO, 5, 10, context=CONTEXT)) == [c.StartSlot(1, CONTEXT, b"here")]
    assert others(bench.tick()) == []


def test_a_slot_changes_over_to_another_context_when_it_has_nothing_to_do(bench: Bench) -> None:
    bench.hear(m.Context(CONTEXT), b"here")
    bench.give(ONE, 0, 5)
    assert others(bench.give(TWO, 5, 10, context=CONTEXT)) == []
    bench.done(0, 5)
    assert others(bench.on(RangeEnded(0, 5))) == [c.StartSlot(0, CONTEXT, b"here")]
    define, run = others(bench.on(Ready(0)))
    assert isinstance(define, c.Define)  # the new process does not know the function
    assert isinstance(run, c.Run)


def test_a_slot_that_dies_is_replaced_and_its_task_named(bench: Bench) -> None:
    bench.give(ONE, 0, 5)
    bench.done(0, 2)
    out = bench.on(Died(0, 3, "crash", "SIGSEGV"))
    assert said(out) == [m.Crashed(ONE, JOB, 3, "crash", "SIGSEGV", 0)]
    assert others(out) == [c.StartSlot(0, b"", b"")]
    assert not bench.worker.state.leases


@pytest.mark.parametrize(("index", "blamed"), [(-1, 2), (2, 2), (4, 4), (6, 6)])
def test_who_is_to_blame(bench: Bench, index: int, blamed: int) -> None:
    """The first task without a result if nothing is known; the one that ran, also if it lay behind a late trim."""
    bench.give(ONE, 0, 9)
    bench.done(0, 2)
    bench.hear(m.Trim(ONE, 4))
    bench.on(c.SlotTrimmed(0, ONE, 5))
    (crashed,) = said(bench.on(Died(0, index, "crash", "SIGSEGV")))
    assert isinstance(crashed, m.Crashed)
    assert crashed.index == blamed


def test_nobody_is_to_blame_if_all_results_are_sent(bench: Bench) -> None:
    bench.give(ONE, 0, 5)
    bench.done(0, 5)
    assert said(bench.on(Died(0, -1, "crash", "SIGKILL"))) == []
    assert not bench.worker.state.leases


def test_a_slot_that_does_not_start_is_tried_again_later_and_later(bench: Bench) -> None:
    bench.on(Died(0, -1, "crash", "SIGKILL"))
    waits = []
    for _ in range(12):
        assert bench.on(Died(0, -1, "crash", "no such file")) == []
        bench.on(Disconnected())  # only the slot is due
        deadline = bench.worker.next_deadline()
        assert deadline is not None
        waits.append(deadline - bench.now)
        assert bench.tick(waits[-1] - 0.01) == []
        assert bench.tick(0.02) == [c.StartSlot(0, b"", b"")]
    assert waits[0] == pytest.approx(0.2)
    assert waits[-1] == pytest.approx(30.0)


def test_whoever_waits_for_a_slot_that_does_not_start_hears_of_it(bench: Bench) -> None:
    bench.on(Died(0, -1, "crash", "SIGKILL"))
    bench.give(ONE, 0, 5)
    told = []
    for _ in range(3):
        told = said(bench.on(Died(0, -1, "crash", "no such file")))
        bench.tick(1.0)
    detail = "the task process does not start: no such file"
    assert told == [m.Crashed(ONE, JOB, 0, "crash", detail, 0)]


def test_a_slot_that_started_is_trusted_again(bench: Bench) -> None:
    bench.on(Died(0, -1, "crash", "SIGKILL"))
    bench.on(Died(0, -1, "crash", "no such file"))
    bench.tick(1.0)
    bench.on(Ready(0))
    assert bench.worker.state.slots[0].failures == 0


def test_a_crash_is_said_in_each_session_until_its_job_is_over(bench: Bench) -> None:
    """It may have been said to a broker that was killed before it took note, or while there was none."""
    bench.give(ONE, 0, 5)
    bench.on(Disconnected())
    assert said(bench.on(Died(0, 0, "crash", "SIGSEGV"))) == []
    crashed = m.Crashed(ONE, JOB, 0, "crash", "SIGSEGV", 0)
    for run in (2, 3):
        assert said(bench.welcome(run)) == [crashed, m.Held([], 0)]
    bench.hear(m.Over([JOB]))
    assert said(bench.welcome(4)) == [m.Held([], 0)]


def test_crashes_do_not_pile_up(bench: Bench) -> None:
    for number in range(2 * MOST_CRASHES):
        bench.give(LeaseId(1, number + 1), 0, 5)
        bench.on(Died(0, 0, "crash", "SIGSEGV"))
        bench.tick(60.0)
        bench.ready()
    assert len(bench.worker.state.crashes) == MOST_CRASHES


def test_draining_at_once_says_goodbye(bench: Bench) -> None:
    bench.give(ONE, 0, 5)
    bench.on(c.Drain())
    out = bench.on(c.Drain(at_once=True))
    assert said(out) == [m.Goodbye()]
    assert Exit("") in out
