"""One contract for every store, and what only a file has: crashes, other versions, damage, rights."""

from __future__ import annotations

import os
import sqlite3
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raisin_broker.records import (
    JobClosed,
    JobForgotten,
    JobMarked,
    JobOpened,
    JobUnwanted,
    LeasedUpTo,
    PageAdded,
    Record,
    ResultAdded,
    Stored,
    StoredJob,
    StoredPage,
    StoredResult,
    Tried,
    WorkerGone,
    WorkerSeen,
)
from raisin_broker.store import opening, schema
from raisin_broker.store.base import Store, StoreError
from raisin_broker.store.memory import MemoryStore
from raisin_broker.store.sql import SqlStore
from raisin_broker.store.staging import ENTRY, Cache
from raisin_core.messages import Options

A, B = b"a" * 16, b"b" * 16
F, G = b"f" * 32, b"g" * 32
AnyStore = SqlStore | MemoryStore
Reopen = Callable[[AnyStore], AnyStore]


def opened(job: bytes = A, function: bytes = F) -> JobOpened:
    return JobOpened(
        job=job,
        owner="zoe",
        instance=b"i" * 16,
        form="scan",
        name="näme",
        function=function,
        function_payload=b"code of " + function,
        function_blobs=[job * 2],
        options=Options(retries=2, deadline=1.5, where=["cluster"]),
        context=b"c" * 32,
        shape=[2, 3],
        opened=1234.5,
    )


def page(job: bytes = A, number: int = 0, blobs: tuple[bytes, ...] = ()) -> PageAdded:
    return PageAdded(job, number, number * 10, 10, b"page %d of %s" % (number, job), list(blobs))


def result(job: bytes = A, arrival: int = 1, blobs: tuple[bytes, ...] = ()) -> ResultAdded:
    return ResultAdded(
        job=job,
        arrival=arrival,
        start=arrival * 10,
        stop=arrival * 10 + 10,
        won=[(arrival * 10, arrival * 10 + 4), (arrival * 10 + 5, arrival * 10 + 6)] if arrival % 2 else [],
        failed=1,
        host="zoe-laptop",
        member="zoe",
        queued=0.25,
        retried=[(arrival * 10 + 1, 2)],
        ruling=arrival % 3 == 0,
        payload=b"result %d of %s" % (arrival, job),
        blobs=list(blobs),
    )


def tried(job: bytes = A, index: int = 3, attempt: str = "1.7") -> Tried:
    return Tried(job, index, attempt, "crash", "zoe-laptop", "slot 1", "SIGSEGV")


def commit(store: Store, batch: int, *records: Record) -> None:
    store.stage(batch, records)
    store.commit(batch)


def only(stored: Stored) -> StoredJob:
    (job,) = stored.jobs
    return job


@pytest.fixture(params=["file", "memory file", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[AnyStore]:
    made: dict[str, Callable[[], AnyStore]] = {
        "file": lambda: SqlStore(tmp_path / "state" / "raisin.db"),
        "memory file": lambda: SqlStore(":memory:"),
        "memory": MemoryStore,
    }
    store = made[request.param]()
    store.start()
    yield store
    store.close()


@pytest.fixture(params=["file", "memory"])
def crashing(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[AnyStore, Reopen]]:
    """A store, and how the next process finds it when this one ends without closing it."""
    stores: list[AnyStore] = []

    def reopen(store: AnyStore) -> AnyStore:
        again = store.crash() if isinstance(store, MemoryStore) else SqlStore(tmp_path / "raisin.db")
        stores.append(again)
        return again

    stores.append(SqlStore(tmp_path / "raisin.db") if request.param == "file" else MemoryStore())
    stores[0].start()
    yield stores[0], reopen
    for store in stores:
        store.close()


# -- the contract ----------------------------------------------------------------------------------------------------


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


def test_a_locked_file_fails_and_then_works(tmp_path: Path) -> None:
    store, path = SqlStore(tmp_path / "raisin.db", patience=0.0), tmp_path / "raisin.db"
    store.start()
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    store.stage(1, [opened(), page()])
    with pytest.raises(StoreError, match=r"raisin\.db: database is locked; another program .* tried again"):
        store.commit(1)
    assert store.page(A, 0) == page().payload
    other.execute("ROLLBACK")
    other.close()
    store.commit(1)
    store.close()
    again = SqlStore(path)
    assert only(again.start()).pages == [StoredPage(0, 10, [])]
    again.close()


def test_a_full_database_fails_whole_and_then_works(tmp_path: Path) -> None:
    store = SqlStore(tmp_path / "raisin.db")
    store.start()
    commit(store, 1, opened())
    size: int = store._db.execute("PRAGMA page_count").fetchone()[0]
    store._db.execute(f"PRAGMA max_page_count = {size}")
    big = PageAdded(A, 1, 10, 1, bytes(100_000), [])
    store.stage(2, [JobClosed(A, 11), page(number=0), big])
    with pytest.raises(StoreError, match=r"is full; free some space .* tried again"):
        store.commit(2)
    assert store.page(A, 1) == big.payload
    assert (only(store.start()).pages, only(store.start()).total) == ([], None)
    store._db.execute("PRAGMA max_page_count = 100000")
    store.commit(2)
    assert (len(only(store.start()).pages), only(store.start()).total) == (2, 11)
    store.close()


def test_a_disk_that_takes_no_more_fails_whole_and_then_works(tmp_path: Path) -> None:
    store = SqlStore(tmp_path / "raisin.db")
    store.start()
    big = PageAdded(A, 0, 0, 1, bytes(2_000_000), [])
    store.stage(1, [opened(), big])
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, hard))
    try:
        with pytest.raises(StoreError, match=r"tried again"):
            store.commit(1)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert store.start().jobs == []
    store.commit(1)
    store.close()
    again = SqlStore(tmp_path / "raisin.db")
    assert again.page(A, 0) == big.payload
    again.close()


KILLED = """
import sys
from tests.broker.test_store import *
store = SqlStore(Path(sys.argv[1]))
store.start()
commit(store, 1, opened(), page(), result())
store.stage(2, [page(number=1)])
print("committed", flush=True)
sys.stdin.read()
"""


def test_what_was_committed_survives_kill_9(tmp_path: Path) -> None:
    path, root = tmp_path / "raisin.db", Path(__file__).parents[2]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, [str(root), *sys.path]))}
    with subprocess.Popen(
        [sys.executable, "-c", KILLED, str(path)],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as child:
        assert child.stdout
        assert child.stdout.readline() == "committed\n"
        child.kill()
    store = SqlStore(path)
    stored = store.start()
    assert (stored.run, len(only(stored).pages), len(only(stored).results)) == (2, 1, 1)
    assert store.page(A, 0) == page().payload
    store.close()


# -- two implementations, one behaviour --------------------------------------------------------------------------------

jobs = st.sampled_from([A, B])
numbers = st.integers(0, 3)
# What a number stands for never changes (it is sent again byte for byte), so contents follow from the key.
records = st.one_of(
    st.builds(lambda job: opened(job, F), jobs),
    st.builds(lambda job, number: page(job, number, (G, F)[: number % 3]), jobs, numbers),
    st.builds(lambda job, arrival: result(job, arrival, (F,) * (arrival % 2)), jobs, numbers),
    st.builds(JobClosed, jobs, numbers),
    st.builds(JobMarked, jobs, st.sampled_from(["done", "cancelled", "late"])),
    st.builds(JobForgotten, jobs),
    st.builds(JobUnwanted, jobs),
    st.builds(LeasedUpTo, jobs, numbers),
    st.builds(tried, jobs, numbers, st.sampled_from(["1.1", "1.2"])),
    st.builds(WorkerSeen, jobs),
    st.builds(WorkerGone, jobs),
)
batches = st.lists(st.tuples(st.lists(records, max_size=12), st.booleans()), max_size=6)


def seen(store: AnyStore) -> dict[str, object]:
    return {
        "pages": {(job, number): store.page(job, number) for job in (A, B) for number in range(4)},
        "results": {(job, number): store.result(job, number) for job in (A, B) for number in range(4)},
        "function": store.function(F),
        "blobs": store.blobs_in_use(),
    }


@settings(max_examples=150, deadline=None, database=None)
@given(batches)
def test_stores_agree(history: list[tuple[list[Record], bool]]) -> None:
    small = SqlStore(":memory:", cache=2 * ENTRY + 60)  # so that pages come from the cache and from the database
    stores: list[AnyStore] = [small, MemoryStore()]
    try:
        assert stores[0].start() == stores[1].start()
        for batch, (content, committed) in enumerate(history):
            for store in stores:
                store.stage(batch, content)
            assert seen(stores[0]) == seen(stores[1])
            if committed:
                for store in stores:
                    store.commit(batch)
                assert seen(stores[0]) == seen(stores[1])
        assert stores[0].start() == stores[1].start()
    finally:
        small.close()


# -- the file ----------------------------------------------------------------------------------------------------------


def test_the_ddl_is_the_schemas() -> None:
    assert Path(schema.__file__).with_name("ddl.sql").read_bytes() == schema.ddl().encode()


def test_sqlalchemy_is_not_needed_to_start() -> None:
    code = "import sys; from raisin_broker.store.sql import SqlStore as S; s = S(':memory:'); s.start(); s.close()"
    code += "; sys.exit('sqlalchemy' in sys.modules)"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)


def test_files_are_for_their_owner_only(tmp_path: Path) -> None:
    store = SqlStore(tmp_path / "state" / "raisin.db")
    store.start()
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "state").iterdir()}
    assert modes == dict.fromkeys(["raisin.db", "raisin.db-wal", "raisin.db-shm"], 0o600)
    assert stat.S_IMODE((tmp_path / "state").stat().st_mode) == 0o700
    store.close()


def test_a_start_that_was_cut_short_is_begun_again(tmp_path: Path) -> None:
    (tmp_path / "raisin.db").touch()
    store = SqlStore(tmp_path / "raisin.db")
    assert store.start().run == 1
    store.close()


def full(path: Path) -> None:
    store = SqlStore(path)
    store.start()
    commit(store, 1, opened(), *(PageAdded(A, number, number, 1, bytes(20_000), []) for number in range(50)))
    store.close()


def begin(path: Path) -> None:
    store = SqlStore(path)
    try:
        store.start()
    finally:
        store.close()


@pytest.mark.parametrize(
    ("pragma", "says"),
    [
        (f"user_version = {opening.VERSION + 1}", "newer raisin .* upgrade raisin-broker"),
        ("application_id = 7", "another program; choose another data directory"),
    ],
)
def test_what_is_not_ours_is_left_as_it_is(tmp_path: Path, pragma: str, says: str) -> None:
    path = tmp_path / "raisin.db"
    full(path)
    db = sqlite3.connect(path)
    db.execute(f"PRAGMA {pragma}")
    db.close()
    before = path.read_bytes()
    with pytest.raises(StoreError, match=f"raisin.db: .*{says}"):
        SqlStore(path)
    assert path.read_bytes() == before


@pytest.mark.parametrize("keep", [100, 30_000])
def test_a_damaged_file_is_left_as_it_is(tmp_path: Path, keep: int) -> None:
    path = tmp_path / "raisin.db"
    full(path)
    content = path.read_bytes()[:keep] if keep > 100 else b"not what you think" * 100
    path.write_bytes(content)
    with pytest.raises(StoreError, match=r"raisin\.db: .* damaged.* left as it is\. Restore a copy, or move it away"):
        begin(path)
    assert path.read_bytes() == content


def test_a_damage_inside_is_found(tmp_path: Path) -> None:
    path = tmp_path / "raisin.db"
    full(path)
    content = bytearray(path.read_bytes())
    content[4096 : len(content)] = b"\xa5" * (len(content) - 4096)
    path.write_bytes(content)
    with pytest.raises(StoreError, match=r"raisin\.db: .* damaged"):
        begin(path)


def test_a_damaged_column_is_found_when_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "raisin.db"
    full(path)
    db = sqlite3.connect(path)
    with db:
        db.execute("UPDATE jobs SET options = x'c1'")
    db.close()
    with pytest.raises(StoreError, match=r"raisin\.db: .* damaged"):
        begin(path)


def test_a_path_that_cannot_be_one(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path in (tmp_path, tmp_path / "file" / "raisin.db"):
        with pytest.raises(StoreError, match="cannot be opened"):
            SqlStore(path)


DENIED = """
import os, sys
if os.geteuid() == 0:
    os.setgid(65534); os.setuid(65534)
from pathlib import Path
from raisin_broker.store.base import StoreError
try:
    SqlStore(Path(sys.argv[1])).start()
except StoreError as error:
    print(error)
"""


@pytest.fixture
def shared() -> Iterator[Path]:
    """A directory that other users can reach (they may not enter pytest's)."""
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)
        Path(name).chmod(0o700)


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="needs the rights of POSIX")
@pytest.mark.parametrize("present", [False, True])
def test_a_directory_that_may_only_be_read(shared: Path, present: bool) -> None:
    path = shared / "raisin.db"
    if present:
        full(path)
        path.chmod(0o444)
    shared.chmod(0o555)
    code = "from raisin_broker.store.sql import SqlStore\n" + DENIED  # imported before the rights are given up
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, "-c", code, str(path)]
    out = subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout
    assert f"{path}: " in out
    assert sorted(shared.iterdir()) == [path] * present
    assert "writable for this user, or choose another data directory" in out


def test_a_closed_store_says_so(tmp_path: Path) -> None:
    store = SqlStore(tmp_path / "raisin.db")
    store.close()
    with pytest.raises(StoreError, match="closed"):
        store.page(A, 0)


# -- the cache ---------------------------------------------------------------------------------------------------------


def test_the_cache_keeps_what_was_used_last() -> None:
    cache = Cache(3 * (ENTRY + 10))
    for number in range(3):
        cache.put(("page", A, number), bytes(10))
    assert cache.get(("page", A, 0)) == bytes(10)
    cache.put(("page", B, 9), bytes(10))
    assert [cache.get(("page", A, number)) is None for number in range(3)] == [False, True, False]
    cache.put(("page", B, 1), bytes(10_000))
    assert cache.get(("page", B, 1)) is None
    cache.forget(A)
    assert cache.get(("page", A, 0)) is cache.get(("page", A, 2)) is None
    assert cache.get(("page", B, 9)) == bytes(10)


def test_a_page_just_stored_is_not_read_back(tmp_path: Path) -> None:
    store = SqlStore(tmp_path / "raisin.db")
    store.start()
    commit(store, 1, opened(), page(), result())
    store.close()
    assert store.page(A, 0) == page().payload
    assert store.result(A, 1) == result().payload
