"""What members call themselves, print and report acts on nobody's terminal or notebook: real commands, raw members."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from raisin_core import digests
from raisin_core import messages as m
from raisin_core.errors import RosterError, UsageError
from raisin_core.identity import founding
from tests.attacks.support import FUNCTION, Peer, ident
from tests.cli.programs import RUN
from tests.closed.raw import doors_of
from tests.closed.support import closed
from tests.core.test_texts import EVIL, HARMFUL
from tests.e2e.support import Program

pytestmark = pytest.mark.slow

NAME = "a\x1b[2Jb"
LOOK = """
import raisin
raisin.connect()
for found in (raisin.members(), raisin.jobs()):
    print(repr(found))
    assert "<script>" not in found._repr_html_()
    print(found._repr_html_())
print("all is shown")
"""
ONE_TASK = "import raisin; raisin.connect(); raisin.process(len, ('abc',))"
REAL = """
import sys, raisin

def work(evil):
    print(evil)
    raise ValueError(evil)

handle = raisin.Process(work, (sys.argv[1],), name="f").start()
try:
    handle.get()
finally:
    print("all is said")
"""


def harmless(out: str) -> bool:
    return not set(HARMFUL) & set(out)


def answer_badly(worker: Peer, program: Program) -> int:
    """Whatever is leased crashes, with a story; how often."""
    said, end = 0, time.monotonic() + 60
    worker.say(m.Held([], 0))
    while program.process.poll() is None:
        assert time.monotonic() < end, program.show()
        if worker.hears_nothing(1000):
            worker.say(m.Beat())
        else:
            lease, _ = worker.hear_all(m.Message)
            if isinstance(lease, m.Lease):
                worker.say(m.Printed(lease.job, lease.start, EVIL), EVIL.encode())
                worker.say(m.Crashed(lease.lease, lease.job, lease.start, "crash", EVIL, 0))
                said += 1
    return said


def test_a_roster_with_such_a_name_is_nobodys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Although the root key has signed it."""
    with closed(tmp_path) as cluster, doors_of(cluster) as doors:
        cluster.admit("sam")
        cluster.begin()
        with pytest.raises(UsageError, match="is no name"):
            founding.rename(cluster.book, cluster.root_seed, "sam", NAME, cluster.keys())
        monkeypatch.setattr(founding, "check_roster", id)
        evil = founding.rename(cluster.book, cluster.root_seed, "sam", NAME, cluster.keys())
        monkeypatch.undo()
        refused = doors.peer(cluster.root.secrets.curve).ask(m.Publish(), evil)
        assert isinstance(refused, m.Refused)
        assert refused.code == "roster"
        assert harmless(refused.reason)
        profile = cluster.machines["sam"].profile()
        with pytest.raises(RosterError, match="is no name") as caught:
            profile.adopt(evil)
        assert harmless(str(caught.value))
        assert set(profile.standing.members) == {"anna", "sam"}


def test_nothing_that_members_say_acts_on_a_terminal(tmp_path: Path) -> None:
    with closed(tmp_path) as cluster, doors_of(cluster) as doors:
        cluster.admit("sam", account="anna")
        cluster.begin(runs=["anna"])
        own = cluster.machines["sam"].secrets.curve
        client = doors.peer(own, "client", host=EVIL, environment=EVIL)
        worker = doors.peer(own, "worker", host=EVIL, environment=EVIL, runs=["anna"])
        job = ident()
        options = m.Options(where=["nobody"])
        client.say(m.Open(job, "map", EVIL, digests.content(FUNCTION), options, resume="key", epoch=1), FUNCTION)
        client.say(m.Page(job, 0, 0, 3, last=True, tags=bytes(48)), b"arguments")
        client.hear(m.Closed)
        root = cluster.root
        commands = [
            ["cluster", "members"],
            ["cluster", "status"],
            ["jobs"],
            ["explain", job.hex()],
            ["trust"],
            ["doctor"],
        ]
        looks = [root.start(["-c", RUN, *each], each[-1][:8]) for each in commands]
        looks += [root.script(LOOK), task := root.script(ONE_TASK)]
        assert answer_badly(worker, task), "it was asked"
        for each in looks:
            done = each.wait(60)
            assert done.out + done.err
            assert harmless(done.out + done.err), each.name
        assert "all is shown" in looks[-2].out
        assert "sam" in looks[0].out
        doors.close()
        cluster.machines["sam"].worker()
        real = root.script(REAL, EVIL.replace("\x00", "")).wait(60)
        assert "all is said" in real.out
        assert "ValueError" in real.err
        assert harmless(real.out + real.err)
