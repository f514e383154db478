"""One machine in two clusters: nothing is shared between them, nor with the embedded cluster beside them.

zoe's laptop is in `one` (anna's) and in `two` (bert's), works for the one that is active, and has an embedded cluster.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import psutil
import pytest

from raisin_cli import background, programs
from raisin_core import messages as m
from raisin_core.client.talking import talk
from raisin_core.errors import NotAdmitted, RosterError, SealError
from raisin_core.identity import documents
from raisin_core.identity.invitations import Invitation, line, parse
from raisin_core.identity.profile import Profile
from raisin_core.identity.sealing import Attestation, Context, Parcel, Warrant
from raisin_core.identity.secrets import Secrets
from tests.attacks.conftest import make_folder
from tests.closed.support import at_home
from tests.closed.typed import Computer, computers

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="looks into all of /proc"),
]
CALL = """
import json, sys, raisin

def look(mark):
    import os
    with open("of-" + mark, "w") as file:
        file.write(mark)
    print(mark)
    return {"pid": os.getpid(), "cwd": os.getcwd(), "environment": dict(os.environ)}

mark, where = sys.argv[1:]
if where != "machine":
    raisin.connect()
print(json.dumps(raisin.process(look, (mark,), where=[where] if where != "machine" else where)))
"""
JOB, FUNCTION = b"j" * 16, b"f" * 32
ARGUMENTS, RESULTS = Context("arguments", JOB, 0, 1), Context("results", JOB, 0, 1, lease=(1, 1))
WARRANT = Warrant(FUNCTION, m.Options(), 1e12)


class Ran(NamedTuple):
    """A task on zoe's laptop: what it saw, which files it changed, which sockets and files its worker had open."""

    seen: dict[str, Any]
    changed: set[str]
    opened: set[str]
    ports: set[int]


class Laptops:
    """anna, bert and zoe."""

    def __init__(self, anna: Computer, bert: Computer, zoe: Computer) -> None:
        self.anna, self.bert, self.zoe = anna, bert, zoe
        self.ran: dict[str, Ran] = {}

    def files(self) -> dict[str, str]:
        """What lies in zoe's home."""
        found = {}
        for path in self.zoe.home.rglob("*"):
            if path.is_file():
                found[str(path.relative_to(self.zoe.home))] = hashlib.sha256(path.read_bytes()).hexdigest()
        return found

    def run(self, name: str, who: Computer) -> None:
        """One task on zoe's laptop."""
        before = self.files()
        where = "machine" if name == "machine" else "zoe"
        seen = json.loads(who.python(CALL, f"mark-{name}", where).splitlines()[-1])
        opened, ports = set[str](), set[int]()
        for process in self.workers(name):
            opened |= {os.path.realpath(link) for link in Path(f"/proc/{process.pid}/fd").iterdir()}
            opened |= {each.laddr for each in process.net_connections("unix") if each.laddr}
            ports |= {each.raddr.port for each in process.net_connections("tcp") if each.raddr}
        after = self.files()
        changed = {path for path in {*before, *after} if before.get(path) != after.get(path)}
        self.ran[name] = Ran(seen, changed, opened, ports)

    def workers(self, name: str) -> list[psutil.Process]:
        """zoe's worker for a cluster, and its task processes."""
        if name == "machine":
            return []
        with at_home(self.zoe.home):
            pid = background.running(programs.worker_of(name))
        assert pid is not None
        process = psutil.Process(pid)
        return [process, *process.children(recursive=True)]

    def profiles(self) -> tuple[Profile, Profile]:
        """zoe's."""
        return self.zoe.profile("one"), self.zoe.profile("two")


@pytest.fixture(scope="module")
def place(session_home: Path) -> Iterator[Path]:
    yield from make_folder()


@pytest.fixture(scope="module")
def laptops(place: Path) -> Iterator[Laptops]:
    with computers(place, ["anna", "bert", "zoe"]) as (anna, bert, zoe):
        made = Laptops(anna, bert, zoe)
        for owner, cluster in ((anna, "one"), (bert, "two")):
            owner.create(cluster, "--no-worker")
            zoe.raisin("join", owner.invite("zoe"), "--yes")
            trust(owner)
        made.run("two", bert)
        zoe.raisin("cluster", "use", "one")
        made.run("one", anna)
        made.run("machine", zoe)
        yield made


def trust(owner: Computer) -> None:
    owner.raisin("cluster", "members")
    with at_home(owner.home):
        profile = owner.profile()
        profile.confirm(profile.standing.members["zoe"])


def test_only_what_is_of_a_cluster_changes_when_it_works(laptops: Laptops) -> None:
    """Files, caches, logs, and what tasks leave behind."""
    for name, place in (("one", "clusters/one/"), ("two", "clusters/two/")):
        changed = {path for path in laptops.ran[name].changed if not path.startswith(place)}
        assert changed == set()
    changed = laptops.ran["machine"].changed
    assert [path for path in changed if path.startswith("clusters")] == []
    for name, other in (("one", "two"), ("two", "one"), ("one", "machine"), ("machine", "one")):
        for path in (laptops.zoe.home / "clusters" / name).rglob("*"):
            if path.is_file():
                assert f"mark-{other}".encode() not in path.read_bytes()


def test_tasks_see_nothing_of_the_other_cluster(laptops: Laptops) -> None:
    """Neither in their environment nor in their directories."""
    home = laptops.zoe.home
    for name, (seen, *_) in laptops.ran.items():
        own = home / "clusters" / name if name != "machine" else laptops.zoe.folder
        assert Path(seen["cwd"]).is_relative_to(own), "the machine's own tasks run where their program runs"
        others = [f"clusters/{each}" for each in ("one", "two") if each != name]
        text = json.dumps(seen)
        assert [each for each in others if each in text] == []
    assert len({each.seen["pid"] for each in laptops.ran.values()}) == 3
    assert len({each.seen["cwd"] for each in laptops.ran.values()}) == 3


def test_no_socket_and_no_open_file_is_shared(laptops: Laptops) -> None:
    ports = {}
    for name, owner in (("one", laptops.anna), ("two", laptops.bert)):
        port = int(owner.profile().addresses[0].split(":")[1])
        ports[name] = {port, port + 1}
        ran, other = laptops.ran[name], {"one": "two", "two": "one"}[name]
        assert port in ran.ports, "it was connected"
        assert ran.ports <= ports[name]
        assert [each for each in ran.opened if f"clusters/{other}" in each or "embedded" in each] == []
        assert [each for each in ran.opened if f"clusters/{name}" in each]
    assert not ports["one"] & ports["two"]
    shared = laptops.ran["one"].opened & laptops.ran["two"].opened
    home = str(laptops.zoe.home)
    assert [each for each in shared if each.startswith(("/tmp", home)) and "site-packages" not in each] == []


def test_no_key_is_shared(laptops: Laptops) -> None:
    one, two = laptops.profiles()
    for first, second in ((one.secrets, two.secrets), (one.me.publics, two.me.publics)):
        for name in ("curve", "x25519", "ed25519"):
            assert getattr(first, name) != getattr(second, name)
    assert not set(one.keys.values()) & set(two.keys.values())
    assert (one.cluster, one.broker_key) != (two.cluster, two.broker_key)
    for name in ("member.key", "book"):
        assert (one.directory / name).read_bytes() != (two.directory / name).read_bytes()


def test_a_member_of_one_is_a_stranger_in_the_other(laptops: Laptops) -> None:
    """At its broker: with all its keys, for all that can be asked without a session; and with the other's papers."""
    one, two = laptops.anna.profile(), laptops.bert.profile()
    books = [path.read_bytes() for path in _books(laptops)]
    for own, other in ((one, two), (two, one), (laptops.zoe.profile("one"), two)):
        for message in (m.Publish(), m.ListMembers(), m.Join(), m.Resign()):
            with pytest.raises(NotAdmitted):
                talk(other.addresses, other.broker_key, own.secrets.curve, message)
    for own, other in ((one, two), (two, one)):
        said, _ = talk(other.addresses, other.broker_key, other.secrets.curve, m.Publish(), own.standing.book)
        assert isinstance(said, m.Refused), "a roster of the other one"
        word = documents.resignation(own.secrets, own.cluster, own.standing.version)
        said, _ = talk(other.addresses, other.broker_key, other.secrets.curve, m.Resign(), documents.encode(word))
        assert isinstance(said, m.Refused), "the resignation of somebody of the other one"
        before = other.standing
        with pytest.raises(RosterError, match="another cluster"):
            other.adopt(own.standing.book)
        assert other.standing == before
    assert [path.read_bytes() for path in _books(laptops)] == books


def test_invitations_of_one_are_worth_nothing_at_the_other(laptops: Laptops, place: Path) -> None:
    mine, theirs = (parse(each.invite("guest")) for each in (laptops.anna, laptops.bert))
    seeds = Invitation(theirs.addresses, theirs.broker_key, theirs.cluster, mine.seed)
    whole = Invitation(theirs.addresses, theirs.broker_key, mine.cluster, mine.seed)
    books = [path.read_bytes() for path in _books(laptops)]
    with computers(place, ["guest"]) as (guest,):
        for each in (seeds, whole):
            assert "does not know this invitation" in guest.bad("join", line(each), "--yes", "--no-worker").err
        assert guest.names() == []
    own = Secrets.derive(mine.seed)
    admitted = laptops.anna.profile().standing.grants[own.curve.public]
    paper = documents.encode(documents.admission(mine.seed, Secrets.derive(b"s" * 32), admitted, mine.cluster))
    said, _ = talk(theirs.addresses, theirs.key, Secrets.derive(theirs.seed).curve, m.Join(), paper)
    assert isinstance(said, m.Refused), "an admission to the other one"
    assert [path.read_bytes() for path in _books(laptops)] == books


def test_payloads_and_results_of_one_open_at_no_member_of_the_other(laptops: Laptops) -> None:
    """Not even at those who are in both, who were shown them for the other one."""
    one, two = laptops.profiles()
    anna = laptops.anna.profile()
    attestation = Attestation(anna.secrets.public.ed25519)
    pages = [
        (anna.sealer().seal(Parcel(b"page"), ARGUMENTS, WARRANT), ARGUMENTS),
        (one.sealer().seal(Parcel(b"page"), RESULTS, attestation), RESULTS),
        (one.sealer().seal(Parcel(b"code"), Context("function", b"", 0, 0)), Context("function", b"", 0, 0)),
    ]
    name, blob = one.sealer().seal_blob(b"blob")
    for data, context in pages:
        assert anna.sealer().open(data, context).payload, "it is good where it belongs"
        for reader in (two, laptops.bert.profile()):
            for former in (False, True):
                with pytest.raises(SealError):
                    reader.sealer(former).open(data, context)
                with pytest.raises(SealError):
                    reader.sealer(former).open_blob(blob)
    assert two.sealer().seal_blob(b"blob")[0] != name


def _books(laptops: Laptops) -> list[Path]:
    """What the brokers keep."""
    return [owner.home / "brokers" / name / "book" for owner, name in ((laptops.anna, "one"), (laptops.bert, "two"))]
