"""What inherits from containers, times and numbers of the standard library stays exactly what it was."""

from __future__ import annotations

import collections
import datetime
import decimal
import enum
import fractions
import os
import random
import typing

import pytest

import raisin
from tests.core.serialization.elsewhere import Elsewhere


@pytest.fixture(scope="module")
def elsewhere():
    process = Elsewhere()
    yield process
    process.close()


@pytest.fixture(params=["here", "elsewhere"])
def copied(request, elsewhere):
    return raisin.copy if request.param == "here" else lambda value: elsewhere.call(lambda each: each, value)


def test_filling_runs_no_methods_of_the_class(copied):
    class History(list):
        def append(self, item):
            super().append(("appended", item))

        def extend(self, items):
            raise AssertionError

    class Loud(dict):
        def __setitem__(self, key, value):
            self.keys_set.append(key)
            super().__setitem__(key, value)

        def __init__(self, needed):
            self.keys_set = [needed]

    class Ordered(collections.OrderedDict):
        def __setitem__(self, key, value):
            self.keys_set.append(key)
            super().__setitem__(key, value)

    class Bounded(collections.deque):
        append = extend = History.extend

    history, loud, ordered = History(), Loud("k"), Ordered()
    history.append(1)
    loud["a"], loud["me"] = 1, loud
    ordered.keys_set = []
    ordered["b"] = ordered["a"] = 2
    found = copied([history, loud, ordered, Bounded([1, 2, 3], 2)])
    assert list(map(type, found)) == [History, Loud, Ordered, Bounded]
    assert found[0] == [("appended", 1)]
    assert (found[1]["a"], found[1].keys_set, found[1]["me"] is found[1]) == (1, ["k", "a", "me"], True)
    assert (list(found[2].items()), found[2].keys_set) == ([("b", 2), ("a", 2)], ["b", "a"])
    assert (list(found[3]), found[3].maxlen) == ([2, 3], 2)


def test_what_they_take_to_be_made_does_not_matter(copied):
    class Grouped(collections.defaultdict):
        def __init__(self):
            super().__init__(list)
            self.total = 0

    class Tags(set):
        def __init__(self, *tags):
            super().__init__(tags)
            self.first = tags[0]

    class Money(decimal.Decimal):
        __slots__ = ("currency",)

        def __new__(cls, amount, currency):
            self = super().__new__(cls, amount)
            self.currency = currency
            return self

    grouped = Grouped()
    grouped["a"].append(1)
    grouped.total = 5
    found = copied([grouped, Tags("a", "b"), Money("1.50", "EUR")])
    assert list(map(type, found)) == [Grouped, Tags, Money]
    assert (dict(found[0]), found[0].total, found[0]["new"]) == ({"a": [1]}, 5, [])
    assert (found[1], found[1].first) == ({"a", "b"}, "a")
    assert (str(found[2]), found[2].currency) == ("1.50", "EUR")


BASES = [
    (collections.Counter, "aab"),
    (datetime.datetime, 2026, 3, 29, 2, 30, 0, 7, datetime.timezone.utc),
    (datetime.date, 2026, 3, 29),
    (datetime.time, 2, 30),
    (datetime.timedelta, 1, 2, 3),
    (decimal.Decimal, "1.50"),
    (fractions.Fraction, 1, 3),
    (frozenset, [1]),
]


@pytest.mark.parametrize("base", BASES, ids=lambda each: each[0].__name__)
def test_attributes_travel(base, copied):
    class Own(base[0]):
        def twice(self):
            return [self, self]

    value = Own(*base[1:])
    value.note = {"value": value}
    found = copied(value)
    assert type(found) is Own
    assert found == value
    assert found.note["value"] is found
    assert found.twice() == [value, value]


def test_a_counter_with_attributes(copied):
    counter = collections.Counter("aab")
    counter.note = [counter]
    found = copied(counter)
    assert (type(found), found, found.note[0] is found) == (collections.Counter, counter, True)


def test_random_numbers_go_on(copied):
    class Dice(random.Random):
        def roll(self):
            return self.randrange(6)

    dice = Dice(4)
    dice.name = "d6"
    found = copied(dice)
    assert ([found.roll() for _ in range(9)], found.name) == ([dice.roll() for _ in range(9)], "d6")
    assert type(copied(random.SystemRandom())) is random.SystemRandom


def test_members_of_enumerations_of_times_are_those_of_their_class(copied):
    class Feast(datetime.date, enum.Enum):
        XMAS = 2026, 12, 25

    assert copied(Feast.XMAS) is Feast.XMAS


def test_classes_with_their_own_way_keep_it(copied):
    class Own(dict):
        def __reduce__(self):
            return Own, (), None, None, iter([("from", "reduce")])

    assert copied(Own(a=1)) == {"from": "reduce"}


def test_the_environment_is_that_of_the_process(elsewhere):
    environ = os.environ
    assert raisin.copy(environ) is environ

    def look():
        return environ is __import__("os").environ

    assert elsewhere.call(look)


def test_parts_of_parameter_specifications():
    variable = typing.ParamSpec("variable")
    found = raisin.copy([variable, variable.args, variable.kwargs])
    assert found == [variable, variable.args, variable.kwargs]
