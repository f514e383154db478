from __future__ import annotations

import itertools
import sys
import threading

import pytest

from raisin_core import pages
from raisin_core.client.pager import Pager, check_iterables, is_endless, known_length
from raisin_core.errors import SerializationError, UsageError


def drain(pager: Pager) -> list[tuple[int, int, pages.Encoded]]:
    """All pages of a pager."""
    found: list[tuple[int, int, pages.Encoded]] = []
    first = 0
    while not pager.over:
        values = pager.pull()
        if values:
            for page in pager.encoded(values, first):
                found.append(page)
                first += page[1]
    return found


def values_of(found: list[tuple[int, int, pages.Encoded]]) -> list[object]:
    """What the pages hold, in order; they must follow each other without gaps."""
    got: list[object] = []
    for first, count, encoded in found:
        assert first == len(got)
        values = pages.decode(encoded.payload, encoded.blobs.__getitem__)
        assert len(values) == count
        got += values
    return got


@pytest.mark.parametrize("count", [0, 1, 15, 16, 17, 4096, 4097, 10_000])
@pytest.mark.parametrize("kind", [list, range, iter])
def test_every_element_once_and_in_order(count, kind):
    elements = range(count) if kind is range else kind(list(range(count)))
    found = drain(Pager([elements]))
    assert values_of(found) == list(range(count))
    assert all(0 < size <= pages.TASKS for _, size, _ in found)


def test_many_small_elements_fill_pages():
    assert len(drain(Pager([range(100_000)]))) < 40


def test_several_iterables_give_tuples():
    assert values_of(drain(Pager([[1, 2, 3], "ab"]))) == [(1, "a"), (2, "b")]


def test_the_shortest_ends_it():
    counter = itertools.count()
    assert values_of(drain(Pager([counter, "ab"]))) == [(0, "a"), (1, "b")]


def test_endless_elements_are_pulled_a_page_at_a_time():
    counter = itertools.count()
    pager = Pager([counter])
    for _ in range(10):
        pager.pull()
    assert next(counter) <= 10 * pages.TASKS


def test_the_first_page_is_small():
    """So that work begins before many large elements were pulled."""
    assert len(Pager([range(100_000)]).pull()) <= pages.TASKS
    assert len(Pager([[[n] for n in range(1000)]]).pull()) <= 16


def test_large_elements_make_small_pages():
    elements = [bytes([n]) * 20_000 for n in range(200)]
    found = drain(Pager([elements]))
    assert values_of(found) == elements
    assert all(len(page.payload) + sum(map(len, page.blobs.values())) <= 4 * pages.BYTES for _, _, page in found)


def test_large_elements_after_small_ones():
    elements = [0] * 5000 + [bytes([n]) * 100_000 for n in range(40)] + [1] * 5000
    found = drain(Pager([iter(elements)]))
    assert values_of(found) == elements
    assert all(len(page.payload) + sum(map(len, page.blobs.values())) <= 4 * pages.BYTES for _, _, page in found)


def test_very_large_elements_are_blobs_of_their_own():
    elements = [bytes([n]) * 2_000_000 for n in range(3)]
    found = drain(Pager([elements]))
    assert values_of(found) == elements
    assert all(count == 1 for _, count, _ in found)


def test_elements_that_come_slowly_are_not_kept():
    """A page closes after a few milliseconds: the one who gives the elements sees that the first was passed on."""
    passed_on = threading.Event()

    def slow():
        for n in range(2):
            threading.Event().wait(0.02)
            yield n
        assert passed_on.is_set(), "it was kept until more came"
        yield 2

    pager = Pager([slow()])
    first = pager.pull()
    assert first
    assert len(first) <= 2
    passed_on.set()
    assert first + drain_values(pager) == [0, 1, 2]


def drain_values(pager: Pager) -> list[object]:
    got: list[object] = []
    while not pager.over:
        got += pager.pull()
    return got


def test_an_iterable_that_raises():
    def items():
        yield from range(10)
        raise LookupError("dry")

    pager = Pager([items()])
    assert values_of(drain(pager)) == list(range(10))
    assert isinstance(pager.error, LookupError)


def test_an_element_that_cannot_travel():
    pager = Pager([[1, 2, {"here": sys._getframe()}, 4]])
    assert values_of(drain(pager)) == [1, 2]
    assert isinstance(pager.error, SerializationError)
    assert "argument 2['here'] (a frame)" in str(pager.error)


def test_the_first_element_cannot_travel():
    pager = Pager([[sys._getframe(), 1]])
    assert drain(pager) == []
    assert pager.over
    assert "argument 0 (a frame)" in str(pager.error)


def test_an_element_that_cannot_travel_counts_before_an_iterable_that_raises():
    def items():
        yield 1
        yield sys._getframe()
        raise LookupError("dry")

    pager = Pager([items()])
    assert values_of(drain(pager)) == [1]
    assert isinstance(pager.error, SerializationError)


def test_ctrl_c_in_an_iterable_is_not_its_error():
    def items():
        yield 1
        raise KeyboardInterrupt

    pager = Pager([items()])
    with pytest.raises(KeyboardInterrupt):
        drain(pager)
    assert pager.error is None


@pytest.mark.parametrize(
    ("iterables", "length"),
    [
        ([[1, 2]], 2),
        ([range(5), "abc"], 3),
        ([range(10**9)], 10**9),
        ([[1], iter([1])], None),
        ([(n for n in "ab")], None),
        ([], None),
    ],
)
def test_known_lengths(iterables, length):
    assert known_length(iterables) == length
    assert Pager(iterables or [()]).length == (length if iterables else 0)


def test_a_length_that_lies():
    class Liar:
        def __len__(self):
            raise TypeError

        def __iter__(self):
            return iter([1])

    assert known_length([Liar()]) is None


@pytest.mark.parametrize(
    ("iterables", "endless"),
    [
        ([itertools.count()], True),
        ([itertools.cycle([1])], True),
        ([itertools.repeat(1)], True),
        ([itertools.repeat(1, 3)], False),
        ([itertools.count(), itertools.repeat(1)], True),
        ([itertools.count(), [1]], False),
        ([range(3)], False),
        ([], False),
    ],
)
def test_what_never_ends(iterables, endless):
    assert is_endless(iterables) is endless


def test_checks():
    check_iterables("map", [[1], "a", {}])
    with pytest.raises(UsageError, match=r"map: iterable 2 is 5 \(int\): not iterable"):
        check_iterables("map", [[1], 5])
    with pytest.raises(UsageError, match="map needs at least one iterable"):
        check_iterables("map", [])
