"""Files that are not what was written: each is left as it is, and the error says what to do."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

import pytest

from raisin_broker.records import About, JobOpened, PageAdded, ResultAdded
from raisin_broker.store import integrity
from raisin_broker.store.sql import SqlStore
from raisin_core.errors import StoreError
from tests.broker.stores import A, F, commit, opened, page, plain, result

PAGE = 4096
ADVICE = r"raisin\.db: .*damaged.* left as it is\. Restore a backup .*raisin broker backup.* or move it away"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A database of some hundred pages, in good order."""
    path = tmp_path / "raisin.db"
    store = SqlStore(path)
    store.start()
    commit(store, 1, opened(), *(PageAdded(A, at, at, 1, os.urandom(20_000), []) for at in range(40)))
    commit(store, 2, *(ResultAdded(A, at + 1, at, at + 1, [], 0, 1, About("", ""), b"") for at in range(40)))
    store.close()
    assert integrity.check(path) == []
    assert integrity.look(path)
    return path


def begin(path: Path) -> None:
    store = SqlStore(path)
    try:
        store.start()
    finally:
        store.close()


def refused(path: Path, says: str = ADVICE) -> None:
    before = path.read_bytes()
    with pytest.raises(StoreError, match=says):
        begin(path)
    assert path.read_bytes() == before


def overwrite(path: Path, at: int, content: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        file.write(content)


@pytest.mark.parametrize("part", [0.1, 0.5, 0.99])
def test_a_truncated_file(path: Path, part: float) -> None:
    os.truncate(path, int(path.stat().st_size * part))
    refused(path)


@pytest.mark.parametrize("table", ["jobs", "pages", "results", "sqlite_autoindex_pages_1"])
def test_a_zeroed_page_in_the_middle(path: Path, table: str) -> None:
    db = sqlite3.connect(path)
    (number,) = db.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (table,)).fetchone()
    db.close()
    overwrite(path, (number - 1) * PAGE, bytes(PAGE))
    refused(path)
    assert integrity.check(path) != []


@pytest.mark.parametrize("number", range(4, 12))
def test_any_page_full_of_something_else(path: Path, number: int) -> None:
    overwrite(path, number * PAGE, b"\xa5" * PAGE)
    refused(path)


def test_a_payload_that_is_not_what_was_written(path: Path) -> None:
    """SQLite sees nothing wrong; what is read is compared with its checksum."""
    content = path.read_bytes()
    db = sqlite3.connect(path)
    (payload,) = db.execute("SELECT payload FROM pages WHERE number = 7").fetchone()
    db.close()
    at = content.index(payload[10_000:10_100])
    overwrite(path, at, b"?")
    store = SqlStore(path)
    assert len(store.start().jobs[0].pages) == 40
    assert store.page(A, 6) is not None
    with pytest.raises(StoreError, match=rf"page 7 of job {A.hex()} is not what was written; the file is damaged"):
        store.page(A, 7)
    store.close()
    assert integrity.check(path) == ["page 1/7 is not what was written"]


@pytest.mark.parametrize(("table", "kind"), [("results", "result 1/1"), ("functions", f"function {F.hex().upper()}")])
def test_results_and_functions_have_checksums(path: Path, table: str, kind: str) -> None:
    db = sqlite3.connect(path)
    with db:
        db.execute(f"UPDATE {table} SET payload = x'00' WHERE rowid = 1")
    db.close()
    store = SqlStore(path)
    store.start()
    with pytest.raises(StoreError, match="is not what was written; the file is damaged"):
        store.result(A, 1) if table == "results" else store.function(F)
    store.close()
    assert integrity.check(path) == [f"{kind} is not what was written"]


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE jobs SET options = x'c1'",
        "DELETE FROM pages WHERE number = 3",
        "DELETE FROM pages WHERE number = 0",
        "UPDATE pages SET count = 2 WHERE number = 3",
        "DELETE FROM results WHERE arrival = 3",
        "UPDATE results SET start = 'x' WHERE arrival = 3",
        "UPDATE results SET won = x'c1' WHERE arrival = 3",
        "DROP TABLE workers",
    ],
)
def test_rows_that_contradict_each_other(path: Path, sql: str) -> None:
    db = sqlite3.connect(path)
    with db:
        db.execute(sql)
    db.close()
    refused(path)


def test_a_column_about_a_result_that_makes_no_sense(path: Path) -> None:
    db = sqlite3.connect(path)
    with db:
        db.execute("UPDATE results SET about = x'c1'")
    db.close()
    store = SqlStore(path)
    store.start()
    with pytest.raises(StoreError, match=r"raisin\.db: .*damaged"):
        store.result(A, 1)
    store.close()


def test_garbage_in_place_of_the_write_ahead_log(path: Path) -> None:
    """What SQLite does not recognise it leaves out; all that was in the database itself is there."""
    path.with_name("raisin.db-wal").write_bytes(os.urandom(100_000))
    store = SqlStore(path)
    stored = store.start()
    assert (stored.run, len(stored.jobs[0].pages), len(stored.jobs[0].arrivals)) == (2, 40, 40)
    store.close()
    assert integrity.check(path) == []


def test_a_write_ahead_log_that_was_cut_off_ends_with_its_last_whole_commit(tmp_path: Path) -> None:
    store = SqlStore(tmp_path / "raisin.db")
    store.start()
    commit(store, 1, opened(), page())
    wal = tmp_path / "raisin.db-wal"
    whole = wal.stat().st_size
    commit(store, 2, result(), page(number=1))
    copy = tmp_path / "copy"
    copy.mkdir()
    for name in ("raisin.db", "raisin.db-wal"):
        (copy / name).write_bytes((tmp_path / name).read_bytes())
    os.truncate(copy / "raisin.db-wal", (whole + wal.stat().st_size) // 2)
    again = SqlStore(copy / "raisin.db")
    job = plain(again.start().jobs[0])
    assert (job["pages"], job["arrivals"]) == ([(0, 10, [])], [])
    again.close()
    store.close()


def test_a_directory_in_its_place(tmp_path: Path) -> None:
    (tmp_path / "raisin.db").mkdir()
    refused_as = r"raisin\.db: cannot be opened .* choose another data directory"
    with pytest.raises(StoreError, match=refused_as):
        SqlStore(tmp_path / "raisin.db")


def test_a_check_that_would_take_too_long_is_left_out(path: Path) -> None:
    db = sqlite3.connect(path)
    (number,) = db.execute("SELECT rootpage FROM sqlite_master WHERE name = 'recorded'").fetchone()
    db.close()
    overwrite(path, (number - 1) * PAGE, bytes(PAGE))
    assert integrity.look(path, limit=1000) is False
    assert integrity.look(path, budget=-1.0) is False
    with pytest.raises(StoreError, match="damaged"):
        integrity.look(path)


def test_a_whole_check_of_what_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "raisin.db").write_bytes(b"not what you think" * 100)
    assert integrity.check(tmp_path / "raisin.db") == ["file is not a database"]
    with pytest.raises(StoreError, match="unable to open"):
        integrity.check(tmp_path / "missing.db")
    assert not (tmp_path / "missing.db").exists()


def test_a_whole_check_runs_beside_a_broker(tmp_path: Path) -> None:
    store = SqlStore(tmp_path / "raisin.db")
    store.start()
    commit(store, 1, opened(), page())
    assert integrity.check(tmp_path / "raisin.db") == []
    commit(store, 2, result())
    store.close()


def test_names_with_odd_characters(tmp_path: Path) -> None:
    path = tmp_path / "a b?c#d%20é" / "raisin.db"
    store = SqlStore(path)
    store.start()
    commit(store, 1, opened())
    store.close()
    again = SqlStore(path)
    assert [type(job.opened) for job in again.start().jobs] == [JobOpened]
    again.close()
    assert [file.name for file in path.parent.iterdir()] == ["raisin.db"]
