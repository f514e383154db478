"""Values, kind by kind: what is read equals what was written, with the same types."""

import datetime as dt
import enum
import math
import pathlib
import signal
import uuid
from array import array
from collections import Counter, OrderedDict, UserDict, defaultdict, deque
from decimal import Decimal
from fractions import Fraction
from types import SimpleNamespace
from zoneinfo import ZoneInfo

import pytest

from raisin_core.serialization import values
from raisin_core.serialization.values import NotAValue, decode, encode, packing, plain
from tests.core.serialization.alike import alike, there_and_back

BERLIN = ZoneInfo("Europe/Berlin")
CASES = [
    *(None, True, False, 0, 1, -1, 2**64, -(2**64), 10**5000, -(2**63) - 1, 2**63),
    *(0.0, -0.0, math.inf, -math.inf, math.nan, 5e-324, complex(-0.0, math.nan)),
    *("", "a", "\ud800", "x" * 300, "é" * 200, "\ud800" * 300, b"", b"x" * 300, bytearray(b"abc"), ..., NotImplemented),
    *([], (), {}, set(), frozenset(), [[]], ((),), {"a": {}}, [()], ([],), [(), []], [1, (2, [3, (4,)])]),
    *({1: "a"}, {True: 1}, {1.0: 1}, {None: 1, b"x": 2, (1, ("y",)): 3, frozenset({1}): 4}, {2: 1, 1: 2}),
    *({(1, 2): [3]}, {(1, 2): (3,)}, [{"a": b"x"}], [(b"x", 1)], [("x", b"x")], {"k": (1, b"x", "y")}),
    *({1, "a", (2, None)}, frozenset({1.5, b""}), set(range(1000)), {2**80}),
    *(range(5), range(10**30, 0, -7), slice(None), slice(1, "a", [2])),
    dt.datetime(2020, 10, 25, 2, 30, tzinfo=BERLIN, fold=1),
    dt.datetime(1, 1, 1),
    dt.datetime(9999, 12, 31, 23, 59, 59, 999999, dt.timezone.utc),
    dt.date(2020, 2, 29),
    dt.time(1, 2, 3, 4, dt.timezone(dt.timedelta(minutes=-90)), fold=1),
    dt.timezone(dt.timedelta(hours=1), "X"),
    dt.timezone(dt.timedelta(0), "zero"),
    *(dt.timedelta.max, dt.timedelta.min, BERLIN),
    *(Decimal("-0.00"), Decimal("1E+999999"), Decimal("-sNaN12"), Decimal("NaN"), Decimal("Infinity")),
    *(Fraction(-1, 3), uuid.UUID(int=5, is_safe=uuid.SafeUUID.safe)),
    *(pathlib.Path("/a/b"), pathlib.PurePosixPath("//x"), pathlib.PurePosixPath(""), pathlib.PureWindowsPath("c:\\x")),
    *(array("d", [1.5, -0.0]), array("b"), array("Q", [2**64 - 1]), SimpleNamespace(a=1, b=[2])),
    *(OrderedDict(b=1, a=[2]), deque([1, [2]], 5), deque(), Counter("abca"), defaultdict(list, {1: [2]})),
    *(defaultdict(None, a=1), [list(range(100)), {1, 2}], dict.fromkeys(range(100), 1j), [2**80] * 3),
    *([0.5] * 2000, [True] * 2000, ["x" * 2000] * 5, list(range(2000)), tuple(range(2000)), [None] * 1999 + ["x"]),
    *([[[[[[[[1]]]]]]]], ((((((((1,),),),),),),),)),
]


@pytest.fixture(params=["msgspec", "pure Python", "part by part"])
def _way(request, monkeypatch):
    if request.param == "pure Python":
        monkeypatch.setattr(plain, "msgspec", None)
    else:
        pytest.importorskip("msgspec")
    if request.param == "part by part":
        monkeypatch.setattr(plain, "COLLECTOR_SEES_ALL", False)


@pytest.mark.usefixtures("_way")
@pytest.mark.parametrize("value", CASES, ids=lambda value: type(value).__name__)
def test_what_is_read_is_what_was_written(value):
    assert alike(there_and_back(value), value)
    assert alike(there_and_back([value, {"k": value}]), [value, {"k": value}])


@pytest.mark.parametrize("data", [bytes, bytearray, memoryview])
def test_any_bytes_are_read(data):
    for value in ([1, (2,)], {3: {4}}):
        assert decode(data(encode(value))) == value


def test_shared_parts_stay_shared():
    part, text = [1], "long" * 1000
    found = there_and_back([part, (part,), {"k": part}, {1, 2}, text, [text]])
    assert found[0] is found[1][0] is found[2]["k"]
    assert found[4] is found[5][0]
    both = there_and_back((part, part))
    assert both[0] is both[1]
    assert len(encode([text] * 100)) < 2 * len(text)


def test_shared_parts_of_plain_parts_stay_shared():
    inner = [0]
    rows = [[number, inner if number == 50 else []] for number in range(100)]
    found = there_and_back([rows, inner, {1, 2}])
    assert found[0][50][1] is found[1]
    same = list(range(100))
    first, second, _ = there_and_back([same, (same,), 1j])
    assert first is second[0]


def test_lists_and_dicts_may_contain_themselves():
    value = [1, {}]
    value[1]["me"] = value
    found = there_and_back(value)
    assert found[1]["me"] is found
    both = [[], []]
    both[0].append(both[1])
    both[1].append(both[0])
    found = there_and_back(both)
    assert found[0][0] is found[1]
    assert found[1][0] is found[0]


def test_other_cycles_are_no_values():
    inner = []
    value = (inner,)
    inner.append(value)
    with pytest.raises(NotAValue):
        encode(value)


def test_a_tree_of_shared_tuples_stays_small():
    value = ()
    for _ in range(90):
        value = (value, value)
    assert len(encode([value])) < 2000


class Text(str):
    __slots__ = ()


class Own:
    pass


@pytest.mark.parametrize(
    ("value", "place", "kind"),
    [
        (Own(), "", Own),
        (len, "", type(len)),
        ([1, {"model": Own()}], "[1]['model']", Own),
        ({"a": (1, [Text("x")])}, "['a'][1][0]", Text),
        ([0] * 100 + [Own], "[100]", type),
        ({Own: 1}, " key type", type),
        (signal.SIGINT, "", signal.Signals),
        (UserDict(), "", UserDict),
        (defaultdict(lambda: 1), "", defaultdict),
        (deque([Own()]), "[0]", Own),
    ],
)
def test_what_is_no_value_is_named(value, place, kind):
    with pytest.raises(NotAValue) as raised:
        encode(value)
    assert (raised.value.place, raised.value.kind) == (place, kind)
    assert kind.__qualname__ in str(raised.value)


def test_attributes_beside_are_not_lost():
    for value in (OrderedDict(a=1), Counter("a")):
        value.more = 1
        with pytest.raises(NotAValue):
            encode(value)
    odd = SimpleNamespace()
    vars(odd)[1] = 2
    with pytest.raises(NotAValue):
        encode(odd)


@pytest.mark.filterwarnings("ignore:The 'u' type code:DeprecationWarning")
def test_an_array_of_characters_is_no_value():
    with pytest.raises(NotAValue):
        encode(array("u", "x"))


def test_a_zone_that_its_key_does_not_give_is_no_value():
    with pytest.raises(NotAValue):
        encode(ZoneInfo.no_cache("Europe/Berlin"))


def test_too_deep_is_no_value():
    value = []
    for _ in range(100_000):
        value = [value]
    with pytest.raises(NotAValue):
        encode(value)


def test_a_large_plain_value_is_one_piece_of_msgpack():
    rows = [{"a": number, "b": (number, "x")} for number in range(100)]
    assert encode(rows) == bytes((0b1100,)) + packing.pack(rows)
    assert packing.pack(rows) in encode([rows, 1j])


class Bare:
    """Whose dictionary may be kept apart from, or within, the object."""

    def __init__(self, one, two):
        self.one, self.two = one, two


class Number(enum.IntEnum):
    ONE = 1


@pytest.mark.usefixtures("_way")
@pytest.mark.parametrize("held", [False, True])
def test_dictionaries_of_objects_are_looked_into(held):
    found = [Bare(number, [number]) for number in range(3)]
    dicts = [vars(each) for each in found]
    kept = found if held else found.clear()
    assert there_and_back(dicts) == [{"one": number, "two": [number]} for number in range(3)]
    odd = Bare(1, Number.ONE)
    for value in (vars(odd), [vars(odd)], {1: vars(odd)}):
        with pytest.raises(NotAValue, match="Number"):
            encode(value)
    assert kept is (found if held else None)


@pytest.mark.usefixtures("_way")
@pytest.mark.parametrize(
    "wrap", [lambda v: [v], lambda v: (v,), lambda v: {"k": v}, lambda v: {v: 1}, lambda v: {v, 2}]
)
def test_subclasses_anywhere_are_found(wrap):
    for value in (Number.ONE, Text("a")):
        for deeper in (lambda v: v, lambda v: [[0] * 2000, v], lambda v: [["x"] * 2000, {"a": v}]):
            with pytest.raises(NotAValue):
                encode(deeper(wrap(value)))


def test_the_face_of_the_package():
    assert set(values.__all__) == {"Limits", "NotAValue", "decode", "encode"}
