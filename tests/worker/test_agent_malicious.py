"""A broker that lies, before a member's real worker: nothing runs that was not asked for, and the worker goes on."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import msgspec
import pytest

from raisin_core import messages as m
from raisin_core import pages
from raisin_core.identity.sealing import Attestation, Context, NullSealer, Parcel
from raisin_core.messages import LeaseId, Options
from tests.support.cluster import Said, Work, work
from tests.worker.scenes import Scene, made_scene
from tests.worker.slots import function

pytestmark = pytest.mark.slow
scene = made_scene


def touch(path: str) -> str:
    Path(path).write_text("was here")
    return path


def brand(path: str) -> str:
    Path(path).write_text("was here, and was another function")
    return path


def square(x: int) -> int:
    return x * x


def size(data: bytes) -> int:
    return len(data)


class Stage(NamedTuple):
    """Work that would leave a mark if it ran, and another one of the same member, to take parts from."""

    scene: Scene
    good: Work
    other: Work

    def said(self, **swapped: object) -> list[Said]:
        return self.good._replace(**swapped).said()

    def leased(self, **swapped: object) -> list[Said]:
        return self.said(lease=msgspec.structs.replace(self.good.lease, **swapped))


@pytest.fixture
def stage(scene: Scene) -> Stage:
    marks = [str(scene.home / f"mark{number}") for number in range(4)]
    return Stage(
        scene, work(scene.anna, function(touch), marks), work(scene.anna, function(brand), [*marks, *marks], 2)
    )


def another_function(stage: Stage) -> list[Said]:
    other = stage.other
    return stage.said(
        function=other.function,
        function_payload=other.function_payload,
        lease=msgspec.structs.replace(stage.good.lease, function=other.function.digest),
    )


def under_its_name(stage: Stage) -> list[Said]:
    return stage.said(function_payload=stage.other.function_payload)


def unsealed_function(stage: Stage) -> list[Said]:
    payload = function(touch)
    digest = hashlib.sha256(payload).digest()
    lease = msgspec.structs.replace(stage.good.lease, function=digest)
    return stage.said(function=m.Function(digest), function_payload=payload, lease=lease)


def unsealed_page(stage: Stage) -> list[Said]:
    return stage.said(page_payload=pages.encode([str(stage.scene.home / "mark")]).payload)


def null_sealed(stage: Stage) -> list[Said]:
    parcel = Parcel(pages.encode([str(stage.scene.home / "mark")] * 4).payload)
    payload = NullSealer().seal(parcel, Context("arguments", stage.good.lease.job, 0, 4))
    return stage.said(page_payload=payload)


def page_of_another_job(stage: Stage) -> list[Said]:
    return stage.said(page_payload=stage.other.page_payload)


def whole_other_page(stage: Stage) -> list[Said]:
    return stage.said(page=stage.other.page, page_payload=stage.other.page_payload)


def another_number(stage: Stage) -> list[Said]:
    return stage.said(page=msgspec.structs.replace(stage.good.page, number=1))


def moved(stage: Stage) -> list[Said]:
    lease = msgspec.structs.replace(stage.good.lease, start=4, stop=8)
    return stage.said(page=msgspec.structs.replace(stage.good.page, first=4), lease=lease)


def stretched(stage: Stage) -> list[Said]:
    lease = msgspec.structs.replace(stage.good.lease, stop=2**40)
    return stage.said(page=msgspec.structs.replace(stage.good.page, count=2**40), lease=lease)


def bent(stage: Stage) -> list[Said]:
    payload = bytearray(stage.good.page_payload)
    payload[-20] ^= 1
    return stage.said(page_payload=bytes(payload))


def cut(stage: Stage) -> list[Said]:
    return stage.said(page_payload=stage.good.page_payload[:-1])


def empty(stage: Stage) -> list[Said]:
    return stage.said(page_payload=b"", function_payload=b"")


def timed_out(stage: Stage) -> list[Said]:
    return stage.leased(task_timeout=1.0)


def in_a_context(stage: Stage) -> list[Said]:
    context = m.Context(b"c" * 32), b'{"env": {}, "path": [], "python": "/bin/false"}'
    return [context, *stage.leased(context=b"c" * 32)]


def after_its_time(stage: Stage) -> list[Said]:
    return fresh(stage, not_after=time.time() - 1)


def for_others(stage: Stage) -> list[Said]:
    return fresh(stage, options=Options(where=["ben"]))


def by_another(stage: Stage) -> list[Said]:
    return work(stage.scene.ben, function(touch), [str(stage.scene.home / "mark")]).said()


def by_a_removed_member(stage: Stage) -> list[Said]:
    scene = stage.scene
    made = work(scene.anna, function(touch), [str(scene.home / "mark")])
    scene.profile.set_runs(["anna", "eve"])
    eve = work(scene.cluster["eve"], function(touch), [str(scene.home / "mark")])
    book = scene.cluster.remove("eve")
    return [(m.Roster(scene.cluster.version), book), *eve._replace(lease=made.lease).said(), *eve.said()]


def results_as_arguments(stage: Stage) -> list[Said]:
    """The worker's own signature, from another place."""
    scene, job = stage.scene, stage.good.lease.job
    parcel = Parcel(pages.encode([str(scene.home / "mark")] * 4).payload)
    context = Context("results", job, 0, 4, lease=(1, 1))
    return stage.said(page_payload=scene.zoe.sealer.seal(parcel, context, Attestation(scene.zoe.key)))


def another_clusters(stage: Stage) -> list[Said]:
    from tests.support.cluster import Cluster

    theirs = Cluster([stage.scene.broker.address], stage.scene.broker.keys.public, {})
    return work(theirs["anna"], function(touch), [str(stage.scene.home / "mark")]).said()


def fresh(stage: Stage, **stated: object) -> list[Said]:
    return work(stage.scene.anna, function(touch), [str(stage.scene.home / "mark")], **stated).said()


LIES: list[Callable[[Stage], list[Said]]] = [
    *(another_function, under_its_name, unsealed_function, unsealed_page, null_sealed, page_of_another_job),
    *(whole_other_page, another_number, moved, stretched, bent, cut, empty, timed_out, in_a_context, after_its_time),
    *(for_others, by_another, by_a_removed_member, results_as_arguments, another_clusters),
]


def test_without_a_lie_it_would_run(stage: Stage) -> None:
    with stage.scene.start():
        stage.scene.broker.hear(m.Hello)
        stage.scene.broker.give(stage.said())
        stage.scene.broker.hear(m.Results)
    assert list(stage.scene.home.glob("mark*"))


@pytest.mark.parametrize("lie", LIES)
def test_a_lie_runs_nothing(stage: Stage, lie: Callable[[Stage], list[Said]]) -> None:
    scene = stage.scene
    with scene.start() as worker:
        scene.broker.hear(m.Hello)
        scene.broker.give(lie(stage))
        scene.broker.settle()
        ran = [slot.context for slot in worker.agent.machine.state.slots if slot.context]
        refused = [message for message, _ in scene.broker.got if isinstance(message, m.Results)]
        assert all(len(each.unfit) == each.stop - each.start for each in refused)
        scene.leases = 10
        _, opened = scene.run(scene.anna, function(square), [3])  # and it goes on
    assert scene.values(opened) == [9]
    assert ran == []
    assert not list(scene.home.glob("mark*"))


def test_pages_are_not_swapped_behind_a_lease_that_was_accepted(scene: Scene) -> None:
    """A second member who works with the broker signs a page for the same place, while the lease waits for its slot."""
    mark = str(scene.home / "mark")
    good = work(scene.anna, function(square), [2], job=b"j" * 16)
    evil = work(scene.ben, function(touch), [mark], job=b"j" * 16)
    with scene.start():
        scene.broker.hear(m.Hello)
        scene.broker.give([*good.said(), (evil.function, evil.function_payload), (evil.page, evil.page_payload)])
        results, _ = scene.broker.hear(m.Results)
        scene.broker.settle()
    assert not list(scene.home.glob("mark*"))
    assert results.lease == good.lease.lease


def test_what_runs_is_not_changed_by_a_second_lease_of_its_name(scene: Scene) -> None:
    good = work(scene.anna, function(square), [2])
    with scene.start():
        scene.broker.hear(m.Hello)
        twice = msgspec.structs.replace(good.lease, job=b"x" * 16)
        none = msgspec.structs.replace(good.lease, lease=LeaseId(1, 2), stop=0)
        scene.broker.give([*good.said(), (twice, b""), (none, b""), (good.lease, b"")])
        results, _ = scene.broker.hear(m.Results)
        scene.broker.settle()
    assert (results.job, results.stop) == (good.lease.job, 1)


def test_a_member_cannot_bring_a_blob_under_the_name_of_another(scene: Scene) -> None:
    """It would be in the way of whoever needs the right one."""
    data = os.urandom(700_000)
    encoded = pages.encode([data])
    (name,) = encoded.blobs
    scene.profile.set_runs(["anna", "ben"])
    bad, good = scene.ben.sealer.seal_blob(b"poison"), scene.anna.sealer.seal_blob(encoded.blobs[name])
    scene.broker.blobs.update([bad, good])
    with scene.start() as worker:
        scene.broker.hear(m.Hello)
        scene.broker.give(work(scene.ben, function(size), [data], 1, blobs={name: bad[0]}).said())
        crashed, _ = scene.broker.hear(m.Crashed)
        assert "missing" in scene.ben.sealer.reveal(crashed.detail)
        assert not (worker.agent.settings.directory / "blobs" / name.hex()).exists()
        scene.leases = 1
        _, opened = scene.run(scene.anna, function(size), [data], blobs={name: good[0]})
    assert scene.values(opened) == [700_000]


def test_a_blob_that_was_changed_is_not_taken(scene: Scene) -> None:
    data = os.urandom(700_000)
    encoded = pages.encode([data])
    (name,) = encoded.blobs
    other, sealed = scene.anna.sealer.seal_blob(b"other")
    wire = hashlib.sha256(sealed + b"x").digest()
    scene.broker.blobs[wire] = sealed + b"x"
    with scene.start() as worker:
        scene.broker.hear(m.Hello)
        scene.broker.give(work(scene.anna, function(size), [data], blobs={name: wire}).said())
        scene.broker.hear(m.Crashed)
        assert list((worker.agent.settings.directory / "blobs").iterdir()) == []
    assert other != wire
