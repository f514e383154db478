"""The broker's disk: the reserve, what is deleted bit by bit, how much is used; with a clock of our own."""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import msgspec
import pytest

from raisin_broker.housekeeping import LOOK_SECONDS, SWEEP_SECONDS, TIDY_SECONDS, Housekeeper
from raisin_broker.records import JobForgotten, Record
from raisin_broker.retention import Room
from raisin_broker.store.memory import MemoryStore
from raisin_broker.store.sql import SqlStore
from raisin_broker.store.sweeping import Uploads
from raisin_core.errors import StoreError
from tests.broker.stores import A, commit, opened, page

MB = 2**20
LOG = logging.getLogger("raisin.test")
FULL = StoreError("database or disk is full")


class Work(MemoryStore):
    """A store with so many steps of tidying to do; any of them may fail."""

    def __init__(self, steps: int = 0, used: int = 100) -> None:
        super().__init__()
        self.steps, self.used, self.calls = steps, used, 0
        self.error: StoreError | None = None

    def tidy(self) -> bool:
        self.calls += 1
        if self.error:
            raise self.error
        self.steps = max(0, self.steps - 1)
        return self.steps > 0

    def size(self) -> int:
        if self.error:
            raise self.error
        return self.used


def keeper(directory: Path, store: MemoryStore | SqlStore, most: int = 0, reserve: int = MB) -> Housekeeper:
    return Housekeeper(directory, store, Uploads(directory / "blobs"), LOG, most, reserve=reserve)


def put(house: Housekeeper, blob: bytes) -> bytes:
    digest = sha256(blob).digest()
    assert house._blobs.put(digest, 0, len(blob), blob) == (len(blob), True)
    return digest


def large(job: bytes) -> Record:
    """A page of half a megabyte."""
    return msgspec.structs.replace(page(job), payload=os.urandom(MB // 2))


def settled(house: Housekeeper, now: float) -> Room | None:
    """What it says when it has nothing more to do at once."""
    for _ in range(1000):
        if (room := house.look(now)) is not None or not house.busy:
            return room
    raise AssertionError("it never comes to an end")


# -- its rhythm ------------------------------------------------------------------------------------------------------


def test_it_says_how_things_stand_once_a_second(tmp_path: Path) -> None:
    house = keeper(tmp_path, Work())
    assert settled(house, 10.0) == Room(100)
    assert settled(house, 10.0 + LOOK_SECONDS - 0.01) is None
    assert settled(house, 10.0 + LOOK_SECONDS) == Room(100)


def test_what_was_forgotten_is_deleted_bit_by_bit_before_anything_is_said(tmp_path: Path) -> None:
    store = Work(steps=4)
    house = keeper(tmp_path, store)
    assert house.busy
    said = [house.look(10.0) for _ in range(4)]
    assert said == [None, None, None, Room(100)]
    assert not house.busy
    assert store.calls == 4


def test_it_looks_now_and_then_whether_there_is_something_to_delete(tmp_path: Path) -> None:
    store = Work()
    house = keeper(tmp_path, store)
    settled(house, 10.0)
    before = store.calls
    house.look(10.0 + TIDY_SECONDS / 2)
    assert store.calls == before
    store.steps = 2
    house.look(10.0 + TIDY_SECONDS)
    assert house.busy
    house.look(10.0 + TIDY_SECONDS)
    assert not house.busy
    assert store.calls == before + 2


def test_nothing_is_said_before_it_was_looked_at_what_there_is_to_delete(tmp_path: Path) -> None:
    """Else more would be forgotten for the sake of what goes already."""
    store = Work()
    house = keeper(tmp_path, store)
    settled(house, 10.0)
    house.look(10.0 + LOOK_SECONDS - 0.01)
    store.steps = 2
    assert house.look(10.0 + LOOK_SECONDS) is None
    assert house.look(10.0 + LOOK_SECONDS) == Room(100)


def test_a_store_that_cannot_is_asked_again_later(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    store = Work(steps=3)
    store.error = StoreError("the database is locked")
    house = keeper(tmp_path, store)
    assert settled(house, 10.0) is None
    assert "cannot delete what was forgotten: the database is locked" in caplog.text
    assert not house.busy, "it would spin"
    store.error = None
    assert settled(house, 10.0 + LOOK_SECONDS) == Room(100)
    assert store.steps == 0


# -- how much is kept ------------------------------------------------------------------------------------------------


def test_blobs_count_and_are_counted_anew_before_it_is_too_much(tmp_path: Path) -> None:
    blob = os.urandom(5000)
    store = MemoryStore()
    house = keeper(tmp_path, store, most=4000)
    digest = put(house, blob)
    commit(store, 1, opened(), page(blobs=(digest,)))
    room = settled(house, 10.0)
    assert room is not None
    assert 5000 < room.used < 5200
    commit(store, 2, JobForgotten(A))
    assert settled(house, 11.0) == Room(0), "the blob is still there, but nobody needs it"


def test_while_there_is_too_much_and_it_changes_it_looks_more_often(tmp_path: Path) -> None:
    store = Work(used=5000)
    house = keeper(tmp_path, store, most=4000)
    assert settled(house, 10.0) == Room(5000)
    store.used = 4500
    assert settled(house, 10.0 + TIDY_SECONDS) == Room(4500)
    assert settled(house, 10.0 + 2 * TIDY_SECONDS) == Room(4500)
    assert settled(house, 10.0 + 3 * TIDY_SECONDS) is None, "it changes no more"


def test_what_was_uploaded_since_counts_until_it_is_looked_at(tmp_path: Path) -> None:
    house = keeper(tmp_path, MemoryStore(), most=4000)
    assert settled(house, 10.0) == Room(0)
    put(house, bytes(3000))
    assert settled(house, 11.0) == Room(3000)
    put(house, bytes(3001))
    assert settled(house, 12.0) == Room(0), "no job needs them yet"


def test_blobs_that_cannot_be_looked_through_stop_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    class Blind(Work):
        def blobs_in_use(self) -> set[bytes]:
            raise StoreError("the database is locked")

    house = keeper(tmp_path, Blind())
    assert settled(house, 10.0) == Room(100)
    assert "cannot delete blobs that nothing uses: the database is locked" in caplog.text
    caplog.clear()
    settled(house, 10.0 + SWEEP_SECONDS / 2)
    assert not caplog.text, "not before the next round"
    settled(house, 10.0 + SWEEP_SECONDS)
    assert "is locked" in caplog.text


def test_the_file_shrinks(tmp_path: Path) -> None:
    store = SqlStore(tmp_path / "raisin.db")
    store.start()
    house = keeper(tmp_path, store)
    for number in range(20):
        commit(store, number, opened(bytes([number]) * 16), large(bytes([number]) * 16))
    store._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    full = (tmp_path / "raisin.db").stat().st_size
    for number in range(20):
        commit(store, 100 + number, JobForgotten(bytes([number]) * 16))
    room = settled(house, 10.0)
    store._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    assert full > 20 * MB // 2
    assert room is not None
    assert room.used < MB
    assert (tmp_path / "raisin.db").stat().st_size < MB
    store.close()


# -- a full disk -----------------------------------------------------------------------------------------------------


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 8 MB of its own."""
    mount = shutil.which("mount")
    if os.name != "posix" or os.geteuid() != 0 or mount is None:
        pytest.skip("only root can mount a small file system")
    place = tmp_path / "disk"
    place.mkdir()
    made = subprocess.run([mount, "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(place)], capture_output=True, text=True)
    if made.returncode:
        pytest.skip(f"cannot mount a small file system here: {made.stderr.strip()}")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def fill(place: Path, leave: int = 0) -> Path:
    """Somebody else's file that takes what is free."""
    file = place / "others"
    free = shutil.disk_usage(place).free
    with open(file, "ab") as out:
        out.write(bytes(max(0, free - leave)))
    return file


def test_the_reserve_is_given_up_when_a_commit_finds_the_disk_full(tmp_path: Path) -> None:
    house = keeper(tmp_path, Work())
    assert (tmp_path / "reserve").stat().st_size == MB
    assert not house.relieve(StoreError("the database is locked"))
    assert (tmp_path / "reserve").exists()
    assert house.relieve(FULL)
    assert not (tmp_path / "reserve").exists()
    assert not house.relieve(FULL), "there is nothing more to give"


def test_the_reserve_is_taken_again_when_there_is_room(tmp_path: Path) -> None:
    house = keeper(tmp_path, Work())
    settled(house, 10.0)
    house.relieve(FULL)
    assert settled(house, 10.0) == Room(100), "at once, and there is plenty of room here"
    assert (tmp_path / "reserve").stat().st_size == MB
    house.close()
    assert not (tmp_path / "reserve").exists()


def test_a_disk_that_fills_and_empties(disk: Path, caplog: pytest.LogCaptureFixture) -> None:
    house = keeper(disk, Work())
    assert settled(house, 10.0) == Room(100)
    others = fill(disk)
    room = settled(house, 11.0)
    assert room is not None
    assert f"the disk of the broker's directory {disk} is full (0 MB free)" in room.short
    assert house.relieve(FULL)
    assert shutil.disk_usage(disk).free >= MB
    assert settled(house, 12.0) == Room(100, room.short.replace("(0 MB", "(1 MB")), "its own reserve is no room"
    others.unlink()
    assert settled(house, 13.0) == Room(100)
    assert "there is room on the disk again" in caplog.text
    assert (disk / "reserve").stat().st_size == MB


def test_what_runs_is_recorded_from_the_reserve(disk: Path) -> None:
    store = SqlStore(disk / "raisin.db")
    store.start()
    house = keeper(disk, store)
    commit(store, 1, opened())
    fill(disk)
    store.stage(2, [large(A)])
    with pytest.raises(StoreError) as full:
        store.commit(2)
    assert house.relieve(full.value)
    store.commit(2)
    assert store.page(A, 0) is not None
    store.close()


def test_a_disk_without_room_for_the_reserve(disk: Path) -> None:
    fill(disk, MB // 2)
    house = keeper(disk, Work())
    assert not (disk / "reserve").exists(), "what there is of it would not help"
    room = settled(house, 10.0)
    assert room is not None
    assert "is full" in room.short
