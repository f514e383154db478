"""Result pages from anybody: whatever the bytes are, nothing runs, and what is wrong is a ValueError."""

from __future__ import annotations

import pickle
from array import array
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raisin_core.failures import Failure
from raisin_core.marked import Untrusted
from raisin_core.pages import TASKS
from raisin_core.plain_pages import FORMAT, decode_outcomes, encode_outcomes
from raisin_core.serialization import values
from tests.core.test_plain_pages import FEW, OWN, TIMES, Hostile, Model, Point, nothing, outcomes


def lost(digest: bytes) -> bytes:
    raise ValueError("no such blob")


DATA = pickle.dumps(Hostile())
RUN = [0, values.encode([1, 2])]


def page(**changes: Any) -> bytes:
    """A page by hand."""
    parts: dict[str, Any] = {
        "start": 0,
        "wall": TIMES.tobytes(),
        "cpu": TIMES.tobytes(),
        "rss": 1,
        "texts": {},
        "failures": {},
        "classes": [],
        "segments": [RUN],
    }
    return b"\0" + FORMAT + values.encode(list({**parts, **changes}.values()))


def doubles(*numbers: float) -> bytes:
    return array("d", numbers).tobytes()


def segments(*made: Any) -> dict[str, Any]:
    return {"segments": list(made)}


WRONG: dict[str, dict[str, Any]] = {
    "start": {"start": -1},
    "start too large": {"start": 2**63},
    "start no int": {"start": True},
    "times negative": {"wall": doubles(-1)},
    "times nan": {"wall": doubles(1, float("nan"))},
    "times inf": {"cpu": doubles(float("inf"))},
    "times too many": {"cpu": doubles(1, 2, 3)},
    "no times": {"wall": b""},
    "part of a time": {"wall": b"1234"},
    "memory": {"rss": -5},
    "text of another": {"texts": {2: b"x"}},
    "text too long": {"texts": {0: b"x" * (1 << 19)}},
    "no text": {"texts": {0: 1}},
    "text no UTF-8": {"texts": {0: b"\xff"}},
    "failure of another": {"failures": {2: [b"", b"ValueError", b"", b""]}},
    "failure of no int": {"failures": {0.0: [b"", b"ValueError", b"", b""]}},
    "failure without a chain": {"failures": {0: [b""]}},
    "failure cut": {"failures": {0: [b"", b"ValueError", b""]}},
    "failure too long a chain": {"failures": {0: [b""] + [b"x"] * 30}},
    "failure too long a text": {"failures": {0: [b"x" * 100_000, b"ValueError", b"", b""]}},
    "failure too long a pickle": {"failures": {0: [b"", b"ValueError", b"", b"x" * 100_000]}},
    "failure of texts": {"failures": {0: ["", "ValueError", "", ""]}},
    "classes of no names": {"classes": [1]},
    "classes of long names": {"classes": [b"x" * 9000]},
    "no segments": {"segments": {}},
    "no segment": segments(1),
    "empty segment": segments([]),
    "segment of no kind": segments([b"", b""]),
    "segment of another kind": segments([8, b"", b"", b""]),
    "segment of a text": segments([0, "x"]),
    "run that is none": segments([0, values.encode((1, 2))]),
    "run that is a pickle": segments([0, DATA]),
    "JSON that is none": segments([3, b"[1, 2"]),
    "JSON that is no run": segments([3, b'{"a": 1}']),
    "JSON that is no text": segments([3, b"\xff"]),
    "JSON too deep": segments([3, b"[" * 100_000]),
    "JSON of too long a number": segments([3, b"[" + b"9" * 10_000 + b"]"]),
    "run as a blob": segments([4, b"d" * 32]),
    "blob without a name": segments([5, b"d" * 31]),
    "mark too short": segments([2, DATA, b"x"]),
    "mark too long": segments([2, DATA, b"x" * 2000, b""]),
    "mark no UTF-8": segments([2, DATA, b"\xff", b""]),
    "too many": segments(*[[0, values.encode([1] * TASKS)]] * 2),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_a_value_error(name: str) -> None:
    assert decode_outcomes(page(), nothing).items == [1, 2]
    with pytest.raises(ValueError):
        decode_outcomes(page(**WRONG[name]), nothing)


def test_nothing_hidden_anywhere_runs() -> None:
    """Where bytes are taken, a pickle that would run code is data, refused, or kept."""
    made = page(
        texts={0: b"cos\nsystem\n"},
        failures={0: [DATA.decode("latin-1").encode(), b"Ran", b"", DATA]},
        segments=[[2, DATA, b"x.\x1b[2JY\n", b"\n"], [1, values.encode(DATA)], [1, DATA], [6, b"d" * 32, b"Z", b""]],
    )
    failure, data, wrong, blob = decode_outcomes(made, nothing).items
    assert data == DATA
    assert type(failure) is type(wrong) is Failure
    assert "Ran" in str(failure.error(trusted=False))
    assert blob == Untrusted("Z", "", b"d" * 32, True)
    (kept,) = decode_outcomes(page(segments=[[2, DATA, b"x.\x1b[2JY\n", b"\n"]]), nothing).items
    assert (kept.type, kept.place) == ("x.Y", "")


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"\0",
        b"\0\1",
        b"\1short",
        b"\2",
        b"\0" + DATA,
        b"\0" + pickle.dumps(((0, {}, b"", b"", 0, {}), b"\0" + DATA)),
    ],
)
def test_no_page(payload: bytes) -> None:
    with pytest.raises(ValueError):
        decode_outcomes(payload, nothing)


@FEW
@given(st.data())
def test_changed_bytes_are_read_or_refused(data: st.DataObject) -> None:
    items = [1, {"a": 1}, Model(1), Failure.of(KeyError("k")), Point(1, 2)]
    whole = bytearray(encode_outcomes(outcomes(items, 3, {4: "x"}), OWN).page.payload)
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(1, len(whole) - 1))] = data.draw(st.integers(0, 255))
    try:
        got = decode_outcomes(bytes(whole), lost, OWN)
    except ValueError:
        return
    assert len(got.items) <= TASKS
    assert Model not in map(type, got.items)
