"""Pages and result pages as columns, against lists."""

from __future__ import annotations

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raisin_broker.columns import Arrivals, Pages

COUNTS = st.lists(st.integers(1, 5), min_size=1, max_size=20)
BLOBS = st.lists(st.lists(st.binary(min_size=1, max_size=2), max_size=2), max_size=20)


def made(counts: list[int], blobs: list[list[bytes]]) -> Pages:
    pages = Pages()
    for number, count in enumerate(counts):
        pages.add(count, blobs[number] if number < len(blobs) else None)
    return pages


@given(counts=COUNTS, blobs=BLOBS)
def test_pages(counts: list[int], blobs: list[list[bytes]]) -> None:
    pages = made(counts, blobs)
    owner = [number for number, count in enumerate(counts) for _ in range(count)]
    assert len(pages) == len(counts)
    assert pages.tasks == len(owner)
    for number, count in enumerate(counts):
        assert pages.span(number) == (owner.index(number), count)
        assert pages.blobs(number) == (blobs[number] if number < len(blobs) else [])
    assert [pages.of(index) for index in range(pages.tasks)] == owner
    assert pages.of(-1) == -1


@given(counts=COUNTS, data=st.data())
def test_pages_of_some_tasks(counts: list[int], data: st.DataObject) -> None:
    pages = made(counts, [])
    start = data.draw(st.integers(0, pages.tasks - 1))
    stop = data.draw(st.integers(start + 1, pages.tasks))
    assert list(pages.numbers(start, stop)) == sorted({pages.of(index) for index in range(start, stop)})


def test_no_pages() -> None:
    assert (len(Pages()), Pages().tasks, Pages().of(0)) == (0, 0, -1)
    with pytest.raises(IndexError):
        Pages().span(0)


@given(spans=st.lists(st.tuples(st.integers(0, 2**62), st.integers(0, 2**62)), max_size=20))
def test_arrivals(spans: list[tuple[int, int]]) -> None:
    arrivals = Arrivals()
    assert [arrivals.add(*span) for span in spans] == list(range(1, len(spans) + 1))
    assert [arrivals.span(arrival) for arrival in range(1, len(arrivals) + 1)] == spans


def test_a_page_is_a_few_bytes() -> None:
    """8 for a page, 16 for a result page, and the room in which an array grows."""
    pages, arrivals = Pages(), Arrivals()
    for at in range(100_000):
        pages.add(1)
        arrivals.add(at, at + 1)
    assert sys.getsizeof(pages.firsts) < 10 * 100_000
    assert sys.getsizeof(arrivals.starts) + sys.getsizeof(arrivals.stops) < 20 * 100_000
