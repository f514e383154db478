"""where="process": every verb without any cluster, serially, in this thread, for debugging."""

from __future__ import annotations

import asyncio
import collections
import gc
import itertools
import os
import threading
from functools import partial

import pytest

import raisin
from raisin_core import nesting
from raisin_core.client import connection

Map = partial(raisin.Map, where="process")
Scan = partial(raisin.Scan, where="process")
Process = partial(raisin.Process, where="process")
map_ = partial(raisin.map, where="process")
starmap = partial(raisin.starmap, where="process")
scan = partial(raisin.scan, where="process")
process = partial(raisin.process, where="process")


@pytest.fixture(autouse=True)
def no_cluster(monkeypatch):
    """Nothing here may start one."""

    def never(where):
        raise AssertionError("a cluster was asked for")

    monkeypatch.setattr(connection, "current", never)


def square(x):
    return x**2


def substraction(a, b):
    return a - b


def test_all_verbs():
    assert list(map_(square, range(5))) == [0, 1, 4, 9, 16]
    assert list(map_(substraction, [5, 6], [1, 2, 3])) == [4, 4]
    assert list(starmap(pow, [(2, 5), (3, 2)])) == [32, 9]
    assert process(square, (5,)) == 25
    assert process(substraction, (5,), {"b": 1}) == 4
    assert scan(substraction, [0, 1, 2], [1, 2]) == [[-1, -2], [0, -1], [1, 0]]
    assert scan(substraction, 5, 3) == 2
    assert scan(square, []) == []
    assert Map(square, [1, 2]).start().get() == [1, 4]
    assert Process(square, (3,)).get() == 9
    assert Scan(pow, [2, 3], [1, 2, 3]).get() == [[2, 4, 8], [3, 9, 27]]
    assert list(map_(substraction, [5, 6], kwargs={"b": 1})) == [4, 5]
    assert list(map_(square, [])) == []


def test_it_is_here():
    """No copies: the very objects, the very process, the very thread."""
    thing = object()
    assert process(lambda: thing) is thing
    assert list(map_(lambda _: (os.getpid(), threading.get_ident()), [1])) == [(os.getpid(), threading.get_ident())]
    seen = []
    list(map_(seen.append, [1, 2]))
    assert seen == [1, 2]


def test_what_cannot_travel_need_not():
    lock = threading.Lock()
    assert list(map_(lambda each: each is lock, [lock])) == [True]
    assert process(lambda: (n for n in "ab")).__next__() == "a"


def test_nothing_runs_before_it_is_asked_for():
    seen = []
    values = map_(seen.append, itertools.count())
    assert seen == []
    assert next(values) is None
    assert seen == [0]
    next(values)
    assert seen == [0, 1]
    values.close()
    assert list(values) == []


def test_records():
    (first, second) = Map(lambda x: 1 // x, [1, 0]).get_all()
    assert (first["res"], first["index"], first["args"], first["state"], first["attempts"]) == (1, 0, (1,), "done", 1)
    assert "res" not in second
    assert isinstance(second["error"], ZeroDivisionError)
    assert second["state"] == "failed"
    records = list(Scan(pow, [2], [3, 4]).get_all())
    assert [(record["index"], record["args"], record["res"]) for record in records] == [
        ((0, 0), (2, 3), 8),
        ((0, 1), (2, 4), 16),
    ]
    (record,) = Process(substraction, (5, 2)).get_all()
    assert (record["index"], record["args"], record["res"]) == (0, (5, 2), 3)


def test_each_task_runs_once_however_often_results_are_asked_for():
    seen = []
    m = Map(lambda x: seen.append(x) or x, range(5))
    assert m.get() == m.get() == list(m) == [record["res"] for record in m.get_all()]
    assert m.join()
    assert seen == list(range(5))


def test_how_it_stands():
    m = Map(square, iter([1, 2]), name="mine")
    assert (m.state, m.name, m.id) == ("new", "mine", "")
    with pytest.raises(TypeError):
        len(m)
    m.start()
    assert m.is_alive()
    assert m.exitcode is None
    with pytest.raises(raisin.UsageError, match="started already"):
        m.start()
    assert m.get() == [1, 4]
    assert (m.state, m.exitcode, m.done(), m.successful(), m.is_alive(), len(m)) == ("done", 0, True, True, False, 2)
    assert len(m.id) == 32
    assert m.exception() is None
    assert "2 of 2 done" in m.explain()
    assert m.progress().done == 2


def test_exceptions_are_the_very_ones():
    error = LookupError("mine")

    def fail(x):
        raise error

    with pytest.raises(LookupError) as caught:
        process(fail, (1,))
    assert caught.value is error
    m = Map(lambda x: 1 // x, [1, 0, 2, 0])
    with pytest.raises(ZeroDivisionError) as caught:
        m.get()
    assert caught.value.__notes__ == ["2 of 4 failed"]
    assert sorted(m.errors()) == [1, 3]
    assert (m.state, m.exitcode) == ("failed", 1)


def test_map_goes_on_after_an_exception():
    values = map_(lambda x: 6 // x, [1, 0, 3])
    assert next(values) == 6
    with pytest.raises(ZeroDivisionError):
        next(values)
    assert next(values) == 2


@pytest.mark.parametrize("kind", [StopIteration, StopAsyncIteration, SystemExit])
def test_what_would_end_the_caller(kind):
    def fail(x):
        raise kind("over")

    values = map_(fail, [1])
    with pytest.raises(raisin.TaskFailed, match=f"{kind.__name__}: over"):
        next(values)
    with pytest.raises(StopIteration):
        next(values)


def test_ctrl_c_is_no_result():
    def interrupted(x):
        if x == 1 and not seen:
            seen.append(x)
            raise KeyboardInterrupt
        return x

    seen = []
    m = Map(interrupted, [0, 1, 2])
    with pytest.raises(KeyboardInterrupt):
        m.get()
    assert m.is_alive()


def test_an_iterable_that_raises():
    def items():
        yield 1
        raise LookupError("dry")

    values = map_(square, items())
    assert next(values) == 1
    with pytest.raises(LookupError, match="dry"):
        next(values)
    m = Map(square, items())
    with pytest.raises(LookupError, match="dry"):
        m.get()
    assert m.state == "failed"


def test_cancel():
    m = Map(square, itertools.count()).start()
    values = iter(m)
    assert [next(values), next(values)] == [0, 1]
    assert m.cancel()
    with pytest.raises(raisin.CancelledError):
        next(values)
    with pytest.raises(raisin.CancelledError):
        m.get(timeout=1)
    assert m.cancelled()
    assert m.cancel() is False


def test_timeouts_are_looked_at_between_tasks():
    m = Map(square, itertools.count()).start()
    assert m.join(timeout=0.01) is False
    with pytest.raises(raisin.TimeoutError):
        m.get(timeout=0.01)


def test_retries():
    seen = []

    def sometimes(x):
        seen.append(x)
        if len(seen) < 3:
            raise ValueError("not yet")
        return x

    (record,) = raisin.Map(sometimes, [5], where="process", retries=2).get_all()
    assert record["res"] == 5
    assert record["attempts"] == 3
    assert seen == [5, 5, 5]


def test_a_deadline():
    m = raisin.Map(square, itertools.count(), where="process", deadline=0.05).start()
    with pytest.raises(raisin.DeadlineExceeded, match=r"square passed its deadline, \d+ tasks done"):
        collections.deque(m)
    assert m.state == "late"
    assert m.exitcode == 1


def test_a_task_that_took_too_long():
    """It cannot be ended here, but it counts as what it was."""
    times = iter([0.0, 1.0])
    m = Map(lambda n: threading.Event().wait(next(times)), range(2), task_timeout=0.4)
    m.join()
    assert [type(error) for error in m.errors().values()] == [raisin.TaskTimeout]
    assert sorted(m.errors()) == [1]


def test_an_endless_map_keeps_nothing():
    values = map_(lambda n: Weighty(), itertools.count())
    collections.deque(itertools.islice(values, 100), maxlen=0)
    gc.collect()
    assert Weighty.alive <= 1


class Weighty:
    """Counts those that there are."""

    alive = 0

    def __init__(self):
        Weighty.alive += 1

    def __del__(self):
        Weighty.alive -= 1


def test_an_iterator_keeps_its_handle():
    """`for value in raisin.Map(...)`: nobody else has it."""
    values = iter(Map(square, range(5)))
    got = [next(values)]
    gc.collect()
    assert got + list(values) == [0, 1, 4, 9, 16]


def test_what_is_printed_stays_here(capsys):
    process(print, ("hello",))
    assert capsys.readouterr().out == "hello\n"


def test_two_threads_collect_one_handle():
    seen = []
    m = Map(lambda x: seen.append(x) or x, range(2000)).start()
    got = []
    threads = [threading.Thread(target=lambda: got.append(m.get())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert got == [list(range(2000))] * 4
    assert seen == list(range(2000))


def test_await():
    async def main():
        return await Map(square, [1, 2]), [each async for each in Map(square, [3, 4])]

    assert asyncio.run(main()) == ([1, 4], [9, 16])


def test_callbacks():
    called = threading.Event()
    m = Map(square, [1]).start()
    m.add_done_callback(lambda handle: called.set())
    assert called.wait(30)
    assert m.done()


def test_the_environment_can_say_so(monkeypatch):
    monkeypatch.setenv("RAISIN_WHERE", "process")
    assert raisin.process(os.getpid) == os.getpid()


def test_inside_a_task_everything_is_local(monkeypatch):
    monkeypatch.setattr(nesting, "inside", True)
    assert list(raisin.map(square, [1, 2], where="cluster")) == [1, 4]
    assert raisin.process(os.getpid) == os.getpid()


def test_len_of_a_map():
    assert len(map_(square, range(7))) == 7
    with pytest.raises(TypeError):
        len(map_(square, iter([1])))
