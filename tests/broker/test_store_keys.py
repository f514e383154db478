"""Resumption: what is recorded under a key, whose it is, and when it goes."""

from __future__ import annotations

import msgspec
import pytest

from raisin_broker.records import (
    About,
    JobForgotten,
    JobOpened,
    KeyCleared,
    PageAdded,
    Recalled,
    ResultAdded,
    Source,
    StoredKey,
    StoredResult,
)
from tests.broker.stores import (
    A,
    AnyStore,
    B,
    F,
    G,
    commit,
    only,
    opened,
    page,
    result,
    sourced,
    tag,
    tidied,
)

KEY = "lärm 3'; --"
TAGS = b"".join(map(tag, range(20)))


def first(job: bytes = A) -> list[JobOpened | PageAdded | ResultAdded]:
    """A job under the key; its result page 1 has tasks 0 to 3 and 5, page 2 all of 10 to 19."""
    pages = [page(job, number, tagged=True) for number in range(3)]
    return [opened(job, resume=KEY), *pages, result(job, 1, kept=True), result(job, 2, kept=True)]


def found(store: AnyStore, account: str = "zoe", key: str = KEY) -> list[int]:
    return [recalled.at for recalled in store.recall(account, key, TAGS)]


def count(store: AnyStore) -> int:
    return int(msgspec.msgpack.decode(store.key("zoe", KEY))[0])


KEPT = [0, 1, 2, 3, 5, *range(10, 20)]


def test_what_succeeded_is_found_by_its_tag_in_any_order(store: AnyStore) -> None:
    commit(store, 1, *first())
    asked = [17, 4, 3, 99, 3]
    tags = b"".join(map(tag, asked[:3])) + b"?" * 16 + tag(3)
    expected = [Recalled(0, A, 2, 17), Recalled(2, A, 1, 3), Recalled(4, A, 1, 3)]
    assert store.recall("zoe", KEY, tags) == expected
    assert (found(store), count(store)) == (KEPT, 15)


def test_a_page_of_many_tasks_is_asked_for_at_once(store: AnyStore) -> None:
    tags = b"".join(b"%016d" % at for at in range(4096))
    whole = ResultAdded(A, 1, 0, 4096, [], 0, 1, About("h", "m"), b"payload", [(0, 4096)])
    commit(store, 1, opened(resume=KEY), PageAdded(A, 0, 0, 4096, b"", [], tags), whole)
    assert store.recall("zoe", KEY, tags) == [Recalled(at, A, 1, at) for at in range(4096)]


def test_only_what_is_committed_is_recalled(store: AnyStore) -> None:
    store.stage(1, first())
    assert (found(store), count(store)) == ([], 0)
    store.commit(1)
    assert found(store) == KEPT


def test_a_key_is_of_its_account_and_has_its_own_results(store: AnyStore) -> None:
    other = msgspec.structs.replace(opened(B, resume=KEY, fingerprint=b"other"), account="ann")
    commit(store, 1, *first(), other, page(B, tagged=True), result(B, kept=True))
    assert store.start().keys == [StoredKey("zoe", KEY, b"print"), StoredKey("ann", KEY, b"other")]
    assert [item.job for item in store.recall("ann", KEY, TAGS)] == [B] * 5
    assert found(store, key="another") == found(store, account="bob") == []
    assert msgspec.msgpack.decode(store.key("ann", KEY)) == [5, b"parts of other"]
    assert msgspec.msgpack.decode(store.key("bob", KEY)) == [0, b""]


def test_a_job_without_a_key_records_nothing(store: AnyStore) -> None:
    commit(store, 1, opened(), page(tagged=True), result(kept=True), opened(B, resume=KEY))
    assert (found(store), count(store)) == ([], 0)
    assert store.start().keys == [StoredKey("zoe", KEY, b"print")]


def test_what_is_not_kept_is_not_recorded(store: AnyStore) -> None:
    commit(store, 1, opened(resume=KEY), page(tagged=True), result(kept=False))
    assert found(store) == []


def test_the_first_result_of_a_tag_stays(store: AnyStore) -> None:
    commit(store, 1, *first())
    commit(store, 2, opened(B, resume=KEY), page(B, tagged=True), result(B, kept=True))
    commit(store, 3, result(A, 3, kept=True))  # tasks 20 to 23 and 25 have the arguments of 0 to 3 and 5
    assert [(item.job, item.index) for item in store.recall("zoe", KEY, TAGS)] == [(A, at) for at in KEPT]


def test_clearing_a_key_forgets_what_was_recorded(store: AnyStore) -> None:
    commit(store, 1, *first())
    commit(store, 2, KeyCleared("zoe", KEY))
    assert (found(store), count(store), store.start().keys) == ([], 0, [])
    commit(store, 3, opened(B, resume=KEY, fingerprint=b"new"), page(B, tagged=True), result(B, kept=True))
    commit(store, 4, result(A, 3, kept=True))  # of the old function
    tidied(store)
    assert [item.job for item in store.recall("zoe", KEY, TAGS)] == [B] * 5
    assert store.start().keys == [StoredKey("zoe", KEY, b"new")]
    assert msgspec.msgpack.decode(store.key("zoe", KEY)) == [5, b"parts of new"]
    commit(store, 5, KeyCleared("ann", KEY), KeyCleared("zoe", "another"))
    assert count(store) == 5


@pytest.mark.parametrize("clean", [False, True])
def test_what_a_forgotten_job_recorded_gives_way(store: AnyStore, clean: bool) -> None:
    commit(store, 1, *first(), JobForgotten(A))
    if clean:
        tidied(store)
    assert (found(store), count(store)) == ([], 0)
    commit(store, 2, opened(B, resume=KEY), page(B, tagged=True), result(B, kept=True))
    tidied(store)
    assert [item.job for item in store.recall("zoe", KEY, TAGS)] == [B] * 5


def test_a_result_with_a_source_comes_with_what_that_says(store: AnyStore) -> None:
    source = Source(A, 2, 12)
    commit(store, 1, *first())
    store.stage(2, [opened(B, resume=KEY), page(B, tagged=True), sourced(source)])
    about = result(A, 2).about
    for _ in range(2):
        expected = StoredResult(1, 0, 10, [], 1, about, result(A, 2).payload, source, (10, 20))
        assert store.result(B, 1) == expected
        store.commit(2)
    job = store.start().jobs[1]
    assert (job.sources, list(job.done)) == ({A}, [(0, 10)])
    assert [item.job for item in store.recall("zoe", KEY, TAGS)] == [A] * 15  # it is not recorded again


def test_a_source_that_is_gone_leaves_no_result(store: AnyStore) -> None:
    commit(store, 1, opened(B), page(B), sourced(Source(A, 2, 12)))
    assert store.result(B, 1) is None
    assert only(store.start()).sources == {A}


def test_blobs_of_a_source_are_in_use(store: AnyStore) -> None:
    commit(store, 1, opened(A), page(A), result(A, 1, blobs=(G, F)), opened(B), page(B), sourced(Source(A, 1, 0)))
    assert {F, G} < store.blobs_in_use()
