"""A member's worker and a broker over real sockets, with real keys: what runs, and what the broker gets to see."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from raisin_core import messages as m
from raisin_core import pages
from raisin_core.identity.sealing import Attestation
from tests.support.cluster import work
from tests.worker.scenes import Scene, made_scene
from tests.worker.slots import function

scene = made_scene
MARKER = "a-secret-that-nobody-may-read"


def square(x: int) -> int:
    return x * x


def whoami(x: int) -> int:
    return os.getpid()


def touch(path: str) -> str:
    Path(path).write_text("was here")
    return path


def chatty(text: str) -> None:
    print(text, flush=True)


def crash(text: str) -> None:
    os.write(2, text.encode())
    os.abort()


def doubled(data: bytes) -> bytes:
    return data + data


# -- what runs -------------------------------------------------------------------------------------------------------


def test_a_member_says_who_it_is_and_whose_code_it_runs(scene: Scene) -> None:
    with scene.start():
        hello, _ = scene.broker.hear(m.Hello)
    assert (hello.role, hello.roster, hello.runs) == ("worker", scene.cluster.version, ["zoe", "anna"])


def test_allowed_code_runs_and_its_results_are_sealed_for_the_lease(scene: Scene) -> None:
    with scene.start():
        scene.broker.hear(m.Hello)
        results, opened = scene.run(scene.anna, function(square), [1, 2, 3], tags=bytes(range(48)))
    assert (results.start, results.stop, results.failed, results.unfit) == (0, 3, [], [])
    assert scene.values(opened) == [1, 4, 9]
    assert (opened.member, opened.account) == ("zoe", "zoe")
    assert opened.statement == Attestation(scene.anna.key, b"p" * 32)
    assert opened.parcel.tags == bytes(range(48))


def test_a_task_process_serves_one_submitting_machine(scene: Scene) -> None:
    with scene.start():
        scene.broker.hear(m.Hello)
        order = [scene.anna, scene.anna, scene.zoe, scene.anna]
        pids = [scene.values(scene.run(person, function(whoami), [0])[1])[0] for person in order]
    assert pids[0] == pids[1]
    assert len(set(pids)) == 3


def test_what_the_owner_does_not_allow_is_answered_and_not_run(scene: Scene) -> None:
    marker = scene.home / "marker"
    with scene.start() as worker:
        scene.broker.hear(m.Hello)
        results, opened = scene.run(scene.ben, function(touch), [str(marker)] * 3)
        scene.run(scene.anna, function(square), [1])  # and it goes on
    assert not marker.exists()
    assert [index for index, _ in results.unfit] == [0, 1, 2]
    assert {scene.ben.sealer.reveal(why) for _, why in results.unfit} == {
        "zoe runs only code of zoe, anna; its owner may allow it: raisin worker allow ben"
    }
    assert "allow" not in str(results.unfit)
    assert opened.member == "zoe"
    log = worker.agent.settings.directory / "worker.log"
    assert "is not run: zoe runs only code of zoe, anna" in log.read_text()


def test_the_owner_allows_somebody_and_the_broker_hears_of_it(scene: Scene) -> None:
    with scene.start():
        scene.broker.hear(m.Hello)
        scene.profile.set_runs(["anna", "ben"])  # by another program: the worker has read its own copy
        hello, _ = scene.broker.hear(m.Hello)
        assert hello.runs == ["zoe", "anna", "ben"]
        results, opened = scene.run(scene.ben, function(square), [3])
    assert results.unfit == []
    assert scene.values(opened) == [9]


# -- what the broker sees --------------------------------------------------------------------------------------------


def test_the_broker_reads_nothing(scene: Scene) -> None:
    """Neither values, nor what tasks raise, print or leave behind when they crash."""
    with scene.start():
        scene.broker.hear(m.Hello)
        scene.run(scene.anna, function(chatty), [f"{MARKER} printed"])
        scene.broker.until(lambda: any(isinstance(message, m.Wrote) for message, _ in scene.broker.got))
        scene.run(scene.anna, function(int), [f"{MARKER} raised"])
        scene.leases += 1
        scene.broker.give(work(scene.anna, function(crash), [f"{MARKER} crashed"], scene.leases).said())
        crashed, _ = scene.broker.hear(m.Crashed)
    assert "crashed" in scene.anna.sealer.reveal(crashed.detail)
    (wrote,) = [payload for message, payload in scene.broker.got if isinstance(message, m.Wrote)]
    assert scene.anna.sealer.reveal(wrote.decode()) == f"{MARKER} printed\n"
    for message, payload in scene.broker.got:
        assert MARKER.encode() not in payload
        assert MARKER not in str(message)


def test_blobs_travel_sealed_by_another_name(scene: Scene) -> None:
    data = os.urandom(100_000) * 6
    encoded = pages.encode([data])
    (name,) = encoded.blobs
    wire, sealed = scene.anna.sealer.seal_blob(encoded.blobs[name])
    scene.broker.blobs[wire] = sealed
    with scene.start() as worker:
        scene.broker.hear(m.Hello)
        results, opened = scene.run(scene.anna, function(doubled), [data], blobs={name: wire})
        blobs = worker.agent.settings.directory / "blobs"
        assert hashlib.sha256((blobs / name.hex()).read_bytes()).digest() == name
    assert not (blobs / wire.hex()).exists()
    assert scene.values(opened) == [data + data]
    (made,) = opened.parcel.blobs.values()
    assert results.blobs == [made]
    assert data[:100] not in scene.broker.blobs[made]


def test_what_was_sealed_is_said_again_byte_for_byte(scene: Scene) -> None:
    """Results without a verdict outlast the session and the epoch they were sealed in."""
    with scene.start():
        scene.broker.hear(m.Hello)
        made = work(scene.anna, function(square), [5])
        scene.broker.give(made.said())
        first = scene.broker.hear(m.Results)
        scene.broker.say(m.Roster(0), scene.cluster.remove("eve"))
        scene.broker.say(m.WhoAreYou())
        assert scene.broker.hear(m.Results) == first
