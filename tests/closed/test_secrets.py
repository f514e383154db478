"""Where the secrets of a closed cluster could be seen by others: files, modes, outputs, `ps`, environments, core files.

One story, typed by people who do not care about their umask: found, invite, join, compute, fail, remove.
"""

from __future__ import annotations

import base64
import os
import signal
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from raisin_cli import background, programs
from raisin_core.identity.invitations import parse
from raisin_core.identity.secrets import Secrets
from tests.attacks.conftest import make_folder
from tests.closed.support import at_home
from tests.closed.typed import Computer, computers

pytestmark = [pytest.mark.slow, pytest.mark.skipif(os.name != "posix", reason="modes of files are POSIX's")]
as_root = pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="looks into all of /proc")

CARELESS = "import os; os.umask(0)"
WORK = """
import os, sys, traceback, raisin
from pathlib import Path

def work(number):
    print("printed", number)
    if number == 3:
        raise ValueError("this one fails")
    seen = {}
    for name in ("environ", "cmdline"):
        path = Path("/proc/self") / name
        seen[name] = path.read_bytes().hex() if path.exists() else repr(os.environ)
    return seen

raisin.connect()
handle = raisin.Map(work, range(8), resume="key", chunksize=1).start()
for record in handle.get_all():
    print(record["res"]["environ"], record["res"]["cmdline"]) if not record["error"] else print(record["error"])
try:
    handle.get()
except ValueError:
    traceback.print_exc()
print(repr(raisin.members()))
"""
TRACEBACK = "import raisin; raisin.connect()"
CRASH = """
import os, resource, sys
resource.setrlimit(resource.RLIMIT_CORE, (resource.getrlimit(resource.RLIMIT_CORE)[1],) * 2)
from raisin_core.identity import founding
founding.invite = lambda *args, **more: os.abort()
from raisin_cli.main import main
main()
"""


def spellings(secret: bytes) -> list[bytes]:
    """How it could be written."""
    bare = base64.b64encode(secret).rstrip(b"=")[:-1]  # the last letter may hold bits of what follows
    return [secret, secret.hex().encode(), secret.hex().upper().encode(), bare, repr(secret)[2:-1].encode()]


class Story:
    """Two computers after it all, while their programs run."""

    def __init__(self, anna: Computer, zoe: Computer, invitation: str) -> None:
        self.computers = [anna, zoe]
        found = [parse(invitation).seed]
        for each in self.computers:
            profile = each.profile()
            own = profile.secrets
            found += [*profile.keys.values(), own.x25519, own.ed25519, own.curve.secret]
            found += [profile.root.seed] if profile.root is not None else []
        grant = Secrets.derive(found[0])
        found += [grant.x25519, grant.ed25519, grant.curve.secret]
        self.keys = [path for each in self.computers for path in each.home.rglob("*.key")]
        seeds = [line.split('"')[1].encode() for path in self.keys for line in lines(path) if line.startswith("seed")]
        found += [bytes.fromhex(seed.decode()) for seed in seeds]
        self.count = len(set(found))
        self.secrets = {word for each in found for word in spellings(each)} | {invitation[10:40].encode()}
        self.broker_secrets = {
            line.split('"')[1].encode() for path in self.keys for line in lines(path) if line.startswith("secret")
        }

    @property
    def processes(self) -> list[psutil.Process]:
        """All that runs with one of the homes, and is not this test."""
        homes = {str(each.home) for each in self.computers}
        found = []
        for process in psutil.process_iter():
            try:
                if process.environ().get("RAISIN_HOME") in homes:
                    found.append(process)
            except psutil.Error:
                continue
        return found

    def reveals(self, data: bytes) -> list[str]:
        return [word.hex() for word in self.secrets | self.broker_secrets if word in data]


def lines(path: Path) -> list[str]:
    return path.read_text().splitlines()


@pytest.fixture(scope="module")
def place(session_home: Path) -> Iterator[Path]:
    yield from make_folder()


@pytest.fixture(scope="module")
def story(place: Path) -> Iterator[Story]:
    with computers(place, ["anna", "zoe"], before=CARELESS) as (anna, zoe):
        anna.create("lab", "--account", "us")
        invitation = anna.invite("zoe", "--account", "us")
        zoe.raisin("join", invitation, "--yes")
        with at_home(anna.home):
            profile = anna.profile()
            profile.confirm(profile.standing.members["zoe"])
        anna.python(WORK)
        anna.invite("sam")
        anna.raisin("cluster", "remove", "sam", "--yes")
        zoe.raisin("trust")
        zoe.raisin("doctor")
        yield Story(anna, zoe, invitation)


def test_all_that_was_written_is_private(story: Story) -> None:
    paths = [path for each in story.computers for path in (each.home, *each.home.rglob("*"))]
    seen = [f"{stat.filemode(path.lstat().st_mode)} {path}" for path in paths if path.lstat().st_mode & 0o077]
    assert seen == []
    assert {"root.key", "member.key", "book", "raisin.db", "worker.log"} <= {path.name for path in paths}


def test_secrets_are_in_key_files_and_nowhere_else(story: Story) -> None:
    assert story.count >= 12, "root, members, grant and epoch"
    looked = 0
    for each in story.computers:
        for path in each.home.rglob("*"):
            if path.is_file() and path not in story.keys:
                assert story.reveals(path.read_bytes()) == [], path
                looked += 1
        for number, program in enumerate(each.typed):
            out = "" if program.out.startswith("raisin join rsn1-") else program.out
            assert story.reveals((out + program.err).encode()) == [], f"{each.name} {number}"
    assert looked > 15
    assert any(story.reveals(path.read_bytes()) for path in story.keys), "it would be found where it is"


@as_root
def test_nothing_secret_is_seen_by_who_lists_processes(story: Story) -> None:
    """Of the broker, the workers and their task processes; the line of an invitation stands in none, either."""
    for process in story.processes:
        for name in ("cmdline", "environ"):
            data = Path(f"/proc/{process.pid}/{name}").read_bytes()
            assert data
            assert story.reveals(data) == [], f"{name} of {process.cmdline()}"
    assert len(story.processes) >= 3
    worked = [program for program in story.computers[0].typed if "printed 3" in program.out + program.err]
    assert len(worked) == 1
    fields = [bytes.fromhex(word) for line in worked[0].out.splitlines() for word in line.split() if len(word) > 200]
    assert any(b"PATH=" in each for each in fields), "task processes showed their environments"
    assert [story.reveals(each) for each in fields] == [[]] * len(fields)


@as_root
def test_a_worker_that_crashes_leaves_no_core_file(story: Story) -> None:
    zoe = story.computers[1]
    with at_home(zoe.home):
        worker = programs.worker_of("lab")
        pid = background.running(worker)
        assert pid is not None
        process = psutil.Process(pid)
        assert process.rlimit(psutil.RLIMIT_CORE)[0] == 0
        process.send_signal(signal.SIGABRT)
        psutil.wait_procs([process], 30)
        assert background.running(worker) is None
    for path in [*zoe.home.rglob("*core*"), *story.computers[0].folder.glob("*core*")]:
        assert not (path.is_file() and story.reveals(path.read_bytes())), path
    zoe.raisin("cluster", "start")


@as_root
def test_a_command_that_crashes_leaves_no_core_file(story: Story) -> None:
    """Here with the root key in its memory."""
    anna = story.computers[0]
    before = {path for path in anna.folder.rglob("*core*") if path.is_file()}
    done = anna.start(CRASH, "cluster", "invite", "--name", "ida").wait()
    assert done.code == -signal.SIGABRT, done
    assert {path for path in anna.folder.rglob("*core*") if path.is_file()} == before


@pytest.mark.parametrize("name", ["member.key", "root.key", "book"])
def test_a_damaged_file_is_told_of_without_what_is_in_it(story: Story, name: str) -> None:
    """By commands, by tracebacks, and by logs of programs that cannot start."""
    anna = story.computers[0]
    path = anna.home / "clusters" / "lab" / name
    good = path.read_bytes()
    path.write_bytes(good.replace(b'seed = "', b'seed = "0') if name != "book" else good[:-9])
    try:
        told = anna.bad("cluster", "status")
        assert name in told.err
        failed = anna.start(TRACEBACK).wait()
        assert failed.code == 1
        assert "Traceback" in failed.err
        worker = anna.start("import sys; from raisin_worker.main import main; sys.exit(main([]))").wait()
        assert worker.code == 1
        for done in (told, failed, worker):
            assert story.reveals((done.out + done.err).encode()) == []
    finally:
        path.write_bytes(good)
