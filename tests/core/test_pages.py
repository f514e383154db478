"""The page codec: what goes in comes out, and one value that cannot travel harms no other."""

from __future__ import annotations

import doctest
import hashlib
import pickle
import sys
from array import array
from collections import OrderedDict
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raisin_core import pages
from raisin_core.errors import SerializationError
from raisin_core.failures import Failure
from raisin_core.pages import BLOB, Encoded, Outcomes, decode, decode_outcomes, encode, encode_outcomes, pack, unpack

ATOM = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary()
    | st.complex_numbers(allow_nan=False)
)
VALUE = st.recursive(ATOM, lambda inner: st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(st.text(), inner))


class Broken:
    """Travels, but cannot be rebuilt."""

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return _refuse, ("cannot be rebuilt",)


def _refuse(reason: str) -> Any:
    raise ValueError(reason)


def nothing(digest: bytes) -> bytes:
    raise AssertionError(f"asked for a blob: {digest.hex()}")


def again(items: list[Any]) -> list[Any]:
    page = encode(items)
    assert all(hashlib.sha256(data).digest() == digest for digest, data in page.blobs.items())
    return decode(page.payload, page.blobs.__getitem__)


def outcomes(items: list[Any], start: int = 0) -> Outcomes:
    return Outcomes(start, items, array("d", [0.5]), array("d", [0.25]), 4096, {start: "printed\n"})


def outcomes_again(told: Outcomes) -> Outcomes:
    page = encode_outcomes(told)
    return decode_outcomes(page.payload, page.blobs.__getitem__)


def same(one: object, other: object) -> bool:
    """Equal, and of the same type all the way down (1 is not True)."""
    return pickle.dumps(one) == pickle.dumps(other) or (one == other and repr(one) == repr(other))


@settings(deadline=None, max_examples=100)
@given(st.lists(VALUE, max_size=12))
def test_values_come_back(items: list[Any]) -> None:
    assert same(again(items), items)


@settings(deadline=None, max_examples=50)
@given(st.lists(VALUE, max_size=8), st.integers(0, 2**40))
def test_outcomes_come_back(items: list[Any], start: int) -> None:
    told = outcomes(items, start)
    assert same(outcomes_again(told), told)


def test_no_two_values_share_what_can_change() -> None:
    """Elements of one list in the client must not become one list for two tasks."""
    shared: list[int] = []
    first, second = again([shared, shared])
    first.append(1)
    assert second == []


def test_subclasses_keep_their_type() -> None:
    class Text(str):
        pass

    back = again([OrderedDict(a=1), Text("x"), 1, True])
    assert [type(each).__name__ for each in back] == ["OrderedDict", "Text", "int", "bool"]


def test_runs_of_atoms_are_small() -> None:
    assert len(encode(list(range(4096))).payload) < 4 * 4096


def test_large_values_become_blobs_and_equal_ones_share_one() -> None:
    large = b"x" * (BLOB + 1)
    page = encode([1, large, [large], large])
    assert len(page.payload) < 4096
    assert len(page.blobs) == 2
    assert decode(page.payload, page.blobs.__getitem__) == [1, large, [large], large]


def test_a_large_page_becomes_a_blob() -> None:
    items = [bytes([n % 256]) * 4000 for n in range(200)]
    page = encode(items)
    assert len(page.payload) == 33
    assert decode(page.payload, page.blobs.__getitem__) == items


def test_small_pages_ask_for_no_blob() -> None:
    assert decode(encode([1, "two", [3]]).payload, nothing) == [1, "two", [3]]


def test_pack_and_unpack() -> None:
    assert unpack(pack(b"").payload, nothing) == b""
    blobs = {b"d" * 32: b"other"}
    packed = pack(bytes(BLOB * 3), blobs)
    assert isinstance(packed, Encoded)
    assert set(blobs) < set(packed.blobs)
    assert unpack(packed.payload, packed.blobs.__getitem__) == bytes(BLOB * 3)


@pytest.mark.parametrize("payload", [b"", b"\2", b"rubbish"])
def test_no_payload(payload: bytes) -> None:
    with pytest.raises(ValueError, match="a payload that begins with"):
        unpack(payload, nothing)


def test_an_argument_that_cannot_travel_is_named() -> None:
    with pytest.raises(SerializationError, match=r"argument 2\['frame'\] \(a frame\)"):
        encode([1, [2], {"frame": sys._getframe()}])


def test_the_others_travel_where_failures_are_taken() -> None:
    failed: dict[int, Exception] = {}
    page = encode([1, [2], sys._getframe(), 4, [5]], failed=failed.__setitem__)
    assert decode(page.payload, nothing) == [1, [2], None, 4, [5]]
    assert list(failed) == [2]
    assert isinstance(failed[2], SerializationError)


def test_a_value_that_cannot_be_rebuilt_harms_only_itself() -> None:
    page = encode([1, Broken(), [3]])
    with pytest.raises(ValueError, match="cannot be rebuilt"):
        decode(page.payload, nothing)
    slots = list(pages.slots(page.payload, nothing))
    assert (slots[0](), slots[2]()) == (1, [3])
    with pytest.raises(ValueError, match="cannot be rebuilt"):
        slots[1]()


def test_failures_stand_where_values_would() -> None:
    told = outcomes([1, Failure.of(KeyError("k")), [3]], start=7)
    back = outcomes_again(told)
    assert (back.items[0], back.items[2]) == (1, [3])
    assert isinstance(back.items[1], Failure)
    assert isinstance(back.items[1].error(), KeyError)


@pytest.mark.parametrize("value", [sys._getframe(), Broken()], ids=["cannot be sent", "cannot be rebuilt"])
def test_a_result_that_cannot_travel_is_a_failure_of_its_own_task(value: object) -> None:
    back = outcomes_again(outcomes([1, value, [3], Failure.of(KeyError("k"))]))
    assert (back.items[0], back.items[2]) == (1, [3])
    assert isinstance(back.items[1], Failure)
    assert isinstance(back.items[1].error(), (SerializationError, ValueError))
    assert isinstance(back.items[3].error(), KeyError)


def test_timing_is_one_by_one_or_a_mean() -> None:
    mean = outcomes([1, 2, 3], start=10)
    assert [mean.timing(index) for index in (10, 12)] == [(0.5, 0.25)] * 2
    single = mean._replace(wall=array("d", [1, 2, 3]), cpu=array("d", [4, 5, 6]))
    assert [outcomes_again(single).timing(index) for index in (10, 12)] == [(1, 4), (3, 6)]


def test_doctests() -> None:
    assert doctest.testmod(pages) == (0, 1)


def test_sources_of_modules_stand_in_a_page_once(tmp_path, monkeypatch):
    (tmp_path / "mine_for_pages.py").write_text("class Thing:\n    pass\n" + "# so that it is long\n" * 500)
    monkeypatch.syspath_prepend(tmp_path)
    module = __import__("mine_for_pages")
    page = encode([module.Thing() for _ in range(50)])
    assert page.payload.count(b"# so that it is long\n") == 500
    assert [type(each) for each in decode(page.payload, nothing)] == [module.Thing] * 50
