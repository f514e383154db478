"""The command `raisin`: help, versions, missing parts, mistakes."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from raisin_cli.main import cli
from raisin_core import __version__
from tests.cli.programs import environment, raisin, start

JOBS = [["jobs"], ["job"], ["results"], ["cancel"], ["explain"]]
KEEPING = [["broker", "backup"], ["broker", "restore"], ["broker", "check"]]
CLUSTER = ["create", "invite", "members", "remove", "rename", "addresses", "status", "start", "stop", "use", "leave"]
CLUSTERS = [["cluster"], *(["cluster", each] for each in CLUSTER), ["join"], ["trust"], ["doctor"]]
OWNER = [["worker", each] for each in ("allow", "deny", "list")]
COMMANDS = [*JOBS, [], ["demo"], ["broker"], ["broker", "run"], *KEEPING, ["worker"], ["worker", "run"]]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_help_has_an_example(command: list[str]) -> None:
    done = raisin(*command, "--help")
    assert done.returncode == 0
    assert "example" in done.stdout.lower()
    assert done.stderr == ""


@pytest.mark.parametrize("command", [*CLUSTERS, *OWNER], ids=" ".join)
def test_help_of_what_is_about_clusters_has_an_example(command: list[str]) -> None:
    done = CliRunner().invoke(cli, [*command, "--help"])
    assert done.exit_code == 0
    assert f"raisin {' '.join(command)}" in done.output.partition("xample")[2]


def test_the_commands_are_these() -> None:
    listed = raisin("--help").stdout.partition("Commands:")[2].partition("Examples:")[0]
    assert [line.split()[0] for line in listed.splitlines() if line.strip()] == [
        *("broker", "cancel", "cluster", "demo", "doctor", "explain", "job", "jobs", "join"),
        *("results", "trust", "worker"),
    ]


def test_version() -> None:
    assert raisin("--version").stdout == f"raisin {__version__}\n"


def test_importing_it_is_cheap() -> None:
    """`raisin --help` and completion must not wait for what only a command's body needs."""
    code = "import sys, raisin_cli.main; print(*{name.split('.')[0] for name in sys.modules})"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment(), timeout=60
    )
    loaded = set(done.stdout.split())
    assert "click" in loaded
    assert loaded.isdisjoint({"raisin", "raisin_broker", "raisin_worker", "rich", "zmq", "msgspec", "sqlalchemy"})


@pytest.mark.parametrize(
    ("command", "part"),
    [
        (["broker", "run"], "raisin_broker"),
        (["broker", "backup", "saved.tar"], "raisin_broker"),
        (["broker", "check"], "raisin_broker"),
        (["worker", "run"], "raisin_worker"),
        (["cluster", "create", "lab"], "raisin_broker"),
        (["cluster", "create", "lab"], "raisin_worker"),
        (["demo"], "raisin_broker"),
        (["demo"], "raisin_worker"),
    ],
)
def test_a_missing_part_is_one_line(command: list[str], part: str) -> None:
    done = raisin(*command, before=f"import sys; sys.modules[{part!r}] = None")
    name = part.replace("_", "-")
    assert done.returncode == 1
    assert done.stderr == f"raisin: {name} is not installed. Install it: pip install {name}\n"
    assert done.stdout == ""


def test_a_part_without_its_modules_is_one_line() -> None:
    done = raisin("broker", "run", before="import sys; sys.modules['msgspec'] = None")
    assert done.returncode == 1
    assert done.stderr == "raisin: raisin-broker lacks the module 'msgspec'. Install it: pip install raisin-broker\n"


@pytest.mark.parametrize(
    "command",
    [["dmeo"], ["--wrong"], ["demo", "--files", "0"], ["demo", "--files", "many"], ["demo", "more"], ["broker", "go"]],
    ids=" ".join,
)
def test_wrong_usage(command: list[str]) -> None:
    done = raisin(*command)
    assert done.returncode == 2
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    assert "Error:" in done.stderr


def test_parts_check_their_own_options() -> None:
    done = raisin("worker", "run", "--slots", "0")
    assert done.returncode == 2
    assert "--slots" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_broker_runs_until_it_is_told_to_stop(tmp_path: Path) -> None:
    with start("broker", "run", "--listen", "127.0.0.1:0", "--data", str(tmp_path / "data")) as broker:
        assert broker.stdout is not None
        line = broker.stdout.readline()
        broker.send_signal(signal.SIGTERM)
        _, errors = broker.communicate(timeout=60)
    assert line.startswith("raisin-broker: listening on 127.0.0.1:")
    assert f"data {tmp_path / 'data'}" in line
    assert (broker.returncode, errors) == (0, "")


def test_what_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = raisin("broker", "run", "--listen", "127.0.0.1:0", "--data", str(tmp_path / "file" / "data"))
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1


def test_completion() -> None:
    done = raisin(_RAISIN_COMPLETE="bash_complete", COMP_WORDS="raisin d", COMP_CWORD="1")
    assert done.stdout.split() == ["plain,demo", "plain,doctor"]
