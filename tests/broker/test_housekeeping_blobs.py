"""Blobs that no job uses go while the broker runs; those that somebody may count on stay."""

from __future__ import annotations

import os
from hashlib import sha256
from pathlib import Path

import pytest

from raisin_broker.store.sweeping import FILES, GRACE, OLD_GRACE, Sweeper, Uploads
from raisin_core.errors import StoreError

NOW = 1e9


class Swept:
    """A directory of blobs, who is connected, what jobs use, and a clock."""

    def __init__(self, directory: Path) -> None:
        self.blobs = Uploads(directory)
        self.now = NOW
        self.in_use: set[bytes] = set()
        self.clients: set[str] = set()
        self.sweeper = Sweeper(self.blobs, lambda: self.in_use, lambda: self.clients, NOW)

    def put(self, data: bytes, who: str = "worker", age: float | None = None) -> bytes:
        """Somebody brings a blob now (or so long ago)."""
        digest = sha256(data).digest()
        self.blobs.who = who
        assert self.blobs.put(digest, 0, len(data), data)[1]
        self.at(digest, self.now - (age or 0.0))
        return digest

    def ask(self, digest: bytes, who: str) -> bool:
        """Somebody asks whether it is here."""
        self.blobs.who = who
        size = (self.path(digest)).stat().st_size
        there = self.blobs.put(digest, 0, size, b"")[1]
        self.at(digest, self.now)
        return there

    def at(self, digest: bytes, time: float) -> None:
        os.utime(self.path(digest), (time, time))

    def path(self, digest: bytes) -> Path:
        return self.blobs.directory / digest.hex()[:2] / digest.hex()

    def sweep(self, later: float = 0.0) -> int:
        """A whole walk (or several, if it goes on); how many files went."""
        self.now += later
        self.sweeper.begin()
        removed = 0
        while self.sweeper.busy:
            removed += self.sweeper.step(self.now)
        return removed


@pytest.fixture
def swept(tmp_path: Path) -> Swept:
    return Swept(tmp_path / "blobs")


def test_what_nobody_uses_goes_after_a_grace(swept: Swept) -> None:
    digest = swept.put(b"result")
    assert swept.sweep(GRACE) == 0
    assert swept.blobs.has(digest)
    assert swept.sweep(1.0) == 1
    assert not swept.blobs.has(digest)


def test_what_a_job_uses_stays_and_is_counted(swept: Swept) -> None:
    swept.in_use.add(swept.put(b"result"))
    swept.put(b"another result")
    assert swept.sweep(2 * GRACE) == 1
    assert swept.sweeper.used == len(b"result")


def test_whoever_asks_for_it_begins_the_grace_anew(swept: Swept) -> None:
    digest = swept.put(b"argument")
    swept.now += GRACE
    assert swept.ask(digest, "worker")
    assert swept.sweep(GRACE) == 0
    assert swept.sweep(1.0) == 1


def test_what_a_client_asked_for_stays_while_it_is_connected(swept: Swept) -> None:
    """It was told that it is here, and will open a job with it without asking again."""
    digest = swept.put(b"argument", "ann")
    swept.clients.add("ann")
    for _ in range(10):
        assert swept.sweep(GRACE) == 0
    swept.clients.clear()
    assert swept.sweep(GRACE - 1.0) == 0, "it may only have lost its connection"
    swept.clients.add("ann")
    assert swept.sweep(GRACE) == 0
    swept.clients.clear()
    assert swept.sweep(GRACE + 1.0) == 1
    assert not swept.blobs.has(digest)


def test_what_others_brought_goes_while_a_client_is_connected(swept: Swept) -> None:
    swept.clients.add("ann")
    argument, other, result = (swept.put(who.encode(), who) for who in ("ann", "bob", "worker"))
    assert swept.sweep(GRACE + 1.0) == 2
    assert swept.blobs.has(argument)
    assert not swept.blobs.has(other)
    assert not swept.blobs.has(result)


def test_what_several_asked_for_stays_for_each_of_them(swept: Swept) -> None:
    swept.clients |= {"ann", "bob"}
    digest = swept.put(b"argument", "ann")
    swept.ask(digest, "bob")
    swept.sweep(GRACE)
    swept.clients.discard("ann")
    assert swept.sweep(2 * GRACE) == 0
    swept.clients.clear()
    assert swept.sweep(2 * GRACE) == 1


def test_what_is_older_than_this_run_stays_a_day(swept: Swept) -> None:
    """Clients of before may come back and count on it."""
    digest = swept.put(b"argument", age=1.0)
    assert swept.sweep(OLD_GRACE - 1.0) == 0
    assert swept.blobs.has(digest)
    assert swept.sweep(1.0) == 1


def test_an_upload_that_stopped_goes_too(swept: Swept) -> None:
    digest = sha256(b"halfwhole").digest()
    swept.blobs.put(digest, 0, 9, b"half")
    (part,) = swept.blobs.directory.rglob("*.part")
    os.utime(part, (NOW, NOW))
    swept.in_use.add(sha256(b"something").digest())
    assert swept.sweep(GRACE) == 0
    assert swept.sweep(1.0) == 1
    assert swept.blobs.put(digest, 0, 9, b"halfwhole") == (9, True), "it begins anew"


def test_what_is_no_blob_is_left_alone(swept: Swept) -> None:
    digest = swept.put(b"result")
    others = [swept.blobs.directory / "notes", swept.path(digest).parent / "notes", swept.blobs.directory / "zz" / "x"]
    for file in others:
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(b"")
        os.utime(file, (0, 0))
    assert swept.sweep(2 * GRACE) == 1
    assert all(file.exists() for file in others)


def test_many_files_go_in_steps(swept: Swept) -> None:
    for number in range(FILES + 5):
        swept.put(b"result %d" % number)
    swept.now += 2 * GRACE
    swept.sweeper.begin()
    removed = []
    while swept.sweeper.busy:
        removed.append(swept.sweeper.step(swept.now))
    assert max(removed) == FILES
    assert sum(removed) == FILES + 5


def test_what_begins_to_be_used_during_a_walk_stays(swept: Swept) -> None:
    digests = [swept.put(b"result %d" % number) for number in range(100)]
    swept.now += 2 * GRACE
    swept.sweeper.begin()
    while swept.sweeper.busy:
        swept.in_use.update(digests)
        assert swept.sweeper.step(swept.now) == 0
    assert all(map(swept.blobs.has, digests))


def test_a_walk_without_blobs_is_over_at_once(swept: Swept) -> None:
    assert swept.sweep() == 0
    assert swept.sweeper.used == 0


def test_a_walk_that_fails_is_over(swept: Swept) -> None:
    def locked() -> set[bytes]:
        raise StoreError("the database is locked")

    sweeper = Sweeper(swept.blobs, locked, tuple, NOW)
    digest = swept.put(b"result")
    sweeper.begin()
    with pytest.raises(StoreError):
        sweeper.step(NOW + 2 * GRACE)
    assert not sweeper.busy
    assert swept.blobs.has(digest)
