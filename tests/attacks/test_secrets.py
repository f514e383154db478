"""Where secrets could be seen: other people's eyes on files, `ps`, environments, logs, outputs, core files; and names
from the wire as paths."""

from __future__ import annotations

import hashlib
import os
import signal
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from raisin_broker.store.blobs import Blobs
from raisin_core import digests, envelope
from raisin_core import messages as m
from raisin_core.errors import BlobRefused
from raisin_core.identity import keys
from tests.attacks.support import FUNCTION, Peer, broker, ident
from tests.e2e import support

pytestmark = [pytest.mark.slow, pytest.mark.skipif(os.name != "posix", reason="modes of files are POSIX's")]
on_linux = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")

SCRIPT = """
    import os, sys
    os.umask(0)
    import raisin

    def show(number):
        print("printed", number)
        if number == 3:
            raise ValueError("this one fails")
        return dict(os.environ), sys.argv, bytes(500_000)

    handle = raisin.Map(show, range(5), resume="key").start()
    for record in handle.get_all():
        print(record["index"], record.get("res", "")[:2] or record["error"])
    try:
        handle.get()
    except ValueError:
        import traceback
        traceback.print_exc()
    print("all is there", flush=True)
    sys.stdin.read()
"""


class Life:
    """A home after some work, while its programs still run."""

    def __init__(self, home: Path, program: support.Program) -> None:
        self.home, self.program = home, program
        self.processes = support.processes(home)
        self.secrets = [keys.load(path).secret for path in home.rglob("*.key")]

    def files(self) -> list[Path]:
        return [path for path in self.home.rglob("*") if path.is_file() and not path.is_symlink()]


@pytest.fixture(scope="module")
def life(session_home: Path, module_folder: Path) -> Iterator[Life]:
    """The embedded cluster of a program that does not care about its umask."""
    home = module_folder / "h"
    made = support.Interpreters(home, module_folder)
    try:
        program = made.start(SCRIPT)
        program.await_text("all is there")
        yield Life(home, program)
    finally:
        made.close()
        support.await_gone(home)


def test_all_that_a_home_holds_is_private(life: Life) -> None:
    """Files, directories, sockets; whatever the umask is."""
    open_to_others = []
    for path in [life.home, *life.home.rglob("*")]:
        mode = path.lstat().st_mode
        if stat.S_IMODE(mode) & 0o077:
            open_to_others.append(f"{stat.filemode(mode)} {path}")
    assert open_to_others == []
    names = {path.name for path in life.files()}
    assert {"raisin.db", "broker.log", "worker.log"} <= names, "there was something to look at"


def test_secrets_are_in_key_files_and_nowhere_else(life: Life) -> None:
    assert len(life.secrets) >= 2
    written = {path: path.read_bytes() for path in life.files() if path.suffix != ".key"}
    written[Path("stdout")] = life.program.out.encode()
    written[Path("stderr")] = life.program.err.encode()
    assert "this one fails" in life.program.err
    found = [str(path) for path, data in written.items() for secret in life.secrets if secret in data]
    assert found == []


@on_linux
def test_no_secret_in_arguments_and_environments(life: Life) -> None:
    assert len(life.processes) >= 4, "keeper, broker, worker and a task process at least"
    for process in life.processes:
        for name in ("cmdline", "environ"):
            data = Path(f"/proc/{process.pid}/{name}").read_bytes()
            assert data
            assert not [secret for secret in life.secrets if secret in data], f"{name} of {process.cmdline()}"


@on_linux
def test_programs_that_hold_keys_leave_no_core_files(life: Life) -> None:
    """And nobody but root looks into their memory."""
    parts = support.parts(life.home)
    assert set(parts) == {"keeper", "broker", "worker"}
    for name, process in parts.items():
        assert process.rlimit(psutil.RLIMIT_CORE)[0] == 0, name
        assert Path(f"/proc/{process.pid}/stat").exists()
    dumpable = {"broker", "worker", "keeper"} if os.geteuid() != 0 else set()
    assert {name for name, process in parts.items() if os.stat(f"/proc/{process.pid}/mem").st_uid != 0} <= dumpable


@on_linux
def test_a_broker_that_crashes_leaves_no_core_file(folder: Path) -> None:
    with broker(folder) as made:
        made.program.send(signal.SIGABRT)
        done = made.program.wait()
        assert done.code == -signal.SIGABRT
        secret = made.cluster.broker_keys.secret
        cores = [path for path in folder.rglob("*core*") if path.is_file() and secret in path.read_bytes()]
        assert cores == []


def test_errors_and_reprs_show_no_secret(folder: Path) -> None:
    made, _ = keys.load_or_make(folder / "some.key")
    assert made.secret.decode() not in repr(made)
    path = folder / "some.key"
    path.write_text(path.read_text().replace(made.public.decode(), made.secret.decode()))
    with pytest.raises(keys.KeyFileError) as caught:
        keys.load(path)
    said = f"{caught.value!r} {caught.value.__cause__!r} {caught.value.__context__ if caught.value.__cause__ else ''}"
    assert made.secret.decode() not in said


# -- names that become paths -----------------------------------------------------------------------------------------

ODD = [b"../../../../etc/passwd".ljust(32, b"/"), b"/" * 32, b"\0" * 32, b"..".ljust(32, b"\0"), b"\xff" * 32]


@pytest.mark.parametrize("name", ODD)
def test_a_blob_stays_in_its_directory_whatever_it_is_called(folder: Path, name: bytes) -> None:
    """Digests become 64 hexadecimal digits."""
    blobs = Blobs(folder / "blobs")
    assert blobs.put(name, 0, 4, b"evil") == (0, False), "not what its name says"
    assert blobs.put(name, 0, 4, b"ev") == (2, False)
    (part,) = [path for path in folder.rglob("*") if path.is_file()]
    assert part == folder / "blobs" / name.hex()[:2] / f"{name.hex()}.part"
    assert blobs.get(name, 0, 10) is None


@pytest.mark.parametrize("name", [b"", b"..", b"x" * 31, b"x" * 33, b"../" * 11])
def test_what_is_no_digest_is_no_blob(folder: Path, name: bytes) -> None:
    blobs = Blobs(folder / "blobs")
    with pytest.raises(BlobRefused):
        blobs.put(name, 0, 4, b"evil")
    assert blobs.get(name, 0, 10) is None
    assert not (folder / "blobs").exists()
    for kind in ("put", "get"):
        header = b"\x94" + bytes([0xA0 + len(kind)]) + kind.encode() + b"\xc4" + bytes([len(name)]) + name + b"\x00\x04"
        assert isinstance(envelope.decode([envelope.FIRST, header]), envelope.Malformed)


def test_a_link_in_the_place_of_a_blob_is_not_followed(folder: Path) -> None:
    blobs, content = Blobs(folder / "blobs"), b"content"
    name = hashlib.sha256(content).digest()
    place = folder / "blobs" / name.hex()[:2]
    place.mkdir(parents=True)
    (folder / "outside").write_bytes(b"keep")
    (place / f"{name.hex()}.part").symlink_to(folder / "outside")
    with pytest.raises(Exception, match="blobs"):
        blobs.put(name, 0, len(content), content)
    assert (folder / "outside").read_bytes() == b"keep"


HOSTILE = "../../raisin-evil"


def test_names_from_the_wire_are_no_paths(folder: Path) -> None:
    """Host, environment, job's name, key: a broker that was told paths writes where it always writes."""
    with broker(folder) as made:
        peer = made.peer("ann", "client")
        assert isinstance(peer.hello("client", host=HOSTILE, environment=HOSTILE), m.Welcome)
        _open(peer)
        peer.beat()
    assert not [path for path in (*folder.rglob("*"), *folder.parent.glob("raisin-evil*")) if "evil" in path.name]
    names = {path.name.split(".")[0].split("-")[0] for path in (folder / "broker").iterdir()}
    assert names <= {"", "broker", "raisin", "roster", "blobs", "reserve"}


def _open(peer: Peer) -> None:
    opened = m.Open(ident(), "map", HOSTILE, digests.content(FUNCTION), m.Options(), resume=HOSTILE, fingerprint=b"p")
    peer.say(opened, FUNCTION)
    peer.hear(m.Opened)
