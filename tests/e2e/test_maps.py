"""The iterator of `raisin.map`, endless elements, and waiting in asyncio; on the cluster of this machine."""

from __future__ import annotations

import asyncio
import builtins
import gc
import itertools
import os
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


def test_dropping_a_map_iterator_cancels(gate, tmp_path):
    def run(name):
        (tmp_path / f"began-{name}").touch()
        wait_for(gate)
        (tmp_path / f"ended-{name}").touch()

    values = raisin.map(run, range(20), chunksize=1)
    until(lambda: list(tmp_path.glob("began-*")), "one runs")
    del values
    gc.collect()
    assert raisin.process(square, (3,)) == 9  # the slots are free again, although nobody opened the gate
    gate.touch()
    assert raisin.process(square, (4,)) == 16
    assert not list(tmp_path.glob("ended-*"))


def test_a_closed_map_iterator_is_over():
    values = raisin.map(square, range(100))
    assert next(values) == 0
    values.close()
    assert list(values) == []
    values.close()


def test_map_goes_on_after_an_exception():
    values = raisin.map(lambda x: 6 // x, [1, 0, 3, 0, 2])
    got = []
    while True:
        try:
            got.append(next(values))
        except StopIteration:
            break
        except ZeroDivisionError:
            got.append("failed")
    assert got == [6, "failed", 2, "failed", 3]


def test_map_is_started_at_once(tmp_path):
    mark = tmp_path / "mark"
    values = raisin.map(lambda path: Path(path).touch(), [mark])
    until(mark.exists, "the task has run, although nobody asked for its result")
    assert list(values) == [None]


def test_map_pulls_only_a_window_ahead():
    pulled = []

    def numbers():
        for n in itertools.count():
            pulled.append(n)
            yield n

    values = raisin.map(square, numbers())
    assert [next(values) for _ in range(10)] == [n * n for n in range(10)]
    values.close()
    assert len(pulled) < 100_000


@pytest.mark.parametrize(
    "endless", [itertools.count(), itertools.cycle([1, 2]), itertools.repeat(3)], ids=lambda each: type(each).__name__
)
def test_get_on_an_endless_map_raises(endless):
    m = raisin.Map(square, endless)
    with pytest.raises(raisin.UsageError, match="have no end; iterate"):
        m.get()
    assert m.state == "new"
    assert len(list(itertools.islice(m, 100))) == 100
    assert m.cancel() is True
    assert m.cancelled()


def test_get_on_a_map_of_what_only_looks_endless():
    assert raisin.Map(pow, itertools.repeat(3, 2), itertools.count()).get() == [1, 3]
    assert raisin.Map(pow, itertools.count(), [2, 2]).get() == [0, 1]


def test_get_on_an_endless_generator_times_out():
    m = raisin.Map(square, (n for n in itertools.count())).start()
    with pytest.raises(raisin.TimeoutError):
        m.get(timeout=0.3)
    assert m.cancel() is True
    assert m.cancelled()


def test_await_and_async_for():
    async def main():
        value, values = await asyncio.gather(raisin.Process(square, (3,)), raisin.Map(square, [1, 2]))
        got = [each async for each in raisin.Map(square, range(5)).start()]
        with pytest.raises(ZeroDivisionError):
            await raisin.Process(lambda: 1 // 0)
        return value, values, got

    assert asyncio.run(main()) == (9, [1, 4], [0, 1, 4, 9, 16])


def test_async_for_goes_on_after_an_exception():
    async def main():
        values, iterator = [], aiter(raisin.Map(lambda x: 6 // x, [1, 0, 3]))
        while True:
            try:
                values.append(await anext(iterator))
            except ZeroDivisionError:
                values.append("failed")
            except StopAsyncIteration:
                return values

    assert asyncio.run(main()) == [6, "failed", 2]


def test_a_wait_that_was_given_up_does_not_keep_asyncio(gate):
    async def main():
        handles = [raisin.Process(wait_for, (gate,)).start() for _ in range(50)]
        with pytest.raises(builtins.TimeoutError if hasattr(asyncio, "timeout") else asyncio.TimeoutError):
            await asyncio.wait_for(asyncio.gather(*handles), 0.2)
        return await raisin.Process(square, (3,), where="process")

    assert asyncio.run(main()) == 9  # although no handle has got anything yet
