"""Forgetting in a file: at once for whoever asks, little by little for the disk, and never more than was forgotten."""

from __future__ import annotations

import itertools
import os
from pathlib import Path

import pytest

from raisin_broker.records import About, JobForgotten, JobOpened, KeyCleared, PageAdded, ResultAdded
from raisin_broker.store import integrity, tidying
from raisin_broker.store.sql import SqlStore
from tests.broker.stores import A, B, F, G, all_of, commit, opened, page, plain, result, tag, tidied, tried

OF_JOBS = ("jobs", "functions", "pages", "results", "tried", "blobs", "recorded")


def counts(store: SqlStore) -> dict[str, int]:
    return {table: store._db.execute(f"SELECT COUNT(*) FROM {table}").fetchone()[0] for table in (*OF_JOBS, "keys")}


def large(job: bytes, pages: int, payload: bytes = b"x") -> list[JobOpened | PageAdded | ResultAdded]:
    about = About("host", "zoe")
    return [
        opened(job, resume="key"),
        *(PageAdded(job, at, at, 1, payload, [G], b"%016d" % at) for at in range(pages)),
        *(ResultAdded(job, at + 1, at, at + 1, [], 0, 1, about, payload, [(at, at + 1)]) for at in range(pages)),
    ]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "raisin.db"


@pytest.fixture
def store(path: Path) -> SqlStore:
    store = SqlStore(path)
    store.start()
    return store


def test_forgetting_costs_the_same_whatever_the_job_holds(store: SqlStore) -> None:
    commit(store, 1, *large(A, 5000), opened(B))
    before = counts(store)
    changes = store._db.total_changes
    commit(store, 2, JobForgotten(A), JobForgotten(B), KeyCleared("zoe", "key"))
    assert store._db.total_changes == changes + 3
    assert counts(store) == before
    assert store.start().jobs == store.start().keys == []
    store.close()


def test_tidying_deletes_so_many_rows_a_call_and_all_in_the_end(store: SqlStore, path: Path) -> None:
    commit(store, 1, *large(A, 5000, bytes(100)), tried(A), opened(B, G), page(B), result(B), tried(B))
    kept = all_of(store.start())[1][1]
    commit(store, 2, JobForgotten(A))
    size = store.size()
    calls, rows = 0, sum(counts(store).values())
    while store.tidy():
        calls += 1
        left = sum(counts(store).values())
        assert rows - left <= tidying.ROWS + 10
        rows = left
    assert calls > 15_000 / tidying.ROWS
    one = dict.fromkeys(OF_JOBS, 1) | {"recorded": 0, "keys": 1}
    assert counts(store) == one
    assert plain(store.start().jobs[0]) == kept
    assert store.function(F) is None
    store.close()
    assert path.stat().st_size < size / 5
    assert integrity.check(path) == []


def test_long_payloads_are_deleted_a_few_at_a_time(store: SqlStore) -> None:
    commit(store, 1, opened(A), *(PageAdded(A, at, at, 1, bytes(300_000), []) for at in range(20)))
    commit(store, 2, JobForgotten(A))
    left = [counts(store)["pages"]]
    while left[-1]:
        store.tidy()
        left.append(counts(store)["pages"])
    assert max(before - after for before, after in itertools.pairwise(left)) * 300_000 <= tidying.BYTES + 300_000
    store.close()


def test_many_small_jobs_are_deleted_together(store: SqlStore) -> None:
    names = [os.urandom(16) for _ in range(200)]
    for batch, job in enumerate(names):
        commit(store, batch, opened(job), page(job), result(job))
    commit(store, 1000, *map(JobForgotten, names))
    store.tidy()
    assert 0 < counts(store)["jobs"] < 150
    tidied(store)
    assert counts(store)["jobs"] == 0
    store.close()


def test_a_crash_between_two_calls_loses_nothing_else_and_it_goes_on(store: SqlStore, path: Path) -> None:
    commit(store, 1, *large(A, 3000), opened(B), page(B), result(B))
    commit(store, 2, JobForgotten(A), *large(A, 10))
    before = all_of(store.start())[1]
    for _ in range(100):
        more = store.tidy()
        store.close()
        store = SqlStore(path)
        assert all_of(store.start())[1] == before
        if not more:
            break
    found = counts(store)
    assert (found["jobs"], found["functions"], found["pages"], found["results"]) == (2, 1, 11, 11)
    assert (found["tried"], found["blobs"], found["recorded"], found["keys"]) == (0, 3, 10, 1)
    assert [recalled.job for recalled in store.recall("zoe", "key", b"%016d" % 7)] == [A]
    store.close()


def test_what_was_recorded_under_a_cleared_key_goes_and_the_rest_stays(store: SqlStore) -> None:
    commit(store, 1, *large(A, 3000), opened(B, resume="other"), page(B, tagged=True), result(B, kept=True))
    commit(store, 2, KeyCleared("zoe", "key"))
    tidied(store)
    assert (counts(store)["recorded"], counts(store)["keys"], counts(store)["pages"]) == (5, 1, 3001)
    assert [recalled.job for recalled in store.recall("zoe", "other", tag(0))] == [B]
    store.close()


def test_what_is_in_use_while_it_is_tidied_is_not_in_the_way(store: SqlStore) -> None:
    commit(store, 1, *large(A, 3000))
    commit(store, 2, JobForgotten(A))
    number, more = 0, True
    commit(store, 3, opened(B))
    while more:
        more = store.tidy()
        commit(store, number + 4, page(B, number), result(B, number + 1))
        number += 1
    job = store.start().jobs[0]
    assert (len(job.pages), len(job.arrivals)) == (number, number)
    assert store.page(B, number - 1) == page(B, number - 1).payload
    store.close()


def test_nothing_to_do_writes_nothing(store: SqlStore) -> None:
    commit(store, 1, opened())
    changes = store._db.total_changes
    assert store.tidy() is False
    assert store._db.total_changes == changes
    store.close()


def test_the_size_is_of_what_is_in_use(store: SqlStore, path: Path) -> None:
    empty = store.size()
    commit(store, 1, *large(A, 2000, bytes(1000)))
    assert store.size() - empty > 4_000_000
    commit(store, 2, JobForgotten(A))
    tidied(store)
    assert store.size() - empty < 50_000
    store.close()
    assert path.stat().st_size <= store_size(path) + 50_000


def store_size(path: Path) -> int:
    store = SqlStore(path)
    try:
        return store.size()
    finally:
        store.close()
