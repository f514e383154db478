"""The worker's machine by itself: what it says to the broker, and what it has its slots do."""

from __future__ import annotations

import math

import pytest

from raisin_core import digests
from raisin_core import messages as m
from raisin_core.messages import HeldLease, LeaseId
from raisin_core.peer import BlobThere, Connected, Disconnected, Exit, Received, Reconnect, Say, SendBlob, Tick
from raisin_worker import commands as c
from raisin_worker.events import Died, Outcome, RangeEnded, Ready, Wrote
from raisin_worker.machine import Me, Worker
from tests.support import wire

JOB, OTHER = b"j" * 16, b"k" * 16
FUNCTION, CONTEXT, BLOB = b"f" * 32, b"c" * 32, b"b" * 32
ONE, TWO, THREE = LeaseId(1, 1), LeaseId(1, 2), LeaseId(1, 3)


class Bench:
    """A worker, its clock, and what came out of it at the last event."""

    def __init__(self, slots: int = 1, eager: bool = True) -> None:
        self.now = 100.0
        self.worker = Worker(Me(b"w" * 16, "den", 7, "3.11", slots, [b"v" * 16], eager))

    def on(self, event: c.Event, seconds: float = 0.0) -> list[c.Command]:
        """Hand it an event, so many seconds after the last."""
        self.now += seconds
        out = self.worker.handle(event, self.now)
        self.worker.check()
        return out

    def hear(self, message: m.Message, payload: bytes = b"") -> list[c.Command]:
        return self.on(Received(*wire.passed(message, payload)))

    def tick(self, seconds: float = 0.0) -> list[c.Command]:
        return self.on(Tick(), seconds)

    def welcome(self, run: int = 1) -> list[c.Command]:
        self.on(Connected())
        return self.hear(m.Welcome(run, 5.0, 15.0))

    def ready(self) -> None:
        """Its slots have started."""
        for slot in self.worker.state.slots:
            self.on(Ready(slot.number))

    def give(self, lease: LeaseId, start: int, stop: int, job: bytes = JOB, context: bytes = b"") -> list[c.Command]:
        """A lease, with all that it needs: pages have ten tasks."""
        if FUNCTION not in self.worker.state.functions:
            self.hear(m.Function(FUNCTION), b"function")
        for number in range(start // 10, (stop - 1) // 10 + 1):
            if number not in self.worker.state.pages.get(job, {}):
                self.hear(m.Argument(job, number, number * 10, 10), b"page %d" % number)
        return self.hear(m.Lease(lease, job, start, stop, FUNCTION, context, 2.5))

    def done(self, start: int, stop: int, slot: int = 0, blobs: list[bytes] | None = None) -> list[c.Command]:
        return self.on(Outcome(slot, start, stop, 0.1, [], [], b"results", blobs or []))


def said(out: list[c.Command]) -> list[m.Message]:
    return [command.message for command in out if isinstance(command, Say)]


def others(out: list[c.Command]) -> list[c.Command]:
    return [command for command in out if not isinstance(command, Say)]


def judged(start: int, stop: int) -> m.Judged:
    return m.Judged(JOB, start, stop, "recorded")


@pytest.fixture
def bench() -> Bench:
    """A worker with one slot that is ready, in a session."""
    bench = Bench()
    bench.tick()
    bench.welcome()
    bench.ready()
    return bench


# -- sessions --------------------------------------------------------------------------------------------------------


def test_hello_says_who_it_is_and_whom_it_replaces() -> None:
    (hello,) = said(Bench(slots=3).on(Connected()))
    assert hello == m.Hello(b"w" * 16, "worker", "den", 7, "3.11", 3, b"", [b"v" * 16])


def test_nothing_is_said_before_the_welcome() -> None:
    bench = Bench()
    bench.on(Connected())
    assert said(bench.tick(1.0)) == []
    assert said(bench.hear(m.Welcome(1, 5.0, 15.0))) == [m.Held([], 0)]


def test_heartbeats_name_the_leases_held(bench: Bench) -> None:
    bench.give(ONE, 0, 5)
    bench.give(TWO, 5, 10)
    assert bench.worker.next_deadline() == bench.now + 1.0
    out = [said(bench.tick(1.0)) for _ in range(5)]
    assert out == [[], [], [], [], [m.Beat(2, digests.held([ONE, TWO]))]]
    assert said(bench.tick(1.0)) == []


def test_what_has_been_sent_is_not_held(bench: Bench) -> None:
    bench.give(ONE, 0, 5)
    bench.done(0, 3)
    assert said(bench.hear(m.ListLeases())) == [m.Held([HeldLease(ONE, JOB, 3, 5)], 1)]
    bench.done(3, 5)
    assert said(bench.hear(m.ListLeases())) == [m.Held([], 1)]


def test_silence_is_answered_with_a_new_connection(bench: Bench) -> None:
    for _ in range(14):
        assert Reconnect() not in bench.tick(1.0)
    assert others(bench.tick(1.0)) == [Reconnect()]
    assert said(bench.tick(1.0)) == []


def test_so_is_a_hello_that_nobody_answers() -> None:
    bench = Bench()
    bench.on(Connected())
    assert bench.worker.next_deadline() == bench.now + 1.0
    out = [command for _ in range(16) for command in bench.tick(1.0)]
    assert Reconnect() in out


def test_a_worker_that_slept_takes_no_silence_amiss(bench: Bench) -> None:
    bench.tick(1.0)
    assert Reconnect() not in bench.tick(3600.0)
    for _ in range(14):
        assert Reconnect() not in bench.tick(1.0)
    assert Reconnect() in bench.tick(1.0)


def test_who_are_you_is_answered_once(bench: Bench) -> None:
    assert [type(each) for each in said(bench.hear(m.WhoAreYou()))] == [m.Hello]
    assert said(bench.hear(m.WhoAreYou())) == []
    bench.tick(1.0)
    assert [type(each) for each in said(bench.hear(m.WhoAreYou()))] == [m.Hello]


def test_a_new_run_counts_leases_from_the_beginning(bench: Bench) -> None:
    bench.give(THREE, 0, 5)
    assert said(bench.welcome(run=1))[-1] == m.Held([HeldLease(THREE, JOB, 0, 5)], 3)
    assert said(bench.welcome(run=2))[-1] == m.Held([HeldLease(THREE, JOB, 0, 5)], 0)


def test_results_without_a_verdict_are_said_again_before_the_list(bench: Bench) -> None:
    bench.give(ONE, 0, 5)
    bench.done(0, 2)
    bench.done(2, 4)
    bench.hear(judged(0, 2))
    bench.on(Disconnected())
    bench.done(4, 5)
    bench.on(RangeEnded(0, 5))
    results, more, held = said(bench.welcome(run=2))
    assert isinstance(results, m.Results)
    assert isinstance(more, m.Results)
    assert [(each.start, each.stop) for each in (results, more)] == [(2, 4), (4, 5)]
    assert held == m.Held([], 0)
    bench.hear(judged(2, 4))
    bench.hear(judged(4, 5))
    assert not bench.worker.state.unjudged


@pytest.mark.parametrize("verdict", ["recorded", "duplicate", "cancelled", "unknown"])
def test_any_verdict_ends_the_waiting(bench: Bench, verdict: m.Verdict) -> None:
    bench.give(ONE, 0, 5)
    bench.done(0, 5)
    bench.hear(m.Judged(JOB, 0, 5, verdict))
    assert not bench.worker.state.unjudged


def test_a_new_session_begins_without_pages_that_no_lease_needs(bench: Bench) -> None:
    bench.give(ONE, 0, 5)
    bench.give(TWO, 0, 5, job=OTHER)
    bench.hear(m.Trim(TWO, 0))
    bench.welcome()
    assert set(bench.worker.state.pages) == {JOB}


def test_the_broker_ends(bench: Bench) -> None:
    assert others(bench.hear(m.Farewell())) == []
    assert others(bench.hear(m.Farewell(final=True))) == [Exit()]


@pytest.mark.parametrize(("code", "ends"), [("version", True), ("role", True), ("member", False), ("replaced", False)])
def test_being_refused(bench: Bench, code: str, ends: bool) -> None:
    out = others(bench.hear(m.Refused(code, "why", fatal=True)))  # type: ignore[arg-type]
    assert out == ([Exit("why")] if ends else [])
    assert (bench.worker.line.welcome is None) == (code != "replaced")


# -- running ---------------------------------------------------------------------------------------------------------


def test_an_idle_slot_runs_a_lease_with_its_pages(bench: Bench) -> None:
    define, run = others(bench.give(ONE, 8, 12))
    assert define == c.Define(0, FUNCTION, b"function")
    assert isinstance(run, c.Run)
    assert (run.slot, run.job, run.start, run.stop, run.task_timeout) == (0, JOB, 8, 12, 2.5)
    assert [page.payload for page in run.pages] == [b"page 0", b"page 1"]


def test_the_next_lease_runs_when_the_range_has_ended(bench: Bench) -> None:
    bench.give(ONE, 0, 5)
    assert others(bench.give(TWO, 5, 10)) == []
    bench.done(0, 5)
    (run,) = others(bench.on(RangeEnded(0, 5)))
    assert isinstance(run, c.Run)
    assert (run.start, run.stop) == (5, 10)


@pytest.mark.parametrize("missing", [m.Function(FUNCTION), m.Argument(JOB, 1, 10, 10)])
def test_a_lease_waits_for_what_it_needs(bench: Bench, missing: m.Message) -> None:
    needs: list[m.Message] = [m.Function(FUNCTION), m.Argument(JOB, 0, 0, 10), m.Argument(JOB, 1, 10, 10)]
    for message in needs:
        if message != missing:
            bench.hear(message, b"x")
    assert others(bench.hear(m.Lease(ONE, JOB, 5, 15, FUNCTION))) == []
    assert isinstance(others(bench.hear(missing, b"x"))[-1], c.Run)


def test_a_lease_waits_for_its_blobs(bench: Bench) -> None:
    bench.hear(m.Function(FUNCTION, [BLOB]), b"function")
    bench.hear(m.Argument(JOB, 0, 0, 10, [BLOB, b"a" * 32]), b"page")
    assert others(bench.hear(m.Lease(ONE, JOB, 0, 5, FUNCTION))) == [c.FetchBlob(b"a" * 32), c.FetchBlob(BLOB)]
    assert others(bench.on(c.BlobHere(BLOB))) == []
    assert isinstance(others(bench.on(c.BlobHere(b"a" * 32)))[-1], c.Run)


def test_a_blob_that_cannot_be_had_is_told(bench: Bench) -> None:
    bench.hear(m.Function(FUNCTION, [BLOB]), b"function")
    bench.hear(m.Argument(JOB, 0, 0, 10), b"page")
    bench.hear(m.Lease(ONE, JOB, 0, 5, FUNCTION))
    assert said(bench.on(c.BlobHere(BLOB, found=False))) == [
        m.Crashed(ONE, JOB, 0, "crash", "a blob of it is missing", 0)
    ]


def test_results_wait_until_their_blobs_are_there(bench: Bench) -> None:
    bench.give(ONE, 0, 5)
    assert bench.done(0, 2, blobs=[BLOB]) == [SendBlob(BLOB)]
    assert [type(each) for each in said(bench.on(BlobThere(BLOB)))] == [m.Results]
    assert said(bench.on(BlobThere(BLOB))) == []


def test_what_a_task_writes_goes_to_the_broker(bench: Bench) -> None:
    bench.give(ONE, 0, 5)
    assert bench.on(Wrote(0, 3, b"hello")) == [Say(m.Wrote(JOB, 3), b"hello")]


def test_a_range_that_ends_early_gives_back_the_rest(bench: Bench) -> None:
    bench.give(ONE, 0, 5)
    bench.done(0, 2)
    assert said(bench.on(RangeEnded(0, 2))) == [m.Trimmed(ONE, 2)]
    assert not bench.worker.state.leases


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
