"""Rows "broker killed" and "database locked": nothing acknowledged is lost, and nothing counts that should not."""

from __future__ import annotations

import os
import sqlite3
import time
from contextlib import closing

import pytest

import raisin
from tests.e2e import support
from tests.e2e.faults import IMPATIENT, impatient
from tests.e2e.support import until

pytestmark = pytest.mark.slow  # what it tests is the same on every Python


def test_broker_killed_in_the_middle_loses_nothing(folder):
    with support.cluster(folder, "ann") as cluster, cluster.connect():

        def run(n):
            time.sleep(0.01)
            with open(folder / "runs", "a") as file:
                file.write(f"{n}\n")
            return n

        m = raisin.Map(run, range(150), chunksize=5).start()
        for at in (10, 60):
            until(lambda at=at: m.progress().done > at, f"{at} are done", show=cluster.show)
            cluster.broker.kill()
            cluster.start_broker()
        assert m.get(timeout=30) == list(range(150))
        assert len((folder / "runs").read_text().split()) < 250, "little runs twice"
        assert sorted(record["res"] for record in m.get_all()) == list(range(150))


def test_broker_killed_while_elements_are_submitted(folder):
    """The client says again what was not acknowledged, and goes on; each element is there once."""

    def items():
        for n in range(3000):
            if n in (500, 2000):
                cluster.broker.kill()
                cluster.start_broker()
            yield n

    with support.cluster(folder, "ann") as cluster, cluster.connect():
        assert list(raisin.map(lambda n: n + 1, items(), chunksize=50)) == list(range(1, 3001))


def step_by_step(folder, end):
    """A task that notes each attempt, and ends it by `end()` when it is told: attempt 1 by the file `go-1`, ..."""

    def run(n):
        attempt = len(list(folder.glob("attempt-*"))) + 1
        (folder / f"attempt-{attempt}").touch()
        while not (folder / f"go-{attempt}").exists():
            time.sleep(0.005)
        return end(attempt)

    return run


def restarted_before_each_attempt(cluster, folder, attempts):
    """The broker is killed while each attempt runs, and started again; the worker may be back or not when it ends."""
    for attempt in range(1, attempts + 1):
        until((folder / f"attempt-{attempt}").exists, f"attempt {attempt} runs", show=cluster.show)
        cluster.broker.kill()
        cluster.start_broker(*IMPATIENT)
        (folder / f"go-{attempt}").touch()


def test_broker_killed_does_not_take_back_strikes(folder):
    """Three strikes in three runs of the broker, none of which has seen more than one."""
    run = step_by_step(folder, lambda attempt: os.abort())
    with impatient(folder, "ann", slots=2) as cluster, cluster.connect():
        p = raisin.Process(run, (1,), name="run").start()
        restarted_before_each_attempt(cluster, folder, 3)
        with pytest.raises(raisin.TaskCrashed) as caught:
            p.get(timeout=30)
    lines = str(caught.value).splitlines()
    assert lines[0] == "run (task 0) ended its process 3 times:"
    assert sum("killed by SIGABRT" in line for line in lines[1:]) == 3
    assert not (folder / "attempt-4").exists()


def test_broker_killed_does_not_take_back_retries(folder):
    def end(attempt):
        raise ValueError(f"attempt {attempt}")

    with impatient(folder, "ann", slots=2) as cluster, cluster.connect():
        p = raisin.Process(step_by_step(folder, end), (1,), retries=1).start()
        restarted_before_each_attempt(cluster, folder, 2)
        with pytest.raises(ValueError, match="attempt 2"):
            p.get(timeout=30)
    assert not (folder / "attempt-3").exists()


def test_database_locked_for_some_seconds(folder):
    """Another program holds it: what was acknowledged and what runs is not lost, and all goes on when it lets go."""

    def run(n):
        while n < 2 and not (folder / "go").exists():
            time.sleep(0.005)
        (folder / f"ended-{n}").touch()
        return n

    with support.cluster(folder, "ann", slots=2) as cluster, cluster.connect():
        m = raisin.Map(run, range(20), chunksize=1).start()
        until(lambda: m.progress().running, "it runs", show=cluster.show)
        with closing(sqlite3.connect(cluster.data / "raisin.db", isolation_level=None)) as other:
            other.execute("BEGIN EXCLUSIVE")
            (folder / "go").touch()
            log = cluster.data / "broker.log"
            until(lambda: "database is locked" in log.read_text(), "the broker notices", show=log.read_text)
            late = raisin.Map(run, range(100, 110)).start()
            with pytest.raises(raisin.TimeoutError):
                late.get(timeout=1)
            assert late.progress().done == 0, "it was not acknowledged"
            other.execute("ROLLBACK")
        assert m.get(timeout=30) == list(range(20))
        assert late.get(timeout=30) == list(range(100, 110))
        assert {record["attempts"] for record in m.get_all()} == {1}
    assert "another program holds it, end that one; nothing is lost, it is tried again" in log.read_text()
