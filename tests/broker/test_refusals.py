"""Whom the broker believes what: roles, the roster, bad input, peers that misbehave."""

from __future__ import annotations

import pytest

from raisin_broker.belonging import RosterChanged
from raisin_broker.machine import Garbled
from raisin_broker.peers import MOST_GARBLED, MOST_NOTED
from raisin_broker.state import Member
from raisin_core.messages import VERSION, LeaseId
from tests.support import notation
from tests.support.flow import MEMBERS, Flow

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


def test_whoever_leaves_the_roster_is_out(flow: Flow) -> None:
    flow.tell(BOB, JOB, a_page(1), "> turn")
    flow.handle(RosterChanged({**MEMBERS, "bob": Member("bob", frozenset(("client",)))}))
    assert flow.out == ["bob < Refused code=member reason='removed from the roster' fatal=True"]
    assert b"bob" not in flow.machine.state.sessions
    assert flow.machine.state.jobs[J].ready.covers(0, 1)
    refused = "bob < Refused code=role reason='bob has no role worker' fatal=True"
    assert flow.tell("bob > Hello instance=bob role=worker slots=1") == [refused]


def test_a_route_is_worth_nothing_without_its_key(flow: Flow) -> None:
    flow.machine.state.sessions[b"ann"].key = "somebody else"
    assert flow.tell(JOB) == ["ann < WhoAreYou"]


def test_what_is_no_message_is_answered(flow: Flow) -> None:
    flow.handle(Garbled(b"ann", "not a raisin message", -1))
    flow.handle(Garbled(b"ann", "bad header", VERSION))
    flow.handle(Garbled(b"ann", "protocol version 9", 9))
    malformed, also, version = flow.out
    assert malformed == "ann < Refused code=malformed reason='not a raisin message'"
    assert also == "ann < Refused code=malformed reason='bad header'"
    assert version.startswith("ann < Refused code=version")
    assert version.endswith("fatal=True")


def garble(flow: Flow, route: bytes, times: int) -> None:
    for _ in range(times):
        flow.handle(Garbled(route, "bad header", VERSION))


def test_whoever_persists_is_dropped(flow: Flow) -> None:
    flow.tell(BOB, JOB, a_page(1), "> turn")
    garble(flow, b"bob", MOST_GARBLED)
    assert flow.out == ["bob < Refused code=malformed reason='bad header'"] * MOST_GARBLED
    assert b"bob" in flow.machine.state.sessions
    flow.out.clear()
    garble(flow, b"bob", 100)
    (last,) = flow.out
    assert last.endswith("the last one: bad header' fatal=True")
    assert b"bob" not in flow.machine.state.sessions
    assert flow.machine.state.jobs[J].ready.covers(0, 1)
    assert flow.tell("bob > Beat held=1.1") == []
    assert b"ann" in flow.machine.state.sessions, "others are not to blame"


def test_whoever_was_dropped_may_begin_anew(flow: Flow) -> None:
    garble(flow, b"ann", 2 * MOST_GARBLED)
    assert flow.tell("ann > Hello instance=ann role=client") == ["ann < Welcome run=1"]
    garble(flow, b"ann", MOST_GARBLED)
    assert flow.tell("ann > Beat") == ["ann < BeatBack"]


def test_a_hello_that_is_refused_brings_no_pardon(flow: Flow) -> None:
    garble(flow, b"eve", MOST_GARBLED + 1)
    flow.tell("eve > Hello instance=eve role=client")
    assert flow.tell("eve > Beat") == []


def test_what_is_noted_of_strangers_is_bounded(flow: Flow) -> None:
    garble(flow, b"ann", MOST_GARBLED)
    for number in range(2 * MOST_NOTED):
        garble(flow, b"%d" % number, 1)
    garble(flow, b"ann", 1)
    assert len(flow.machine.peers._garbled) == MOST_NOTED
    assert b"ann" in flow.machine.state.sessions, "what was long ago is forgotten"


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("ann > Put digest=d offset=0 size=1 | x", "role"),
        ("ann > Open job=k function=g | f", "malformed"),
        ("ann > Page job=k number=0 first=0 count=1 | a", "'unknown job'"),
        ("ann > Page job=j number=1 first=5 count=1 | a", "malformed"),
        ("ann > Page job=j number=1 first=3 count=0 | a", "malformed"),
        ("ann > Close job=j total=4", "lost"),
        ("ann > Close job=j total=2", "malformed"),
        ("ann > Follow job=k reader=1 order=window after=0 limit=1", "'unknown job'"),
        ("ann > Cancel job=k", "'unknown job'"),
    ],
)
def test_bad_input_is_refused_and_changes_nothing(flow: Flow, line: str, code: str) -> None:
    flow.tell(JOB, "ann > Page job=j number=0 first=0 count=3 | a", "> turn")
    (said,) = flow.tell(line)
    assert said.startswith(f"ann < Refused code={code} ")
    assert flow.tell("> turn") == []
    assert (flow.machine.state.jobs[J].tasks, flow.machine.state.jobs[J].total) == (3, None)


def test_a_page_that_leaves_a_gap_is_not_taken(flow: Flow) -> None:
    """Its client believes that page 0 was acknowledged: it must learn that it is not here."""
    flow.tell(JOB, "> turn")
    (said,) = flow.tell("ann > Page job=j number=1 first=0 count=3 | b")
    assert said.startswith("ann < Refused code=lost reason='the broker has lost what it had acknowledged of job ")
    assert not flow.machine.state.jobs[J].tasks


def test_what_the_broker_does_not_ask_is_not_answered(flow: Flow) -> None:
    assert flow.tell("ann > Forget job=j") == []
    assert flow.tell("ann > Unfollow job=j reader=1") == []
    flow.tell(BOB)
    assert flow.tell("bob > Trimmed lease=1.9 stop=0") == []
    assert flow.tell("bob > Crashed lease=1.9 job=j index=0 kind=crash detail=x") == []


@pytest.mark.parametrize("line", ["job=k start=0 stop=1", "job=j start=0 stop=3", "job=j start=1 stop=1"])
def test_results_of_what_is_not_there_are_unknown(flow: Flow, line: str) -> None:
    flow.tell(JOB, a_page(2), BOB, "> turn")
    (said,) = flow.tell(f"bob > Results lease=1.1 {line} | r")
    assert said.endswith("verdict=unknown")
    assert flow.machine.state.jobs[J].leases


@pytest.mark.parametrize("options", ["chunksize:-1", "retries:-1", "deadline:nan", "task_timeout:nan", "deadline:-1"])
def test_impossible_options_are_refused(flow: Flow, options: str) -> None:
    """A scheduler that takes them at their word would never come to an end."""
    (said,) = flow.tell(f"ann > Open job=j function=f options={options} | f")
    assert said.startswith("ann < Refused code=malformed")
    assert not flow.machine.state.jobs


def test_a_job_has_as_many_tasks_as_a_store_can_count(flow: Flow) -> None:
    flow.tell(JOB, f"ann > Page job=j number=0 first=0 count={2**62} | a", "> turn")
    (said,) = flow.tell(f"ann > Page job=j number=1 first={2**62} count=1 | b")
    assert said.startswith("ann < Refused code=malformed")


@pytest.mark.parametrize("seconds", ["nan", "inf", "-1"])
def test_a_time_that_is_none_does_no_harm(flow: Flow, seconds: str) -> None:
    flow.tell(JOB, a_page(3), BOB, "> turn", f"bob > Results lease=1.1 job=j start=0 stop=1 seconds={seconds} | r0")
    assert any(line.startswith("bob < Lease") for line in flow.tell("> turn"))


@pytest.mark.parametrize(
    "word", ["Results lease=1.1 job=k start=0 stop=1 | r", "Crashed lease=1.1 job=k index=0 kind=crash detail=x"]
)
def test_a_lease_is_of_one_job(flow: Flow, word: str) -> None:
    flow.tell(JOB, a_page(3), BOB, "> turn", "ann > Open job=k function=f | f")
    flow.tell("ann > Page job=k number=0 first=0 count=3 last=true | a", f"bob > {word}")
    assert list(flow.machine.state.jobs[J].leases) == [LeaseId(1, 1)]


def test_nobody_takes_up_what_another_holds(flow: Flow) -> None:
    flow.tell("ann > Open job=j function=f options=chunksize:1 | f", a_page(9), BOB, "> turn", CLEO)
    assert flow.tell("cleo > Held leases=1.1:j:5-6 seen=9") == ["cleo < Trim lease=1.1 stop=0"]


def test_a_connection_has_one_instance_at_a_time(flow: Flow) -> None:
    flow.tell(JOB, a_page(1), BOB, "> turn", "bob > Hello instance=bob2 role=worker slots=1")
    assert notation.ident("bob") not in flow.machine.state.instances
    assert not any("Lease" in line for line in flow.tell("> turn")), "it has not said what it holds"
    flow.tell("bob > Held leases=none seen=0")
    assert "bob < Lease lease=1.2 job=j start=0 stop=1 function=f" in flow.tell("> turn")
