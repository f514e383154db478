"""Large values, many values, endless ones: they arrive whole and in order, and memory stays bounded."""

from __future__ import annotations

import hashlib
import itertools
import os
import random
import time

import psutil
import pytest

import raisin
from tests.e2e import support
from tests.e2e.support import until

pytestmark = pytest.mark.slow

MB = 2**20


def digest(data):
    return hashlib.sha256(data).hexdigest()


@pytest.fixture(scope="module")
def large():
    return random.Random(1).randbytes(30 * MB)


@pytest.fixture
def gate(tmp_path):
    """A file that does not exist until somebody touches it; at the end it does, so that no task waits for ever."""
    path = tmp_path / "gate"
    yield path
    path.touch()


def wait_for(path):
    while not os.path.exists(path):
        time.sleep(0.005)


def test_a_large_argument(large):
    assert raisin.process(lambda data: hashlib.sha256(data).hexdigest(), (large,)) == digest(large)


def test_a_large_result(large):
    assert raisin.process(lambda seed: random.Random(seed).randbytes(30 * MB), (1,)) == large


def test_there_and_back_in_several_shapes(large):
    half = large[: 10 * MB]
    m = raisin.Map(lambda data: data, [half, 1, [half[:MB]] * 3, {"a": half[: 3 * MB]}])
    assert m.get() == [half, 1, [half[:MB]] * 3, {"a": half[: 3 * MB]}]
    records = {record["index"]: record for record in m.get_all()}
    assert records[0]["args"] == (half,)
    assert records[0]["res"] == half


def test_a_large_function_and_large_keywords(large):
    table = large[: 5 * MB]
    assert list(raisin.map(lambda n: table[n], range(5))) == list(table[:5])
    assert raisin.process(lambda n, data: data[n], (7,), {"data": table}) == table[7]


def test_large_axes(large):
    assert raisin.scan(lambda a, b, n: len(a) + b + n, [large[:MB], large[: 2 * MB]], [1, 2], 5) == [
        [MB + 6, MB + 7],
        [2 * MB + 6, 2 * MB + 7],
    ]


def test_large_exceptions():
    def fail(n):
        raise ValueError("x" * MB, bytes(n))

    with pytest.raises(raisin.TaskFailed, match="ValueError"):
        raisin.process(fail, (5 * MB,))


def test_three_thousand_arguments_of_20_kb():
    arguments = [bytes([n % 256]) * 20_000 for n in range(3000)]
    assert list(raisin.map(lambda data: (data[0], len(data)), arguments)) == [(n % 256, 20_000) for n in range(3000)]


def test_ten_thousand_results_of_1_kb_in_order():
    values = raisin.map(lambda n: b"%08d" % n + bytes(1016), range(10_000))
    for n, value in enumerate(values):
        assert value[:8] == b"%08d" % n
        assert len(value) == 1024
    assert n == 9999


def test_a_large_file_of_results_read_by_two_threads(large):
    """The same blobs, wanted twice at a time."""
    import concurrent.futures

    m = raisin.Map(lambda n: bytes([n]) * (2 * MB), range(6)).start()
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        got = list(pool.map(lambda _: [digest(value) for value in m], range(3)))
    assert got == [[digest(bytes([n]) * (2 * MB)) for n in range(6)]] * 3


def test_results_are_not_held_back_by_a_task_behind_them(gate):
    """Not even within one chunk: a task that takes long keeps none of those before it waiting."""

    def run(n):
        if n == 30:
            wait_for(gate)
        return n

    m = raisin.Map(run, range(40), chunksize=40)
    records = m.get_all()
    before: set[int] = set()
    while before != set(range(30)):
        before |= {next(records)["res"]} & set(range(30))  # those behind it may be done elsewhere meanwhile
    values = iter(m)
    assert [next(values) for _ in range(30)] == list(range(30))
    gate.touch()
    assert [next(values) for _ in range(10)] == list(range(30, 40))
    assert sorted(record["res"] for record in records) == list(range(30, 40))


def test_results_of_map_are_not_held_back_by_a_task_behind_them(gate):
    def run(n):
        if n == 1000:
            wait_for(gate)
        return n

    values = raisin.map(run, range(1200))
    assert [next(values) for _ in range(1000)] == list(range(1000))
    gate.touch()
    assert list(values) == list(range(1000, 1200))


def test_results_that_come_before_their_turn_wait(gate):
    """In-order reading: the first task is the last to end."""

    def run(n):
        if n == 0:
            wait_for(gate)
        return n

    m = raisin.Map(run, range(3000), chunksize=1).start()
    until(lambda: m.progress().done > 2500, "the others are done", show=m.explain)
    gate.touch()
    assert m.get() == list(range(3000))


def rss():
    return psutil.Process().memory_info().rss


def test_an_endless_map_needs_bounded_memory(home):
    def numbers():
        for n in itertools.count():
            yield (n, "x" * 50)

    values = raisin.map(lambda pair: pair[0], numbers())
    assert list(itertools.islice(values, 50_000)) == list(range(50_000))
    broker = support.parts(home)["broker"]
    before = rss(), broker.memory_info().rss
    assert sum(1 for _ in itertools.islice(values, 400_000)) == 400_000
    assert rss() < before[0] + 60 * MB
    assert broker.memory_info().rss < before[1] + 60 * MB
    values.close()


def test_a_slow_reader_of_an_endless_map_needs_bounded_memory(home):
    """Also where a handle is fed by a thread that is faster than anybody reads."""
    numbers, pulled = itertools.count(), itertools.count()
    m = raisin.Map(len, (bytes(1000) for _ in zip(numbers, pulled))).start()
    values = iter(m)
    assert next(values) == 1000
    broker = support.parts(home)["broker"]
    before = rss(), broker.memory_info().rss
    until(lambda: m.progress().done > 100_000, "a hundred thousand are done", show=m.explain)
    assert rss() < before[0] + 80 * MB
    assert broker.memory_info().rss < before[1] + 80 * MB
    assert [next(values) for _ in range(1000)] == [1000] * 1000
    m.cancel()


def test_what_has_been_read_is_forgotten_by_the_broker(home):
    """The database does not keep what nobody can ask for any more."""
    database = support.embedded_directory(home) / "broker" / "raisin.db"

    def use():
        assert sum(map(len, raisin.map(lambda n: bytes(10_000), range(1000)))) == 10_000_000
        return sum(path.stat().st_size for path in database.parent.glob("raisin.db*"))

    before = use()
    for _ in range(5):
        after = use()
    assert after < before + 30 * MB


def test_a_million_tiny_tasks():
    assert sum(raisin.map(abs, range(1_000_000))) == sum(range(1_000_000))


def test_a_scan_ships_each_axis_once(large):
    """A million combinations of a few values."""
    m = raisin.Scan(lambda a, b, data: a * b + len(data), range(1000), range(300), large[:MB])
    assert len(m) == 300_000
    values = m.get(timeout=60)
    assert values[7][5] == 35 + MB
    assert len(values) == 1000
    assert len(values[999]) == 300
