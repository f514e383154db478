"""Ctrl-C, and the end of an interpreter: nothing hangs, nothing that was started is forgotten, all in good order."""

from __future__ import annotations

import os
import signal
import sys

import pytest

from tests.e2e import support
from tests.e2e.support import until

pytestmark = pytest.mark.usefixtures("kept_cluster")


WAYS = {
    "process": "raisin.process(run, (0,))",
    "get": "raisin.Map(run, range(8)).start().get()",
    "map": "list(raisin.map(run, range(8)))",
    "join": "raisin.Map(run, range(8)).start().join()",
    "get_all": "list(raisin.Map(run, range(8)).get_all())",
    "scan": "raisin.scan(run, range(8))",
    "iteration": "list(raisin.Map(run, range(8)))",
    "endless map": "import itertools; list(raisin.map(run, itertools.count()))",
    "main thread": "m = raisin.Map(run, range(8)).start(); time.sleep(1000)",
    "asyncio": "import asyncio; m = raisin.Map(run, range(8))\nasync def main(): await m\nasyncio.run(main())",
}


EVERYWHERE = ("process", "map", "scan", "main thread", "asyncio")  # the others wait as these do


@pytest.mark.parametrize(
    "way", [way if way in EVERYWHERE else pytest.param(way, marks=pytest.mark.slow) for way in WAYS]
)
def test_ctrl_c(interpreters, way):
    """Stops at once, with a traceback; what was under way is cancelled: its task processes end."""
    program = interpreters.start(
        "import os, raisin, time\n"
        "def run(n):\n"
        "    open(f'{os.getpid()}.pid', 'w').close()\n"
        "    time.sleep(1000)\n" + WAYS[way]
    )
    until(lambda: list(interpreters.folder.glob("*.pid")), "a task runs", show=program.show)
    support.interrupt(program)
    done = program.wait(20)
    assert done.code in (-signal.SIGINT, 1), done
    assert done.err.rstrip().endswith("KeyboardInterrupt"), done.err
    assert done.err.count("Traceback") == done.err.count("KeyboardInterrupt") <= 2, done.err
    pids = [int(path.stem) for path in interpreters.folder.glob("*.pid")]
    until(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in pids), "the tasks have ended")
    assert interpreters.run("import raisin; print(raisin.process(abs, (-1,)))").ok() == "1\n"


def test_ctrl_c_that_is_caught(interpreters):
    program = interpreters.start(
        """
        import raisin, time
        def run(n):
            print("runs", flush=True)
            time.sleep(1000)
        try:
            raisin.process(run, (1,))
        except KeyboardInterrupt:
            print("caught", flush=True)
        assert raisin.process(pow, (2, 5)) == 32
        m = raisin.Map(abs, [-1, 2])
        assert m.get() == [1, 2]
        print("went on")
        """
    )
    program.await_text("runs")
    support.interrupt(program)
    assert program.wait().ok().endswith("caught\nwent on\n")


def test_ctrl_c_in_get_leaves_the_handle_usable(interpreters):
    program = interpreters.start(
        """
        import os, raisin, time
        def run(n):
            print("runs", flush=True)
            while not os.path.exists("gate"):
                time.sleep(0.01)
            return n
        m = raisin.Map(run, [1, 2]).start()
        try:
            m.get()
        except KeyboardInterrupt:
            print("caught", flush=True)
        assert m.is_alive(), m
        open("gate", "w").close()
        assert m.get() == [1, 2]
        """
    )
    program.await_text("runs")
    support.interrupt(program)
    program.wait().ok()


def test_ctrl_c_before_anything_was_started(interpreters):
    program = interpreters.start("import raisin, time; print('here', flush=True); time.sleep(1000)")
    program.await_text("here")
    support.interrupt(program)
    assert program.wait().err.rstrip().endswith("KeyboardInterrupt")


def test_ctrl_c_while_the_interpreter_waits_at_its_end(interpreters):
    program = interpreters.start(
        """
        import raisin, time
        def run(n):
            print("runs", flush=True)
            time.sleep(1000)
        m = raisin.Map(run, [1]).start()
        """
    )
    program.await_text("runs")
    support.interrupt(program)
    done = program.wait(20)
    assert (done.code, done.err) == (0, "raisin: interrupted while waiting for what was started: it is cancelled\n")


def test_the_end_waits_for_what_was_started(interpreters):
    """As multiprocessing does."""
    done = interpreters.run(
        """
        import raisin, time
        def run(n):
            time.sleep(0.05)
            open(f"done-{n}", "w").close()
        raisin.Map(run, iter(range(30))).start()
        raisin.Process(run, (99,)).start()
        kept = raisin.Map(run, range(40, 45)).start()
        """
    )
    assert done.ok() == ""
    assert done.err == ""
    assert len(list(interpreters.folder.glob("done-*"))) == 36


def test_the_first_words_of_a_task_come_while_the_interpreter_ends(interpreters):
    """From Python 3.12 on, no thread can be started any more then."""
    done = interpreters.run(
        """
        import raisin, time
        def run(n):
            time.sleep(0.3)
            print("late words")
        m = raisin.Map(run, [1], name="late").start()
        """
    )
    assert done.ok().endswith("] late words\n")
    assert done.err == ""


def test_the_end_waits_for_nothing_that_nobody_wants(interpreters):
    """A map whose values nobody takes is cancelled, as if it had been dropped; an endless one too."""
    done = interpreters.run(
        """
        import itertools, raisin, time
        def run(n):
            time.sleep(0.01)
            return n
        values = raisin.map(run, itertools.count())
        assert next(values) == 0
        others = raisin.map(run, range(100_000))
        """,
        seconds=20,
    )
    assert done.ok() == ""
    assert done.err == ""


def test_an_uncaught_exception_waits_too_and_keeps_its_exit_code(interpreters):
    done = interpreters.run(
        """
        import raisin, time
        def run(n):
            time.sleep(0.3)
            open(f"done-{n}", "w").close()
        m = raisin.Map(run, range(2)).start()
        raise LookupError("mine")
        """
    )
    assert done.code == 1
    assert done.err.rstrip().endswith("LookupError: mine")
    assert len(list(interpreters.folder.glob("done-*"))) == 2


def test_sys_exit_keeps_its_code(interpreters):
    assert interpreters.run("import raisin, sys; raisin.process(abs, (-1,)); sys.exit(7)").code == 7


def test_os_exit_skips_all_that(interpreters):
    assert interpreters.run("import os, raisin; raisin.Map(abs, [-1]).start(); os._exit(3)").code == 3


def test_nothing_can_be_submitted_at_the_end(interpreters):
    done = interpreters.run(
        """
        import atexit
        def late():
            try:
                raisin.process(abs, (-1,))
            except raisin.ClusterError as error:
                print(error)
        atexit.register(late)  # before raisin's own, so that it is called after it
        import raisin
        raisin.process(abs, (-1,))
        """
    )
    assert done.ok() == "the interpreter is ending: nothing can be submitted any more\n"


def test_handles_that_live_until_the_very_end(interpreters):
    """They are dropped when half of the interpreter is gone already; nobody hears of it."""
    done = interpreters.run(
        """
        import raisin, sys
        handles = [raisin.Map(abs, range(10)), raisin.Process(abs, (-1,)), raisin.Scan(abs, [1]), raisin.Map(abs, [1])]
        iterators = [raisin.map(abs, range(10)), iter(handles[1]), handles[0].get_all()]
        next(iterators[0]); next(iterators[1]); next(iterators[2])
        sys.kept = handles, iterators
        handles[0].loop = handles
        """,
        env={"PYTHONWARNINGS": "error", "PYTHONDEVMODE": "1"},
    )
    assert done.ok() == ""
    assert done.err == ""


def test_threads_that_still_wait_at_the_end(interpreters):
    done = interpreters.run(
        """
        import raisin, threading, time
        def run(n):
            time.sleep(0.2)
            return n
        m = raisin.Map(run, range(4)).start()
        got = []
        threading.Thread(target=lambda: print(m.get())).start()
        threading.Thread(target=m.join, daemon=True).start()
        """
    )
    assert done.ok() == "[0, 1, 2, 3]\n"
    assert done.err == ""


@pytest.mark.slow  # the same on every Python
@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGTERM")
def test_sigterm_of_an_interpreter_leaves_a_working_cluster(interpreters):
    program = interpreters.start(
        """
        import raisin, time
        def run(n):
            print("runs", flush=True)
            time.sleep(0.5)
        raisin.Map(run, [1]).get()
        """
    )
    program.await_text("runs")
    program.send(signal.SIGTERM)
    assert program.wait().code == -signal.SIGTERM
    assert interpreters.run("import raisin; print(raisin.process(abs, (-1,)))").ok() == "1\n"
