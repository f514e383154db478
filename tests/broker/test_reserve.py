"""Room on the disk that is held until it is needed."""

from __future__ import annotations

import doctest
import errno
import os
import shutil
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from raisin_broker.records import PageAdded
from raisin_broker.store import reserve as module
from raisin_broker.store.reserve import Reserve
from raisin_broker.store.sql import SqlStore
from raisin_core.errors import StoreError
from tests.broker.stores import A, B, commit, opened, page

MB = 1024 * 1024
DISK = 24 * MB


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own with 24 MB."""
    place = tmp_path / "disk"
    place.mkdir()
    if not shutil.which("mount"):
        pytest.skip("needs mount")
    command = ["mount", "-t", "tmpfs", "-o", f"size={DISK}", "tmpfs", str(place)]
    if subprocess.run(command, capture_output=True).returncode:
        pytest.skip("needs the right to mount a file system")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


def test_it_is_held_as_real_blocks_until_it_is_released(tmp_path: Path) -> None:
    reserve = Reserve(tmp_path / "reserve", 3 * MB + 5)
    assert not reserve.held
    for _ in range(2):
        assert reserve.take()
        assert reserve.held
        about = (tmp_path / "reserve").stat()
        assert (about.st_size, stat.S_IMODE(about.st_mode)) == (3 * MB + 5, 0o600)
        assert about.st_blocks * 512 >= 3 * MB
    assert Reserve(tmp_path / "reserve", 3 * MB).held  # the next process has it
    assert not Reserve(tmp_path / "reserve", 4 * MB).held
    reserve.release()
    reserve.release()
    assert not reserve.held
    assert list(tmp_path.iterdir()) == []


def test_where_the_system_cannot_allocate_it_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EOPNOTSUPP, "not supported")

    monkeypatch.setattr(os, "posix_fallocate", refuse, raising=False)
    assert Reserve(tmp_path / "reserve", 2 * MB + 7).take()
    assert (tmp_path / "reserve").stat().st_blocks * 512 >= 2 * MB
    monkeypatch.delattr(os, "posix_fallocate")
    assert Reserve(tmp_path / "another", 7).take()
    assert Reserve(tmp_path / "nothing", 0).take()


def test_a_disk_without_that_much_room_keeps_what_it_has(disk: Path) -> None:
    reserve = Reserve(disk / "reserve", 2 * DISK)
    assert not reserve.take()
    assert not reserve.held
    assert list(disk.iterdir()) == []
    assert Reserve(disk / "reserve", DISK // 2).take()


def test_a_place_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "directory").mkdir()
    (tmp_path / "file").touch()
    for place in (tmp_path / "missing" / "reserve", tmp_path / "file" / "reserve", tmp_path / "directory"):
        reserve = Reserve(place, MB)
        assert (reserve.take(), reserve.held) == (False, False)
        reserve.release()
    assert (tmp_path / "directory").is_dir()


def test_a_full_disk_takes_commits_again_when_the_reserve_is_released(disk: Path) -> None:
    reserve, store = Reserve(disk / "reserve", DISK // 2), SqlStore(disk / "raisin.db")
    assert reserve.take()
    store.start()
    commit(store, 1, opened(A), opened(B), page(B))
    number, error = fill(store)
    assert "free some space on its disk; nothing is lost, it is tried again" in error
    assert length(store, number) == 200_000  # it is staged, and waits
    assert store.page(B, 0) == page(B).payload
    assert not Reserve(disk / "another", DISK // 4).take()
    reserve.release()
    store.commit(number + 2)
    store.close()
    again = SqlStore(disk / "raisin.db")
    assert [len(job.pages) for job in again.start().jobs] == [number + 1, 1]
    assert length(again, number) == 200_000
    again.close()


def fill(store: SqlStore) -> tuple[int, str]:
    """Add pages until the disk is full; the number of the one that did not fit, and what was said."""
    for number in range(200):
        try:
            commit(store, number + 2, PageAdded(A, number, number, 1, os.urandom(200_000), []))
        except StoreError as error:
            return number, str(error)
    raise AssertionError("it never was full")


def length(store: SqlStore, number: int) -> int:
    payload = store.page(A, number)
    assert payload is not None
    return len(payload)


def test_doctests() -> None:
    assert doctest.testmod(module).failed == 0
