"""How task processes end: by their tasks' doing, by the agent's, and with the agent."""

from __future__ import annotations

import ctypes
import os
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from raisin_worker.events import Died

from .slots import PATIENCE, Slot, function, started
from .test_executor import in_steps, same


@pytest.fixture
def slot(tmp_path: Path) -> Iterator[Slot]:
    yield from started(tmp_path)


def test_the_task_that_kills_its_process_is_named(slot: Slot) -> None:
    def work(x):
        if x == 17:
            os.write(2, b"goodbye\n")
            os._exit(3)

    slot.run(function(work), list(range(30)))
    assert slot.wait(Died) == Died(0, 17, "crash", "exit code 3; last output: goodbye")
    assert slot.executor.read() == []


def test_a_segfault_says_where_it_happened(slot: Slot) -> None:
    def fatal(x):
        return ctypes.string_at(0) if x == 2222 else x

    slot.run(function(fatal), list(range(4000)))
    died = slot.wait(Died)
    assert (died.index, died.kind) == (2222, "crash")
    assert died.detail.startswith("killed by SIGSEGV")
    assert "in fatal" in died.detail


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the agent looks now and then")
def test_a_child_that_holds_on_to_everything_does_not_hide_a_death(slot: Slot) -> None:
    def work(x):
        if ctypes.PyDLL(None).fork() == 0:
            time.sleep(1000)
        os._exit(0)

    slot.run(function(work), [0])
    poll = select.poll()
    for fd in slot.executor.fds():
        poll.register(fd, select.POLLIN)
    assert poll.poll(PATIENCE * 1000)
    assert slot.wait(Died).detail == "exit code 0"


def test_children_that_tasks_fork_keep_out_of_the_conversation(slot: Slot, tmp_path: Path) -> None:
    def work(x):
        with open(tmp_path / "ran", "a") as file:
            file.write(str(x))
        child = os.fork()
        if child == 0:
            print("from the child")
            if x == 1:
                raise ValueError("of the child")
            if x != 2:
                sys.exit(7)
            return "a child that comes back"
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

    got = slot.results(function(work), [0, 1, 2, 3])
    assert got[0] == got[3] == 7
    assert got[1] == 1
    assert got[2] != 0
    assert slot.written() == []
    assert (tmp_path / "ran").read_text() == "0123"


def test_a_process_that_breaks_the_rules_is_ended(slot: Slot) -> None:
    def forge(x):
        import stat

        for fd in range(3, 100):
            try:
                if stat.S_ISSOCK(os.fstat(fd).st_mode):
                    os.write(fd, b"\xff" * 100)
            except OSError:
                continue
        time.sleep(1000)

    slot.run(function(forge), [0])
    died = slot.wait(Died)
    assert died.index == 0
    assert died.detail.startswith("its results were refused")


def test_a_process_that_closes_its_connection_is_ended(slot: Slot) -> None:
    def close(x):
        os.closerange(3, 100)
        time.sleep(1000)

    slot.run(function(close), [0])
    assert slot.wait(Died).detail.startswith("it closed its connection")


def spawn_and_hold_the_interpreter(x):
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1000)"])
    with open(x, "w") as file:
        file.write(f"{os.getpid()} {child.pid}")
    os.rename(x, x + ".done")
    import re

    re.match(r"(a+)+$", "a" * 60 + "b")  # years, without giving the interpreter's lock away


def pids(path: Path) -> list[int]:
    return [int(word) for word in Path(f"{path}.done").read_text().split()]


def await_gone(numbers: list[int]) -> None:
    deadline = time.monotonic() + PATIENCE
    left = numbers
    while left:
        left = [pid for pid in left if psutil.pid_exists(pid) and psutil.Process(pid).status() != "zombie"]
        assert time.monotonic() < deadline, f"still there: {left}"
        time.sleep(0.01)


def test_kill_ends_the_whole_group(slot: Slot, tmp_path: Path) -> None:
    slot.run(function(spawn_and_hold_the_interpreter), [str(tmp_path / "pids")])
    slot.until((tmp_path / "pids.done").exists)
    slot.executor.kill()
    assert not psutil.pid_exists(slot.executor.pid)
    await_gone(pids(tmp_path / "pids"))
    assert slot.executor.read() == []
    assert list(slot.scratch.iterdir()) == []


AGENT = """
import sys
from pathlib import Path
from tests.worker.slots import Slot, function
from tests.worker.test_endings import spawn_and_hold_the_interpreter
slot = Slot(Path(sys.argv[1]))
slot.run(function(spawn_and_hold_the_interpreter), [sys.argv[1] + "/pids"])
while True:
    slot.pump()
"""


@pytest.mark.skipif(
    sys.platform != "linux", reason="elsewhere, a task that holds the interpreter's lock delays the end"
)
def test_no_process_outlives_its_agent(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(entry or os.getcwd() for entry in sys.path)}
    agent = subprocess.Popen([sys.executable, "-c", AGENT, str(tmp_path)], env=environment)
    try:
        deadline = time.monotonic() + PATIENCE
        while not (tmp_path / "pids.done").exists():
            assert agent.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.01)
    finally:
        agent.kill()
        agent.wait()
    await_gone(pids(tmp_path / "pids"))


def test_stop_lets_a_range_end(slot: Slot, tmp_path: Path) -> None:
    def work(x):
        (tmp_path / "began").touch()
        time.sleep(0.05)
        (tmp_path / "ended").touch()

    slot.run(function(work), [0])
    slot.until((tmp_path / "began").exists)
    slot.executor.stop(PATIENCE)
    assert (tmp_path / "ended").exists()
    assert not psutil.pid_exists(slot.executor.pid)


def test_giving_it_much_does_not_block(slot: Slot, tmp_path: Path) -> None:
    slot.run(function(in_steps(tmp_path)), [0])
    slot.until((tmp_path / "began0").exists)
    for number in range(20):
        slot.executor.define(b"%d" % number, os.urandom(500_000))
    assert slot.executor.wants_write()
    (tmp_path / "go0").touch()
    slot.end()
    slot.until(lambda: not slot.executor.wants_write())
    assert slot.results(function(same), [5]) == [5]


def test_one_range_at_a_time(slot: Slot, tmp_path: Path) -> None:
    slot.run(function(in_steps(tmp_path)), [0])
    with pytest.raises(ValueError, match="cannot run"):
        slot.run(function(same), [0])
