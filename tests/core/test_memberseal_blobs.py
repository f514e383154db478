"""Blobs and texts of a job between members."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import pytest

from raisin_core.client.job import Job
from raisin_core.errors import ClusterError, SealError
from raisin_core.identity.sealing import Context, Parcel

from .closed import BIG, JOB, Circle, Cluster, World


def test_blobs_are_fetched_by_the_names_that_a_member_stated() -> None:
    world = World()
    digest = hashlib.sha256(BIG).digest()
    assert list(world.seal.names(digest)) == []  # nothing is fetched that nobody stated
    name, sealed = world.zoe.sealer.seal_blob(BIG)
    wrong, other = world.zoe.sealer.seal_blob(b"another")
    for stated in (wrong, name):
        place = Context("results", JOB, 0, 4, lease=(1, 1))
        payload = world.zoe.sealer.seal(Parcel(b"", {digest: stated}), place, world.attested())
        world.seal._open(payload, place)
    assert list(world.seal.names(digest)) == [wrong, name]
    assert world.seal.blob(digest, other) is None
    assert world.seal.blob(digest, sealed) == BIG
    with pytest.raises(SealError):
        world.seal.blob(digest, BIG)


def test_prints_are_shown_if_a_member_hid_them() -> None:
    world = World()
    hide = world.zoe.sealer.hide
    token = hide("hello", JOB)
    assert world.seal.printed(token.encode()) == b"hello"
    assert world.seal.printed((token + hide(" you", JOB)).encode()) == b"hello you"
    stranger = Circle(Cluster(root=b"s" * 32), "zoe").sealer.hide("hello", JOB)
    for forged in ("hello", token + "more", "more" + token, stranger, token + stranger, "", token[:-1], "\udcff"):
        assert world.seal.printed(forged.encode(errors="surrogateescape")) is None


class Store:
    """A session of which only blobs are wanted."""

    address, alive = "lab:5757", True

    def __init__(self, blobs: dict[bytes, bytes]) -> None:
        self.blobs = blobs

    def listen(self, job: bytes, listener: object) -> None:
        pass

    def fetch_blob(self, name: bytes, done: Callable[[bytes | None], None]) -> None:
        done(self.blobs.get(name))


def test_a_job_takes_the_blob_that_was_sealed_or_says_what_it_got() -> None:
    world, digest = World(), hashlib.sha256(BIG).digest()
    name, sealed = world.zoe.sealer.seal_blob(BIG)
    wrong, other = world.zoe.sealer.seal_blob(b"another")
    for stated in (wrong, name):
        place = Context("results", JOB, 0, 4, lease=(1, 1))
        world.seal._open(world.zoe.sealer.seal(Parcel(b"", {digest: stated}), place, world.attested()), place)
    store = Store({wrong: other, name: sealed})
    job = Job(store, JOB, seal=world.seal)  # type: ignore[arg-type]
    assert job.fetch(digest) == BIG
    for bad, match in ((other, "it is another one"), (b"garbage", "not sealed"), (sealed[:-1] + b"x", "changed")):
        store.blobs = {name: bad}
        with pytest.raises(SealError, match=f"lab:5757 does not give a blob of job 6a6a6a6a .* as a member .*{match}"):
            job.fetch(digest)
    store.blobs = {}
    with pytest.raises(ClusterError, match="has lost a blob"):
        job.fetch(digest)
