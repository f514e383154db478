"""Ranges against what it stands for: a plain set of integers."""

from __future__ import annotations

import doctest
import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raisin_core import ranges
from raisin_core.ranges import Range, Ranges

INDEX = st.integers(0, 40)
RANGE = st.tuples(INDEX, INDEX)  # often empty or turned around: those mean nothing at all
STEP = st.tuples(st.sampled_from(["add", "remove"]), RANGE)


def plain(pieces: list[Range]) -> set[int]:
    return {index for start, stop in pieces for index in range(start, stop)}


def build(steps: list[tuple[str, Range]]) -> tuple[Ranges, set[int]]:
    real, model = Ranges(), set[int]()
    for verb, (start, stop) in steps:
        if verb == "add":
            real.add(start, stop)
            model |= set(range(start, stop))
        else:
            real.remove(start, stop)
            model -= set(range(start, stop))
        check(real, model)
    return real, model


def check(real: Ranges, model: set[int]) -> None:
    pieces = list(real)
    assert plain(pieces) == model
    assert len(real) == len(model)
    assert bool(real) == bool(model)
    assert all(start < stop for start, stop in pieces)
    assert all(before[1] < after[0] for before, after in itertools.pairwise(pieces)), (
        f"not joined or not sorted: {pieces}"
    )


@settings(deadline=None, max_examples=300)
@given(st.lists(STEP, max_size=30))
def test_add_and_remove(steps: list[tuple[str, Range]]) -> None:
    build(steps)


@settings(deadline=None, max_examples=300)
@given(st.lists(STEP, max_size=12), RANGE)
def test_questions(steps: list[tuple[str, Range]], asked: Range) -> None:
    real, model = build(steps)
    span = set(range(*asked))
    assert plain(real.overlap(*asked)) == span & model
    assert plain(real.missing(*asked)) == span - model
    assert real.covers(*asked) == (span <= model)
    assert {index for index in range(-1, 42) if index in real} == model
    check(real, model)


@settings(deadline=None, max_examples=200)
@given(st.lists(STEP, max_size=12), st.lists(st.integers(1, 9), max_size=20))
def test_take(steps: list[tuple[str, Range]], counts: list[int]) -> None:
    real, model = build(steps)
    for count in counts:
        if not model:
            break
        start, stop = real.take(count)
        assert start == min(model)
        assert 0 < stop - start <= count
        assert set(range(start, stop)) <= model
        model -= set(range(start, stop))
        check(real, model)


@settings(deadline=None)
@given(st.lists(RANGE, max_size=10), st.randoms(use_true_random=False))
def test_order_of_adding_does_not_matter(pieces: list[Range], random: object) -> None:
    shuffled = list(pieces)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert Ranges(pieces) == Ranges(shuffled)
    assert (Ranges(pieces) == Ranges([*pieces, (50, 51)])) is False


@settings(deadline=None, max_examples=200)
@given(st.lists(RANGE, max_size=12))
def test_of_sorted_is_as_adding_each(pieces: list[Range]) -> None:
    real = Ranges.of_sorted(sorted(pieces))
    check(real, plain(pieces))
    assert real == Ranges(pieces)


def test_first_and_take_of_nothing() -> None:
    with pytest.raises(IndexError):
        Ranges().first()
    with pytest.raises(IndexError):
        Ranges().take(1)
    assert Ranges([(3, 5), (9, 10)]).first() == (3, 5)


def test_changing_while_iterating() -> None:
    done = Ranges([(0, 2), (4, 6)])
    for start, stop in done:
        done.remove(start, stop)
    assert not done


def test_repr() -> None:
    assert repr(Ranges([(0, 2), (2, 4)])) == "Ranges([(0, 4)])"


def test_doctests() -> None:
    assert doctest.testmod(ranges) == (0, 3)
