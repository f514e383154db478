"""Result pages without pickle: what goes in comes out, and what comes from others runs nothing."""

from __future__ import annotations

import dataclasses
import enum
import hashlib
import struct
from array import array
from collections import namedtuple
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from raisin_core import pages
from raisin_core.errors import InstallationError
from raisin_core.failures import Failure, Link
from raisin_core.marked import EVERYTHING, NOTHING, Accept, Untrusted
from raisin_core.pages import BLOB, TASKS, Outcomes
from raisin_core.plain_pages import decode_outcomes, encode_outcomes
from raisin_core.serialization import values
from raisin_core.serialization.values import plain
from tests.core.serialization.alike import VALUES, alike

ATOM = st.one_of(
    *(st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.binary(), st.complex_numbers()),
    st.text(st.characters()),
)
FEW = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
TIMES = array("d", [0.5])


class Colour(enum.Enum):
    RED = 1


class Point(NamedTuple):
    x: Any
    y: Any


@dataclasses.dataclass(frozen=True)
class Frozen:
    at: Any

    def __post_init__(self) -> None:
        raise AssertionError("code of the class ran")


@dataclasses.dataclass
class Slotted:
    __slots__ = ("held", "more")
    held: Any
    more: Any


class Model:
    """No value."""

    def __init__(self, weight: int) -> None:
        self.weight = weight

    def __eq__(self, other: object) -> bool:
        return type(other) is Model and other.weight == self.weight

    __hash__ = None  # type: ignore[assignment]


class Ran(Exception):
    """A pickle was loaded."""


class Hostile:
    def __reduce__(self) -> tuple[Any, tuple[()]]:
        return _ran, ()


def _ran() -> None:
    raise Ran


class Refuses:
    def __reduce__(self) -> str:
        raise ValueError("stays here")


OWN = (Colour, Point, Frozen, Slotted)
MODEL = f"{__name__}.Model"


def frozen(at: Any) -> Frozen:
    made = object.__new__(Frozen)
    object.__setattr__(made, "at", at)
    return made


def nothing(digest: bytes) -> bytes:
    raise AssertionError(f"asked for a blob: {digest.hex()}")


def outcomes(items: list[Any], start: int = 0, text: dict[int, str] | None = None) -> Outcomes:
    return Outcomes(start, items, TIMES, array("d", [0.25]), 4096, text or {})


def again(items: list[Any], classes: tuple[type, ...] = (), accept: Accept = NOTHING) -> list[Any]:
    page = encode_outcomes(outcomes(items), classes).page
    assert all(hashlib.sha256(data).digest() == digest for digest, data in page.blobs.items())
    return decode_outcomes(page.payload, page.blobs.__getitem__, classes, accept).items


# -- what comes back ---------------------------------------------------------------------------------------------------


@FEW
@given(st.lists(VALUES, max_size=12), st.integers(0, 2**40))
def test_values_come_back_without_pickle(items: list[Any], start: int) -> None:
    told = outcomes(items, start, {start: "printed \udc80\n"} if items else {})
    written = encode_outcomes(told)
    got = decode_outcomes(written.page.payload, written.page.blobs.__getitem__)
    assert (written.opaque, written.failed) == (False, [])
    assert alike(got.items, items)
    assert got._replace(items=[]) == told._replace(items=[])


@pytest.mark.parametrize(
    "items",
    [
        list(range(TASKS)),
        [(number, str(number), None) for number in range(100)],
        [{"a": number, "b": [1, {"c": (2,)}]} for number in range(100)],
        [(), 1, None, (1, b"x", "y"), "z", ()],
        [(1, 1j), 2],
        ["\ud83d\ude00", "\U0001f600", float("nan"), -0.0, float("-inf"), 10**5000, True, 1e300],
        [2**64, ("\ud800",)],
        [1, {"a": 1}, "x" * 5000, b"y", [1.5], 2**80, 1j, "\ud800"],
    ],
    ids=["ints", "tuples", "dicts", "flat", "complex", "odd", "long", "mixed"],
)
@pytest.mark.parametrize("fast", [True, False], ids=["as it is", "without msgspec"])
def test_runs_come_back(items: list[Any], fast: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not fast:
        monkeypatch.setattr(plain, "msgspec", None)
    assert alike(again(items), items)


@FEW
@given(st.lists(ATOM | st.tuples(ATOM, ATOM) | st.just(())))
def test_runs_come_back_from_where_msgspec_is_missing(items: list[Any]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plain, "msgspec", None)
        page = encode_outcomes(outcomes(items)).page
    assert alike(decode_outcomes(page.payload, nothing).items, items)


@pytest.mark.parametrize("bits", [0x7FF8000000000001, 0x7FF8000000000000, 0xFFF0000000000000])
@pytest.mark.parametrize("msgspec", [True, False])
def test_every_bit_of_a_float_comes_back(bits: int, msgspec: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    (item,) = struct.unpack("<d", bits.to_bytes(8, "little"))
    if not msgspec:
        monkeypatch.setattr(plain, "msgspec", None)
    (got,) = again([item])
    assert struct.pack("<d", got) == bits.to_bytes(8, "little")


def test_plain_values_in_a_row_are_one_segment() -> None:
    page = encode_outcomes(outcomes([{"a": number} for number in range(50)])).page
    about = values.decode(page.payload[2:])
    assert len(about[-1]) == 1


def test_no_two_results_share_what_can_change() -> None:
    shared: list[Any] = [1]
    for items in ([shared, shared], [{"a": shared}, [shared]]):
        first, second = again(items)
        assert (first, second) == tuple(items)
        inner = first["a"] if isinstance(first, dict) else first
        inner.append(2)
        assert second in ([1], [[1]])


@pytest.mark.parametrize(
    "value",
    [Colour.RED, Point(1, [2]), frozen(Point(1, 2)), Slotted(frozen(1), {"c": Colour.RED}), [Point(Point(1, 2), None)]],
)
def test_the_jobs_own_classes_come_back_and_run_nothing(value: Any) -> None:
    (got,) = again([value], OWN)
    assert type(got) is type(value)
    assert got == value
    (other,) = again([value])
    assert type(other) is Untrusted


def test_classes_are_told_by_name_and_fields_not_by_their_place() -> None:
    """The table of a later version of the program may be another one."""
    page = encode_outcomes(outcomes([Point(1, 2)]), (Colour, Point)).page
    renamed = namedtuple("Point", ["x", "z"])
    renamed.__module__ = __name__
    for classes, known in (
        ((Point,), True),
        ((Slotted, Point), True),
        ((renamed,), False),
        ((), False),
        (OWN[2:], False),
    ):
        (got,) = decode_outcomes(page.payload, nothing, classes).items
        assert got == Point(1, 2) if known else "not known here" in str(got.error(trusted=False))


def test_large_values_travel_as_blobs() -> None:
    items = [b"x" * (BLOB + 1), [1.0] * BLOB, "small"]
    page = encode_outcomes(outcomes(items)).page
    assert len(page.blobs) == 2
    assert len(page.payload) < 1000
    assert again(items) == items


def test_a_large_page_is_a_blob() -> None:
    items = ["x" * 4000 + str(number) for number in range(300)]
    page = encode_outcomes(outcomes(items)).page
    assert len(page.payload) == 33
    assert again(items) == items


# -- what is no value --------------------------------------------------------------------------------------------------


def test_what_is_no_value_is_kept_and_marked_but_not_loaded() -> None:
    written = encode_outcomes(outcomes([1, {"m": [Model(7)]}, Hostile()]))
    assert (written.opaque, written.failed) == (True, [])
    one, model, hostile = decode_outcomes(written.page.payload, nothing).items
    assert one == 1
    assert (model.type, model.place, model.is_blob) == (MODEL, "['m'][0]", False)
    assert hostile.type == f"{__name__}.Hostile"
    assert model.load(nothing) == {"m": [Model(7)]}
    failure = hostile.load(nothing)
    assert type(failure) is Failure
    assert type(failure.error()) is Ran


def test_only_what_is_accepted_is_loaded() -> None:
    items = [Model(1), Hostile()]
    first, second = again(items, accept=Accept(frozenset([MODEL])))
    assert first == Model(1)
    assert type(second) is Untrusted
    first, second = again(items, accept=EVERYTHING)
    assert first == Model(1)
    assert type(second) is Failure


def test_a_large_pickle_is_fetched_only_when_it_is_loaded() -> None:
    model = Model(1)
    model.more = b"x" * (BLOB + 1)  # type: ignore[attr-defined]
    page = encode_outcomes(outcomes([model])).page
    (kept,) = decode_outcomes(page.payload, nothing).items
    assert kept.is_blob
    assert kept.load(page.blobs.__getitem__) == model


def test_a_value_that_cannot_travel_fails_its_own_task() -> None:
    written = encode_outcomes(outcomes([1, Refuses(), {"a": 1}], start=10))
    assert (written.opaque, written.failed) == (False, [11])
    first, failed, last = decode_outcomes(written.page.payload, nothing).items
    assert (first, last) == (1, {"a": 1})
    assert "stays here" in failed.chain[0].text


def test_failures_come_back() -> None:
    failure = Failure.of(ValueError("x\udc80"))
    written = encode_outcomes(outcomes([1, failure, failure], start=5))
    assert written.failed == [6, 7]
    assert decode_outcomes(written.page.payload, nothing).items == [1, failure, failure]
    assert not written.opaque


def test_a_pickled_page_is_read_only_where_everything_is_accepted() -> None:
    page = pages.encode_outcomes(outcomes([1, Model(2)]))
    assert decode_outcomes(page.payload, nothing, accept=EVERYTHING).items == [1, Model(2)]
    for accept in (NOTHING, Accept(frozenset([MODEL]))):
        with pytest.raises(ValueError, match="pickle"):
            decode_outcomes(page.payload, nothing, accept=accept)


def test_what_needs_a_missing_package_fails_its_own_task(monkeypatch: pytest.MonkeyPatch) -> None:
    page = encode_outcomes(outcomes([{1, 2}, 3])).page
    decode = values.decode

    def missing(data: bytes, **options: Any) -> Any:
        if options.get("classes") is not None:
            raise InstallationError("this value needs numpy, which is not installed here: pip install numpy")
        return decode(data, **options)

    monkeypatch.setattr(values, "decode", missing)
    failed, *others = decode_outcomes(page.payload, nothing).items
    assert others == [3]
    assert type(failed.error(trusted=False)) is InstallationError


def test_arrays_come_back_without_pickle() -> None:
    numpy = pytest.importorskip("numpy")
    items = [numpy.arange(5), numpy.zeros((300, 300)), numpy.float32(1.5)]
    for got, item in zip(again(items), items, strict=True):
        assert type(got) is type(item)
        assert numpy.array_equal(got, item)
    object_array = numpy.array([Model(1)], dtype=object)
    assert type(again([object_array])[0]) is Untrusted


def test_a_failure_is_bounded_by_its_writer_too() -> None:
    failure = Failure((Link(b"", "T" * 1000, "x\ud800"),), "")
    (got,) = again([failure])
    assert got.chain[0] == Link(b"", "T" * 297 + "...", "x\ud800")
