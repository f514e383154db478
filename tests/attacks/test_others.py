"""A member that claims what is another's: instances, sessions, jobs, contexts, blobs."""

from __future__ import annotations

import hashlib

import pytest

from raisin_broker.peers import MOST_REPLACED, MOST_SESSIONS, MOST_SLOTS
from raisin_core import digests
from raisin_core import messages as m
from tests.attacks.support import FUNCTION, Broker, ident
from tests.support import anything, notation
from tests.support.flow import Flow

J = notation.ident("j")
A_JOB = (
    "ann > Open job=j function=f options=where:bob | f",
    "ann > Page job=j number=0 first=0 count=2 last=true | a",
    "> turn",
)


@pytest.fixture
def flow() -> Flow:
    flow = Flow()
    flow.tell("> here ann client", "> here bob worker slots=1", *A_JOB)
    return flow


# -- jobs of other accounts ------------------------------------------------------------------------------------------

OF_A_JOB = [
    m.Open(J, "map", "f", digests.content(FUNCTION), m.Options()),
    m.Page(J, 1, 2, 1, last=True),
    m.Close(J, 5),
    m.Cancel(J),
    m.Attach(J),
    m.Fetch(J, 0),
    m.Explain(J),
    m.Follow(J, 1, "arrival", 0, 9),
    m.Follow(J, 1, "window", 0, 9),
]
SILENT = [m.Unfollow(J, 1), m.Forget(J), m.Forget(J, keep=True)]


@pytest.mark.parametrize("message", [*OF_A_JOB, *SILENT], ids=lambda message: type(message).__name__)
def test_a_job_of_another_account_cannot_be_touched(flow: Flow, message: m.Message) -> None:
    flow.tell("> here cleo client")
    before = anything.plain(flow.machine.state)
    flow.say("cleo", message, FUNCTION if isinstance(message, m.Open) else b"x" if message.payload else b"")
    said = [line.split(" reason=")[0] for line in flow.out]
    assert said == ([] if message in SILENT else ["cleo < Refused code='not yours'"])
    assert anything.plain(flow.machine.state) == before


def test_a_list_tells_nothing_of_other_accounts(flow: Flow) -> None:
    assert flow.tell("> here cleo client", "cleo > ListJobs")[-1].startswith("cleo < Jobs jobs=none all=0")


@pytest.mark.slow
def test_a_job_of_another_account_over_real_sockets(broker: Broker) -> None:
    owner, other = broker.client("ann"), broker.client("cleo")
    job = owner.open_job(2)
    for each in OF_A_JOB:
        fields = {name: getattr(each, name) for name in each.__struct_fields__}
        refused = other.ask(type(each)(**{**fields, "job": job}), FUNCTION if isinstance(each, m.Open) else b"")
        assert isinstance(refused, m.Refused)
        assert (refused.code, refused.about) == ("not yours", job)
    listed = other.ask(m.ListJobs())
    assert isinstance(listed, m.Jobs)
    assert listed.all == 0
    mine = owner.ask(m.Explain(job))
    assert isinstance(mine, m.Explained)
    assert (mine.line.state, mine.line.total) == ("running", 2)
    owner.say(m.Cancel(job))


# -- instances and sessions ------------------------------------------------------------------------------------------


def test_an_instance_of_another_member_cannot_be_claimed(flow: Flow) -> None:
    before = anything.plain(flow.machine.state)
    for who, role in (("cleo", "client"), ("cleo", "worker")):
        for victim in ("ann", "bob"):
            said = flow.tell(f"{who} > Hello instance={victim} role={role} slots=1")
            assert said == [
                "cleo < Refused code='not yours' reason='this instance belongs to another member' fatal=True"
            ]
    assert anything.plain(flow.machine.state) == before


def test_nobody_ends_what_is_not_its_own(flow: Flow) -> None:
    """`replaces` names dead instances of the same member; those of others live on, also while they are awaited."""
    flow.tell("> unreachable bob", "1.0 bob/2 > Hello instance=bob role=worker slots=1")
    bob, ann = notation.ident("bob"), notation.ident("ann")
    assert bob in flow.machine.state.awaited, "it has not said yet what it holds"
    hello = m.Hello(notation.ident("cleo"), "worker", "cleo", 1, slots=1, replaces=[ann, bob])
    flow.say("cleo", hello, b"")
    state = flow.machine.state
    assert {ann, bob} <= set(state.instances)
    assert bob in state.awaited
    assert state.jobs[J].left_at is None


@pytest.mark.slow
def test_claims_over_real_sockets(broker: Broker) -> None:
    victim, thief = broker.client("ann"), broker.peer("cleo")
    refused = thief.hello("client", instance=victim.instance)
    assert isinstance(refused, m.Refused)
    assert (refused.code, refused.fatal) == ("not yours", True)
    assert isinstance(thief.hello("client", replaces=[victim.instance]), m.Welcome)
    victim.beat()
    thief.say(m.Goodbye())
    victim.beat()


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"role": "worker", "slots": 0}, "slots"),
        ({"role": "worker", "slots": MOST_SLOTS + 1}, "slots"),
        ({"role": "worker", "slots": -5}, "slots"),
        ({"replaces": [bytes(16)] * (MOST_REPLACED + 1)}, "replaces"),
        ({"context": bytes(32)}, "context"),
    ],
)
def test_an_impossible_greeting_is_refused(flow: Flow, more: dict[str, object], reason: str) -> None:
    before = anything.plain(flow.machine.state)
    given = {"instance": notation.ident("cleo"), "role": "client", "host": "cleo", "pid": 1, "slots": 1, **more}
    flow.say("cleo", m.Hello(**given), b"not what it says" if "context" in more else b"")  # type: ignore[arg-type]
    (said,) = flow.out
    assert said.startswith("cleo < Refused code=malformed")
    assert reason in said
    assert said.endswith("fatal=True")
    assert anything.plain(flow.machine.state) == before


def test_the_context_of_another_cannot_be_replaced(flow: Flow) -> None:
    """It says which interpreter runs a client's tasks: it is what its digest says, or nothing."""
    name = notation.digest("here")
    flow.tell("ann/2 > Hello instance=ann2 role=client context=here | here")
    flow.say("cleo", m.Hello(notation.ident("cleo"), "client", "cleo", 1, context=name), b"evil")
    assert flow.machine.state.contexts[name] == b"here"


def test_the_sessions_of_one_member_are_counted(flow: Flow) -> None:
    for number in range(MOST_SESSIONS):
        flow.say(f"cleo/{number}", m.Hello(number.to_bytes(16, "big"), "client", "cleo", 1), b"")
    flow.out.clear()
    one_more = m.Hello(b"one more".ljust(16), "client", "cleo", 1)
    flow.say("cleo/more", one_more, b"")
    assert flow.out == [f"cleo/more < Refused code=busy reason='cleo has {MOST_SESSIONS} sessions already' fatal=True"]
    assert flow.tell("> here dan client") == [], "others are not to blame"
    flow.say("cleo/again", m.Hello(bytes(16), "client", "cleo", 1), b"")
    assert "cleo/again < Welcome run=1" in flow.out, "an instance that comes back is none more"
    flow.tell("cleo/7 > Goodbye")
    flow.out.clear()
    flow.say("cleo/more", one_more, b"")
    assert flow.out == ["cleo/more < Welcome run=1"]
    assert flow.machine.peers._of_member == {"ann": 1, "bob": 1, "dan": 1, "cleo": MOST_SESSIONS}


# -- blobs -----------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_blob_is_had_by_whoever_knows_its_name_and_by_nobody_else(broker: Broker) -> None:
    """A decision: see raisin_broker/bulk.py."""
    owner, other = broker.peer("ann", bulk=True), broker.peer("cleo", bulk=True)
    content = b"a blob of ann's"
    name = hashlib.sha256(content).digest()
    assert owner.ask(m.Put(name, 0, len(content)), content) == m.Have(name, len(content), True)
    other.say(m.Get(name, 0))
    assert other.hear_all(m.Chunk) == (m.Chunk(name, 0, len(content)), content)
    for guess in (bytes(32), name[::-1], ident() * 2):
        other.say(m.Get(guess, 0))
        assert other.hear_all(m.Chunk) == (m.Chunk(guess, 0, -1), b"")


@pytest.mark.slow
def test_nobody_puts_other_content_under_a_name(broker: Broker) -> None:
    rogue, owner = broker.peer("cleo", bulk=True), broker.peer("ann", bulk=True)
    content = b"what the name says"
    name = hashlib.sha256(content).digest()
    evil = b"what it is not    "
    assert len(evil) == len(content)
    assert rogue.ask(m.Put(name, 0, len(evil)), evil) == m.Have(name, 0, False)
    owner.say(m.Get(name, 0))
    assert owner.hear_all(m.Chunk) == (m.Chunk(name, 0, -1), b"")
    assert owner.ask(m.Put(name, 0, len(content)), content) == m.Have(name, len(content), True)
    rogue.say(m.Put(name, 0, len(evil)), evil)
    owner.say(m.Get(name, 0))
    assert owner.hear_all(m.Chunk) == (m.Chunk(name, 0, len(content)), content)


@pytest.mark.slow
@pytest.mark.parametrize(
    "message",
    [m.Put(bytes(32), 0, -1), m.Put(bytes(32), 0, 2**64 - 1), m.Put(bytes(32), 2**62, 1), m.Put(bytes(32), 5, 3)],
)
def test_impossible_pieces_are_not_answered_and_leave_nothing(broker: Broker, message: m.Put) -> None:
    peer = broker.peer("cleo", bulk=True)
    peer.say(message, b"xyz")
    peer.raw([b"rsn\x01", b"\x93\xa3put"])
    peer.say(m.Put(bytes(32), 0, 2**20), bytes(m.CHUNK + 1))
    peer.say(m.Get(bytes(32), 0))
    assert peer.hear_all(m.Chunk, m.Have) == (m.Chunk(bytes(32), 0, -1), b"")
    assert not list((broker.cluster.data / "blobs").glob("00/*"))


# -- tasks of other workers ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "line",
    [
        "Results lease=1.1 job=j start=0 stop=1 | forged",
        "Results lease=1.1 job=j start=0 stop=1 failed=0 | forged",
        "Results lease=1.7 job=j start=0 stop=2 | forged",
        "Results lease=0.1 job=j start=1 stop=2 | forged",
        'Results lease=1.7 job=j start=0 stop=2 unfit="0:no" | forged',
    ],
)
def test_nobody_answers_what_was_not_leased_to_it(flow: Flow, line: str) -> None:
    """bob has task 0, task 1 waits; cleo has nothing."""
    flow.tell("> here cleo worker slots=1", "> turn")
    before = anything.plain(flow.machine.state.jobs[J])
    (said,) = flow.tell(f"cleo > {line}")
    assert said.endswith("verdict=unknown")
    assert anything.plain(flow.machine.state.jobs[J]) == before


def test_nobody_blames_what_was_not_leased_to_it(flow: Flow) -> None:
    flow.tell("> here cleo worker slots=1", "> turn")
    before = anything.plain(flow.machine.state.jobs[J])
    for number in (1, 2, 3, 4):
        assert flow.tell(f"cleo > Crashed lease=1.{number} job=j index=0 kind=crash detail=forged slot=0") == []
    assert anything.plain(flow.machine.state.jobs[J]) == before


def test_nobody_holds_what_was_not_leased_to_it(flow: Flow) -> None:
    flow.tell("> here cleo worker slots=1", "> turn")
    before = anything.plain(flow.machine.state.jobs[J])
    assert flow.tell("cleo > Held leases=1.9:j:1-2 seen=0") == ["cleo < Trim lease=1.9 stop=0"]
    assert anything.plain(flow.machine.state.jobs[J]) == before


def test_what_was_leased_may_be_answered_late(flow: Flow) -> None:
    """By whoever had it, also when the lease is over, unless somebody was faster."""
    flow.tell(
        "> unreachable bob", "1.0 bob/2 > Hello instance=bob role=worker slots=1", "bob/2 > Held leases=none seen=9"
    )
    flow.tell("bob/2 > Results lease=1.1 job=j start=0 stop=1 | late")
    assert "bob/2 < Judged job=j start=0 stop=1 verdict=recorded" in flow.tell("> turn")
    assert flow.machine.state.jobs[J].done.covers(0, 1)


def test_nobody_prints_where_it_runs_nothing(flow: Flow) -> None:
    flow.tell("> here cleo worker slots=1", "ann > Follow job=j reader=1 order=arrival after=0 limit=9")
    assert flow.tell("cleo > Wrote job=j index=0 | forged") == []
    assert flow.tell("bob > Wrote job=j index=0 | mine") == ["ann < Printed job=j index=0 host=bob | mine"]
