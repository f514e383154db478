"""Brokers and workers that are ended, politely or not, while a job runs: nothing is lost, nothing counts twice."""

from __future__ import annotations

import os
import signal
import time

import pytest

import raisin
from tests.e2e import support
from tests.e2e.support import until


def test_sigterm_ends_the_broker_cleanly_and_the_job_goes_on_after_the_next_start(folder):
    with support.cluster(folder, "ann") as cluster, cluster.connect():
        m = raisin.Map(lambda n: time.sleep(0.01) or n, range(100), chunksize=5).start()
        until(lambda: m.progress().done > 10, "some are done", show=cluster.show)
        cluster.broker.send(signal.SIGTERM)
        assert cluster.broker.wait().code == 0
        assert "stopping" in (cluster.data / "broker.log").read_text()
        cluster.start_broker()
        assert m.get(timeout=60) == list(range(100))


def test_sigterm_of_a_worker_drains(folder):
    """The task that runs is finished, and counted once; what it had not begun is done by another."""

    def run(n):
        (folder / f"began-{n}-{os.getpid()}").touch()
        while not (folder / "gate").exists():
            time.sleep(0.005)
        return n

    with support.cluster(folder, "ann") as cluster, cluster.connect():
        m = raisin.Map(run, range(4), chunksize=2).start()
        until(lambda: list(folder.glob("began-*")), "one runs", show=cluster.show)
        worker = cluster.workers["ann"]
        worker.send(signal.SIGTERM)
        log = cluster.folder / "ann" / "worker.log"
        until(lambda: "draining" in log.read_text(), "it drains")
        (folder / "gate").touch()
        assert worker.wait().code == 0
        began = len(list(folder.glob("began-*")))
        until(lambda: m.progress().done >= 1, "what ran counts", show=m.explain)
        cluster.start_worker("zoe")
        assert m.get(timeout=60) == [0, 1, 2, 3]
        assert len(list(folder.glob("began-*"))) == 4, f"{began} began before"
        assert {record["attempts"] for record in m.get_all()} == {1}


@pytest.mark.slow  # the same on every Python
def test_a_second_sigterm_ends_a_worker_at_once(folder):
    with support.cluster(folder, "ann") as cluster, cluster.connect():
        mark = folder / "runs"
        p = raisin.Process(lambda: (mark.touch(), time.sleep(1000))).start()
        until(mark.exists, "it runs", show=cluster.show)
        worker = cluster.workers["ann"]
        worker.send(signal.SIGTERM)
        log = cluster.folder / "ann" / "worker.log"
        until(lambda: "draining" in log.read_text(), "it drains")
        worker.send(signal.SIGTERM)
        assert worker.wait(8).code == 0
        p.cancel()
