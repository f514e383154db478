"""Handles: everything that they can do, on the cluster of this machine."""

from __future__ import annotations

import builtins
import concurrent.futures
import gc
import itertools
import multiprocessing
import os
import threading
import time
from pathlib import Path

import pytest

import raisin
from tests.e2e.support import until


def square(x):
    return x**2


def wait_for(path):
    """A task that ends when a file is there."""
    while not os.path.exists(path):
        time.sleep(0.005)
    return str(path)


@pytest.fixture
def gate(tmp_path):
    """A file that does not exist until somebody touches it; at the end it does, so that no task waits for ever."""
    path = tmp_path / "gate"
    yield path
    path.touch()


def test_start_gives_the_handle_and_works_once():
    m = raisin.Map(square, [1, 2])
    assert m.start() is m
    with pytest.raises(raisin.UsageError, match="started already"):
        m.start()
    with pytest.raises(TypeError):
        m.start()
    assert m.get() == [1, 4]


def test_a_handle_that_was_never_started_starts_when_asked():
    assert raisin.Map(square, [1, 2]).get() == [1, 4]
    assert raisin.Process(square, (3,)).result() == 9
    assert list(raisin.Map(square, [1, 2])) == [1, 4]
    assert [record["res"] for record in raisin.Map(square, [3]).get_all()] == [9]
    assert raisin.Map(square, [2]).join()


def test_get_twice_gives_equal_but_separate_lists():
    m = raisin.Map(square, [1, 2])
    first, second = m.get(), m.get()
    assert first == second == [1, 4]
    assert first is not second


def test_get_with_a_timeout_then_again(gate):
    m = raisin.Map(wait_for, [gate] * 3).start()
    with pytest.raises(raisin.TimeoutError, match=r"0 of 3 done; job \w{8} continues") as caught:
        m.get(timeout=0.2)
    for kind in (builtins.TimeoutError, multiprocessing.TimeoutError, concurrent.futures.TimeoutError):
        assert isinstance(caught.value, kind)
    assert m.is_alive()
    gate.touch()
    assert m.get(timeout=30) == [str(gate)] * 3


def test_a_timeout_keeps_what_was_there_already(gate):
    m = raisin.Map(lambda path: wait_for(path) and 1, ["/", "/", gate], chunksize=1).start()
    until(lambda: m.progress().done == 2, "two are done", show=m.explain)
    with pytest.raises(raisin.TimeoutError, match="2 of 3 done"):
        m.get(timeout=0.1)
    gate.touch()
    assert m.get() == [1, 1, 1]


def test_get_all_with_a_timeout(gate):
    m = raisin.Map(wait_for, ["/", gate], chunksize=1).start()
    records = m.get_all(timeout=1.0)
    assert next(records)["res"] == "/"
    with pytest.raises(raisin.TimeoutError):
        next(records)


def test_join_with_a_timeout(gate):
    p = raisin.Process(wait_for, (gate,)).start()
    assert p.join(timeout=0.05) is False
    gate.touch()
    assert p.join(timeout=30) is True
    assert p.join() is True


def test_get_all_can_be_asked_again():
    m = raisin.Map(square, range(500), chunksize=50)
    first = list(m.get_all())
    second = list(m.get_all())
    assert first == second
    assert sorted(record["res"] for record in first) == [n * n for n in range(500)]


def test_get_all_of_which_only_a_part_is_read():
    m = raisin.Map(square, range(1000), chunksize=10)
    assert len(list(itertools.islice(m.get_all(), 3))) == 3
    assert m.get() == [n * n for n in range(1000)]


def test_two_iterations_at_a_time():
    m = raisin.Map(square, range(100), chunksize=7)
    assert list(zip(m, m)) == [(n * n, n * n) for n in range(100)]


def test_many_threads_collect_one_handle():
    m = raisin.Map(square, range(2000), chunksize=50).start()
    with concurrent.futures.ThreadPoolExecutor(5) as pool:
        got = list(pool.map(lambda way: way(), [m.get, lambda: list(m), lambda: list(m.get_all()), m.get, m.join]))
    assert got[0] == got[1] == got[3] == [n * n for n in range(2000)]
    assert len(got[2]) == 2000
    assert got[4] is True


def test_many_threads_use_the_verbs():
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        got = list(pool.map(lambda n: (raisin.process(square, (n,)), list(raisin.map(square, [n, n]))), range(40)))
    assert got == [(n * n, [n * n] * 2) for n in range(40)]


def test_how_it_stands(gate):
    m = raisin.Map(wait_for, [gate, gate], name="waiting")
    assert (m.state, m.id, m.name) == ("new", "", "waiting")
    assert not m.is_alive()
    assert not m.done()
    assert not m.running()
    assert m.exitcode is None
    assert bool(m)
    m.start()
    assert len(m.id) == 32
    until(lambda: m.progress().running, "some run", show=m.explain)
    assert m.is_alive()
    assert m.running()
    assert not m.ready()
    assert not m.cancelled()
    assert m.exitcode is None
    assert m.state == "running"
    assert "waiting" in repr(m)
    assert "running" in repr(m)
    assert "0 of 2 done" in m.explain()
    with pytest.raises(ValueError, match="not over"):
        m.successful()
    gate.touch()
    m.join()
    assert m.ready()
    assert m.done()
    assert m.successful()
    assert not m.is_alive()
    assert m.exitcode == 0
    assert m.state == "done"
    assert m.exception() is None
    assert m.errors() == {}
    progress = m.progress()
    assert (progress.done, progress.failed, progress.running, progress.total) == (2, 0, 0, 2)


def test_how_it_stands_when_something_failed():
    m = raisin.Map(lambda x: 1 // x, [1, 0, 2, 0])
    m.join()
    assert m.state == "failed"
    assert m.exitcode == 1
    assert not m.successful()
    assert m.done()
    assert isinstance(m.exception(), ZeroDivisionError)
    assert sorted(m.errors()) == [1, 3]
    assert all(isinstance(error, ZeroDivisionError) for error in m.errors().values())
    assert m.progress().failed == 2


def test_names_of_functions_are_the_default():
    assert raisin.Map(square, []).name == "square"
    assert raisin.Process(lambda: 1).name == "<lambda>"
    assert raisin.Scan(square, [], name="mine").name == "mine"


def test_len():
    assert len(raisin.Map(square, range(7))) == 7
    assert len(raisin.Map(pow, range(7), [1, 2])) == 2
    assert len(raisin.Scan(pow, range(7), [1, 2])) == 14
    assert len(raisin.Process(square, (1,))) == 1
    m = raisin.Map(square, iter([1, 2]))
    with pytest.raises(TypeError, match="not known"):
        len(m)
    assert m.get() == [1, 4]
    assert len(m) == 2
    assert len(raisin.map(square, range(3))) == 3
    with pytest.raises(TypeError):
        len(raisin.map(square, iter([1])))
    assert list(raisin.map(square, iter([1]))) == [1]


def test_callbacks(gate):
    called = []
    m = raisin.Map(wait_for, [gate]).start()
    m.add_done_callback(lambda handle: called.append((handle, handle.done(), threading.current_thread())))
    assert not called
    gate.touch()
    until(lambda: called, "the callback was called")
    assert called[0][:2] == (m, True)
    m.add_done_callback(called.append)
    until(lambda: len(called) == 2, "the second one, too")


def test_a_callback_comes_also_when_it_is_cancelled(gate):
    called = threading.Event()
    m = raisin.Map(wait_for, [gate] * 4).start()
    m.add_done_callback(lambda handle: called.set())
    m.cancel()
    assert called.wait(30)


def test_the_bar_says_nothing_where_nobody_looks(capfd):
    assert raisin.Map(square, range(3), progress=True).get() == [0, 1, 4]  # under a second
    assert capfd.readouterr().err == ""


def test_a_bar_that_was_asked_for(gate, capfd):
    m = raisin.Map(wait_for, ["/", gate], name="slow", progress=True).start()
    with pytest.raises(raisin.TimeoutError):
        m.get(timeout=1.8)
    gate.touch()
    assert len(m.get()) == 2
    assert "slow [###############...............] 1/2 00:01" in capfd.readouterr().err


def test_no_bar_where_it_is_not_wanted(gate, capfd):
    m = raisin.Map(wait_for, [gate], progress=False).start()
    with pytest.raises(raisin.TimeoutError):
        m.get(timeout=1.5)
    assert capfd.readouterr().err == ""


def test_chunksize_is_how_many_tasks_a_process_takes_at_once(tmp_path):
    """A chunk is run by one task process, one task after the other."""
    records = sorted(raisin.Map(lambda n: os.getpid(), range(12), chunksize=4).get_all(), key=lambda r: r["index"])
    chunks = [{record["res"] for record in records[at : at + 4]} for at in range(0, 12, 4)]
    assert [len(pids) for pids in chunks] == [1, 1, 1]


def test_an_iterator_keeps_its_handle(gate):
    """`for value in raisin.Map(...)`: nobody else has it."""
    values = iter(raisin.Map(wait_for, ["/", gate, gate], chunksize=1))
    assert next(values) == "/"
    gc.collect()
    gate.touch()
    assert list(values) == [str(gate)] * 2


def test_records_keep_their_handle(gate):
    records = raisin.Map(wait_for, ["/", gate, gate], chunksize=1).get_all()
    assert next(records)["res"] == "/"
    gc.collect()
    gate.touch()
    assert len(list(records)) == 2


def test_a_handle_that_was_dropped_does_not_stop_its_job(tmp_path):
    def leave_a_mark(name):
        Path(name).touch()

    files = [tmp_path / str(n) for n in range(5)]
    raisin.Map(leave_a_mark, [str(file) for file in files]).start()
    gc.collect()
    until(lambda: all(file.exists() for file in files), "all tasks have run")


@pytest.mark.parametrize("make", [lambda: raisin.Map(square, [1]), lambda: raisin.Process(square, (1,))])
def test_what_is_over_cannot_be_cancelled(make):
    handle = make()
    handle.join()
    assert handle.cancel() is False
    assert handle.kill() is False
    assert handle.state == "done"


def test_a_cancelled_handle_says_so(gate):
    m = raisin.Map(wait_for, ["/", gate, gate], name="waiting", chunksize=1).start()
    until(lambda: m.progress().done == 1, "one is done", show=m.explain)
    assert m.terminate() is True
    assert m.cancelled()
    assert m.state == "cancelled"
    assert m.exitcode == 1
    with pytest.raises(raisin.CancelledError, match=r"waiting .* was cancelled with 1 of 3 tasks done"):
        m.get()
    with pytest.raises(concurrent.futures.CancelledError):
        m.result()
    assert isinstance(m.exception(), raisin.CancelledError)


def test_cancel_before_start_runs_nothing(tmp_path):
    mark = tmp_path / "mark"
    p = raisin.Process(lambda: mark.touch())
    p.cancel()
    assert p.cancelled()
    assert raisin.process(square, (2,)) == 4
    assert not mark.exists()


@pytest.mark.slow  # the same on every Python
def test_it_is_over_as_soon_as_its_results_were_given():
    """Not a moment later, when the broker says so, too."""
    for _ in range(50):
        m = raisin.Map(lambda x: 1 // x, iter([1, 0]))
        with pytest.raises(ZeroDivisionError):
            m.get()
        assert (m.done(), m.is_alive(), m.state, m.exitcode, len(m)) == (True, False, "failed", 1, 2)
        p = raisin.Process(square, (2,))
        assert p.get() == 4
        assert (p.done(), p.successful(), p.state, p.exitcode, p.progress().done) == (True, True, "done", 0, 1)
        assert p.cancel() is False
