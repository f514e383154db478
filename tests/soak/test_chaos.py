"""One minute of real chaos. Where it fails: `python -m tests.soak` with the seed that is shown."""

from __future__ import annotations

import os

import pytest

from tests.soak import disk, network
from tests.soak.cluster import WORKERS
from tests.soak.run import Settings, soak

SEED = int(os.environ.get("RAISIN_SOAK_SEED", "1"))
MINUTE = Settings(seconds=60.0, seed=SEED, lid=20.0, lids=WORKERS)


@pytest.mark.slow
def test_every_result_is_there_once_after_a_minute_of_chaos() -> None:
    if reason := network.obstacle():
        pytest.skip(reason)
    done = soak(MINUTE, print)
    print(done.report)
    assert not done.wrong
    own = os.getpid()
    assert own not in {pid for pid, _ in (*network.spaces(), *disk.mounted())}
    assert done.folder is None
