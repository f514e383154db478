"""Backups: of a running broker, in one file, and back; and archives that are none."""

from __future__ import annotations

import doctest
import io
import os
import stat
import tarfile
import threading
from hashlib import sha256
from pathlib import Path

import pytest

from raisin_broker.records import PageAdded
from raisin_broker.store import backup as module
from raisin_broker.store import integrity
from raisin_broker.store.backup import LATER_RUNS, PAPERS, Copied, backup, restore
from raisin_broker.store.blobs import Blobs
from raisin_broker.store.sql import SqlStore
from raisin_core.errors import StoreError
from tests.broker.stores import A, B, all_of, commit, opened, page, result
from tests.broker.test_migrations import first
from tests.support.papers import Papers

CONTENT = os.urandom(300_000)
DIGEST = sha256(CONTENT).digest()


def some(directory: Path) -> SqlStore:
    """A running broker's things: one job with a blob, and a blob that nothing refers to."""
    store, blobs = SqlStore(directory / "raisin.db"), Blobs(directory / "blobs")
    store.start()
    for content in (CONTENT, b"unused"):
        blobs.put(sha256(content).digest(), 0, len(content), content)
    job = opened()
    job.function_blobs.clear()
    commit(store, 1, job, page(blobs=(DIGEST,)), result())
    return store


def test_a_backup_of_a_running_broker_is_restored_whole(tmp_path: Path) -> None:
    store, target = some(tmp_path / "broker"), tmp_path / "saved.tar"
    copied = backup(tmp_path / "broker", target)
    assert copied == Copied(1, 0, target.stat().st_size)
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert sorted(tmp_path.iterdir()) == [tmp_path / "broker", target]
    commit(store, 2, page(number=1))  # the broker goes on
    restore(target, tmp_path / "new")
    again = SqlStore(tmp_path / "new" / "raisin.db")
    run, jobs = all_of(again.start())[:2]
    assert run == 2 + LATER_RUNS  # no number of a run comes again
    assert jobs[0]["pages"] == [(0, 10, [DIGEST])]
    assert (again.page(A, 0), again.result(A, 1)) == (page().payload, store.result(A, 1))
    assert Blobs(tmp_path / "new" / "blobs").get(DIGEST, 0, 10**6) == (CONTENT, len(CONTENT))
    assert not Blobs(tmp_path / "new" / "blobs").has(sha256(b"unused").digest())
    modes = {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "new").rglob("*") if path.is_file()}
    assert modes == {0o600}
    again.close()
    assert [path.name for path in (tmp_path / "new").iterdir() if path.name.startswith(".")] == []
    store.close()


def test_a_backup_is_of_one_moment_while_the_broker_writes(tmp_path: Path) -> None:
    """Each batch adds one page to both jobs: a backup in between has as many of one as of the other."""
    store = SqlStore(tmp_path / "broker" / "raisin.db")
    store.start()
    commit(store, 1, opened(A), opened(B))
    found: list[Copied] = []

    def copy() -> None:
        for number in range(5):
            found.append(backup(tmp_path / "broker", tmp_path / f"{number}.tar"))

    thread, number = threading.Thread(target=copy), 0
    thread.start()
    while thread.is_alive():
        commit(store, number + 2, *(PageAdded(job, number, number, 1, os.urandom(5000), []) for job in (A, B)))
        number += 1
    thread.join()
    store.close()
    for each in range(5):
        restore(tmp_path / f"{each}.tar", tmp_path / f"new{each}")
        again = SqlStore(tmp_path / f"new{each}" / "raisin.db")
        one, two = again.start().jobs
        assert len(one.pages) == len(two.pages) <= number
        again.close()


def test_blobs_that_went_in_the_meantime_are_counted(tmp_path: Path) -> None:
    store = some(tmp_path / "broker")
    commit(store, 2, page(number=1, blobs=(b"m" * 32,)))
    assert backup(tmp_path / "broker", tmp_path / "saved.tar").missing == 1
    store.close()


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    some(tmp_path / "broker").close()
    (tmp_path / "taken").write_bytes(b"mine")
    with pytest.raises(StoreError, match="taken: exists already, and is left as it is; choose another name"):
        backup(tmp_path / "broker", tmp_path / "taken")
    assert (tmp_path / "taken").read_bytes() == b"mine"
    backup(tmp_path / "broker", tmp_path / "saved.tar")
    before = (tmp_path / "broker" / "raisin.db").read_bytes()
    with pytest.raises(StoreError, match=r"raisin\.db: is there already, .* choose an empty directory"):
        restore(tmp_path / "saved.tar", tmp_path / "broker")
    assert (tmp_path / "broker" / "raisin.db").read_bytes() == before
    (tmp_path / "broker" / "raisin.db").rename(tmp_path / "broker" / "raisin.db-wal")
    with pytest.raises(StoreError, match=r"raisin\.db-wal: is there already"):
        restore(tmp_path / "saved.tar", tmp_path / "broker")


def test_places_that_cannot_be(tmp_path: Path) -> None:
    some(tmp_path / "broker").close()
    with pytest.raises(StoreError, match=r"there is no raisin\.db"):
        backup(tmp_path, tmp_path / "saved.tar")
    with pytest.raises(StoreError, match="check space, name and rights"):
        backup(tmp_path / "broker", tmp_path / "missing" / "saved.tar")
    with pytest.raises(StoreError, match="check space, name and rights"):
        restore(tmp_path / "missing.tar", tmp_path / "new")


def archive(path: Path, *members: tuple[str, bytes], link: str = "") -> Path:
    with tarfile.open(path, "w") as tar:
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
        if link:
            info = tarfile.TarInfo("raisin.db")
            info.type, info.linkname = tarfile.SYMTYPE, link
            tar.addfile(info)
    return path


NAME = DIGEST.hex()


@pytest.mark.parametrize(
    "name",
    [
        *("../raisin.db", "/raisin.db", "./raisin.db", "raisin.db/", "blobs", "raisin.db-wal", "roster.toml"),
        *(f"blobs/{NAME}", f"blobs/00/{NAME}", f"blobs/{NAME[:2]}/{NAME}.part", f"blobs/{NAME[:2]}/../{NAME}"),
        *(f"blobs/{NAME[:2]}/{NAME.upper()}", f"blobs/{NAME[:2]}/{NAME}\n"),
    ],
)
def test_names_that_no_broker_gives_are_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "in").mkdir()
    source = archive(tmp_path / "saved.tar", (name, CONTENT))
    with pytest.raises(StoreError, match=r"saved\.tar: .* does not belong into a backup|no backup of a broker"):
        restore(source, tmp_path / "in" / "new")
    assert list((tmp_path / "in").rglob("*")) == [tmp_path / "in" / "new"]


def test_archives_that_are_none_or_damaged_leave_nothing(tmp_path: Path) -> None:
    some(tmp_path / "broker").close()
    whole = tmp_path / "saved.tar"
    backup(tmp_path / "broker", whole)
    content = whole.read_bytes()
    database = (tmp_path / "broker" / "raisin.db").read_bytes()
    bad: dict[str, bytes | Path] = {
        "empty": b"",
        "text": b"not what you think" * 100,
        "half": content[: len(content) // 2],
        "blob cut": content[: len(content) - 200_000],
        "blob changed": content.replace(CONTENT[1000:1100], bytes(100)),
        "no database": archive(tmp_path / "a.tar", (f"blobs/{NAME[:2]}/{NAME}", CONTENT)),
        "twice": archive(tmp_path / "b.tar", ("raisin.db", database), ("raisin.db", database)),
        "a link": archive(tmp_path / "c.tar", link="/etc/passwd"),
        "an empty database": archive(tmp_path / "d.tar", ("raisin.db", b"")),
        "no database at all": archive(tmp_path / "e.tar", ("raisin.db", b"text" * 1000)),
        "damaged": archive(tmp_path / "f.tar", ("raisin.db", database[:8192] + bytes(4096) + database[12288:])),
    }
    for name, it in bad.items():
        source = tmp_path / "source.tar"
        source.write_bytes(it if isinstance(it, bytes) else it.read_bytes())
        with pytest.raises(StoreError, match=r"source\.tar|raisin\.db"):
            restore(source, tmp_path / "new")
        assert list((tmp_path / "new").rglob("*")) == [], name
    restore(whole, tmp_path / "new")
    assert integrity.check(tmp_path / "new" / "raisin.db") == []


def test_a_backup_of_an_earlier_version_is_restored(tmp_path: Path) -> None:
    (tmp_path / "broker").mkdir()
    first(tmp_path / "broker" / "raisin.db")
    backup(tmp_path / "broker", tmp_path / "saved.tar")
    restore(tmp_path / "saved.tar", tmp_path / "new")
    store = SqlStore(tmp_path / "new" / "raisin.db")
    stored = store.start()
    assert (stored.run, len(stored.jobs)) == (7 + LATER_RUNS, 2)
    store.close()


def test_doctests() -> None:
    assert doctest.testmod(module).failed == 0


# -- who belongs -----------------------------------------------------------------------------------------------------


def modes(directory: Path, *names: str) -> set[int]:
    return {stat.S_IMODE((directory / name).stat().st_mode) for name in names}


@pytest.mark.parametrize("name", PAPERS)
def test_the_roster_or_the_claim_goes_with_it(tmp_path: Path, name: str) -> None:
    some(tmp_path / "broker").close()
    content = Papers().found() if name == "book" else b"a claim"
    (tmp_path / "broker" / name).write_bytes(content)
    backup(tmp_path / "broker", tmp_path / "saved.tar")
    restore(tmp_path / "saved.tar", tmp_path / "new")
    assert (tmp_path / "new" / name).read_bytes() == content
    assert [each for each in PAPERS if (tmp_path / "new" / each).exists()] == [name]
    if os.name == "posix":
        assert modes(tmp_path / "new", name) == {0o600}


def test_a_roster_that_is_there_is_not_replaced_by_an_older_one(tmp_path: Path) -> None:
    some(tmp_path / "broker").close()
    papers = Papers()
    (tmp_path / "broker" / "book").write_bytes(papers.found())
    backup(tmp_path / "broker", tmp_path / "saved.tar")
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "book").write_bytes(papers.invite("zoe"))
    restore(tmp_path / "saved.tar", tmp_path / "new")
    assert (tmp_path / "new" / "book").read_bytes() == papers.newest
    assert (tmp_path / "new" / "raisin.db").exists()


def test_a_damaged_roster_is_not_restored(tmp_path: Path) -> None:
    some(tmp_path / "broker").close()
    (tmp_path / "broker" / "book").write_bytes(b"garbage")
    backup(tmp_path / "broker", tmp_path / "saved.tar")
    with pytest.raises(StoreError, match="its roster is damaged"):
        restore(tmp_path / "saved.tar", tmp_path / "new")
    assert [path.name for path in (tmp_path / "new").iterdir()] == []
