"""The examples of the documentation, on the cluster of this machine, as a user would type them."""

from __future__ import annotations

import itertools
import threading
from pathlib import Path

import pytest

import raisin


def foo(x):
    return x**2


def substraction(a, b):
    return a - b


def test_map_in_the_background_gives_records():
    m = raisin.Map(foo, range(3))
    m.start()
    records = sorted(m.get_all(), key=lambda record: record["index"])
    assert [record["res"] for record in records] == [0, 1, 4]
    assert [record["args"] for record in records] == [(0,), (1,), (2,)]
    for record in records:
        assert set(record) == {
            *("res", "index", "args", "state", "error", "host", "account", "attempts"),
            *("run_time", "cpu_time", "queued_time", "max_rss", "stdout"),
        }
        assert record["state"] == "done"
        assert record["error"] is None
        assert record["attempts"] == 1
        assert record["host"]
        assert 0 <= record["cpu_time"] < 60
        assert 0 < record["run_time"] < 60
        assert 0 <= record["queued_time"] < 60
        assert 2**20 < record["max_rss"] < 2**36


def test_map():
    assert list(raisin.map(foo, range(5))) == [0, 1, 4, 9, 16]


def test_process_in_the_background():
    p = raisin.Process(foo, args=(5,))
    p.start()
    assert p.get() == 25


def test_process():
    assert raisin.process(foo, (5,)) == 25
    assert raisin.process(foo, args=[6]) == 36
    assert raisin.process(substraction, (5,), {"b": 1}) == 4
    assert raisin.process(threading.active_count) >= 1


def test_scan_in_the_background():
    s = raisin.Scan(substraction, [0, 1, 2], [1, 2])
    s.start()
    assert s.get() == [[-1, -2], [0, -1], [1, 0]]


def test_scan_of_three_axes_is_nested_as_itertools_has_them():
    axes = [range(2), ["ab"], [1.5, 2.5, 3.5], [True]]
    flat = list(itertools.product([0, 1], ["ab"], [1.5, 2.5, 3.5], [True]))
    got = raisin.scan(lambda *values: values, *axes)
    assert [value for a in got for b in a for c in b for value in c] == flat
    assert len(got) == 2
    assert len(got[0]) == 1
    assert len(got[0][0]) == 3


def test_scan_records_have_tuples_as_index():
    s = raisin.Scan(substraction, [10, 20], [1, 2, 3])
    records = {record["index"]: record for record in s.get_all()}
    assert set(records) == set(itertools.product(range(2), range(3)))
    assert records[1, 2]["res"] == 17
    assert records[1, 2]["args"] == (20, 3)
    assert len(s) == 6


@pytest.mark.parametrize("constant", ["text", b"bytes", {"a": 1}, Path("some/file"), 7, None], ids=repr)
def test_scan_takes_what_is_no_axis_as_a_constant(constant):
    assert raisin.scan(lambda x, y: (x, y), [1, 2], constant) == [(1, constant), (2, constant)]


def test_scan_without_axes_gives_a_bare_value():
    assert raisin.scan(substraction, 5, 3) == 2


def test_scan_with_an_empty_axis():
    assert raisin.scan(substraction, [], [1, 2]) == []
    assert raisin.scan(substraction, [1, 2], []) == [[], []]
    assert raisin.scan(foo, []) == []


def test_scan_pulls_an_axis_once():
    assert raisin.scan(substraction, iter([1, 2]), (n for n in (1, 2))) == [[0, -1], [1, 0]]


def test_starmap():
    assert list(raisin.starmap(pow, [(2, 5), (3, 2), (10, 3)])) == [32, 9, 1000]


def test_several_iterables_end_with_the_shortest():
    assert list(raisin.map(pow, [2, 3, 10], [5, 2, 3])) == [32, 9, 1000]
    assert list(raisin.map(substraction, itertools.count(5), [1, 2, 3])) == [4, 4, 4]
    assert raisin.Map(substraction, [5, 6], (n for n in range(9))).get() == [5, 5]


def test_constant_keyword_arguments():
    assert list(raisin.map(substraction, [5, 6], kwargs={"b": 1})) == [4, 5]
    assert list(raisin.starmap(substraction, [(5,), (6,)], kwargs={"b": 1})) == [4, 5]
    assert raisin.Map(substraction, [5, 6], kwargs={"b": 2}).get() == [3, 4]
    assert raisin.scan(substraction, [5, 6], kwargs={"b": 3}) == [2, 3]


@pytest.mark.parametrize("empty", [[], (), "", {}, iter(()), range(0), (n for n in ())], ids=lambda e: type(e).__name__)
def test_nothing_to_do(empty):
    assert list(raisin.map(foo, empty)) == []


def test_handles_of_nothing():
    m = raisin.Map(foo, [])
    assert m.get() == []
    assert list(m.get_all()) == []
    assert len(m) == 0
    assert m.successful()
    assert list(raisin.Map(foo, iter(())).get_all()) == []
    assert list(raisin.starmap(pow, [])) == []


@pytest.mark.parametrize(
    "elements",
    ["abc", {"a": 1, "b": 2}, {1, 2, 3}, b"abc", (n for n in range(3)), map(str, range(3)), zip("ab", "cd")],
    ids=lambda elements: type(elements).__name__,
)
def test_any_iterable_will_do(elements):
    elements, again = itertools.tee(elements)
    assert list(raisin.map(lambda element: element, elements)) == list(again)


def test_arguments_of_a_map_are_tuples_where_there_are_several_iterables():
    records = sorted(raisin.Map(pow, [2, 3], [4, 1]).get_all(), key=lambda record: record["index"])
    assert [record["args"] for record in records] == [(2, 4), (3, 1)]
    (record,) = raisin.Process(substraction, (5, 2)).get_all()
    assert record["args"] == (5, 2)
    assert record["index"] == 0


def test_lambdas_closures_methods_and_builtins():
    base = 10
    assert list(raisin.map(lambda x: x + base, [1, 2])) == [11, 12]
    assert list(raisin.map("-".join, ["ab", "cd"])) == ["a-b", "c-d"]
    assert list(raisin.map(str.upper, ["a", "b"])) == ["A", "B"]
    assert list(raisin.map(abs, range(-3, 3))) == [3, 2, 1, 0, 1, 2]


def test_values_of_many_kinds_come_back_as_they_went():
    values = [None, True, 1, 2**100, 1.5, "ü", b"\0", (1, 2), [1, [2]], {"a": {1}}, frozenset("ab"), Path("x")]
    back = list(raisin.map(lambda value: value, values))
    assert back == values
    assert list(map(type, back)) == list(map(type, values))


def test_a_mutable_argument_is_not_shared_between_tasks():
    shared = [1]
    assert list(raisin.map(lambda each: each.append(2) or each, [shared] * 5)) == [[1, 2]] * 5
    assert shared == [1]
