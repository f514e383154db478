"""Blobs: pieces in order, uploads that go on after a restart, nothing but complete and checked files."""

from __future__ import annotations

import os
import stat
import time
from hashlib import sha256
from pathlib import Path

import pytest

from raisin_broker.store.blobs import Blobs
from raisin_core.errors import BlobRefused, StoreError

DATA = bytes(range(256)) * 4
SIZE = len(DATA)
DIGEST = sha256(DATA).digest()
NAME = DIGEST.hex()


@pytest.fixture
def blobs(tmp_path: Path) -> Blobs:
    return Blobs(tmp_path / "blobs")


def files(tmp_path: Path) -> list[str]:
    return sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if not path.is_dir())


def test_a_blob_comes_in_pieces(blobs: Blobs, tmp_path: Path) -> None:
    assert blobs.put(DIGEST, 0, SIZE, DATA[:300]) == (300, False)
    assert not blobs.has(DIGEST)
    assert blobs.get(DIGEST, 0, 10) is None
    assert blobs.put(DIGEST, 300, SIZE, DATA[300:]) == (SIZE, True)
    assert blobs.has(DIGEST)
    assert files(tmp_path) == [f"blobs/{NAME[:2]}/{NAME}"]
    assert blobs.get(DIGEST, 250, 100) == (DATA[250:350], SIZE)
    assert blobs.get(DIGEST, SIZE - 5, 100) == (DATA[-5:], SIZE)
    assert blobs.get(DIGEST, SIZE, 100) == blobs.get(DIGEST, 2**62, 100) == (b"", SIZE)


def test_an_empty_blob(blobs: Blobs) -> None:
    digest = sha256(b"").digest()
    assert blobs.put(digest, 0, 0, b"") == (0, True)
    assert blobs.get(digest, 0, 10) == (b"", 0)


def test_an_empty_piece_asks(blobs: Blobs, tmp_path: Path) -> None:
    assert blobs.put(DIGEST, 0, SIZE, b"") == (0, False)
    assert files(tmp_path) == []
    blobs.put(DIGEST, 0, SIZE, DATA[:10])
    assert blobs.put(DIGEST, 0, SIZE, b"") == (10, False)
    blobs.put(DIGEST, 10, SIZE, DATA[10:])
    assert blobs.put(DIGEST, 0, SIZE, b"") == (SIZE, True)


def test_pieces_out_of_order_change_nothing(blobs: Blobs) -> None:
    assert blobs.put(DIGEST, 10, SIZE, DATA[10:20]) == (0, False)
    blobs.put(DIGEST, 0, SIZE, DATA[:10])
    assert blobs.put(DIGEST, 0, SIZE, DATA[:10]) == (10, False)
    assert blobs.put(DIGEST, 20, SIZE, DATA[20:]) == (10, False)
    assert blobs.put(DIGEST, 10, SIZE, DATA[10:]) == (SIZE, True)
    assert blobs.put(DIGEST, 10, SIZE, DATA[10:]) == (SIZE, True)


def test_an_upload_goes_on_after_a_restart(blobs: Blobs, tmp_path: Path) -> None:
    blobs.put(DIGEST, 0, SIZE, DATA[:300])
    again = Blobs(tmp_path / "blobs")
    assert again.put(DIGEST, 0, SIZE, b"") == (300, False)
    assert again.put(DIGEST, 300, SIZE, DATA[300:]) == (SIZE, True)
    assert again.get(DIGEST, 0, SIZE) == (DATA, SIZE)
    assert blobs.has(DIGEST)


def test_a_restart_before_the_last_step_is_made_good(blobs: Blobs, tmp_path: Path) -> None:
    blobs.put(DIGEST, 0, SIZE, DATA[:300])
    with (tmp_path / "blobs" / NAME[:2] / f"{NAME}.part").open("ab") as part:
        part.write(DATA[300:])
    assert Blobs(tmp_path / "blobs").put(DIGEST, 0, SIZE, b"") == (SIZE, True)


@pytest.mark.parametrize("restart", [False, True])
def test_what_does_not_have_the_digest_is_deleted(blobs: Blobs, tmp_path: Path, restart: bool) -> None:
    blobs.put(DIGEST, 0, SIZE, b"x" + DATA[1:300])
    if restart:
        blobs = Blobs(tmp_path / "blobs")
    assert blobs.put(DIGEST, 300, SIZE, DATA[300:]) == (0, False)
    assert files(tmp_path) == []
    assert blobs.put(DIGEST, 0, SIZE, DATA) == (SIZE, True)


def test_sizes_that_cannot_be_right(blobs: Blobs, tmp_path: Path) -> None:
    small = Blobs(tmp_path / "small", limit=100)
    for size in (101, -1):
        with pytest.raises(BlobRefused, match="at most 100"):
            small.put(DIGEST, 0, size, b"")
    with pytest.raises(BlobRefused, match="more than the 10 bytes"):
        blobs.put(DIGEST, 5, 10, DATA[:6])
    blobs.put(DIGEST, 0, SIZE, DATA[:300])
    with pytest.raises(BlobRefused, match=f"{SIZE + 1} bytes announced, before it was {SIZE}"):
        blobs.put(DIGEST, 300, SIZE + 1, DATA[300:])
    with pytest.raises(BlobRefused, match="more than the 20 bytes"):
        Blobs(tmp_path / "blobs").put(DIGEST, 0, 20, b"")
    assert blobs.put(DIGEST, 300, SIZE, DATA[300:]) == (SIZE, True)
    with pytest.raises(BlobRefused, match=f"7 bytes announced, it has {SIZE}"):
        blobs.put(DIGEST, 0, 7, b"")


def test_only_digests_are_names(blobs: Blobs, tmp_path: Path) -> None:
    with pytest.raises(BlobRefused):
        blobs.put(b"../../x", 0, 1, b"1")
    assert not blobs.has(b"")
    assert blobs.get(b"", 0, 1) is None
    assert files(tmp_path) == []


def test_links_are_not_followed(blobs: Blobs, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_bytes(b"precious")
    folder = tmp_path / "blobs" / NAME[:2]
    folder.mkdir(parents=True)
    for name in (NAME, f"{NAME}.part"):
        (folder / name).symlink_to(other)
    with pytest.raises(StoreError):
        blobs.get(DIGEST, 0, 100)
    (folder / NAME).unlink()
    with pytest.raises(StoreError):
        blobs.put(DIGEST, (folder / f"{NAME}.part").lstat().st_size, SIZE, DATA)
    assert other.read_bytes() == b"precious"
    assert blobs.sweep(set(), time.time() + 1e6, 0.0) == 0
    assert other.exists()


def test_files_are_for_their_owner_only(blobs: Blobs, tmp_path: Path) -> None:
    blobs.put(DIGEST, 0, SIZE, DATA)
    blobs.put(sha256(b"12").digest(), 0, 2, b"1")
    modes = {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "blobs").rglob("*") if path.is_file()}
    assert modes == {0o600}
    folders = [tmp_path / "blobs", tmp_path / "blobs" / NAME[:2]]
    assert {stat.S_IMODE(path.stat().st_mode) for path in folders} == {0o700}


def test_sweep_deletes_what_is_old_and_unused(blobs: Blobs, tmp_path: Path) -> None:
    kept, gone, half, new = (text.encode() for text in ("kept", "gone", "half", "new"))
    for data in (kept, gone, new):
        blobs.put(sha256(data).digest(), 0, len(data), data)
    blobs.put(sha256(half).digest(), 0, len(half), half[:2])
    stranger = tmp_path / "blobs" / NAME[:2] / "README"
    stranger.parent.mkdir(exist_ok=True)
    stranger.touch()
    now = time.time() + 1000
    fresh = tmp_path / "blobs" / sha256(new).hexdigest()[:2] / sha256(new).hexdigest()
    os.utime(fresh, (now - 50, now - 50))
    assert blobs.sweep({sha256(kept).digest()}, now, 100.0) == 2
    assert [blobs.has(sha256(data).digest()) for data in (kept, gone, new)] == [True, False, True]
    assert blobs.put(sha256(half).digest(), 0, len(half), b"") == (0, False)
    assert stranger.exists()
    assert Blobs(tmp_path / "nothing").sweep(set(), now, 0.0) == 0


def test_whoever_was_told_that_it_is_here_has_the_time_of_grace(blobs: Blobs, tmp_path: Path) -> None:
    blobs.put(DIGEST, 0, SIZE, DATA)
    path = tmp_path / "blobs" / NAME[:2] / NAME
    os.utime(path, (1000, 1000))
    assert blobs.put(DIGEST, 0, SIZE, b"") == (SIZE, True)
    assert blobs.sweep(set(), time.time(), 100.0) == 0
    os.utime(path, (1000, 1000))
    assert blobs.sweep(set(), time.time(), 100.0) == 1


def test_a_full_disk_is_said_and_survived(blobs: Blobs) -> None:
    resource = pytest.importorskip("resource")
    blobs.put(DIGEST, 0, SIZE, DATA[:100])
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (500, hard))
    try:
        with pytest.raises(StoreError, match="check space"):
            blobs.put(DIGEST, 100, SIZE, DATA[100:])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    have, complete = blobs.put(DIGEST, 100, SIZE, DATA[100:])
    assert (have, complete) == (500, False)
    assert blobs.put(DIGEST, have, SIZE, DATA[have:]) == (SIZE, True)
    assert blobs.get(DIGEST, 0, SIZE) == (DATA, SIZE)


def test_the_size_is_kept_up_to_date(blobs: Blobs, tmp_path: Path) -> None:
    def counted() -> int:
        assert Blobs(tmp_path / "blobs").size() == blobs.size()
        return blobs.size()

    assert counted() == 0
    blobs.put(DIGEST, 0, SIZE, DATA[:300])
    assert counted() == 300
    blobs.put(DIGEST, 300, SIZE, DATA[300:])
    blobs.put(DIGEST, 300, SIZE, DATA[300:])
    assert counted() == SIZE
    wrong = sha256(b"other").digest()
    blobs.put(wrong, 0, 9, b"some")
    assert counted() == SIZE + 4
    blobs.put(wrong, 4, 9, b"thing")  # has another digest, so it goes
    assert counted() == SIZE
    blobs.put(wrong, 0, 5, b"oth")
    blobs.sweep({DIGEST}, time.time() + 100, 10)
    assert counted() == SIZE
    blobs.sweep(set(), time.time() + 100, 10)
    assert counted() == 0
