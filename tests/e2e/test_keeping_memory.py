"""A client that collects nothing costs the broker no memory worth speaking of."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest

import raisin
from tests.e2e import support

TASKS = 1_000_000
MB = 2**20


@pytest.mark.slow
def test_a_million_results_that_are_never_collected(folder: Path) -> None:
    with support.cluster(folder, "bob", slots=2) as cluster, cluster.connect():
        assert len(list(raisin.map(abs, range(20_000)))) == 20_000, "what every broker needs is loaded"
        assert cluster.broker is not None
        broker = psutil.Process(cluster.broker.pid)
        before = broker.memory_info().rss
        squares = raisin.Map(lambda n: n * n, range(TASKS)).start()
        support.until(lambda: squares.state == "done", "all is computed", 120.0, cluster.show)
        grown = broker.memory_info().rss - before
        assert grown < 30 * MB, f"{grown / MB:.1f} MB more"
        assert squares.get()[TASKS - 1] == (TASKS - 1) ** 2
