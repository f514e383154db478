"""The embedded cluster's life: one for all interpreters, there when it is needed, gone without a trace afterwards."""

from __future__ import annotations

import contextlib
import os
import signal
import stat
import sys

import psutil
import pytest

from tests.e2e import support
from tests.e2e.support import await_gone, parts, processes, until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="orphans are found by what Linux tells")

WAITS = """
    import raisin, sys
    print(raisin.process(pow, (2, 5)), flush=True)
    sys.stdin.readline()
    print("ends", flush=True)
"""

SLEEPS = """
    import os, raisin, sys, time
    def sleep(n):
        import subprocess, time
        subprocess.Popen(["sleep", "1000"])
        subprocess.Popen(["sleep", "1001"], start_new_session=True)
        open(f"began-{n}", "w").close()
        time.sleep(1000)
    m = raisin.Map(sleep, range(10)).start()
    print("started", flush=True)
    m.get()
"""


def guests(home):
    return list(support.embedded_directory(home).glob("guests/*"))


def test_interpreters_share_one_cluster(own_home):
    first = own_home.start(WAITS)
    first.await_text("32")
    before = parts(own_home.home)
    assert set(before) == {"keeper", "broker", "worker"}
    second = own_home.start(WAITS)
    second.await_text("32")
    assert parts(own_home.home) == before
    assert len(guests(own_home.home)) == 2
    for program in (first, second):
        program.process.communicate(b"go on\n", timeout=30)
        assert program.wait().ok()
    await_gone(own_home.home)


@pytest.mark.slow  # the same on every Python
def test_it_stays_while_somebody_uses_it(own_home):
    first, second = own_home.start(WAITS), own_home.start(WAITS)
    first.await_text("32")
    second.await_text("32")
    before = parts(own_home.home)
    first.process.communicate(b"go on\n", timeout=30)
    until(lambda: len(guests(own_home.home)) == 1, "the first has gone")
    assert own_home.run("import raisin; print(raisin.process(abs, (-1,)))").ok() == "1\n"
    assert parts(own_home.home) == before
    second.process.communicate(b"go on\n", timeout=30)
    await_gone(own_home.home)


@pytest.mark.slow  # the same on every Python
def test_five_begin_at_once(own_home):
    programs = [own_home.start(WAITS) for _ in range(5)]
    for program in programs:
        program.await_text("32")
    found = [p.cmdline() for p in processes(own_home.home)]
    for module in support.PARTS.values():
        assert sum(module in line for line in found) == 1, found
    for program in programs:
        program.process.communicate(b"go on\n", timeout=30)
        assert program.wait().code == 0
    await_gone(own_home.home)


@pytest.mark.slow
def test_begun_anew_right_after_it_ended(own_home):
    """Also while the former one is ending."""
    for n in range(4):
        assert own_home.run(f"import raisin; print(raisin.process(abs, (-{n},)))").ok() == f"{n}\n"
        if n % 2:
            await_gone(own_home.home)


def test_an_interpreter_that_is_killed_leaves_nothing(own_home):
    program = own_home.start(WAITS)
    program.await_text("32")
    program.kill()
    await_gone(own_home.home)


@pytest.mark.slow
def test_an_interpreter_that_is_killed_while_tasks_run_leaves_nothing(own_home):
    """Not even what its tasks started, in sessions of their own too."""
    program = own_home.start(SLEEPS)
    until(lambda: list(own_home.folder.glob("began-*")), "a task has begun", show=program.show)
    sleeping = [p for p in processes(own_home.home) if p.name() == "sleep"]
    assert len(sleeping) >= 2
    program.kill()
    await_gone(own_home.home)
    assert not any(p.is_running() for p in sleeping)


@pytest.mark.slow  # the same on every Python
def test_children_that_tasks_left_behind_end_with_the_cluster(own_home):
    done = own_home.run(
        """
        import raisin
        def leave():
            import subprocess
            subprocess.Popen(["sleep", "1000"])
            subprocess.Popen(["sleep", "1001"], start_new_session=True)
            subprocess.Popen(["sh", "-c", "setsid sleep 1002 & exec sleep 1003"], start_new_session=True)
            return "left"
        print(list(raisin.map(lambda n: leave(), range(2))))
        """
    )
    assert done.ok() == "['left', 'left']\n"
    await_gone(own_home.home)


@pytest.mark.slow  # the same on every Python
def test_an_interpreter_that_is_killed_while_others_go_on(own_home):
    """What it had begun keeps nobody waiting."""
    killed = own_home.start(
        """
        import raisin, time
        def run(n):
            open(f"began-{n}", "w").close()
            time.sleep(0.05)
        raisin.Map(run, range(100_000)).get()
        """
    )
    until(lambda: list(own_home.folder.glob("began-*")), "a task has begun", show=killed.show)
    other = own_home.start(WAITS)
    killed.kill()
    other.await_text("32")
    began = len(list(own_home.folder.glob("began-*")))
    other.process.communicate(b"go on\n", timeout=30)
    await_gone(own_home.home)
    assert began < 1000


@pytest.mark.parametrize("part", ["broker", "worker", pytest.param("keeper", marks=pytest.mark.slow)])
def test_a_part_that_is_killed_in_the_middle_of_a_map(own_home, part):
    """The map goes on, each task counts once, and there is still one cluster, which then ends."""
    program = own_home.start(
        """
        import raisin, time
        def slow(n):
            time.sleep(0.02)
            return n
        got = []
        for value in raisin.map(slow, range(150)):
            got.append(value)
            if value == 20:
                print("twenty", flush=True)
        assert got == list(range(150)), got
        print(raisin.process(pow, (2, 3)))
        """
    )
    program.await_text("twenty")
    killed = parts(own_home.home)[part]
    killed.kill()
    assert program.wait(60).ok() == "twenty\n8\n"
    await_gone(own_home.home)


@pytest.mark.slow
def test_all_parts_are_killed(own_home):
    program = own_home.start(
        """
        import raisin, sys, time
        def slow(n):
            time.sleep(0.02)
            return n
        m = raisin.Map(slow, range(60)).start()
        print("started", flush=True)
        sys.stdin.readline()
        assert m.get() == list(range(60))
        print("done")
        """
    )
    program.await_text("started")
    for process in parts(own_home.home).values():
        with contextlib.suppress(psutil.NoSuchProcess):  # one may end with another
            process.kill()
    program.process.communicate(b"go on\n", timeout=60)
    assert program.wait(60).ok() == "started\ndone\n"
    await_gone(own_home.home)


@pytest.mark.slow
def test_the_cluster_is_killed_while_nobody_waits(own_home):
    """It is begun anew by the next call."""
    program = own_home.start(
        """
        import raisin, sys
        for line in sys.stdin:
            print(raisin.process(pow, (2, int(line))), flush=True)
        """
    )
    program.process.stdin.write(b"3\n")
    program.process.stdin.flush()
    program.await_text("8\n")
    for process in parts(own_home.home).values():
        with contextlib.suppress(psutil.NoSuchProcess):  # one may end with another
            process.kill()
    until(lambda: not parts(own_home.home), "all have gone")
    program.process.stdin.write(b"4\n")
    program.process.stdin.flush()
    program.await_text("16\n")
    program.process.stdin.close()
    assert program.wait().code == 0
    await_gone(own_home.home)


def test_the_cluster_is_killed_while_an_interpreter_waits_at_its_end(own_home):
    program = own_home.start(
        """
        import raisin, time
        def run(n):
            time.sleep(0.02)
            open(f"done-{n}", "w").close()
        m = raisin.Map(run, range(60)).start()
        print("ends", flush=True)
        """
    )
    program.await_text("ends")
    until(lambda: list(own_home.folder.glob("done-*")), "some are done", show=program.show)
    for process in parts(own_home.home).values():
        with contextlib.suppress(psutil.NoSuchProcess):  # one may end with another
            process.kill()
    done = program.wait(60)
    assert (done.ok(), done.err) == ("ends\n", "")
    assert len(list(own_home.folder.glob("done-*"))) == 60
    await_gone(own_home.home)


@pytest.mark.slow  # the same on every Python
def test_a_frozen_interpreter_is_no_dead_one(own_home):
    program = own_home.start(WAITS)
    program.await_text("32")
    before = parts(own_home.home)
    program.send(signal.SIGSTOP)
    assert own_home.run("import raisin; print(raisin.process(abs, (-1,)))").ok() == "1\n"
    program.send(signal.SIGCONT)
    program.process.communicate(b"go on\n", timeout=30)
    assert program.wait().ok() == "32\nends\n"
    assert before["keeper"].pid
    await_gone(own_home.home)


@pytest.mark.slow  # the same on every Python
def test_what_it_leaves_on_the_disk_is_private(own_home):
    program = own_home.start(WAITS)
    program.await_text("32")
    open_to_others = [
        f"{path} {stat.S_IMODE(path.lstat().st_mode):o}"
        for path in [own_home.home, *own_home.home.rglob("*")]
        if path.lstat().st_mode & 0o077 and not path.is_socket()  # nobody gets at those, in a private directory
    ]
    program.kill()
    assert not open_to_others
    await_gone(own_home.home)


@pytest.mark.slow  # the same on every Python
def test_terminal_signals_do_not_reach_it(own_home):
    """Its parts are in a session of their own."""
    program = own_home.start(WAITS, name="leader")
    program.await_text("32")
    sessions = {os.getsid(p.pid) for p in parts(own_home.home).values()}
    assert os.getsid(program.pid) not in sessions
    assert all(p.terminal() is None for p in parts(own_home.home).values())
    program.kill()
    await_gone(own_home.home)


@pytest.mark.slow
def test_memory_and_files_do_not_grow_with_use(own_home):
    """A thousand jobs later the broker, the worker and the interpreter are what they were."""
    program = own_home.start(
        """
        import psutil, raisin, sys
        me = psutil.Process()
        def use(count):
            for n in range(count):
                assert raisin.process(pow, (n, 2)) == n * n
                assert raisin.Map(abs, [n, -n]).get() == [n, n]
                assert list(raisin.map(abs, [n, -n])) == [n, n]
        use(100)
        before = me.num_fds(), me.num_threads(), me.memory_info().rss
        print("ready", flush=True); sys.stdin.readline()
        use(400)
        after = me.num_fds(), me.num_threads(), me.memory_info().rss
        assert after[0] <= before[0] + 3 and after[1] <= before[1] + 1, (before, after)
        assert after[2] < before[2] + 20e6, (before, after)
        print("used", flush=True); sys.stdin.readline()
        """
    )
    program.await_text("ready")
    found = {name: psutil.Process(p.pid) for name, p in parts(own_home.home).items()}
    before = {name: (p.num_fds(), p.memory_info().rss) for name, p in found.items()}
    program.process.stdin.write(b"go on\n")
    program.process.stdin.flush()
    program.await_text("used", 60)
    for name, process in found.items():
        assert process.num_fds() <= before[name][0] + 3, name
        assert process.memory_info().rss < before[name][1] + 20e6, name
    program.process.communicate(b"end\n", timeout=30)
    assert program.wait().code == 0
    await_gone(own_home.home)


@pytest.mark.slow  # the same on every Python
def test_a_saved_job_outlives_interpreter_and_cluster(own_home):
    key = own_home.run(
        """
        import raisin
        m = raisin.Map(lambda n: n * n, range(1000), name="squares", save=True).start()
        assert m.get()[5] == 25
        print(m.id)
        """
    ).ok()
    await_gone(own_home.home)
    code = f"import raisin; m = raisin.attach({key.strip()!r}); print(m.name, m.state, sum(m.get()))"
    assert own_home.run(code).ok() == f"squares done {sum(n * n for n in range(1000))}\n"
