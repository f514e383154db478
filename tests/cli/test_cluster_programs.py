"""A cluster's programs on one machine: started, told apart, ended; what others on the machine can see of them."""

from __future__ import annotations

import contextlib
import json
import random
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from raisin_cli import background, programs
from raisin_core.identity.profile import Profile
from tests.cli.laptops import Laptop
from tests.cli.programs import start, users_of

pytestmark = pytest.mark.slow


@pytest.fixture
def anna(home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Laptop]:
    made = Laptop(home / "anna", monkeypatch, capsys)
    yield made
    monkeypatch.setenv("RAISIN_HOME", str(made.home))
    for name in Profile.names():
        programs.stop_all(name)
    assert users_of(made.home) == []


def free_port() -> int:
    """A port that is free, and the next one too, below those that systems give to whoever connects."""
    while True:
        port = random.randrange(20_000, 32_000, 2)
        with contextlib.suppress(OSError), socket.create_server(("", port)), socket.create_server(("", port + 1)):
            return port


def running(anna: Laptop) -> dict[str, int | None]:
    found: dict[str, int | None] = json.loads(anna.raisin("cluster", "status", "--json").out)["programs"]
    return found


def test_a_cluster_s_programs_from_its_founding_to_its_end(anna: Laptop) -> None:
    said = anna.good("cluster", "create", "lab", "--name", "anna", "--listen", f"127.0.0.1:{free_port()}")
    assert "nobody else can reach it there" in said
    before = running(anna)
    assert set(before) == {"broker", "worker"}
    assert None not in before.values()
    assert_nothing_secret_is_seen(before)
    assert "runs in the background already" in anna.bad("worker")
    assert "runs in the background already" in anna.bad("broker")
    assert "all runs already" in anna.good("cluster", "start")
    assert anna.good("doctor")

    assert anna.good("cluster", "stop") == "lab: stopped worker and broker\n"
    assert "nothing ran here" in anna.good("cluster", "stop")
    assert running(anna) == {"broker": None, "worker": None}
    assert anna.raisin("doctor").code == 1

    assert anna.good("cluster", "start", "--no-worker") == "lab: started broker\n"
    assert anna.good("cluster", "start") == "lab: started worker\n"
    assert anna.good("cluster", "use", "lab") == "this machine works with lab now, as anna\n"
    assert "stopped worker and broker" in anna.good("cluster", "leave", "--yes")
    assert "root.key" in {path.name for path in (anna.home / "clusters" / "lab").iterdir()}


def test_a_laptop_that_moved_is_told_what_to_tell_the_others(anna: Laptop, monkeypatch: pytest.MonkeyPatch) -> None:
    port = free_port()
    anna.good("cluster", "create", "lab", "--listen", f"*:{port}", "--no-worker")
    assert "other addresses than the members look for" not in anna.good("doctor")
    monkeypatch.setattr("raisin_cli.doctor.examine.own_addresses", lambda _: [f"192.0.2.7:{port}"])
    said = anna.good("doctor")
    assert "other addresses than the members look for" in said
    assert f"raisin cluster addresses 192.0.2.7:{port}" in said
    anna.good("cluster", "addresses", f"192.0.2.7:{port}")
    assert "answers" in anna.good("cluster", "status"), "the way to a broker on this machine needs no network"


@pytest.mark.parametrize("name", ["broker", "worker"])
def test_a_program_in_the_foreground_until_it_is_told_to_stop(anna: Laptop, name: str) -> None:
    anna.good("cluster", "create", "lab", "--listen", f"127.0.0.1:{free_port()}")
    anna.good("cluster", "stop")
    with start(name, RAISIN_HOME=str(anna.home)) as program:
        assert program.stdout is not None
        line = program.stdout.readline()
        program.send_signal(signal.SIGTERM)
        _, errors = program.communicate(timeout=60)
    assert line.startswith(f"raisin-{name}: ")
    assert (program.returncode, errors) == (0, "")


def assert_nothing_secret_is_seen(found: dict[str, int | None]) -> None:
    """By whoever lists processes, or reads their environment or what they logged."""
    profile = Profile.load()
    assert profile.root is not None
    secrets = [profile.root.seed, *profile.keys.values(), profile.secrets.x25519, profile.secrets.ed25519]
    words = [each.hex() for each in secrets] + [profile.secrets.curve.secret.decode()]
    for pid in found.values():
        process = psutil.Process(pid)
        text = " ".join([*process.cmdline(), *process.environ().values()])
        assert [word for word in words if word in text] == []
    for program in programs.programs_of("lab"):
        assert background.running(program) is not None
        for path in (*program.directory.glob("*.log"), program.out):
            assert [word for word in words if word in path.read_text()] == []


def test_a_port_that_is_taken_founds_nothing(anna: Laptop) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = anna.bad("cluster", "create", "lab", "--listen", f"127.0.0.1:{port}")
    assert f"port {port} cannot be listened on" in said
    assert not (anna.home / "clusters").exists()
    assert not (anna.home / "brokers").exists()


def test_a_broker_that_does_not_start_founds_nothing(anna: Laptop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("raisin_cli.network.free", lambda _: "")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        said = anna.bad("cluster", "create", "lab", "--listen", f"127.0.0.1:{taken.getsockname()[1]}")
    assert "the broker did not start" in said
    assert not (anna.home / "brokers" / "lab").exists()
    assert not (anna.home / "clusters" / "lab").exists()
    anna.good("cluster", "create", "lab", "--listen", f"127.0.0.1:{free_port()}", "--no-worker")


def test_two_clusters_on_one_machine_share_nothing(anna: Laptop) -> None:
    for name in ("one", "two"):
        anna.good("cluster", "create", name, "--listen", f"127.0.0.1:{free_port()}")
    assert Profile.active_name() == "two"
    assert background.running(programs.worker_of("one")) is None, "a machine belongs to one cluster at a time"
    first, second = Profile.load("one"), Profile.load("two")
    assert first.cluster != second.cluster
    assert first.secrets.public != second.secrets.public
    assert first.broker_key != second.broker_key
    said = anna.good("cluster", "use", "one")
    assert "stopped the worker for two" in said
    assert "started worker" in said
