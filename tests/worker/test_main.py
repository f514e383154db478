"""The command line of the worker: whose it is."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from raisin_core import messages as m
from raisin_core.identity.profile import Profile
from raisin_worker.main import main
from tests.worker.scenes import Scene, made_scene

scene = made_scene
KEY = "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7"


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (["--broker", "lab:5757"], "--broker and --broker-key belong together"),
        (["--broker-key", KEY], "--broker and --broker-key belong together"),
        (["--cluster", "lab", "--broker", "lab:5757", "--broker-key", KEY], "--cluster says where the broker is"),
        (["--contexts"], "--contexts is for embedded clusters"),
        (["--cluster", "lab", "--contexts"], "--contexts is for embedded clusters"),
        (["--slots", "0"], "--slots must be at least 1"),
        (["--broker", "lab:5757", "--broker-key", "x"], "a key has 40 characters"),
    ],
)
def test_options_that_cannot_mean_anything(options: list[str], why: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(options)
    assert ended.value.code == 2
    assert why in capsys.readouterr().err


def test_a_machine_in_no_cluster(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 1
    assert capsys.readouterr().err.startswith("raisin-worker: this machine is in no cluster: raisin join")
    assert main(["--cluster", "lab"]) == 1
    assert capsys.readouterr().err.startswith("raisin-worker: this machine is not in a cluster 'lab'")


def test_a_profile_that_others_can_read_is_one_line(scene: Scene, capsys: pytest.CaptureFixture[str]) -> None:
    (scene.profile.directory / "member.key").chmod(0o644)
    assert main(["--cluster", "lab"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "member.key" in line


@pytest.mark.parametrize("named", [True, False])
def test_it_works_for_the_cluster_that_is_active_or_named(scene: Scene, named: bool) -> None:
    Profile.use(None if named else "lab")
    options = ["--cluster", "lab"] if named else []
    command = [sys.executable, "-m", "raisin_worker.main", "--slots", "1", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        hello, _ = scene.broker.hear(m.Hello)
        assert hello.runs == ["zoe", "anna"]
        scene.broker.hear(m.Held)
        process.send_signal(signal.SIGTERM)
        scene.broker.hear(m.Goodbye)
        said, _ = process.communicate(timeout=20)
    assert process.returncode == 0
    directory = scene.profile.directory / "worker"
    assert said == f"raisin-worker: 1 slot for cluster lab, data {directory}, pid {process.pid}\n"
