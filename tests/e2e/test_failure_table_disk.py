"""Row "disk full": what is new waits before it is acknowledged, what runs is finished from the room in reserve."""

from __future__ import annotations

import sys
import time

import pytest

import raisin
from tests.e2e import support
from tests.e2e.faults import fill, small_disk
from tests.e2e.support import until

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="only Linux mounts a small disk so easily"),
]

MEGABYTES = 128
FULL = "what runs is finished, nothing new is taken until there is room"


@pytest.fixture
def disk(folder):
    """A cluster whose broker has a small disk, and that disk."""
    with small_disk(folder / "disk", MEGABYTES) as path:
        made = support.Cluster(path)
        try:
            made.start_broker()
            until((made.data / "reserve").exists, "there is a reserve", show=made.show)
            yield made, made.data
        finally:
            made.close()


def test_disk_full_while_a_job_runs(disk, folder):
    """It runs to its end; the next one is not acknowledged, says why it waits, and runs when there is room."""
    cluster, data = disk

    def run(n):
        (folder / f"began-{n}").touch()
        while not (folder / "go").exists():
            time.sleep(0.005)
        return bytes(100_000)

    with cluster.connect():
        cluster.start_worker("ann", slots=2)
        m = raisin.Map(run, range(100), chunksize=1).start()
        until(lambda: m.progress().total == 100, "it is submitted", show=cluster.show)
        until(lambda: list(folder.glob("began-*")), "it runs", show=cluster.show)
        ballast = fill(data)
        (folder / "go").touch()
        assert len(m.get(timeout=30)) == 100, "ten megabytes of results find room"
        log = data / "broker.log"
        late = raisin.Map(abs, [-1, -2]).start()

        def said():
            with pytest.raises(raisin.TimeoutError) as caught:
                late.get(timeout=0.2)
            return FULL in str(caught.value) and str(caught.value)

        text = until(said, "it is said why it waits", show=cluster.show)
        assert f"the rest of it is not submitted: the disk of the broker's directory {data} is full" in text
        assert late.progress().done == 0
        ballast.unlink()
        assert late.get(timeout=30) == [1, 2]
        assert cluster.broker.process.poll() is None, log


def test_disk_full_and_the_broker_killed(disk, folder):
    """What was acknowledged before and while it was full is there after the next start."""
    cluster, data = disk
    with cluster.connect():
        cluster.start_worker("ann")
        m = raisin.Map(lambda n: (n, bytes(20_000)), range(50), save=True)
        assert len(m.get(timeout=30)) == 50
        ballast = fill(data)
        cluster.broker.kill()
        ballast.unlink()
        cluster.start_broker()
        assert [n for n, _ in raisin.attach(m.id).get(timeout=30)] == list(range(50))
        assert raisin.process(abs, (-1,)) == 1
