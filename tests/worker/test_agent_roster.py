"""A member's worker and its cluster: rosters that come and go, its own removal, and where the broker is."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from raisin_core import messages as m
from raisin_core.errors import UsageError
from raisin_core.identity import founding
from raisin_core.identity.documents import Broker
from raisin_core.identity.profile import Profile
from raisin_core.identity.standing import read_book
from raisin_worker import agent
from raisin_worker.agent import Settings
from raisin_worker.belonging import Addresses
from tests.support.cluster import Cluster, work
from tests.worker.scenes import Scene, made_scene
from tests.worker.slots import function

pytestmark = pytest.mark.slow
scene = made_scene


def square(x: int) -> int:
    return x * x


def log(scene: Scene) -> str:
    return (scene.profile.directory / "worker" / "worker.log").read_text()


def test_what_is_sealed_with_a_newer_key_is_opened_after_its_roster(scene: Scene) -> None:
    with scene.start():
        scene.broker.hear(m.Hello)
        scene.broker.say(m.Roster(scene.cluster.version + 1), scene.cluster.remove("eve"))
        _, opened = scene.run(scene.anna, function(square), [4])
    assert scene.values(opened) == [16]
    assert scene.profile.reload()
    assert scene.profile.standing.epoch == scene.zoe.sealer.epoch == 2


def test_a_broker_with_an_older_roster_is_told_the_newer(scene: Scene) -> None:
    scene.broker.roster = scene.cluster.version - 1
    with scene.start():
        _, book = scene.broker.hear(m.Publish)
    assert book == scene.cluster.book


def test_a_broker_with_the_same_or_a_newer_one_is_told_nothing(scene: Scene) -> None:
    with scene.start():
        scene.broker.hear(m.Hello)
        scene.broker.settle()
        scene.broker.roster += 1
        scene.broker.say(m.WhoAreYou())
        scene.broker.hear(m.Hello)
        scene.broker.settle()
    assert not [message for message, _ in scene.broker.got if isinstance(message, m.Publish)]


@pytest.mark.parametrize("kind", ["older", "forged", "another cluster's", "garbage", "none"])
def test_a_roster_that_does_not_count_changes_nothing(scene: Scene, kind: str) -> None:
    old = scene.cluster.book
    newer = scene.cluster.remove("eve")
    theirs = Cluster([scene.broker.address], scene.broker.keys.public, {"zoe": ("zoe", ["worker"])})
    forged = bytearray(newer)
    forged[len(forged) // 2] ^= 1
    books = {"older": old, "forged": bytes(forged), "another cluster's": theirs.book, "garbage": b"x", "none": b""}
    if kind == "older":
        scene.profile.adopt(newer)
    before = scene.profile.standing.version
    with scene.start() as worker:
        scene.broker.hear(m.Hello)
        scene.broker.say(m.Roster(99), books[kind])
        scene.broker.settle()
        membership = worker.agent.machine.membership
    assert membership is not None
    assert membership.version == before
    assert "the broker's roster is refused" in log(scene)


def test_a_removed_worker_ends_what_runs_and_says_so_once(
    scene: Scene, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(agent, "REMOVED_SECONDS", 0.05)
    monkeypatch.setattr(agent, "RETRY_SECONDS", 0.05)
    started = scene.home / "started"

    def linger(path: str) -> None:
        import time

        Path(path).write_text(str(os.getpid()))
        time.sleep(3600)

    with scene.start() as worker:
        scene.broker.hear(m.Hello)
        scene.broker.give(work(scene.anna, function(linger), [str(started)]).said())
        scene.broker.until(lambda: started.exists() and started.read_text())
        scene.broker.admits = False
        scene.broker.say(m.Refused("member", "removed from the roster", fatal=True))
        scene.broker.until(lambda: scene.broker.turned_away > 2)
        assert not alive(int(started.read_text()))
        assert worker.agent.machine.state.leases == {}
        scene.broker.admits = True
        scene.broker.hear(m.Hello)
        _, opened = scene.run(scene.anna, function(square), [4])  # admitted again
    assert scene.values(opened) == [16]
    said = capsys.readouterr().err
    assert said.count("the broker of cluster lab does not admit this machine: it was removed") == 1


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


# -- where the broker is ---------------------------------------------------------------------------------------------


def test_addresses_are_tried_in_turn(scene: Scene) -> None:
    there = Broker([f"ipc://{scene.home}/nobody", scene.broker.address], scene.broker.keys.public)
    scene.profile.adopt(founding.move(scene.cluster.book, scene.cluster.root_seed, there, scene.cluster.keys))
    with scene.start():
        scene.broker.hear(m.Hello)
    assert read_book(scene.cluster.book).version + 1 == scene.profile.standing.version


def test_a_round_of_addresses() -> None:
    known = ["a", "b", "c"]
    addresses = Addresses(lambda: known)
    assert (addresses.current, addresses.several()) == ("a", True)
    assert [(addresses.go_on(), addresses.current) for _ in range(4)] == [
        (False, "b"),
        (False, "c"),
        (True, "a"),
        (False, "b"),
    ]
    known[:] = ["d"]
    assert addresses.several()  # it has moved
    assert (addresses.go_on(), addresses.current, addresses.several()) == (True, "d", False)


# -- who may be a worker ---------------------------------------------------------------------------------------------


def test_the_settings_of_a_member(scene: Scene) -> None:
    settings = Settings.of(scene.profile, 2)
    assert settings.directory == scene.profile.directory / "worker"
    assert (settings.broker, settings.broker_key) == (scene.broker.address, scene.broker.keys.public)
    assert settings.profile is scene.profile


def test_a_member_that_is_to_be_no_worker_is_none(scene: Scene) -> None:
    Profile.discard("lab")
    with pytest.raises(UsageError, match=r"ben is no worker of cluster lab \(its roles: client\)"):
        Settings.of(scene.ben.profile(), 1)
