"""Who is found dead, who is not, and when: silence, a clean close, a broker that froze, polite stops."""

from __future__ import annotations

import os
import signal
import time

import psutil
import pytest

import raisin
from tests.e2e import support
from tests.e2e.faults import frozen, impatient, named
from tests.e2e.support import until

pytestmark = pytest.mark.slow  # what it tests is the same on every Python


def waits_for(folder):
    """A task that notes each time it is run, and ends when the file `go` is there."""

    def run(n):
        with open(folder / f"run-{n}", "a") as file:
            file.write(os.environ.get("WHO", "") + "\n")
        while not (folder / "go").exists():
            time.sleep(0.005)
        return n

    return run


def runs(folder):
    """Who has begun each task."""
    return {int(path.name[4:]): path.read_text().split() for path in folder.glob("run-*")}


def end_at_once(worker, log):
    """SIGTERM, and again: it does not wait for what runs."""
    before = len(log.read_text())
    worker.send(signal.SIGTERM)
    until(lambda: "draining" in log.read_text()[before:], "it drains", show=worker.show)
    worker.send(signal.SIGTERM)
    assert worker.wait().code == 0


def test_suspect_after_the_silence(folder):
    """A frozen worker's task is given to another, and nobody is blamed."""
    with impatient(folder, "ann") as cluster, cluster.connect():
        p = raisin.Process(waits_for(folder), (0,)).start()
        until(lambda: runs(folder), "it runs", show=cluster.show)
        with frozen(cluster.workers["ann"]):
            named(cluster, "zoe")
            until(lambda: runs(folder)[0] == ["ann", "zoe"], "another one has it", show=cluster.show)
            (folder / "go").touch()
            (record,) = p.get_all(timeout=30)
        assert (record["account"], record["attempts"]) == ("zoe", 1)


def test_a_clean_close_at_once(folder):
    """The silence would be ten minutes: nobody waits for it when a worker says goodbye."""
    made = support.Cluster(folder)
    try:
        made.start_broker("--silence", "600")
        worker = named(made, "ann")
        with made.connect():
            assert raisin.process(abs, (-1,), where=["ann"]) == 1
            worker.send(signal.SIGTERM)
            assert worker.wait().code == 0
            p = raisin.Process(waits_for(folder), (0,), where=["ann"]).start()
            until(lambda: "no worker is connected" in p.explain(), "it is said", show=p.explain)
            p.cancel()
    finally:
        made.close()


def test_a_clean_close_while_it_works(folder):
    """What it had not begun is done by another at once; what ran counts."""
    made = support.Cluster(folder)
    try:
        made.start_broker("--silence", "600")
        worker = named(made, "ann")
        with made.connect():
            m = raisin.Map(waits_for(folder), range(3), chunksize=3).start()
            until(lambda: runs(folder), "it runs", show=made.show)
            worker.send(signal.SIGTERM)
            log = folder / "ann" / "worker.log"
            until(lambda: "draining" in log.read_text(), "it drains", show=made.show)
            named(made, "zoe")
            until(lambda: ["zoe"] in runs(folder).values(), "another one has the rest", show=made.show)
            (folder / "go").touch()
            assert m.get(timeout=30) == [0, 1, 2]
            assert worker.wait().code == 0
            assert {len(who) for who in runs(folder).values()} == {1}
            assert {record["attempts"] for record in m.get_all()} == {1}
    finally:
        made.close()


def test_a_hasty_end_at_once(folder):
    """A second SIGTERM: what ran is free for others, and nobody waits for the silence."""
    made = support.Cluster(folder)
    try:
        made.start_broker("--silence", "600")
        worker = named(made, "ann")
        with made.connect():
            p = raisin.Process(waits_for(folder), (0,)).start()
            until(lambda: runs(folder), "it runs", show=made.show)
            end_at_once(worker, folder / "ann" / "worker.log")
            named(made, "zoe")
            until(lambda: runs(folder)[0] == ["ann", "zoe"], "another one has it", show=made.show)
            (folder / "go").touch()
            assert p.get(timeout=30) == 0
    finally:
        made.close()


def test_a_frozen_broker_condemns_nobody(folder):
    """It sleeps until its workers find it silent: then they are as silent to it. No task runs twice."""
    with impatient(folder, "ann", "zoe") as cluster, cluster.connect():
        m = raisin.Map(waits_for(folder), range(6), chunksize=1).start()
        until(lambda: len(runs(folder)) == 2, "both run something", show=cluster.show)
        with frozen(cluster.broker):
            logs = [folder / name / "worker.log" for name in ("ann", "zoe")]
            for log in logs:
                until(
                    lambda log=log: "the broker is silent" in log.read_text(), "it is found silent", show=cluster.show
                )
        assert raisin.Map(abs, [-1], where=["zoe"]).start(), "the broker hears us"
        (folder / "go").touch()
        assert m.get(timeout=30) == list(range(6))
        assert {n: len(who) for n, who in runs(folder).items()} == dict.fromkeys(range(6), 1)
        assert {record["attempts"] for record in m.get_all()} == {1}


def test_a_frozen_broker_and_results_that_come_meanwhile(folder):
    """They wait with their workers, which say them again; each counts once."""
    with impatient(folder, "ann") as cluster, cluster.connect():
        m = raisin.Map(waits_for(folder), range(3), chunksize=1).start()
        until(lambda: runs(folder), "it runs", show=cluster.show)
        with frozen(cluster.broker):
            (folder / "go").touch()
            log = folder / "ann" / "worker.log"
            until(lambda: "the broker is silent" in log.read_text(), "it is found silent", show=cluster.show)
        assert m.get(timeout=30) == [0, 1, 2]
        assert {len(who) for who in runs(folder).values()} == {1}
        assert sorted(record["index"] for record in m.get_all()) == [0, 1, 2]


def test_polite_stops_are_no_failures(folder):
    """Its worker is ended four times while it runs: more often than it may crash."""
    with impatient(folder) as cluster, cluster.connect():
        p = raisin.Process(waits_for(folder), (0,)).start()
        for turn in range(1, 5):
            worker = named(cluster, "ann")
            until(lambda turn=turn: len(runs(folder).get(0, [])) == turn, "it runs", show=cluster.show)
            end_at_once(worker, folder / "ann" / "worker.log")
        named(cluster, "ann")
        (folder / "go").touch()
        (record,) = p.get_all(timeout=30)
        assert (record["res"], record["attempts"]) == (0, 1)


def test_a_task_process_is_not_blamed_for_its_agent(folder):
    """kill -9 of the agent, four times: its task processes end with it, and that is no strike either."""
    with impatient(folder) as cluster, cluster.connect():
        p = raisin.Process(waits_for(folder), (0,)).start()
        for turn in range(1, 5):
            worker = named(cluster, "ann")
            until(lambda turn=turn: len(runs(folder).get(0, [])) == turn, "it runs", show=cluster.show)
            children = psutil.Process(worker.pid).children(recursive=True)
            worker.kill()
            until(lambda children=children: not any(c.is_running() for c in children), "all of it has ended")
        named(cluster, "ann")
        (folder / "go").touch()
        (record,) = p.get_all(timeout=30)
        assert (record["res"], record["attempts"]) == (0, 1)
