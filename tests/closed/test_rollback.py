"""A broker that goes back to an older roster, because it means harm or because of a backup, brings nobody back."""

from __future__ import annotations

from pathlib import Path

import pytest

from raisin_core.client.talking import talk
from raisin_core.errors import NotAdmitted
from raisin_core.identity import founding
from raisin_core.identity.standing import read_book
from raisin_core.messages import Publish, Roster
from tests.cli.programs import RUN
from tests.closed.support import Closed, Machine, at_home, closed

pytestmark = pytest.mark.slow
TASK = "import raisin; raisin.connect(); print(raisin.process(abs, (-7,)))"


def ask(cluster: Closed, who: Machine) -> Roster:
    """What the broker answers to this member."""
    key = read_book(cluster.book).broker.key
    said, _ = talk([cluster.address], key, who.secrets.curve, Publish())
    assert isinstance(said, Roster)
    return said


def test_an_older_roster_is_nobodys(tmp_path: Path) -> None:
    with closed(tmp_path) as cluster:
        cluster.admit("zoe", "sam")
        cluster.begin(evil=True, runs=["zoe"])
        zoe, sam = cluster.machines["zoe"], cluster.machines["sam"]
        new = founding.remove(cluster.book, cluster.root_seed, ["sam"], cluster.keys(), [1])
        with at_home(zoe.home):
            zoe.profile().adopt(new)
        cluster.twist("old_roster")
        ask(cluster, sam)  # this is the one that everybody is told from now on
        zoe.worker().await_text(", pid ")
        assert zoe.run(TASK).ok() == "7\n", cluster.show()
        told = zoe.start(["-c", RUN, "cluster", "members"], "members").wait()
        assert "older than" in told.err, told
        assert zoe.profile().standing.book == new
        assert (cluster.data / "twisted-old_roster").exists()
        with pytest.raises(NotAdmitted):
            ask(cluster, sam)

        assert cluster.broker is not None
        cluster.broker.close()
        (cluster.data / "book").write_bytes(cluster.book)
        cluster.start_broker()
        assert zoe.run(TASK).ok() == "7\n", cluster.show()
        assert (cluster.data / "book").read_bytes() == new, "the first member that came has told it"
        with pytest.raises(NotAdmitted):
            ask(cluster, sam)
