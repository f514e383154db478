"""Programs in the background: started once, found again, ended."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from raisin_cli import background
from raisin_cli.background import Program
from raisin_core.errors import StartError

READY = "import time; print('here I am, pid 0', flush=True); time.sleep(100)"
STUBBORN = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {READY}"


def program(directory: Path, code: str) -> Program:
    return Program("clock", directory / "clock", ("-c", code), ", pid ")


@pytest.fixture
def clock(tmp_path: Path) -> Iterator[Program]:
    made = program(tmp_path, READY)
    yield made
    background.stop(made)


def test_it_runs_in_a_session_of_its_own_and_is_found_again(clock: Program) -> None:
    assert background.running(clock) is None
    assert background.start(clock)
    pid = background.running(clock)
    assert pid is not None
    assert os.getsid(pid) == pid
    assert not background.start(clock)
    assert background.running(clock) == pid
    assert background.stop(clock)
    assert background.running(clock) is None
    assert not background.stop(clock)
    assert not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def test_its_files_are_private(clock: Program) -> None:
    background.start(clock)
    assert [path for path in clock.directory.iterdir() if path.stat().st_mode & 0o077] == []
    assert clock.directory.stat().st_mode & 0o077 == 0


def test_of_many_that_start_it_one_does(clock: Program) -> None:
    started: list[bool] = []
    threads = [threading.Thread(target=lambda: started.append(background.start(clock))) for _ in range(5)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert sorted(started) == [False, False, False, False, True]


def test_what_ends_at_once_says_why(tmp_path: Path) -> None:
    bad = program(tmp_path, "import sys; sys.exit('no clock in this house')")
    with pytest.raises(StartError, match="no clock in this house"):
        background.start(bad)
    assert background.running(bad) is None


def test_what_was_killed_is_started_again(clock: Program) -> None:
    background.start(clock)
    pid = background.running(clock)
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    while background.running(clock) is not None:
        psutil.wait_procs([psutil.Process(pid)] if psutil.pid_exists(pid) else [], 0.01)
    assert background.start(clock)
    assert background.running(clock) not in (None, pid)


def test_what_does_not_listen_is_killed(tmp_path: Path) -> None:
    stubborn = program(tmp_path, STUBBORN)
    background.start(stubborn)
    assert background.stop(stubborn, seconds=0.1)
    assert background.running(stubborn) is None


@pytest.mark.parametrize("note", ["", "what", "1 2 3", "-1 5.0", "999999999 1.0"])
def test_another_s_number_is_not_taken_for_it(tmp_path: Path, note: str) -> None:
    known = program(tmp_path, READY)
    known.directory.mkdir()
    known.note.write_text(note or f"{os.getpid()} 1.5")
    assert background.running(known) is None
    assert not background.stop(known)
