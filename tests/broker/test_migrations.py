"""Databases of earlier versions: opened, they are today's and hold what they held."""

from __future__ import annotations

import os
import re
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from raisin_broker.records import About, Tried
from raisin_broker.store import integrity, migrating
from raisin_broker.store.sql import SqlStore
from raisin_broker.store.version import VERSION
from raisin_core.errors import StoreError
from raisin_core.messages import Options
from tests.broker.stores import A, B, F, G, commit, opened, page, plain, result

FIRST = Path(__file__).with_name("schemas") / "v1.sql"
pack = msgspec.msgpack.encode
OPTIONS = Options(retries=2, deadline=1.5, where=["cluster"])
PAYLOAD = os.urandom(9000)
ROWS: dict[str, list[tuple[object, ...]]] = {
    "jobs": [
        (
            *(1, A, "zoe", b"i" * 16, "scan", "näme", F, pack([A * 2]), pack(OPTIONS), b"c" * 32, pack([2, 3]), 1234.5),
            *(20, "running", 0, 12),
        ),
        (
            *(4, B, "ann", b"j" * 16, "map", "other", G, pack([]), pack(Options()), b"", pack([]), 1235.0),
            *(None, "cancelled", 1, 0),
        ),
    ],
    "functions": [(F, b"code of f"), (G, b"")],
    "pages": [(1, 0, 0, 10, pack([]), PAYLOAD), (4, 0, 0, 1, pack([]), b"one"), (1, 1, 10, 10, pack([G]), b"")],
    "results": [
        (1, 1, 10, 20, pack([(10, 14), (15, 16)]), 1, "host", "zoe", 0.25, pack([(11, 2)]), 0, pack([F]), PAYLOAD),
        (1, 2, 3, 4, pack([]), 1, "host", "", 0.0, pack([]), 1, pack([]), b"ruling"),
    ],
    "tried": [(1, 1, 3, "1.7", "crash", "host", "slot 1", "SIGSEGV"), (2, 1, 3, "1.9", "raised", "h", "p", "")],
    "blobs": [(1, A * 2), (1, G), (1, F)],
    "workers": [(2, B), (5, A)],
}


def first(path: Path, rows: dict[str, list[tuple[object, ...]]] | None = None) -> None:
    """A database as version 1 left it."""
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("PRAGMA journal_mode = WAL")
        db.executescript(FIRST.read_text())
        db.execute("UPDATE meta SET value = 6")
        for table, values in (ROWS if rows is None else rows).items():
            marks = ", ".join("?" * len(values[0]))
            db.executemany(f"INSERT INTO {table} VALUES ({marks})", values)


def tables(db: sqlite3.Connection) -> list[tuple[str, str, str]]:
    """What there is, without differences of spelling."""
    rows = db.execute("SELECT type, name, IFNULL(sql, '') FROM sqlite_master")
    return sorted((kind, name, re.sub(r"\s+|\"", "", sql)) for kind, name, sql in rows)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    first(tmp_path / "raisin.db")
    return tmp_path / "raisin.db"


def test_all_of_version_1_is_there_as_todays(path: Path) -> None:
    store = SqlStore(path)
    stored = store.start()
    assert (stored.run, stored.workers, stored.keys) == (7, [B, A], [])
    one, two = map(plain, stored.jobs)
    assert one["opened"] == msgspec.structs.replace(
        opened(), owner="zoe", account="zoe", function_payload=b"", options=OPTIONS
    )
    assert (one["total"], one["state"], one["ended"], one["unwanted"]) == (20, "running", 0.0, False)
    assert (one["pages"], one["leased_up_to"]) == ([(0, 10, []), (10, 10, [G])], 12)
    assert (one["arrivals"], one["done"]) == ([(10, 20), (3, 4)], [(3, 4), (10, 14), (15, 16)])
    assert (one["failed"], one["runs"], one["sources"]) == (2, [(1, 0)], set())
    assert one["tried"] == [Tried(A, *fields) for _, _, *fields in ROWS["tried"]]  # type: ignore[arg-type]
    assert (two["state"], two["unwanted"], two["total"], two["opened"].account) == ("cancelled", True, None, "ann")
    assert two["ended"] > 1_700_000_000
    assert [store.page(A, 0), store.page(A, 1), store.page(B, 0)] == [PAYLOAD, b"", b"one"]
    assert [store.function(F), store.function(G)] == [b"code of f", b""]
    assert store.blobs_in_use() == {A * 2, F, G}
    odd, ruling = store.result(A, 1), store.result(A, 2)
    assert odd is not None
    assert ruling is not None
    assert (odd.won, odd.payload) == ([(10, 14), (15, 16)], PAYLOAD)
    assert odd.about == About("host", "zoe", 0.25, [(11, 2)], False, [F])
    assert (ruling.won, ruling.payload, ruling.about) == ([], b"ruling", About("host", "", 0.0, [], True, []))
    store.close()
    assert integrity.check(path) == []


def test_the_tables_are_those_of_a_new_database(path: Path, tmp_path: Path) -> None:
    SqlStore(path).close()
    SqlStore(tmp_path / "new.db").close()
    with closing(sqlite3.connect(path)) as old, closing(sqlite3.connect(tmp_path / "new.db")) as new:
        assert tables(old) == tables(new)
        for pragma in ("user_version", "application_id", "journal_mode"):
            assert old.execute(f"PRAGMA {pragma}").fetchone() == new.execute(f"PRAGMA {pragma}").fetchone()


def test_of_version_2_jobs_have_no_key_and_no_epoch(path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        migrating.upgrade(db, 1, to=2)
    store = SqlStore(path)
    for job in store.start().jobs:
        assert (job.opened.owner_key, job.opened.epoch, job.opened.options.pickles) == ("", 0, None)
    commit(store, 1, msgspec.structs.replace(opened(b"n" * 16), owner_key="key", epoch=7))
    store.close()
    again = SqlStore(path)
    assert [(job.opened.owner_key, job.opened.epoch) for job in again.start().jobs] == [("", 0), ("", 0), ("key", 7)]
    again.close()


def test_the_first_script_makes_the_first_tables() -> None:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as made:
        migrating.upgrade(made, 0, to=1)
        with closing(sqlite3.connect(":memory:")) as kept:
            kept.executescript(FIRST.read_text())
            assert tables(made) == tables(kept)
            assert made.execute("SELECT * FROM meta").fetchall() == kept.execute("SELECT * FROM meta").fetchall()


def test_its_structure_can_be_checked(path: Path) -> None:
    assert integrity.check(path) == []
    os.truncate(path, path.stat().st_size - 4096)
    assert integrity.check(path) != []


def test_the_last_script_is_of_the_schemas_version() -> None:
    names = sorted(path.name for path in (migrating.SCRIPTS / "versions").glob("0*.py"))
    assert [int(name[:4]) for name in names] == list(range(1, VERSION + 1))


def test_it_works_on_as_ever(path: Path) -> None:
    store = SqlStore(path)
    store.start()
    commit(store, 1, opened(b"n" * 16, resume="key"), page(b"n" * 16, tagged=True), result(b"n" * 16, kept=True))
    assert msgspec.msgpack.decode(store.key("zoe", "key"))[0] == 5
    assert store.tidy() is False
    store.close()


def test_the_old_file_is_kept_beside_it_and_never_overwritten(path: Path) -> None:
    backup, another = path.with_name("raisin.db.v1-backup"), path.with_name("raisin.db.v1-backup-2")
    SqlStore(path).close()
    assert stat.S_IMODE(backup.stat().st_mode) == 0o600
    before = backup.read_bytes()
    path.unlink()
    first(path, {})
    SqlStore(path).close()
    assert backup.read_bytes() == before
    with closing(sqlite3.connect(backup)) as old, closing(sqlite3.connect(another)) as empty:
        assert [db.execute("PRAGMA user_version").fetchone()[0] for db in (old, empty)] == [1, 1]
        assert [db.execute("SELECT COUNT(*) FROM jobs").fetchone()[0] for db in (old, empty)] == [2, 0]


def contents(path: Path) -> dict[str, list[tuple[object, ...]]]:
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (1,)
        return {table: db.execute(f"SELECT * FROM {table}").fetchall() for table in ROWS}


KILLED = """
import os, signal, sys
from pathlib import Path
from raisin_broker.store import migrating
from raisin_broker.store.sql import SqlStore
count = 0
def crc(payload):
    global count
    count += 1
    if count == int(sys.argv[2]):
        os.kill(os.getpid(), signal.SIGKILL)
    return 1
migrating.crc32 = crc
SqlStore(Path(sys.argv[1]))
"""


@pytest.mark.skipif(os.name != "posix", reason="needs SIGKILL")
@pytest.mark.parametrize("at", [1, 4, 7])
def test_a_kill_in_the_middle_leaves_version_1(path: Path, at: int) -> None:
    before = contents(path)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run([sys.executable, "-c", KILLED, str(path), str(at)], env=environment, check=False)
    assert done.returncode == -9
    assert contents(path) == before
    store = SqlStore(path)
    assert [store.start().run, store.page(A, 0)] == [7, PAYLOAD]
    store.close()


def test_what_cannot_be_understood_leaves_version_1(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("UPDATE results SET retried = x'c1'")
    before = contents(path)
    with pytest.raises(StoreError, match=r"raisin\.db: .*damaged"):
        SqlStore(path)
    assert contents(path) == before
    assert not path.with_name("raisin.db.v1-backup").exists()


def test_alembic_is_needed_only_for_that(tmp_path: Path) -> None:
    code = "import sys; from raisin_broker.store.sql import SqlStore as S; from pathlib import Path; "
    code += "s = S(Path(sys.argv[1])); s.start(); s.close(); s = S(Path(sys.argv[1])); s.close(); "
    code += "sys.exit(bool({'alembic', 'sqlalchemy'} & set(sys.modules)))"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "raisin.db")], env=environment, check=True)
