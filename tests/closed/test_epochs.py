"""A member is removed: it is out at once, running jobs go on, and those who stay can read what was before."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from raisin_core.client.talking import talk
from raisin_core.errors import ClusterError
from raisin_core.identity import founding
from raisin_core.identity.profile import Profile
from raisin_core.messages import Publish, Roster
from tests.closed.support import Closed, at_home, closed
from tests.e2e.support import until

pytestmark = pytest.mark.slow


def publish(cluster: Closed, *removed: str) -> bytes:
    """Remove members, as the machine with the root key does; the new book."""
    with at_home(cluster.root.home):
        profile = cluster.root.profile()
        said, book = ask(cluster, profile, Publish(), b"")
        assert isinstance(said, Roster)
        profile.adopt(book)
        new = founding.remove(profile.standing.book, cluster.root_seed, removed, profile.keys, said.epochs)
        said, book = ask(cluster, profile, Publish(), new)
        assert isinstance(said, Roster), said
        profile.adopt(book)
        return book


def ask(cluster: Closed, profile: Profile, message: Publish, payload: bytes) -> tuple[object, bytes]:
    return talk(profile.addresses, profile.broker_key, profile.secrets.curve, message, payload)


def test_a_removed_member_is_out_and_the_rest_goes_on(tmp_path: Path) -> None:
    with closed(tmp_path) as cluster:
        cluster.admit("zoe", "sam")
        cluster.begin(runs=["anna", "sam", "zoe"])
        cluster.machines["zoe"].worker(slots=2)
        slow = """
            import sys, time
            import raisin
            from pathlib import Path
            folder = Path(sys.argv[1])
            def work(x):
                (folder / str(x)).touch()
                time.sleep(0.05)
                return x
            folder.mkdir()
            handle = raisin.Map(work, range(int(sys.argv[2])), chunksize=1).start()
            print("id", handle.id, flush=True)
            try:
                print("sum", sum(handle.get()), flush=True)
            except Exception as error:
                print("ended", type(error).__name__, error, flush=True)
        """
        sam = cluster.machines["sam"].script(slow, tmp_path / "of-sam", 2000)
        anna = cluster.root.script(slow, tmp_path / "of-anna", 100)
        for name in ("of-sam", "of-anna"):
            until(lambda name=name: len(list((tmp_path / name).glob("*"))) > 2, f"{name} runs", show=cluster.show)
        began = time.monotonic()
        publish(cluster, "sam")
        profile = cluster.machines["sam"].profile()
        with pytest.raises(ClusterError):
            ask(cluster, profile, Publish(), b"")
        sam.await_text("ended", 20)
        count = len(list((tmp_path / "of-sam").glob("*")))
        assert anna.wait(60).out.endswith(f"sum {sum(range(100))}\n"), cluster.show()
        assert len(list((tmp_path / "of-sam").glob("*"))) <= count + 2, "its job went on"
        assert time.monotonic() - began < 60
        standing = cluster.root.profile().standing
        assert standing.epoch == 2
        assert "sam" not in standing.members


def test_the_accounts_other_machine_collects_and_resumes(tmp_path: Path) -> None:
    with closed(tmp_path) as cluster:
        cluster.admit("zoe", roles=("worker",))
        cluster.admit("sam-old", "sam-new", account="sam")
        cluster.begin(runs=["sam"])
        cluster.machines["zoe"].worker()
        job = """
            import sys
            from pathlib import Path
            import raisin
            def work(x):
                with open(sys.argv[1], "a") as file:
                    file.write("x")
                return x + 1
            handle = raisin.Map(work, range(20), resume="nightly").start()
            print("sum", sum(handle.get()), handle.id)
        """
        job = job.replace("sys.argv[1]", repr(str(tmp_path / "ran")))
        first = cluster.machines["sam-old"].run(job)
        assert first.code == 0, cluster.show()
        assert first.out.startswith("sum 210 ")
        with at_home(cluster.machines["sam-new"].home):
            new = cluster.machines["sam-new"].profile()
            new.confirm(new.standing.members["sam-old"])
        publish(cluster, "sam-old")
        attached = cluster.machines["sam-new"].run(
            "import sys, raisin; print(sum(raisin.attach(sys.argv[1]).get()))", first.out.split()[-1]
        )
        assert attached.out == "210\n", cluster.show()
        again = cluster.machines["sam-new"].run(job)
        assert again.out.startswith("sum 210 "), cluster.show()
        assert (tmp_path / "ran").read_text() == "x" * 20, "nothing was computed twice"
