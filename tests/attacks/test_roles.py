"""Who may say what: for every message and every role, what is not its way is refused and changes nothing."""

from __future__ import annotations

from random import Random

import pytest

from raisin_broker.machine import CLIENT_WAYS, WORKER_WAYS
from raisin_core import envelope
from raisin_core import messages as m
from raisin_core.messages import belonging
from tests.attacks.support import Broker, ident
from tests.support import anything, notation
from tests.support.flow import Flow

J, F = notation.ident("j"), notation.digest("f")
POOL = anything.Pool([J, notation.ident("ann"), notation.ident("bob")], [F, notation.digest("here")])
ROLES = {"client": ("ann", CLIENT_WAYS), "worker": ("bob", WORKER_WAYS)}
NOT_THEIRS = [
    (role, kind) for role, (_, ways) in ROLES.items() for kind in m.MESSAGES if kind.way not in ways or kind.bulk
]


def busy() -> Flow:
    """A broker with a client that has a job, and a worker that has begun with it."""
    flow = Flow()
    flow.tell("> here ann client", "> here bob worker slots=2", "ann > Open job=j function=f | f")
    flow.tell("ann > Page job=j number=0 first=0 count=9 last=true | a", "> turn")
    flow.tell("ann > Follow job=j reader=1 order=arrival after=0 limit=9", "> turn")
    assert flow.machine.state.jobs[J].leases
    return flow


@pytest.mark.parametrize(("role", "kind"), NOT_THEIRS, ids=[f"{role}-{kind.__name__}" for role, kind in NOT_THEIRS])
def test_what_is_not_its_way_is_refused_and_changes_nothing(role: str, kind: type[m.Message]) -> None:
    flow, who = busy(), ROLES[role][0]
    pool = anything.Pool(POOL.ids, POOL.digests, list(flow.machine.state.jobs[J].leases))
    before = anything.plain(flow.machine.state)
    for seed in range(3):
        rng = Random(seed)
        flow.say(who, anything.message(kind, rng, pool), anything.payload(kind, rng))
        assert flow.out == [f"{who} < Refused code=role reason='a {role} does not say {kind.__name__}'"]
        flow.out.clear()
    assert anything.plain(flow.machine.state) == before
    assert flow.machine.out.idle


@pytest.mark.parametrize("kind", m.MESSAGES, ids=lambda kind: kind.__name__)
def test_whoever_has_no_session_changes_nothing(kind: type[m.Message]) -> None:
    """cleo is a member, eve is not: neither has said Hello."""
    flow = busy()
    before = anything.plain(flow.machine.state)
    for seed, who in enumerate(("cleo", "eve")):
        rng = Random(seed)
        said = anything.message(kind, rng, POOL)
        if isinstance(said, m.Hello) and who == "cleo":
            continue
        flow.say(who, said, anything.payload(kind, rng))
        answers = [line.split()[2] for line in flow.out]
        refused = kind is m.Hello or (kind.__module__ == belonging.__name__ and kind.way == "peer>broker")
        refused = refused or who == "eve"  # whoever is no member hears nothing else
        expected = [] if kind is m.Goodbye else ["Refused"] if refused else ["WhoAreYou"]
        if kind is m.ListMembers and who == "cleo":
            expected = ["Members"]
        assert answers == expected
        flow.out.clear()
    assert anything.plain(flow.machine.state) == before


def test_the_table_is_complete() -> None:
    """Every message is somebody's, and none is everybody's but those that sessions are made of."""
    both = {kind.__name__ for kind in m.MESSAGES if kind.way == "peer>broker" and not kind.bulk}
    assert both == {"Hello", "Beat", "Goodbye", "Publish", "Join", "Resign", "ListMembers"}
    assert {kind.way for kind in m.MESSAGES} <= {
        *CLIENT_WAYS,
        *WORKER_WAYS,
        "broker>peer",
        "broker>client",
        "broker>worker",
    }


@pytest.mark.slow
@pytest.mark.parametrize("role", ROLES)
def test_over_real_sockets(broker: Broker, role: str) -> None:
    """All that is not its way, one after the other; then its session stands as before, and jobs are as they were."""
    client = broker.client("ann")
    job = client.open_job(3)
    rogue = broker.client("eve") if role == "client" else broker.worker("bob")
    pool = anything.Pool([job, client.instance], [bytes(32)])
    rng = Random(1)
    for kind in [kind for each, kind in NOT_THEIRS if each == role]:
        rogue.say(anything.message(kind, rng, pool), anything.payload(kind, rng))
        refused = rogue.hear(m.Refused)
        assert isinstance(refused, m.Refused)
        assert (refused.code, refused.fatal) == ("role", False), kind
    rogue.beat()
    listed = client.ask(m.ListJobs())
    assert isinstance(listed, m.Jobs)
    (line,) = [line for line in listed.jobs if line.job == job]
    assert (line.state, line.done, line.failed, line.total) == ("running", 0, 0, 3)
    client.say(m.Cancel(job))


@pytest.mark.slow
@pytest.mark.parametrize(("member", "role"), [("only a client", "worker"), ("only a worker", "client")])
def test_a_role_that_the_roster_does_not_give_is_refused(broker: Broker, member: str, role: str) -> None:
    peer = broker.peer(member, member.rpartition(" ")[2])
    refused = peer.hello(role)
    assert isinstance(refused, m.Refused)
    assert (refused.code, refused.fatal) == ("role", True)
    job = ident()
    for message in (m.ListJobs(), m.Cancel(job), m.Held([], 0), m.Draining()):
        assert isinstance(peer.ask(message), m.WhoAreYou)


@pytest.mark.slow
def test_both_doors_take_only_what_is_theirs(broker: Broker) -> None:
    bulk = broker.peer("ann", bulk=True)
    rng = Random(2)
    for kind in [kind for kind in m.MESSAGES if not (kind.bulk and kind.way == "peer>broker")]:
        bulk.raw(envelope.encode(anything.message(kind, rng, POOL), anything.payload(kind, rng)))
    bulk.say(m.Get(bytes(32), 0))
    answer = bulk.hear(m.Message)
    assert isinstance(answer, m.Chunk), "nothing else was answered"
    assert answer.size == -1
