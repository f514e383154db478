"""One contract for every store."""

from __future__ import annotations

import pytest

from raisin_broker.records import (
    JobClosed,
    JobForgotten,
    JobMarked,
    JobOpened,
    JobUnwanted,
    LeasedUpTo,
    PageAdded,
    Stored,
    StoredJob,
    StoredPage,
    StoredResult,
    WorkerGone,
    WorkerSeen,
)
from raisin_broker.store.memory import MemoryStore
from raisin_core.errors import StoreError
from tests.broker.stores import A, AnyStore, B, F, G, Reopen, commit, only, opened, page, result, tried


def test_a_new_store_is_empty_and_counts_runs(store: AnyStore) -> None:
    assert store.start() == Stored(run=2, jobs=[], workers=[])
    assert store.start().run == 3
    assert store.page(A, 0) is store.result(A, 0) is store.function(F) is None


def test_everything_is_read_back_without_payloads(store: AnyStore) -> None:
    commit(store, 1, opened(), page(number=0), page(number=1, blobs=(G,)), result(arrival=1), WorkerSeen(B))
    commit(store, 2, result(arrival=2, blobs=(F,)), tried(), JobClosed(A, 20), LeasedUpTo(A, 12), JobUnwanted(A))
    commit(store, 3, JobMarked(A, "cancelled"), LeasedUpTo(A, 7))
    stored = store.start()
    first = opened()
    assert stored.workers == [B]
    assert only(stored) == StoredJob(
        opened=JobOpened(**{n: getattr(first, n) for n in first.__struct_fields__} | {"function_payload": b""}),
        total=20,
        state="cancelled",
        unwanted=True,
        leased_up_to=12,
        pages=[StoredPage(0, 10, []), StoredPage(10, 10, [G])],
        results=[
            StoredResult(1, 10, 20, [(10, 14), (15, 16)], 1, "zoe-laptop", "zoe", 0.25, [(11, 2)], False, []),
            StoredResult(2, 20, 30, [], 1, "zoe-laptop", "zoe", 0.25, [(21, 2)], False, [F]),
        ],
        tried=[tried()],
    )
    assert type(only(stored).unwanted) is type(only(stored).results[0].ruling) is bool


def test_an_open_job_has_no_total(store: AnyStore) -> None:
    commit(store, 1, opened())
    job = only(store.start())
    assert (job.total, job.state, job.unwanted, job.leased_up_to) == (None, "running", False, 0)


def test_jobs_and_workers_keep_their_order(store: AnyStore) -> None:
    commit(store, 1, opened(B), opened(A), WorkerSeen(B), WorkerSeen(A), WorkerSeen(B))
    stored = store.start()
    assert [job.opened.job for job in stored.jobs] == [B, A]
    assert stored.workers == [B, A]
    commit(store, 2, WorkerGone(B), WorkerSeen(B), WorkerGone(A))
    assert store.start().workers == [B]
    commit(store, 3, WorkerSeen(A), WorkerGone(A), WorkerSeen(A), WorkerGone(B))
    assert store.start().workers == [A]


def test_payloads_can_be_read_when_staged_and_when_committed(store: AnyStore) -> None:
    store.stage(1, [opened(), page(), result()])
    for _ in range(2):
        assert store.page(A, 0) == page().payload
        assert store.result(A, 1) == result().payload
        assert store.function(F) == opened().function_payload
        assert store.page(A, 1) is store.page(B, 0) is store.result(A, 0) is store.function(G) is None
        store.commit(1)


def test_an_empty_payload_is_one(store: AnyStore) -> None:
    nothing = PageAdded(A, 0, 0, 1, b"", [])
    store.stage(1, [opened(), nothing])
    assert store.page(A, 0) == b""
    store.commit(1)
    assert store.page(A, 0) == b""


def test_a_record_twice_is_a_record_once(store: AnyStore) -> None:
    records = [opened(), page(blobs=(G,)), result(), tried(), JobClosed(A, 10), JobMarked(A, "late"), LeasedUpTo(A, 3)]
    commit(store, 1, *records)
    before = store.start().jobs
    commit(store, 1, *records, *records)
    assert store.start().jobs == before
    assert store.page(A, 0) == page().payload


def test_attempts_are_kept_once_and_in_order(store: AnyStore) -> None:
    attempts = [tried(attempt="1.9"), tried(attempt="1.10"), tried(index=1), tried(attempt="1.9")]
    commit(store, 1, opened(), *attempts)
    commit(store, 2, *attempts, tried(index=0))
    assert only(store.start()).tried == [*attempts[:3], tried(index=0)]


def test_records_of_a_job_that_is_gone_change_nothing(store: AnyStore) -> None:
    commit(store, 1, page(blobs=(G,)), result(), tried(), JobClosed(A, 1), LeasedUpTo(A, 1), JobForgotten(A))
    assert store.page(A, 0) is store.result(A, 1) is None
    assert store.blobs_in_use() == set()
    commit(store, 2, opened())
    job = only(store.start())
    assert (job.pages, job.results, job.tried, job.total) == ([], [], [], None)


def test_the_order_within_a_batch_counts(store: AnyStore) -> None:
    commit(store, 1, opened(), page(number=0), JobForgotten(A), opened(), page(number=1), JobClosed(A, 9))
    job = only(store.start())
    assert (job.pages, job.total) == ([StoredPage(10, 10, [])], 9)
    assert store.page(A, 0) is None


def test_forgetting_deletes_what_nothing_else_uses(store: AnyStore) -> None:
    commit(store, 1, opened(A), opened(B), page(A, blobs=(G,)), page(B), result(A), tried(A), tried(B))
    assert store.page(A, 0) is not None
    commit(store, 2, JobForgotten(A))
    assert store.page(A, 0) is store.result(A, 1) is None
    assert store.blobs_in_use() == {B * 2}
    assert store.function(F) == opened().function_payload
    assert store.page(B, 0) == page(B).payload
    assert [only(store.start()).opened.job, only(store.start()).tried] == [B, [tried(B)]]
    commit(store, 3, JobForgotten(B), JobForgotten(B))
    assert store.function(F) is None
    assert store.blobs_in_use() == set()


def test_forgetting_all_that_share_a_function_at_once_deletes_it(store: AnyStore) -> None:
    commit(store, 1, opened(A), opened(B))
    commit(store, 2, JobForgotten(A), JobForgotten(B))
    assert store.function(F) is None


def test_blobs_of_functions_pages_and_results_are_in_use_from_staging_on(store: AnyStore) -> None:
    store.stage(1, [opened(), page(blobs=(F,)), result(blobs=(G, F))])
    assert store.blobs_in_use() == {A * 2, F, G}
    store.commit(1)
    assert store.blobs_in_use() == {A * 2, F, G}


def test_a_batch_that_was_never_staged_is_an_error(store: AnyStore) -> None:
    with pytest.raises(KeyError):
        store.commit(5)
    commit(store, 5)
    store.commit(5)


def test_a_commit_takes_along_what_was_left_behind(store: AnyStore) -> None:
    store.stage(2, [page(), JobClosed(A, 10)])
    store.stage(1, [opened()])
    store.commit(2)
    store.commit(1)
    assert only(store.start()).total == 10


# -- crashes and failures --------------------------------------------------------------------------------------------


def test_what_was_committed_survives_and_nothing_else(crashing: tuple[AnyStore, Reopen]) -> None:
    store, reopen = crashing
    commit(store, 1, opened(), page(number=0), result(), WorkerSeen(B), tried())
    store.stage(2, [page(number=1), JobClosed(A, 20), WorkerGone(B)])
    again = reopen(store)
    stored = again.start()
    assert (stored.run, stored.workers, only(stored).total) == (2, [B], None)
    assert only(stored).pages == [StoredPage(0, 10, [])]
    assert again.page(A, 0) == page().payload
    assert again.result(A, 1) == result().payload
    assert again.function(F) == opened().function_payload
    assert again.page(A, 1) is None


def test_a_memory_store_fails_on_demand() -> None:
    store = MemoryStore()
    store.fail_next = 2
    store.stage(1, [opened(), page()])
    for _ in range(2):
        with pytest.raises(StoreError, match="tried again"):
            store.commit(1)
        assert store.page(A, 0) == page().payload
        assert store.crash().start().jobs == []
    store.commit(1)
    assert only(store.crash().start()).pages == [StoredPage(0, 10, [])]


def test_a_crashed_memory_store_shares_nothing_with_the_next() -> None:
    store = MemoryStore()
    commit(store, 1, opened())
    again = store.crash()
    commit(again, 1, page(), result(), tried(), JobClosed(A, 10), WorkerSeen(B))
    assert (store.crash().start().workers, store.blobs_in_use()) == ([], {A * 2})
    job = only(store.start())
    assert (job.pages, job.results, job.tried, job.total) == ([], [], [], None)
