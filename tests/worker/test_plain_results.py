"""Results without pickle, from a function's payload to the page: in a real task process."""

from __future__ import annotations

import dataclasses
import enum
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from raisin_core import plain_pages
from raisin_core.marked import Untrusted
from raisin_core.plain_pages import FORMAT
from raisin_worker import frames

from .slots import Slot, function, plain, started
from .test_runner import Inside, inside, nothing

__all__ = ["inside"]


class Colour(enum.Enum):
    RED = 1


class Pair(NamedTuple):
    a: Any
    b: Any


@dataclasses.dataclass
class Both:
    colour: Colour
    pair: Pair


class Opaque:
    def __init__(self) -> None:
        self.x = 1


class Mine(Exception):
    pass


def work(x: int) -> Any:
    if x == 3:
        raise Mine("three")
    if x == 4:
        return Opaque()
    return [x, Both(Colour.RED, Pair(x, "x")), {"a": 1}][x]


OWN = (Both, Colour, Pair)


@pytest.fixture
def slot(tmp_path: Path) -> Iterator[Slot]:
    yield from started(tmp_path)


def test_the_table_of_classes_is_the_functions_own(slot: Slot) -> None:
    packed = plain(work, OWN)
    assert packed.classes == OWN
    slot.run(packed.payload, range(4))
    slot.end()
    assert [each.opaque for each in slot.outcomes()] == [False] * len(slot.outcomes())
    assert [index for each in slot.outcomes() for index in each.failed] == [3]
    for each in slot.outcomes():
        assert each.payload[1:2] == FORMAT
    items = slot.decoded(OWN).items
    assert items[:2] == [0, Both(Colour.RED, Pair(1, "x"))]
    assert type(items[1].pair) is Pair
    assert type(items[3].error()).__name__ == "Mine"


def test_a_marked_pickle_is_told(slot: Slot) -> None:
    slot.run(plain(work).payload, [2, 4])
    slot.end()
    assert slot.outcomes()[-1].opaque
    (*_, last) = slot.outcomes()
    found = plain_pages.decode_outcomes(last.payload, nothing).items[-1]
    assert type(found) is Untrusted
    assert found.type == f"{__name__}.Opaque"


def test_a_class_that_cannot_travel_is_left_out() -> None:
    stays = dataclasses.make_dataclass("Stays", ["x"])
    stays.lock = sys._getframe()  # type: ignore[attr-defined]
    packed = plain(work, (Colour, stays, Pair))
    assert packed.classes == (Colour, Pair)


def test_pages_stay_pickled_unless_it_is_asked_for(inside: Inside) -> None:
    inside.run(function(str), [1, 2])
    (frame,) = [each for each in inside.sent() if each.kind == frames.OUTCOME]
    assert frames.split_outcome(frame.body)[2][1:2] == b"\x80"


def test_what_cannot_be_rebuilt_there_is_told_without_pickle(inside: Inside) -> None:
    inside.run(b"\0nonsense", [1, 2])
    (frame,) = [each for each in inside.sent() if each.kind == frames.OUTCOME]
    (one, two) = plain_pages.decode_outcomes(frames.split_outcome(frame.body)[2], nothing).items
    assert one == two
    assert "UnpicklingError" in str(one.error(trusted=False))
