"""Whoever was removed and keeps its connections open goes on sending on them: nothing is answered, nothing changes."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from raisin_core import digests
from raisin_core import messages as m
from raisin_core.identity import founding
from raisin_core.messages import LeaseId
from tests.attacks.support import ENOUGH, FUNCTION, Peer, ident
from tests.closed.raw import Doors, doors_of
from tests.closed.support import Closed, closed
from tests.support import anything

pytestmark = pytest.mark.slow
BLOB, OTHER = b"somebody's blob", b"a new blob"
ROUNDS = 3


def state(data: Path) -> dict[str, object]:
    """All that the broker keeps, but logs."""
    database = sqlite3.connect(f"file:{data / 'raisin.db'}?mode=ro", uri=True)
    kept: dict[str, object] = {"database": list(database.iterdump())}
    database.close()
    for path in data.rglob("*"):
        if path.is_file() and not path.name.startswith(("raisin.db", "broker.log", "broker.lock")):
            kept[str(path)] = path.read_bytes()
    return kept


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Closed]:
    with closed(tmp_path) as made:
        made.admit("sam")
        made.begin()
        yield made


@pytest.fixture
def doors(cluster: Closed) -> Iterator[Doors]:
    with doors_of(cluster) as made:
        yield made


def leased(worker: Peer) -> LeaseId:
    worker.say(m.Held([], 0))
    lease = worker.hear(m.Lease)
    assert isinstance(lease, m.Lease)
    return lease.lease


def everything(job: bytes, lease: LeaseId, instance: bytes) -> Iterator[tuple[m.Message, bytes]]:
    """What a member can say, of what there is: random, and one honest report of the lease's tasks."""
    pool = anything.Pool([job, instance], [hashlib.sha256(BLOB).digest(), digests.content(FUNCTION)], [lease])
    rng = Random(5)
    yield m.Results(lease, job, 0, 4, 1.0), b"forged"
    yield m.Crashed(lease, job, 0, "crash", "no", 0), b""
    for kind in m.MESSAGES * ROUNDS:
        if kind.way.endswith(">broker") and not kind.bulk:
            yield anything.message(kind, rng, pool), anything.payload(kind, rng)


def test_a_removed_member_is_not_heard_on_open_connections(cluster: Closed, doors: Doors) -> None:
    anna = doors.peer(cluster.root.secrets.curve, "client")
    own = cluster.machines["sam"].secrets.curve
    sam, works, blobs = doors.peer(own, "client"), doors.peer(own, "worker", runs=["anna"]), doors.peer(own, bulk=True)
    job, gone = anna.open_job(4), sam.open_job(2)
    lease = leased(works)
    assert blobs.ask(m.Put(hashlib.sha256(BLOB).digest(), 0, len(BLOB)), BLOB) == m.Have(
        hashlib.sha256(BLOB).digest(), len(BLOB), True
    )
    profile = cluster.root.profile()
    book = founding.remove(profile.standing.book, cluster.root_seed, ["sam"], profile.keys, [1])
    assert isinstance(anna.ask(m.Publish(), book), m.Roster)
    for each in (sam, works):
        refused = each.hear(m.Refused)
        assert isinstance(refused, m.Refused)
        assert (refused.code, refused.fatal) == ("member", True)
    anna.beat()
    before = state(cluster.data)
    jobs = anna.ask(m.ListJobs(99))
    for peer in (sam, works):
        for said, payload in everything(job, lease, anna.instance):
            peer.say(said, payload)
    for said, payload in pieces():
        blobs.say(said, payload)
    for peer in (sam, works):
        refused = peer.ask(m.Hello(ident(), "client", "here", 1, roster=9))
        assert isinstance(refused, m.Refused)
        assert refused.code == "member"
        for kind, _ in heard(peer):
            assert isinstance(kind, m.Refused)
            assert kind.code == "member"
    assert blobs.hears_nothing(ENOUGH)
    anna.beat()
    assert anna.ask(m.ListJobs(99)) == jobs
    assert isinstance(jobs, m.Jobs)
    assert {line.job: (line.state, line.done) for line in jobs.jobs} == {job: ("running", 0), gone: ("cancelled", 0)}
    assert state(cluster.data) == before
    reader = doors.peer(cluster.root.secrets.curve, bulk=True)
    reader.say(m.Get(hashlib.sha256(OTHER).digest(), 0))
    assert reader.hear_all(m.Chunk) == (m.Chunk(hashlib.sha256(OTHER).digest(), 0, -1), b"")


def pieces() -> Iterator[tuple[m.Message, bytes]]:
    """What can be said at the door for blobs."""
    for content in (BLOB, OTHER):
        yield m.Get(hashlib.sha256(content).digest(), 0), b""
        yield m.Put(hashlib.sha256(content).digest(), 0, len(content)), content
        yield m.Put(hashlib.sha256(content).digest(), 0, len(content) + 1), content


def heard(peer: Peer) -> list[tuple[m.Message, bytes]]:
    """All that came up to now."""
    found = []
    while not peer.hears_nothing(ENOUGH):
        found.append(peer.hear_all(m.Message))
    return found
