"""`raisin broker backup`, `restore` and `check`: of a broker that runs, and where they refuse."""

from __future__ import annotations

import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

import raisin as face
from raisin_core import home as homes
from raisin_core.client import connection
from raisin_core.identity import keys, roster
from tests.cli.programs import raisin, start
from tests.e2e.support import until

pytestmark = pytest.mark.slow  # what it tests is the same on every Python


@contextmanager
def broker(data: Path, client: Path) -> Iterator[connection.Connection]:
    """A broker with this directory, which admits this client, and the connection to it."""
    homes.private_directory(data)
    own, _ = keys.load_or_make(client)
    roster.add(data / "roster.toml", own.public, "ann", ["client"])
    with start("broker", "run", "--listen", "127.0.0.1:0", "--data", str(data)) as program:
        try:
            assert program.stdout is not None
            address = program.stdout.readline().split("listening on ")[1].split(",")[0]
            public = keys.load_or_make(data / "broker.key")[0].public.decode()
            with face.connect(address, broker_key=public, key_file=client) as connected:
                yield connected
        finally:
            program.terminate()
            program.communicate(timeout=60)


def one_line(*arguments: str, code: int = 1) -> str:
    done = raisin(*arguments)
    assert (done.returncode, done.stdout) == (code, "")
    (text,) = done.stderr.splitlines()
    return text


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """A backup of a broker with one job, made while it ran."""
    target = tmp_path / "saved.tar"
    data = tmp_path / "data"
    with broker(data, tmp_path / "client.key"):
        m = face.Map(abs, [-1, -2], name="kept", save=True).start()
        until(lambda: face.attach(m.id).progress().total == 2, "it is submitted whole")
        done = raisin("broker", "backup", str(target), "--data", str(data))
        busy = one_line("broker", "restore", str(target), "--data", str(data))
        checked = raisin("broker", "check", "--data", str(data))
    assert (done.returncode, done.stderr) == (0, "")
    first, second, third = done.stdout.splitlines()
    assert first == f"{target}: {target.stat().st_size:,} bytes, 1 job, from {data}"
    assert second == f"To restore: raisin broker restore {target} --data DIRECTORY"
    assert "broker.key" in third
    assert "roster.toml" in third
    assert f"a broker is running on {data}; stop it" in busy
    assert (checked.returncode, checked.stderr) == (0, "")
    assert checked.stdout.startswith(f"{data / 'raisin.db'}: good, ")
    return target


def test_a_broker_from_its_backup(saved: Path, tmp_path: Path) -> None:
    new = tmp_path / "new"
    done = raisin("broker", "restore", str(saved), "--data", str(new))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[0] == f"{new}: 1 job restored"
    assert "broker.key and roster.toml" in done.stdout
    with broker(new, tmp_path / "client.key"):
        (job,) = face.jobs()
        assert (job.name, job.state, job.done, job.total) == ("kept", "running", 0, 2)


def test_nothing_is_overwritten(saved: Path, tmp_path: Path) -> None:
    before = saved.read_bytes()
    assert "exists already" in one_line("broker", "backup", str(saved), "--data", str(tmp_path / "data"))
    assert saved.read_bytes() == before
    assert stat.S_IMODE(saved.stat().st_mode) == 0o600
    assert "is there already" in one_line("broker", "restore", str(saved), "--data", str(tmp_path / "data"))


def test_damage_is_found(saved: Path, tmp_path: Path) -> None:
    path = tmp_path / "data" / "raisin.db"
    with closing(sqlite3.connect(path)) as db:
        db.execute("UPDATE functions SET payload = zeroblob(10)")
        db.commit()
    done = raisin("broker", "check", "--data", str(path.parent))
    assert (done.returncode, done.stdout) == (1, "")
    assert "is not what was written" in done.stderr
    assert "It was left as it is" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_damaged_roster_is_found(saved: Path, tmp_path: Path) -> None:
    (tmp_path / "data" / "book").write_bytes(b"garbage")
    done = raisin("broker", "check", "--data", str(tmp_path / "data"))
    assert (done.returncode, done.stdout) == (1, "")
    assert "book: this is no book" in done.stderr
    assert "put a copy in its place" in done.stderr


def test_no_backup(tmp_path: Path) -> None:
    (tmp_path / "odd").write_bytes(b"no backup" * 1000)
    text = one_line("broker", "restore", str(tmp_path / "odd"), "--data", str(tmp_path / "new"))
    assert "no backup of a broker" in text
    assert not (tmp_path / "new" / "raisin.db").exists()


def test_no_broker_there(home: Path, tmp_path: Path) -> None:
    for command in (["backup", str(tmp_path / "saved.tar")], ["check"]):
        assert f"{home / 'broker'}: there is no raisin.db" in one_line("broker", *command)
        assert f"{tmp_path}: there is no raisin.db" in one_line("broker", *command, "--data", str(tmp_path))
        text = one_line("broker", *command, "--embedded")
        assert str(home / "embedded-") in text
        assert text.endswith("is this a broker's directory?")
    assert list(tmp_path.iterdir()) == []


def test_wrong_usage(tmp_path: Path) -> None:
    for command in (["backup"], ["restore"], ["restore", "nowhere.tar"], ["check", "--embedded", "--data", "x"]):
        done = raisin("broker", *command)
        assert (done.returncode, done.stdout) == (2, "")
        assert "Error:" in done.stderr
        assert "Traceback" not in done.stderr
