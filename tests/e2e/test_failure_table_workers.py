"""Row "worker killed, cable pulled, lid closed": its tasks go to others, and whatever comes first counts."""

from __future__ import annotations

import os
import time

import pytest

import raisin
from tests.e2e import support
from tests.e2e.faults import cable, frozen, impatient, named
from tests.e2e.support import until

pytestmark = pytest.mark.slow  # what it tests is the same on every Python


def runs_of(folder):
    """A task that ends when the file `go-WHO` or `go` is there, and what gives who has begun which tasks."""

    def run(n):
        me = os.environ["WHO"]
        (folder / f"began-{n}-{me}").touch()
        while not ((folder / f"go-{me}").exists() or (folder / "go").exists()):
            time.sleep(0.005)
        (folder / f"ended-{n}-{me}").touch()
        return n

    def seen(word, who):
        return sorted(int(path.name.split("-")[1]) for path in folder.glob(f"{word}-*-{who}"))

    return run, seen


def whose(m):
    """By index, which member's result counted."""
    return {record["index"]: record["account"] for record in m.get_all()}


def test_worker_lost_by_kill_9_and_started_again(folder):
    with support.cluster(folder, "ann") as cluster, cluster.connect():
        m = raisin.Map(lambda n: time.sleep(0.01) or n, range(100), chunksize=5).start()
        until(lambda: m.progress().done > 10, "some are done", show=cluster.show)
        cluster.workers["ann"].kill()
        cluster.start_worker("ann")
        assert m.get(timeout=30) == list(range(100))


def test_worker_lost_by_kill_9_for_good(folder):
    """After the silence another one has its tasks; what was done is not done again."""
    run, seen = runs_of(folder)
    with impatient(folder, "ann") as cluster, cluster.connect():
        m = raisin.Map(run, range(6), chunksize=1).start()
        until(lambda: seen("began", "ann"), "she has begun", show=cluster.show)
        named(cluster, "zoe")
        until(lambda: seen("began", "zoe"), "both work", show=cluster.show)
        cluster.workers["ann"].kill()
        (folder / "go").touch()
        assert m.get(timeout=30) == list(range(6))
        assert set(whose(m).values()) == {"zoe"}
        assert m.progress().failed == 0


def test_worker_lost_by_its_cable(folder):
    """Its line is half open: nobody is told. It comes back with the results that nobody else has."""
    run, seen = runs_of(folder)
    with impatient(folder) as cluster, cable(cluster) as line, cluster.connect():
        broker, cluster.address = cluster.address, line.address
        named(cluster, "ann", slots=2)
        cluster.address = broker
        m = raisin.Map(run, range(2), chunksize=1).start()
        until(lambda: seen("began", "ann") == [0, 1], "she has both", show=cluster.show)
        line.pull()
        (folder / "go-ann").touch()
        until(lambda: seen("ended", "ann") == [0, 1], "she has done both", show=cluster.show)
        named(cluster, "zoe")
        until(lambda: seen("began", "zoe"), "another one has her task", show=cluster.show)
        line.plug()
        assert m.get(timeout=30) == [0, 1]
        assert whose(m) == {0: "ann", 1: "ann"}
        assert seen("ended", "zoe") == []


def test_worker_lost_while_its_lid_is_closed(folder):
    """It wakes, and keeps what nobody else has."""
    run, seen = runs_of(folder)
    with impatient(folder, "ann") as cluster, cluster.connect():
        named(cluster, "bea", slots=2)
        m = raisin.Map(run, range(2), chunksize=1, where=["bea", "zoe"]).start()
        until(lambda: seen("began", "bea") == [0, 1], "she has both", show=cluster.show)
        until(lambda: m.progress().running == 2, "we have heard of it", show=m.explain)
        with frozen(cluster.workers["bea"]):
            until(lambda: m.progress().waits, "nobody is there who could go on", show=m.explain)
            named(cluster, "zoe")
            until(lambda: m.progress().running == 1, "another one has her task", show=m.explain)
        until(lambda: m.progress().running == 2, "she keeps the other one", show=m.explain)
        (folder / "go").touch()
        assert m.get(timeout=30) == [0, 1]
        assert seen("began", "zoe") == [0]
        assert whose(m)[1] == "bea"
        assert {record["attempts"] for record in m.get_all()} == {1}, "it is no failure"


def test_worker_lost_whose_late_result_is_the_first(folder):
    """Its task was given to another, which is not ready yet."""
    run, seen = runs_of(folder)
    with impatient(folder, "ann") as cluster, cluster.connect():
        p = raisin.Process(run, (7,)).start()
        until(lambda: seen("began", "ann"), "it runs", show=cluster.show)
        with frozen(cluster.workers["ann"], tasks=False):
            (folder / "go-ann").touch()
            until(lambda: seen("ended", "ann"), "it has ended", show=cluster.show)
            named(cluster, "zoe")
            until(lambda: seen("began", "zoe"), "another one has it", show=cluster.show)
        assert p.get(timeout=30) == 7
        assert whose(p) == {0: "ann"}
        assert seen("ended", "zoe") == []
        until(lambda: raisin.process(os.getpid, where=["zoe"]), "what nobody waits for was ended")
