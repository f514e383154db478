"""Work that is ended: cancelled, too late, too slow, crashed; by Ctrl-C or with the interpreter. Others go on."""

from __future__ import annotations

import concurrent.futures
import os
import signal
import time

import psutil
import pytest

import raisin
from tests.e2e.support import until


@pytest.fixture(autouse=True)
def goes_on():
    """Afterwards the cluster still works."""
    yield
    assert list(raisin.map(abs, [-1, 2, -3])) == [1, 2, 3]


@pytest.fixture
def sleeper(tmp_path):
    """A task that writes its process's number and then never ends; and what gives the numbers."""

    def run(n):
        (tmp_path / f"{n}.part").write_text(str(os.getpid()))
        (tmp_path / f"{n}.part").rename(tmp_path / f"{n}.pid")
        time.sleep(1000)

    def pids():
        return [int(path.read_text()) for path in tmp_path.glob("*.pid")]

    return run, pids


def test_cancel_ends_the_task_processes_and_nothing_else(sleeper):
    run, pids = sleeper
    other = raisin.Map(lambda n: time.sleep(0.02) or n, range(60))
    m = raisin.Map(run, range(50)).start()
    until(pids, "a task runs")
    other.start()
    assert m.cancel()
    assert m.cancelled()
    until(lambda: not any(map(psutil.pid_exists, pids())), "the task's process has ended")
    assert other.get() == list(range(60))
    assert len(pids()) <= 2 * (os.cpu_count() or 1), "no further task was begun"
    with pytest.raises(raisin.CancelledError, match=r"0 of 50 tasks done"):
        m.get()


def test_cancel_while_somebody_waits(sleeper):
    run, pids = sleeper
    p = raisin.Process(run, (0,)).start()
    until(pids, "the task runs")
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        waits = [pool.submit(p.get, 30), pool.submit(p.join, 30)]
        assert "0 of 1 done" in p.explain(), "whoever waits keeps nobody from looking"
        with pytest.raises(raisin.TimeoutError):
            p.get(timeout=0.1)
        assert p.kill()
        with pytest.raises(raisin.CancelledError):
            waits[0].result()
        assert waits[1].result()


def test_deadline(sleeper):
    run, pids = sleeper
    m = raisin.Map(lambda n: run(n) if n else n, range(20), name="late", deadline=1.0, chunksize=1).start()
    with pytest.raises(raisin.DeadlineExceeded, match=r"late \(job \w{8}\) passed its deadline, 1 of 20 tasks done"):
        m.get(timeout=30)
    assert m.state == "late"
    assert m.exitcode == 1
    assert isinstance(m.exception(), raisin.TimeoutError)
    until(lambda: not any(map(psutil.pid_exists, pids())), "the task's process has ended")


def test_a_deadline_that_is_met():
    assert raisin.Map(abs, [-1, 2], deadline=60).get() == [1, 2]


def test_task_timeout(sleeper):
    run, pids = sleeper
    m = raisin.Map(lambda n: run(n) if n == 2 else n, range(6), task_timeout=0.3, name="slow")
    with pytest.raises(raisin.TaskTimeout, match=r"slow \(task 2\) took longer than its task_timeout") as caught:
        m.get(timeout=30)
    assert "ran longer than 0.3 s" in str(caught.value)
    assert isinstance(caught.value, TimeoutError)
    records = {record["index"]: record for record in m.get_all()}
    assert [records[n]["res"] for n in (0, 1, 3, 4, 5)] == [0, 1, 3, 4, 5]
    assert len(pids()) == 1
    assert not any(map(psutil.pid_exists, pids()))


def test_task_timeout_with_retries(tmp_path):
    def run(n):
        (tmp_path / f"{n}-{time.monotonic_ns()}").touch()
        if n == 1 and len(list(tmp_path.glob("1-*"))) < 3:
            time.sleep(1000)
        return n

    assert raisin.Map(run, range(3), task_timeout=0.3, retries=2).get(timeout=30) == [0, 1, 2]
    assert len(list(tmp_path.iterdir())) == 5


def test_time_before_a_task_begins_is_not_its_own():
    """Tasks wait in a queue, and within a chunk for those before them."""

    def run(n):
        time.sleep(0.02)
        return n

    assert raisin.Map(run, range(40), task_timeout=0.5, chunksize=40).get() == list(range(40))


def crash(how):
    import ctypes

    if how == "exit":
        os._exit(7)
    elif how == "segfault":
        ctypes.string_at(0)
    elif how == "abort":
        os.abort()
    elif how == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    elif how == "group":
        os.killpg(os.getpgrp(), signal.SIGKILL)
    return how


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("exit", "exit code 7"),
        ("segfault", "killed by SIGSEGV"),
        ("abort", "killed by SIGABRT"),
        ("kill", "killed by SIGKILL"),
        ("group", "killed by SIGKILL"),
    ],
)
def test_task_process_dies_again_and_again(how, said):
    m = raisin.Map(crash, ["well", how, "fine"], name="crash")
    with pytest.raises(raisin.TaskCrashed) as caught:
        m.get(timeout=30)
    lines = str(caught.value).splitlines()
    assert lines[0] == "crash (task 1) ended its process 3 times:"
    host = next(iter(raisin.Process(abs, (1,)).get_all()))["host"]
    trials = [line for line in lines[1:] if line.startswith(f"  {host}  {said}")]
    assert len(trials) == 3, lines
    assert {record["index"]: record.get("res") for record in m.get_all()} == {0: "well", 1: None, 2: "fine"}
    assert caught.value.__notes__ == ["1 of 3 failed"]


def test_task_process_dies_and_only_the_task_that_ran_is_blamed(tmp_path):
    def run(n):
        with open(tmp_path / str(n), "a") as file:
            file.write("x")
        if n == 13:
            os._exit(1)
        return n

    m = raisin.Map(run, range(40), chunksize=40)
    m.join()
    assert list(m.errors()) == [13]
    assert [record["res"] for record in sorted(m.get_all(), key=lambda r: r["index"]) if "res" in record] == [
        n for n in range(40) if n != 13
    ]
    assert (tmp_path / "13").read_text() == "xxx"


def test_task_process_dies_once(tmp_path):
    def run(n):
        if n == 3 and not (tmp_path / "once").exists():
            (tmp_path / "once").touch()
            os._exit(1)
        return n

    m = raisin.Map(run, range(6))
    assert m.get() == list(range(6))
    assert {record["index"]: record["attempts"] for record in m.get_all()} == {0: 1, 1: 1, 2: 1, 3: 2, 4: 1, 5: 1}


def test_task_process_dies_and_its_last_words_are_told():
    def run():
        os.write(2, b"these are my last words\n")
        os._exit(9)

    with pytest.raises(raisin.TaskCrashed, match=r"exit code 9; last output: .*these are my last words"):
        raisin.process(run)


def test_too_much_output_of_a_crashing_task():
    def run():
        os.write(2, b"x" * 1_000_000)
        os._exit(9)

    with pytest.raises(raisin.TaskCrashed) as caught:
        raisin.process(run)
    assert len(str(caught.value)) < 20_000


def test_a_fatal_signal_leaves_the_python_traceback():
    with pytest.raises(raisin.TaskCrashed, match="Segmentation fault") as caught:
        raisin.process(crash, ("segfault",))
    assert "in crash" in str(caught.value)


def test_all_slots_are_killed_and_the_map_goes_on(tmp_path):
    """Polite or not: whoever kills task processes from outside three times makes a task fail, not before."""

    def run(n):
        (tmp_path / f"{n}.pid").write_text(str(os.getpid()))
        while n == 0 and not (tmp_path / "gate").exists():
            time.sleep(0.005)
        return n

    m = raisin.Map(run, range(2), chunksize=1).start()
    until((tmp_path / "0.pid").exists, "it runs")
    pid = until(lambda: (tmp_path / "0.pid").read_text(), "it has said where")
    os.kill(int(pid), signal.SIGKILL)
    until(lambda: (tmp_path / "0.pid").read_text() not in ("", pid), "it runs again")
    (tmp_path / "gate").touch()
    assert m.get(timeout=30) == [0, 1]


def test_a_process_that_is_given_up_is_cancelled(sleeper):
    """Nobody else has its handle."""
    run, pids = sleeper

    def give_up(signum, frame):
        raise LookupError("enough")

    before = signal.signal(signal.SIGALRM, give_up)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.5)
        with pytest.raises(LookupError, match="enough"):
            raisin.process(run, (0,))
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    until(lambda: not any(map(psutil.pid_exists, pids())), "the task's process has ended")


def test_tasks_that_a_cancelled_job_never_began_are_not_run(tmp_path):
    def run(n):
        (tmp_path / str(n)).touch()
        time.sleep(0.2)

    m = raisin.Map(run, range(1000)).start()
    until(lambda: list(tmp_path.iterdir()), "one has begun")
    m.cancel()
    assert list(raisin.map(abs, [-1])) == [1]
    assert len(list(tmp_path.iterdir())) < 20
