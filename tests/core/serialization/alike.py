"""What tests of values share: a strict comparison, and hypothesis' strategies for every kind of value."""

import datetime as dt
import struct
from array import array
from collections import Counter, OrderedDict, defaultdict, deque
from decimal import Decimal
from pathlib import PurePosixPath, PureWindowsPath
from types import SimpleNamespace
from uuid import UUID
from zoneinfo import ZoneInfo

from hypothesis import strategies as st

from raisin_core.serialization import values


def alike(a, b):
    """The same types all the way down, the same content, the same order; nan is nan, and 0.0 is not -0.0."""
    if type(a) is not type(b):
        return False
    if isinstance(a, float):
        return struct.pack(">d", a) == struct.pack(">d", b)
    if isinstance(a, complex):
        return alike(a.real, b.real) and alike(a.imag, b.imag)
    if isinstance(a, (list, tuple, deque)):
        if isinstance(a, deque) and a.maxlen != b.maxlen:
            return False
        return len(a) == len(b) and all(map(alike, a, b))
    if isinstance(a, dict):
        if isinstance(a, defaultdict) and a.default_factory is not b.default_factory:
            return False
        return len(a) == len(b) and all(map(alike, a.items(), b.items()))
    if isinstance(a, (set, frozenset)):
        return len(a) == len(b) and alike(sorted(a, key=repr), sorted(b, key=repr))
    if isinstance(a, SimpleNamespace):
        return alike(vars(a), vars(b))
    if isinstance(a, array):
        return a.typecode == b.typecode and a.tobytes() == b.tobytes()
    if isinstance(a, slice):
        return alike((a.start, a.stop, a.step), (b.start, b.stop, b.step))
    if isinstance(a, (dt.datetime, dt.time)):
        return repr(a) == repr(b) and alike(a.tzinfo, b.tzinfo)
    if isinstance(a, (Decimal, dt.timezone, ZoneInfo)):
        return repr(a) == repr(b)
    return a == b


def there_and_back(value, classes=(), **options):
    return values.decode(values.encode(value, classes=classes), classes=classes, **options)


ZONES = st.one_of(
    st.none(),
    st.just(dt.timezone.utc),
    st.builds(dt.timezone, st.timedeltas(dt.timedelta(hours=-23), dt.timedelta(hours=23)), st.text(max_size=5)),
)
NUMBERS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(-(2**70), 2**70),
    st.sampled_from([2**63, -(2**63), 2**64 - 1, 2**64, -(2**63) - 1, 127, 128, -32, -33, 255, 256, 65535, 65536]),
    st.floats(),
)
TEXTS = st.one_of(st.text(), st.text(st.characters(categories=["Cs", "Ll"]), max_size=9), st.binary())
PLAIN_ATOMS = st.one_of(NUMBERS, TEXTS)
HASHABLE = st.one_of(
    PLAIN_ATOMS,
    st.complex_numbers(),
    st.just(...),
    st.builds(range, st.integers(), st.integers(), st.integers(1, 9)),
    st.datetimes(timezones=ZONES),
    st.dates(),
    st.times(timezones=ZONES),
    st.timedeltas(),
    st.decimals(),
    st.fractions(),
    st.builds(lambda number: UUID(int=number), st.integers(0, 2**128 - 1)),
    st.builds(PurePosixPath, st.text(st.characters(exclude_characters="\0"), max_size=9)),
    st.builds(PureWindowsPath, st.sampled_from(["c:/x/y", "a\\b", "//host/share/f"])),
)
# nan is equal to nothing, and sets of zones that are the same moment would be told apart by chance
MEMBERS = st.one_of(st.integers(), st.text(max_size=5), st.binary(max_size=5), st.tuples(st.integers(), st.text()))
ATOMS = st.one_of(
    HASHABLE,
    st.binary().map(bytearray),
    st.sets(MEMBERS, max_size=6),
    st.frozensets(MEMBERS, max_size=6),
    st.lists(st.floats()).map(lambda items: array("d", items)),
    st.text().map(Counter),
)
KEYS = st.one_of(st.text(max_size=5), st.integers(), st.booleans(), st.tuples(st.integers(), st.text(max_size=3)))


def _containers(parts):
    return st.one_of(
        st.lists(parts, max_size=5),
        st.lists(parts, max_size=5).map(tuple),
        st.dictionaries(KEYS, parts, max_size=5),
        st.dictionaries(KEYS, parts, max_size=3).map(OrderedDict),
        st.dictionaries(KEYS, parts, max_size=3).map(lambda found: defaultdict(list, found)),
        st.lists(parts, max_size=3).map(lambda items: deque(items, 9)),
        st.builds(slice, parts, parts, parts),
        st.builds(SimpleNamespace, a=parts, b=parts),
        parts.map(lambda part: [part, {"again": part}, (part,)]),
    )


def _plain_containers(parts):
    return st.one_of(
        st.lists(parts, max_size=70),
        st.lists(parts, max_size=5).map(tuple),
        st.dictionaries(KEYS, parts, max_size=5),
    )


_NESTED = st.recursive(ATOMS, _containers, max_leaves=12)
VALUES = st.one_of(_NESTED, _NESTED.map(lambda value: [value] * 70))  # once only: `alike` follows every reference
PLAIN = st.recursive(PLAIN_ATOMS, _plain_containers, max_leaves=12)
