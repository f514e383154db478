"""What people do by mistake or with malice to a broker: directories, databases, keys, names, other people's jobs."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest

import raisin
from raisin_core.errors import NotYourJob, RosterError
from raisin_core.identity import keys, roster
from tests.e2e import support

pytestmark = pytest.mark.slow  # what it tests is the same on every Python

ODD = [
    'it\'s "quoted"',
    "🦊 snö 東京",
    "'; DROP TABLE jobs; --",
    "%s {} $HOME `id` \\n",
    "../../etc/passwd",
    " ",
    "x" * 60,
]


def start(data):
    """Start a broker that cannot start; what it says."""
    command = [sys.executable, "-m", "raisin_broker.main", "--listen", "127.0.0.1:0", "--data", str(data)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    (line,) = done.stderr.splitlines()
    return line


def test_a_database_of_a_newer_version(folder):
    """It is refused and left as it is, and can be used again by who wrote it."""
    with support.cluster(folder, "ann") as cluster:
        with cluster.connect():
            key = raisin.Map(abs, [-1, -2], save=True).start().id
            assert raisin.attach(key).get(timeout=30) == [1, 2]
        cluster.broker.kill()
        path = cluster.data / "raisin.db"
        with closing(sqlite3.connect(path)) as db:
            (version,) = db.execute("PRAGMA user_version").fetchone()
            db.execute(f"PRAGMA user_version = {version + 7}")
            db.commit()
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        before = path.read_bytes()
        assert start(cluster.data) == (
            f"raisin-broker: {path}: written by a newer raisin (schema {version + 7}, this one knows {version}); "
            "upgrade raisin-broker, or choose another data directory"
        )
        assert path.read_bytes() == before
        with closing(sqlite3.connect(path)) as db:
            db.execute(f"PRAGMA user_version = {version}")
        cluster.start_broker()
        with cluster.connect():
            assert raisin.attach(key).get(timeout=30) == [1, 2]


def test_two_brokers_on_one_directory(folder):
    """The second one says so and ends; the first one notices nothing, and after its death the lock is free."""
    with support.cluster(folder, "ann") as cluster, cluster.connect():
        expected = f"raisin-broker: another broker is running on {cluster.data}; stop it, or choose another with --data"
        for _ in range(2):
            assert start(cluster.data) == expected
        assert raisin.process(abs, (-1,)) == 1
        cluster.broker.kill()
        cluster.start_broker()
        assert raisin.process(abs, (-2,)) == 2


# -- keys and names --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def cluster(module_folder):
    with support.cluster(module_folder, "ann") as made, made.connect():
        yield made


@pytest.mark.parametrize("key", [*ODD, "x" * 200])
def test_odd_keys_to_resume_under(cluster, tmp_path, key):
    """Each is a key of its own, and finds what was recorded under it."""

    def run(n):
        with open(tmp_path / str(n), "a") as file:
            file.write("x")
        return n

    assert raisin.Map(run, range(3), resume=key).get(timeout=30) == [0, 1, 2]
    assert raisin.Map(run, range(4), resume=key).get(timeout=30) == [0, 1, 2, 3]
    assert [(tmp_path / str(n)).read_text() for n in range(4)] == ["x"] * 4


@pytest.mark.parametrize("key", ["", "two\nlines", "nul\0", "\x1b[31m", "\ud800", "x" * 201])
def test_odd_keys_that_are_refused(cluster, key):
    with pytest.raises(raisin.UsageError, match="resume must be a text of 1 to 200 printable characters") as caught:
        raisin.Map(abs, [1], resume=key).get()
    assert str(caught.value).isprintable(), "what is wrong is shown safely"


@pytest.mark.parametrize("name", [name for name in ODD if name.strip()])
def test_odd_names_of_jobs(cluster, name):
    m = raisin.Map(abs, [-1], name=name, save=True)
    assert m.get(timeout=30) == [1]
    assert raisin.attach(m.id).name == name
    assert m.explain().startswith(f"{name} (job {m.id[:8]}) is done")


@pytest.mark.parametrize("name", ["two\nlines", "\x1b[31m", "\ud800"])
def test_odd_names_of_jobs_that_are_refused(cluster, name):
    with pytest.raises(raisin.UsageError, match="name must be a text that can be printed"):
        raisin.Map(abs, [1], name=name).get()
    assert raisin.process(abs, (-1,)) == 1


@pytest.mark.parametrize("name", [name for name in ODD if name.strip()])
def test_odd_names_of_members(cluster, folder, name):
    """They are names in `where=`, and in results."""
    data = cluster.folder / folder.name
    data.mkdir(mode=0o700)
    cluster.admit(data / "worker.key", "worker", name=name)
    cluster.start_worker(folder.name, admit=False)
    (record,) = raisin.Process(abs, (-1,), where=[name]).get_all(timeout=30)
    assert (record["res"], record["account"]) == (1, name)


@pytest.mark.parametrize("name", ["", " ", "two\nlines", "nul\0", "\x1b[31m", "x" * 65])
def test_odd_names_of_members_that_are_refused(folder, name):
    """The roster stays as it was."""
    path = folder / "roster.toml"
    roster.add(path, keys.make().public, "good", ["client"])
    before = path.read_bytes()
    with pytest.raises(RosterError, match="'name'") as caught:
        roster.add(path, keys.make().public, name, ["client"])
    assert str(caught.value).isprintable()
    assert path.read_bytes() == before


# -- other people's jobs ---------------------------------------------------------------------------------------------


@pytest.fixture
def people(cluster, folder):
    """Connects as a machine of somebody: `with people("zoe-laptop", account="zoe"): ...`."""

    def connect(name, account, roles='["client"]'):
        file = folder / f"{name}.key"
        if not file.exists():
            own, _ = keys.load_or_make(file)
            with open(cluster.roster, "a") as text:
                text.write(f'\n[[member]]\nkey = "{own.public.decode()}"\nname = "{name}"\n')
                text.write(f'roles = {roles}\naccount = "{account}"\n')
        return raisin.connect(cluster.address, broker_key=cluster.broker_key, key_file=file)

    return connect


def test_attaching_to_a_job_of_somebody_else(cluster, people):
    """Refused; another machine of the same account may, and an admin."""
    with people("zoe-laptop", "zoe"):
        m = raisin.Map(abs, [-1, -2], save=True)
        assert m.get(timeout=30) == [1, 2]
        key = m.id
    with people("sam-laptop", "sam"):
        with pytest.raises(NotYourJob, match=f"job {key[:8]} belongs to zoe; only machines of that") as caught:
            raisin.attach(key)
        assert isinstance(caught.value, PermissionError)
        assert raisin.process(abs, (-1,)) == 1, "the connection is none the worse for it"
    with people("zoe-desktop", "zoe"):
        assert raisin.attach(key).get(timeout=30) == [1, 2]
    with people("boss", "boss", '["client", "admin"]'):
        assert raisin.attach(key).get(timeout=30) == [1, 2]


def test_a_key_to_resume_under_is_an_accounts_own(cluster, people, tmp_path):
    """Two people use the same word: each has its own results; two machines of one person share theirs."""

    def run(n):
        with open(tmp_path / str(n), "a") as file:
            file.write("x")
        return n

    for name, account in (("eve-laptop", "eve"), ("eve-desktop", "eve"), ("tom-laptop", "tom")):
        with people(name, account):
            assert raisin.Map(run, range(3), resume="nightly").get(timeout=30) == [0, 1, 2]
    assert [(tmp_path / str(n)).read_text() for n in range(3)] == ["xx"] * 3
