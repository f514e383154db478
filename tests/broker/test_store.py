"""One contract for every store."""

from __future__ import annotations

import msgspec
import pytest

from raisin_broker.records import (
    About,
    JobClosed,
    JobForgotten,
    JobMarked,
    JobUnwanted,
    LeasedUpTo,
    PageAdded,
    Stored,
    StoredResult,
    WorkerGone,
    WorkerSeen,
)
from raisin_broker.store.memory import MemoryStore
from raisin_core.errors import StoreError
from tests.broker.stores import (
    A,
    AnyStore,
    B,
    F,
    G,
    Reopen,
    commit,
    jobs,
    only,
    opened,
    page,
    plain,
    result,
    tidied,
    tried,
)


def test_a_new_store_is_empty_and_counts_runs(store: AnyStore) -> None:
    assert store.start() == Stored(run=2, jobs=[], workers=[])
    assert store.start().run == 3
    assert store.page(A, 0) is store.result(A, 0) is store.function(F) is None


def test_everything_is_read_back_without_payloads(store: AnyStore) -> None:
    commit(store, 1, opened(), page(number=0), page(number=1, blobs=(G,)), result(arrival=1), WorkerSeen(B))
    commit(store, 2, result(arrival=2, blobs=(F,)), tried(), JobClosed(A, 20), LeasedUpTo(A, 12), JobUnwanted(A))
    commit(store, 3, JobMarked(A, "cancelled", 77.5), LeasedUpTo(A, 7))
    stored = store.start()
    assert stored.workers == [B]
    assert plain(only(stored)) == {
        "opened": msgspec.structs.replace(opened(), function_payload=b""),
        "total": 20,
        "state": "cancelled",
        "ended": 77.5,
        "unwanted": True,
        "leased_up_to": 12,
        "pages": [(0, 10, []), (10, 10, [G])],
        "arrivals": [(0, 10), (10, 20)],
        "done": [(0, 4), (5, 6), (10, 20)],
        "failed": 2,
        "runs": [(1, 1)],
        "sources": set(),
        "tried": [tried()],
    }
    assert type(only(stored).unwanted) is bool


def test_a_result_page_is_read_back_with_what_readers_are_told(store: AnyStore) -> None:
    odd, even = result(arrival=3, blobs=(G,)), result(arrival=2)
    expected = [
        StoredResult(
            3, 20, 30, [(20, 24), (25, 26)], 1, About("zoe-laptop", "zoe", 0.25, [(21, 2)], True, [G]), odd.payload
        ),
        StoredResult(2, 10, 20, [], 1, About("zoe-laptop", "zoe", 0.25, [(11, 2)]), even.payload),
    ]
    store.stage(1, [opened(), *(page(number=number) for number in range(3)), result(), even, odd])
    assert [store.result(A, 3), store.result(A, 2)] == expected
    store.commit(1)
    assert [store.result(A, 3), store.result(A, 2)] == expected


def test_runs_say_which_result_pages_are_whose(store: AnyStore) -> None:
    runs = [1, 1, 2, 4, 4]
    pages = (page(number=number) for number in range(5))
    commit(store, 1, opened(), *pages, *(result(arrival=at, run=run) for at, run in enumerate(runs, 1)))
    assert only(store.start()).runs == [(1, 1), (3, 2), (4, 4)]


def test_an_open_job_has_no_total(store: AnyStore) -> None:
    commit(store, 1, opened())
    job = only(store.start())
    assert (job.total, job.state, job.ended, job.unwanted, job.leased_up_to) == (None, "running", 0.0, False, 0)


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
        found = store.result(A, 1)
        assert found is not None
        assert found.payload == result().payload
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
    records = [
        *(opened(), page(blobs=(G,)), result(), tried(), JobClosed(A, 10)),
        *(JobMarked(A, "late", 9.0), LeasedUpTo(A, 3)),
    ]
    commit(store, 1, *records)
    before = jobs(store.start())
    commit(store, 1, *records, *records)
    assert jobs(store.start()) == before
    assert store.page(A, 0) == page().payload


def test_attempts_are_kept_once_and_in_order(store: AnyStore) -> None:
    attempts = [tried(attempt="1.9"), tried(attempt="1.10"), tried(index=1), tried(attempt="1.9")]
    commit(store, 1, opened(), *attempts)
    commit(store, 2, *attempts, tried(index=0))
    assert only(store.start()).tried == [*attempts[:3], tried(index=0)]


def empty(store: AnyStore) -> bool:
    job = only(store.start())
    return (len(job.pages), len(job.arrivals), job.tried, job.total) == (0, 0, [], None)


def test_records_of_a_job_that_is_gone_change_nothing(store: AnyStore) -> None:
    commit(store, 1, page(blobs=(G,)), result(), tried(), JobClosed(A, 1), LeasedUpTo(A, 1), JobForgotten(A))
    assert store.page(A, 0) is store.result(A, 1) is None
    assert store.blobs_in_use() == set()
    commit(store, 2, opened())
    assert empty(store)


def test_the_order_within_a_batch_counts(store: AnyStore) -> None:
    commit(store, 1, opened(), page(), page(number=1), JobForgotten(A), opened(), page(), JobClosed(A, 9))
    job = plain(only(store.start()))
    assert (job["pages"], job["total"]) == ([(0, 10, [])], 9)
    assert store.page(A, 1) is None


# -- forgetting and tidying ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("clean", [False, True])
def test_forgetting_hides_what_nothing_else_uses(store: AnyStore, clean: bool) -> None:
    commit(store, 1, opened(A), opened(B), page(A, blobs=(G,)), page(B), result(A), tried(A), tried(B))
    assert store.page(A, 0) is not None
    commit(store, 2, JobForgotten(A))
    if clean:
        tidied(store)
    assert store.page(A, 0) is store.result(A, 1) is None
    assert store.blobs_in_use() == {B * 2}
    assert store.function(F) == opened().function_payload
    assert store.page(B, 0) == page(B).payload
    assert [only(store.start()).opened.job, only(store.start()).tried] == [B, [tried(B)]]
    commit(store, 3, JobForgotten(B), JobForgotten(B))
    if clean:
        tidied(store)
    assert store.function(F) is None
    assert store.blobs_in_use() == set()


def test_forgetting_all_that_share_a_function_at_once_hides_it(store: AnyStore) -> None:
    commit(store, 1, opened(A), opened(B))
    commit(store, 2, JobForgotten(A), JobForgotten(B))
    assert store.function(F) is None


def test_a_job_opened_again_is_another_before_and_after_tidying(store: AnyStore) -> None:
    commit(store, 1, opened(A), page(A), result(A), tried(A))
    commit(store, 2, JobForgotten(A), opened(A))
    assert empty(store)
    commit(store, 3, page(A), tried(A, 5))
    before = jobs(store.start())
    tidied(store)
    assert jobs(store.start()) == before
    assert (store.page(A, 0), store.result(A, 1)) == (page(A).payload, None)
    assert store.function(F) == opened().function_payload


def test_tidying_makes_the_store_smaller(store: AnyStore) -> None:
    commit(store, 1, opened(), page())
    before = store.size()
    commit(store, 2, opened(B), *(PageAdded(B, at, at, 1, bytes(10_000), []) for at in range(30)))
    assert store.size() >= before + 300_000
    commit(store, 3, JobForgotten(B))
    assert store.size() >= before + 300_000
    tidied(store)
    assert store.size() <= before + 50_000
    assert store.tidy() is False
    assert store.page(A, 0) == page().payload


def test_blobs_of_functions_pages_and_results_are_in_use_from_staging_on(store: AnyStore) -> None:
    store.stage(1, [opened(), page(blobs=(F,)), result(blobs=(G, F))])
    assert store.blobs_in_use() == {A * 2, F, G}
    store.commit(1)
    assert store.blobs_in_use() == {A * 2, F, G}


# -- batches ---------------------------------------------------------------------------------------------------------


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
    before = store.result(A, 1)
    store.stage(2, [page(number=1), JobClosed(A, 20), WorkerGone(B)])
    again = reopen(store)
    stored = again.start()
    assert (stored.run, stored.workers, only(stored).total) == (2, [B], None)
    assert plain(only(stored))["pages"] == [(0, 10, [])]
    assert again.page(A, 0) == page().payload
    assert again.result(A, 1) == before is not None
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
    assert plain(only(store.crash().start()))["pages"] == [(0, 10, [])]


def test_a_crashed_memory_store_shares_nothing_with_the_next() -> None:
    store = MemoryStore()
    commit(store, 1, opened(resume="key"))
    again = store.crash()
    commit(again, 1, page(tagged=True), result(kept=True), tried(), JobClosed(A, 10), WorkerSeen(B))
    assert (store.crash().start().workers, store.blobs_in_use()) == ([], {A * 2})
    assert empty(store)
    assert msgspec.msgpack.decode(store.key("zoe", "key"))[0] == 0
    assert msgspec.msgpack.decode(again.key("zoe", "key"))[0] == 5
