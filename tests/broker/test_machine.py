"""What the flows do not show of the broker's machine: time, leases, rulings in odd cases, the end of jobs."""

from __future__ import annotations

import pytest

from raisin_broker.machine import TurnEnded
from raisin_broker.state import Instant
from raisin_core.messages import LeaseId
from tests.support import notation
from tests.support.flow import Flow

JOB = "ann > Open job=j function=f | f"
BOB = "> here bob worker slots=1"
CLEO = "> here cleo worker slots=1"
J = notation.ident("j")


@pytest.fixture
def flow() -> Flow:
    flow = Flow()
    flow.tell("> here ann client", "> turn")
    return flow


def a_page(count: int) -> str:
    return f"ann > Page job=j number=0 first=0 count={count} last=true | a"


def kinds(out: list[str]) -> list[str]:
    """What was said to whom, without the fields."""
    return [" ".join(line.split()[:3]) for line in out]


# -- time ------------------------------------------------------------------------------------------------------------


def test_nothing_is_due_when_nobody_is_there() -> None:
    assert Flow().machine.next_deadline() == 15.0  # until then workers of before may come back
    flow = Flow()
    flow.tell("0.1 > turn")
    assert flow.machine.next_deadline() is None


def test_while_somebody_is_there_the_broker_looks_up_every_second(flow: Flow) -> None:
    assert flow.machine.next_deadline() == 1.0


def test_a_job_deadline_is_wall_clock_time(flow: Flow) -> None:
    flow.tell("ann > Open job=j function=f options=deadline:0.7 | f", "> turn")
    assert flow.machine.next_deadline() == pytest.approx(0.7)
    flow.machine.handle(TurnEnded(), Instant(0.0, 0.5))  # the wall clock was set
    assert flow.machine.next_deadline() == pytest.approx(0.2)


def test_a_failed_commit_is_due_after_half_a_second(flow: Flow) -> None:
    flow.tell("> disk full", JOB, "> turn")
    assert flow.machine.next_deadline() == 0.5
    assert flow.tell("0.4 > turn") == []
    assert flow.tell("0.5 > turn") == ["< commit", "ann < Opened job=j credit=64"]
    assert flow.machine.out.idle


def test_a_broker_that_slept_takes_nobodys_silence_amiss(flow: Flow) -> None:
    flow.tell(BOB, JOB, a_page(1), "> turn", "1.0 > turn")
    flow.tell("100.0 > turn")
    assert not any(session.suspect for session in flow.machine.state.sessions.values())
    flow.tell("113.0 > wait ann")
    assert not flow.machine.state.sessions[b"bob"].suspect
    flow.tell("115.5 > wait ann")
    assert flow.machine.state.sessions[b"bob"].suspect


def test_a_broker_that_slept_after_its_start_still_awaits_its_workers(flow: Flow) -> None:
    flow.tell(BOB, JOB, a_page(1), "> turn", "> killed", "0.5 > here ann client", "> turn")
    flow.tell("60.0 > turn", "> here cleo worker slots=1")
    assert flow.tell("> turn") == ["< keep WorkerSeen", "< commit"]
    assert "cleo < Lease" in kinds(flow.tell("76.0 > wait ann cleo"))


def test_a_session_ends_after_a_long_silence(flow: Flow) -> None:
    flow.tell(BOB, "> turn")
    flow.tell("149.0 > wait ann")
    assert b"bob" in flow.machine.state.sessions
    assert flow.tell("151.0 > wait ann") == ["< keep WorkerGone", "< commit"]
    assert flow.tell("bob > Beat held=none") == ["bob < WhoAreYou"]


def test_while_somebody_is_idle_and_somebody_busy_the_broker_looks_up_often(flow: Flow) -> None:
    flow.tell(BOB, CLEO, JOB, a_page(1), "> turn")
    assert flow.machine.next_deadline() == pytest.approx(0.1)


# -- leases ----------------------------------------------------------------------------------------------------------


def test_a_reconnected_worker_may_be_asked_again_to_end_early(flow: Flow) -> None:
    flow.tell("ann > Open job=j function=f options=chunksize:9 | f", a_page(9), BOB, CLEO, "> turn")
    assert "bob < Trim lease=1.1 stop=5" in flow.tell("0.3 > turn")
    flow.tell("1.0 bob/2 > Hello instance=bob role=worker slots=1", "bob/2 > Held leases=1.1:j:0-9 seen=1")
    assert "bob/2 < Trim lease=1.1 stop=5" in flow.tell("> turn")


def test_a_lease_that_crossed_the_list_on_its_way_is_not_given_again(flow: Flow) -> None:
    flow.tell(JOB, a_page(1), BOB, "> turn", "bob > Held leases=none seen=0", "bob > Beat seen=0 held=none")
    assert list(flow.machine.state.sessions[b"bob"].leases) == [LeaseId(1, 1)]


def test_nor_when_the_worker_says_hello_twice_on_one_connection(flow: Flow) -> None:
    flow.tell(JOB, a_page(1), BOB, "> turn", "bob > Hello instance=bob role=worker slots=1")
    flow.tell("bob > Held leases=none seen=0")
    assert list(flow.machine.state.sessions[b"bob"].leases) == [LeaseId(1, 1)]


def test_a_lease_of_which_a_part_is_done_is_not_taken_back_into_service(flow: Flow) -> None:
    flow.tell("ann > Open job=j function=f options=chunksize:2 | f", a_page(2), BOB, "> turn", "> unreachable bob")
    flow.tell(CLEO, "> turn", "cleo > Results lease=1.2 job=j start=0 stop=1 seconds=1 | r0")
    flow.tell("cleo > Trimmed lease=1.2 stop=1", "bob/2 > Hello instance=bob role=worker slots=1")
    assert flow.tell("bob/2 > Held leases=1.1:j:0-2 seen=1") == ["bob/2 < Trim lease=1.1 stop=0"]


def test_a_scan_of_a_great_many_tasks_costs_no_memory(flow: Flow) -> None:
    flow.tell("ann > Open job=j function=f options=chunksize:9 | f", a_page(2**60), BOB, "> turn", "> killed")
    flow.tell("bob/2 > Hello instance=bob role=worker slots=1")
    assert flow.tell("bob/2 > Held leases=1.1:j:0-9 seen=1") == []
    assert list(flow.machine.state.jobs[J].leases) == [LeaseId(1, 1)]
    flow.tell("> unreachable bob/2")
    assert len(flow.machine.state.jobs[J].ready) == 2**60


def test_results_that_skip_something_give_it_back(flow: Flow) -> None:
    flow.tell("ann > Open job=j function=f options=chunksize:4 | f", a_page(4), BOB, "> turn")
    flow.tell("bob > Results lease=1.1 job=j start=2 stop=3 seconds=0.01 | r2")
    assert list(flow.machine.state.jobs[J].ready) == [(0, 2)]
    assert "bob < Lease lease=1.2 job=j start=0 stop=2 function=f" in flow.tell("> turn")


def test_a_worker_that_lost_its_session_hears_that_a_job_is_over(flow: Flow) -> None:
    flow.tell(JOB, a_page(1), BOB, "> turn", "1.0 bob/2 > Hello instance=bob role=worker slots=1")
    assert flow.tell("ann > Cancel job=j") == ["bob/2 < Over jobs=j"]


def test_ended_jobs_are_told_a_few_together(flow: Flow) -> None:
    flow.tell(BOB, "> turn")
    for number in range(16):
        job = f"job=j{number}"
        flow.tell(
            f"ann > Open {job} function=f | f", f"ann > Page {job} number=0 first=0 count=1 last=true | a", "> turn"
        )
        said = flow.tell(f"bob > Results lease=1.{number + 1} {job} start=0 stop=1 | r")
        flow.tell("> turn")
    assert said == [f"bob < Over jobs={','.join(f'j{number}' for number in range(16))}"]


# -- what becomes of tasks -------------------------------------------------------------------------------------------


def test_a_task_that_takes_too_long_is_tried_again_and_then_given_up(flow: Flow) -> None:
    flow.tell("ann > Open job=j function=f options=retries:1,task_timeout:2 | f", a_page(1), BOB, "> turn")
    flow.tell("ann > Follow job=j reader=1 order=arrival after=0 limit=9")
    flow.tell("bob > Crashed lease=1.1 job=j index=0 kind=timeout detail='2 s'")
    assert "bob < Lease lease=1.2 job=j start=0 stop=1 function=f task_timeout=2.0" in flow.tell("> turn")
    flow.tell("bob > Crashed lease=1.2 job=j index=0 kind=timeout detail='2 s'")
    ruled = "retried=0:2 ruling=True | timeout 'bob:2 s' 'bob:2 s'"
    assert any(line.endswith(ruled) for line in flow.tell("> turn"))


def test_a_ruling_tells_only_of_its_own_kind_but_counts_all_attempts(flow: Flow) -> None:
    flow.tell("ann > Open job=j function=f options=retries:9 | f", a_page(1), BOB, "> turn")
    flow.tell("ann > Follow job=j reader=1 order=arrival after=0 limit=9")
    flow.tell("bob > Results lease=1.1 job=j start=0 stop=1 failed=0 | e", "> turn")
    for number in (2, 3, 4):
        flow.tell(f"bob > Crashed lease=1.{number} job=j index=0 kind=crash detail=SIGSEGV")
        out = flow.tell("> turn")
    assert any(line.endswith("retried=0:4 ruling=True | crashed bob:SIGSEGV bob:SIGSEGV bob:SIGSEGV") for line in out)


def unfit(who: str, lease: str) -> str:
    return f"{who} > Results lease={lease} job=j start=0 stop=1 unfit=0:{who} | e"


def test_when_the_only_one_who_could_run_it_leaves_the_task_is_given_up(flow: Flow) -> None:
    flow.tell(BOB, CLEO, JOB, a_page(1), "> turn", unfit("bob", "1.1"), "> turn", "cleo > Draining")
    flow.tell("cleo > Trimmed lease=1.2 stop=0")
    assert "< keep Tried, ResultAdded, JobMarked" not in flow.tell("> turn")
    flow.tell("cleo > Goodbye")
    assert flow.tell("> turn")[0] == "< keep WorkerGone, ResultAdded, JobMarked"


def test_when_it_was_lost_it_has_a_while_to_come_back(flow: Flow) -> None:
    flow.tell(BOB, CLEO, JOB, a_page(1), "> turn", unfit("bob", "1.1"), "> turn", "> unreachable cleo")
    assert flow.machine.state.awaited
    assert not any("JobMarked" in line for line in flow.tell("14.0 > wait ann bob"))
    assert "< keep WorkerGone, ResultAdded, JobMarked" in flow.tell("15.5 > wait ann bob")


def test_a_worker_that_comes_later_may_be_the_one_that_cannot(flow: Flow) -> None:
    flow.tell(BOB, CLEO, JOB, a_page(1), "> turn", unfit("bob", "1.1"), "> turn", "bob > Goodbye")
    flow.tell("cleo > Goodbye", "> turn")
    assert not flow.machine.state.jobs[J].ended
    flow.tell("bob/2 > Hello instance=bob2 role=worker slots=1")
    assert flow.tell("> turn")[0] == "< keep WorkerSeen, ResultAdded, JobMarked"


def test_after_a_restart_nothing_is_given_up_before_all_had_time_to_come_back(flow: Flow) -> None:
    flow.tell(BOB, CLEO, JOB, a_page(1), "> turn", unfit("bob", "1.1"), "> turn", "> killed")
    flow.tell("1.0 > here bob worker slots=1", "> turn")
    assert not flow.machine.state.jobs[J].ended
    flow.tell("2.0 cleo > Hello instance=cleo role=worker slots=1", "cleo > Held leases=none seen=0")
    assert "cleo < Lease lease=2.1 job=j start=0 stop=1 function=f" in flow.tell("> turn")


def test_nor_what_one_worker_cannot_run_while_another_may_come_back(flow: Flow) -> None:
    flow.tell(BOB, CLEO, JOB, a_page(1), "> turn", "> killed", "1.0 > here bob worker slots=1", "> turn")
    flow.tell(unfit("bob", "1.1"))
    assert flow.tell("> turn")[0] == "< keep Tried"
    flow.tell("2.0 cleo > Hello instance=cleo role=worker slots=1", "cleo > Held leases=none seen=0")
    assert "cleo < Lease lease=2.1 job=j start=0 stop=1 function=f" in flow.tell("> turn")


# -- the end of a job ------------------------------------------------------------------------------------------------


def test_a_job_that_nobody_wants_is_forgotten_when_it_ends(flow: Flow) -> None:
    flow.tell(JOB, a_page(1), BOB, "> turn")
    assert flow.tell("ann > Forget job=j", "> turn") == ["< keep JobUnwanted", "< commit"]
    flow.tell("> killed", "bob/2 > Hello instance=bob role=worker slots=1", "bob/2 > Held leases=1.1:j:0-1 seen=0")
    flow.tell("bob/2 > Results lease=1.1 job=j start=0 stop=1 | r0")
    assert "JobForgotten" in flow.tell("> turn")[0]
    assert flow.store.crash().start().jobs == []


def test_who_opens_an_ended_job_again_hears_its_end(flow: Flow) -> None:
    """The acknowledgement was lost, and nobody reads: there is no other way to learn it."""
    flow.tell("ann > Open job=j function=f options=deadline:0.5 | f", "> turn", "0.6 > turn")
    flow.tell("ann/2 > Hello instance=ann role=client")
    flow.tell("ann/2 > Open job=j function=f options=deadline:0.5 | f")
    assert "ann/2 < Progress job=j state=late done=0 total=-1 arrivals=0" in flow.tell("> turn")


def test_a_total_is_told_when_it_is_durable(flow: Flow) -> None:
    flow.tell("> disk full", JOB, a_page(1), "> turn", "ann > Attach job=j")
    assert not any("total=1" in line for line in flow.tell("> turn"))
    assert "ann < Progress job=j state=running done=0 total=1 arrivals=0" in [
        line.replace(" waits='no worker is connected'", "")
        for line in flow.tell("0.5 > turn") + flow.tell("1.1 > turn")
    ]


def test_a_restart_finds_everything_again(flow: Flow) -> None:
    flow.tell("ann > Open job=j function=f options=retries:2 | f", a_page(3), BOB, "> turn")
    flow.tell("bob > Results lease=1.1 job=j start=0 stop=1 | r0", "> turn")
    flow.tell("bob > Results lease=1.2 job=j start=1 stop=2 failed=1 | r1", "> turn")
    before = flow.machine.state.jobs[J]
    flow.tell("> killed")
    after = flow.machine.state.jobs[J]
    assert (after.done, after.tried, after.total) == (before.done, before.tried, 3)
    assert after.arrivals.starts == before.arrivals.starts
    assert list(after.limbo) == [(1, 2)]
    assert list(after.ready) == [(2, 3)]
    assert (after.visible, after.shown_total, after.shown_end) == (1, 3, False)


def test_reasons_for_waiting(flow: Flow) -> None:
    def waits() -> str:
        told = flow.tell("ann > Attach job=j") + flow.tell("> turn")
        return next(line for line in told if "Progress" in line).partition("waits=")[2]

    flow.tell("ann > Open job=j function=f options=where:cleo | f", a_page(1), "> turn")
    assert waits() == "'no worker is connected'"
    flow.tell(BOB, "> turn")
    assert waits() == "'none of cleo is connected'"
    flow.tell(CLEO, "> turn")
    assert waits() == ""


def test_results_are_kept_for_who_may_run_them(flow: Flow) -> None:
    """A job for some members only is run by them alone, also after a failure."""
    flow.tell("ann > Open job=j function=f options=where:cleo,retries:1 | f", a_page(1), BOB, CLEO, "> turn")
    flow.tell("cleo > Results lease=1.1 job=j start=0 stop=1 failed=0 | e")
    assert "cleo < Lease lease=1.2 job=j start=0 stop=1 function=f" in flow.tell("> turn")


def test_contexts_come_and_go_with_their_clients(flow: Flow) -> None:
    flow.tell("dan > Hello instance=dan role=client context=here | here", BOB, "> turn")
    flow.tell("dan > Open job=j function=f context=here | f", "dan > Page job=j number=0 first=0 count=2 last=true | a")
    assert kinds(flow.tell("> turn"))[1:4] == ["bob < Context", "bob < Function", "bob < Argument"]
    flow.tell("dan > Goodbye", "bob > Results lease=1.1 job=j start=0 stop=1 | r0")
    assert "bob < Lease" not in kinds(flow.tell("> turn"))
    flow.tell("dan/2 > Hello instance=dan2 role=client context=here | here")
    assert "bob < Lease" in kinds(flow.tell("> turn"))


def test_a_worker_that_is_here_but_has_not_listed_its_leases_is_awaited_after_a_restart(flow: Flow) -> None:
    flow.tell(BOB, "> turn", "> unreachable bob", "1.0 bob/2 > Hello instance=bob role=worker slots=1")
    flow.tell("17.0 > wait ann bob/2", "> killed")
    assert list(flow.machine.state.awaited) == [notation.ident("bob")]
