"""The worker's machine by itself: what it says to the broker, and what it has its slots run."""

from __future__ import annotations

import pytest

from raisin_core import digests
from raisin_core import messages as m
from raisin_core.messages import HeldLease
from raisin_core.peer import BlobThere, Connected, Disconnected, Exit, Reconnect, Say, SendBlob
from raisin_worker import commands as c
from raisin_worker.events import Outcome, RangeEnded, Wrote
from tests.support.bench import (
    BLOB,
    FUNCTION,
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


def test_results_say_whether_they_can_only_travel_as_pickles(bench: Bench) -> None:
    bench.give(ONE, 0, 5)
    out = [*said(bench.on(Outcome(0, 0, 1, 0.1, [], [], b"r", []))), *said(bench.on(opaque(1, 2)))]
    assert [each.opaque for each in out if isinstance(each, m.Results)] == [False, True]


def opaque(start: int, stop: int) -> Outcome:
    return Outcome(0, start, stop, 0.1, [], [], b"r", [], True)


def test_results_wait_until_their_blobs_are_there(bench: Bench) -> None:
    bench.give(ONE, 0, 5)
    assert bench.done(0, 2, blobs=[BLOB]) == [SendBlob(BLOB)]
    assert [type(each) for each in said(bench.on(BlobThere(BLOB)))] == [m.Results]
    assert said(bench.on(BlobThere(BLOB))) == []


def test_results_on_their_way_are_listed(bench: Bench) -> None:
    """Nobody else is to be given a task whose result waits for its blobs."""
    bench.give(ONE, 0, 5)
    bench.done(0, 5, blobs=[BLOB])
    held = m.Held([m.HeldLease(ONE, JOB, 0, 5)], 1)
    assert said(bench.hear(m.ListLeases())) == [held]
    bench.on(BlobThere(BLOB))
    assert said(bench.hear(m.ListLeases())) == [m.Held([], 1)]


def test_results_of_a_lease_go_in_order(bench: Bench) -> None:
    """Else the broker would take those that wait for their blobs for skipped, and have them run again."""
    bench.give(ONE, 0, 5)
    bench.done(0, 2, blobs=[BLOB])
    assert said(bench.done(2, 3)) == []
    sent = said(bench.on(BlobThere(BLOB)))
    assert [(each.start, each.stop) for each in sent if isinstance(each, m.Results)] == [(0, 2), (2, 3)]


def test_results_do_not_wait_behind_one_that_was_judged(bench: Bench) -> None:
    """The verdict is on an earlier run of the same tasks, whose blobs were there."""
    bench.give(ONE, 0, 5)
    bench.done(0, 2, blobs=[BLOB])
    bench.done(2, 3)
    sent = said(bench.hear(judged(0, 2)))
    assert [(each.start, each.stop) for each in sent if isinstance(each, m.Results)] == [(2, 3)]


def test_what_a_task_writes_goes_to_the_broker(bench: Bench) -> None:
    bench.give(ONE, 0, 5)
    assert bench.on(Wrote(0, 3, b"hello")) == [Say(m.Wrote(JOB, 3), b"hello")]


def test_a_range_that_ends_early_gives_back_the_rest(bench: Bench) -> None:
    bench.give(ONE, 0, 5)
    bench.done(0, 2)
    assert said(bench.on(RangeEnded(0, 2))) == [m.Trimmed(ONE, 2)]
    assert not bench.worker.state.leases
