"""Retention, whatever the jobs are like: nothing goes that somebody needs, nor anything younger in its place."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raisin_broker.retention import Retention
from raisin_broker.state import Job
from tests.broker.keeping import ANN, BOB, HOUR, Kept, leave

AT_MOST = 8
WAYS = ("idle", "idle", "watched", "held", "recalling", "waiting")
MADE = st.lists(
    st.tuples(st.sampled_from(WAYS), st.integers(0, 5), st.sets(st.integers(0, AT_MOST - 1), max_size=3)),
    min_size=1,
    max_size=AT_MOST,
)


def made(given_jobs: list[tuple[str, int, set[int]]], most: int, seconds: float) -> tuple[Kept, dict[bytes, str]]:
    """Jobs in these ways, idle since so many hours, with results for each other."""
    kept = Kept(seconds=seconds, most=most)
    kept.here(ANN)
    kept.here(BOB)
    kept.turn()
    jobs: list[Job] = []
    for way, _, _ in given_jobs:
        who = BOB if way == "held" else ANN
        jobs.append(kept.open(who) if way == "waiting" else kept.ended(who))
    leave(kept)
    kept.turn()
    kept.now += 10 * HOUR
    for job, (way, hours, sources) in zip(jobs, given_jobs):
        job.ended_at = 1e9 + kept.now - hours * HOUR - 1.0 if job.ended else 0.0
        job.touched = 1e9 + kept.now - hours * HOUR - 1.0
        job.sources = {jobs[source].id for source in sources if source < len(jobs)}
        if way == "watched":
            job.watchers[b"somebody"] = None
        if way == "recalling":
            job.recalling[0] = None  # type: ignore[assignment]
    return kept, {job.id: way for job, (way, _, _) in zip(jobs, given_jobs)}


def needed(jobs: dict[bytes, Job], ways: dict[bytes, str]) -> set[bytes]:
    """What is in use, and what holds results for it."""
    found = {name for name in jobs if ways[name] != "idle"}
    while more := {source for name in found for source in jobs[name].sources if source in jobs} - found:
        found |= more
    return found


@given(jobs=MADE, rounds=st.integers(1, 4), used=st.integers(1001, 5000))
def test_too_much(jobs: list[tuple[str, int, set[int]]], rounds: int, used: int) -> None:
    kept, ways = made(jobs, most=1000, seconds=1e9)
    before = dict(kept.jobs)
    stays = needed(before, ways)
    for _ in range(rounds):
        kept.room_is(used)
    assert not stays & set(kept.gone)
    for job in kept.jobs.values():
        assert not job.sources & set(kept.gone), "half of its results are gone"
    assert len(kept.gone) >= min(rounds, 1, len(before) - len(stays))
    oldest = min((before[name].ended_at for name in before.keys() - stays), default=0.0)
    alone = [job for job in before.values() if not any(job.id in other.sources for other in before.values())]
    first = [job for job in alone if job.id not in stays and job.ended_at == oldest]
    if len(first) == 1 and len([j for j in before.values() if j.ended_at <= oldest and j.ended]) == 1:
        assert first[0].id in kept.gone, "the oldest, which nobody needs, goes first"


@given(jobs=MADE, hours=st.integers(1, 6))
def test_too_old(jobs: list[tuple[str, int, set[int]]], hours: int) -> None:
    kept, ways = made(jobs, most=0, seconds=hours * HOUR + 0.5)
    before = dict(kept.jobs)
    young = {
        name: "young" if job.ended_at > 1e9 + kept.now - hours * HOUR - 0.5 else ways[name]
        for name, job in before.items()
    }
    kept.turn()
    assert set(kept.gone) == before.keys() - needed(before, young), "all that is old and only needed by what is old"


@pytest.mark.parametrize("over", [False, True])
def test_each_job_is_looked_at_once_and_only_where_there_is_too_much(
    over: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It happens every second."""
    kept = Kept()
    kept.check = False
    kept.here(ANN)
    jobs = [kept.ended() for _ in range(300)]
    for job in jobs:
        job.sources = {jobs[0].id, jobs[-1].id}
    looked: list[Job] = []
    real = Retention._forgettable
    monkeypatch.setattr(Retention, "_forgettable", lambda self, job: looked.append(job) or real(self, job))
    kept.room_is(1001 if over else 1000)
    assert len(looked) == (len(jobs) if over else 0)
