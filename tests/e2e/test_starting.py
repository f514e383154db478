"""Brokers and workers that cannot start: exit code 1, and one line that says what is wrong."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

import raisin
from raisin_core.identity import keys
from tests.e2e import support

pytestmark = pytest.mark.slow  # what it tests is the same on every Python


@pytest.fixture(scope="module")
def cluster(module_folder):
    with support.cluster(module_folder, "ann") as made:
        yield made


def start(module, *options, **more):
    """Run a part that cannot start; its exit code and the one line that it says."""
    done = subprocess.run(
        [sys.executable, "-m", module, *options], capture_output=True, text=True, timeout=30, check=False, **more
    )
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    return done.returncode, done.stderr


def test_a_port_in_use(cluster, folder):
    code, said = start("raisin_broker.main", "--listen", cluster.address, "--data", str(folder / "b"))
    port = cluster.address.split(":")[1]
    assert code == 1
    assert said.startswith(f"raisin-broker: port {port} is in use by python")
    assert f"(pid {cluster.broker.pid}); choose another with --listen" in said


def test_a_data_directory_of_a_running_broker(cluster):
    code, said = start("raisin_broker.main", "--listen", "127.0.0.1:0", "--data", str(cluster.data))
    assert (code, said) == (
        1,
        f"raisin-broker: another broker is running on {cluster.data}; stop it, or choose another with --data\n",
    )


def test_a_data_directory_of_a_running_worker(cluster):
    data = cluster.folder / "ann"
    key = f"--broker-key={cluster.broker_key}"
    code, said = start("raisin_worker.main", "--broker", cluster.address, key, "--data", str(data))
    assert (code, said) == (
        1,
        f"raisin-worker: another worker is running with {data}; stop it, or choose another with --data\n",
    )


AS_SOMEBODY_ELSE = """
import os, sys
import raisin_{part}.main, raisin_{part}.{shell}  # before it may not read them any more
raisin_{part}.main.parser().format_help()
os.setgroups([])
os.setgid(65534)
os.setuid(65534)
sys.exit(raisin_{part}.main.main(sys.argv[1:]))
"""


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can be somebody else")
@pytest.mark.parametrize(
    ("part", "shell", "options"),
    [
        ("broker", "server", ["--listen", "127.0.0.1:0"]),
        ("worker", "agent", ["--broker", "127.0.0.1:5757", f"--broker-key={keys.make().public.decode()}"]),
    ],
)
def test_a_data_directory_that_is_not_writable(folder, part, shell, options):
    folder.chmod(0o755)
    locked = folder / "locked"
    locked.mkdir(mode=0o755)
    code = AS_SOMEBODY_ELSE.format(part=part, shell=shell)
    done = subprocess.run(
        [sys.executable, "-c", code, *options, "--data", str(locked / "data")],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"raisin-{part}: [Errno 13] Permission denied: '{locked}/data'\n"


def test_a_worker_throws_away_what_a_former_life_left(folder):
    """Blobs and scratch of one that was killed."""
    with support.cluster(folder, "ann") as made, made.connect():
        assert len(raisin.process(lambda data: data + data, (bytes(2**20),))) == 2**21
        left = [path for name in ("blobs", "scratch") for path in (folder / "ann" / name).iterdir()]
        assert len(left) > 2
        made.workers["ann"].kill()
        made.start_worker("ann")
        assert raisin.process(abs, (-1,)) == 1
        assert not any(path.exists() for path in left)


@pytest.mark.parametrize("damage", [b"this is no database", b"SQLite format 3\0" + b"\xff" * 5000])
def test_a_damaged_database(folder, damage):
    data = folder / "b"
    data.mkdir(mode=0o700)
    (data / "raisin.db").write_bytes(damage)
    (data / "raisin.db").chmod(0o600)
    code, said = start("raisin_broker.main", "--listen", "127.0.0.1:0", "--data", str(data))
    assert code == 1
    assert said.startswith("raisin-broker: ")
    assert str(data / "raisin.db") in said
    assert len(said.splitlines()) <= 3


def test_wrong_options(folder):
    key = f"--broker-key={keys.make().public.decode()}"
    for module, options, expected in (
        ("raisin_broker.main", ["--listen", "nonsense:x", "--data", str(folder / "b")], "'nonsense:x' is no address"),
        ("raisin_worker.main", ["--broker", "a:b", key], "'a:b' is no address of a broker"),
        ("raisin_worker.main", ["--broker", "localhost", "--broker-key", "short"], "a key has 40 characters"),
        ("raisin_worker.main", ["--broker", "localhost", key, "--slots", "0"], "--slots must be at least 1"),
        ("raisin_worker.main", ["--broker", "localhost", key, "--python", "/no/python"], "/no/python is no program"),
    ):
        code, said = start(module, *options)
        assert code in (1, 2)
        assert expected in said
