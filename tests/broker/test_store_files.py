"""What only a file has: crashes, other versions, damage, rights."""

from __future__ import annotations

import os
import sqlite3
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from raisin_broker.records import JobClosed, PageAdded
from raisin_broker.store import schema
from raisin_broker.store.sql import SqlStore
from raisin_broker.store.staging import ENTRY, Cache
from raisin_broker.store.version import VERSION
from raisin_core.errors import StoreError
from tests.broker.stores import A, B, commit, only, opened, page, plain, result


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
    assert plain(only(again.start()))["pages"] == [(0, 10, [])]
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
    assert (len(only(store.start()).pages), only(store.start()).total) == (0, None)
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
from pathlib import Path
from raisin_broker.store.sql import SqlStore
from tests.broker.stores import *
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
    assert (stored.run, len(only(stored).pages), len(only(stored).arrivals)) == (2, 1, 1)
    assert store.page(A, 0) == page().payload
    store.close()


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
        (f"user_version = {VERSION + 1}", "newer raisin .* upgrade raisin-broker"),
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
    with pytest.raises(
        StoreError, match=r"raisin\.db: .* damaged.* left as it is\. Restore a backup .* or move it away"
    ):
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
from raisin_core.errors import StoreError
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
    cache = Cache[int](3 * (ENTRY + 10))
    for number in range(3):
        cache.put((A, number), number, 10)
    assert cache.get((A, 0)) == 0
    cache.put((B, 9), 9, 10)
    assert [cache.get((A, number)) is None for number in range(3)] == [False, True, False]
    cache.put((B, 1), 1, 10_000)
    assert cache.get((B, 1)) is None
    cache.forget(A)
    assert cache.get((A, 0)) is cache.get((A, 2)) is None
    assert cache.get((B, 9)) == 9


def test_a_page_just_stored_is_not_read_back(tmp_path: Path) -> None:
    store = SqlStore(tmp_path / "raisin.db")
    store.start()
    commit(store, 1, opened(), page(), result())
    store.close()
    assert store.page(A, 0) == page().payload
    found = store.result(A, 1)
    assert found is not None
    assert found.payload == result().payload
