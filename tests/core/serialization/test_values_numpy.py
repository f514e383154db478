"""NumPy's arrays, scalars and element types: exactly the same again; hostile descriptions make nothing."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from raisin_core.errors import SerializationError, StreamError
from raisin_core.serialization.values import NotAValue, base, decode, encode, packing

np = pytest.importorskip("numpy", reason="needs numpy")
hnp = pytest.importorskip("hypothesis.extra.numpy")

RECORD = np.dtype([("a", "f8"), ("b", "U3", (2,)), ("c", [("d", "i1"), ("e", "M8[s]")])])
ALIGNED = np.dtype([("a", "i1"), ("b", "f8")], align=True)
GAPS = np.dtype({"names": ["a", "b"], "formats": ["i4", "i4"], "offsets": [8, 0], "itemsize": 20})


def back(value):
    """There and back, once with everything in one piece and once with buffers beside."""
    buffers = []
    found = decode(encode(value, buffers=buffers), buffers=buffers)
    once = decode(encode(value))
    assert type(once) is type(found)
    return once


def same(a, b):
    if a.dtype.hasobject:
        return a.dtype == b.dtype and a.shape == b.shape and list(map(repr, a.flat)) == list(map(repr, b.flat))
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()


ARRAYS = [
    *(np.arange(5), np.arange(6.0).reshape(2, 3), np.asfortranarray(np.arange(6.0).reshape(2, 3)), np.array(3)),
    *(np.zeros((0, 5)), np.zeros((3, 0, 2), order="F"), np.array(["a", "bcd", "\U0010ffff"]), np.array([b"a", b""])),
    *(np.array([True, False]), np.array(["2020-01-01", "NaT"], "M8[D]"), np.array([1, -1], "m8[25us]")),
    *(np.arange(3).astype(">i4"), np.array(["x"], ">U2"), np.arange(3, dtype="f2"), np.array([1 + 2j], "c8")),
    *(np.zeros(3, RECORD), np.ones(2, ALIGNED), np.ones(2, GAPS), np.zeros(3, "V5"), np.zeros(2, "U0")),
    *(np.arange(100_000.0), np.arange(1_000_000, dtype="u1").reshape(1000, 1000).T, np.arange(10)[::2]),
    *(np.arange(24).reshape(2, 3, 4).transpose(1, 0, 2), np.broadcast_to(np.int8(3), (4, 4)), np.zeros(20_000, bool)),
    *(np.array([1, "a", None, [1, 2]], object), np.array([[1, {}], [3, "x"]], object, order="F"), np.array(None)),
]


@pytest.mark.parametrize("value", ARRAYS, ids=lambda value: f"{value.dtype} {value.shape}"[:40])
def test_arrays(value):
    found = back(value)
    assert type(found) is np.ndarray
    assert same(found, value)
    assert found.flags.writeable
    if value.flags.c_contiguous or value.flags.f_contiguous:
        assert (found.flags.c_contiguous, found.flags.f_contiguous) == (
            value.flags.c_contiguous,
            value.flags.f_contiguous,
        )


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_any_array(data):
    kind = data.draw(st.one_of(hnp.scalar_dtypes(), hnp.nested_dtypes(max_itemsize=200)))
    value = data.draw(hnp.arrays(kind, hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4)))
    try:
        written = encode(value)
    except NotAValue:
        assert _is_odd(kind)
        return
    assert same(decode(written), value)


def _is_odd(kind):
    """Long doubles, objects and titles are no values."""
    if kind.subdtype is not None:
        return _is_odd(kind.base)
    if kind.names is not None:
        return any(len(kind.fields[name]) > 2 or _is_odd(kind[name]) for name in kind.names)
    return kind.char in "gGO"


SCALARS = [
    *(np.float64(-0.0), np.float32("nan"), np.float16(1), np.int8(-3), np.uint64(2**64 - 1), np.bool_(True)),
    *(np.str_("aé"), np.bytes_(b"x"), np.datetime64("2020-01-01T00", "h"), np.timedelta64(3, "ms"), np.complex64(1j)),
    *(np.datetime64("NaT"), np.zeros(1, RECORD)[0], np.intc(1)),
]


@pytest.mark.parametrize("value", SCALARS, ids=repr)
def test_scalars(value):
    found = back(value)
    assert type(found) is type(value)
    assert same(np.array(found), np.array(value))


@pytest.mark.parametrize("kind", ["f8", ">i2", "M8[ns]", "U5", RECORD, ALIGNED, GAPS], ids=str)
def test_element_types(kind):
    found = back(np.dtype(kind))
    assert (found, found.isalignedstruct) == (np.dtype(kind), np.dtype(kind).isalignedstruct)


NOT = {
    "a long double": np.longdouble(1),
    "long doubles": np.zeros(2, "g"),
    "a matrix": np.ma.array([1]).view(np.ma.MaskedArray),
    "records": np.zeros(2, RECORD).view(np.recarray),
    "impossible booleans": np.array([2], "u1").view(bool),
    "impossible characters": np.array([0x110000], "u4").view("U1"),
    "a text with an end that arrays lose": np.str_("a\0"),
    "a record of objects": np.zeros(2, [("a", object)]),
    "an object that is none": np.array([1, object()], object),
    "metadata": np.zeros(1, np.dtype("f8", metadata={"a": 1})),
    "titles": np.zeros(1, np.dtype([(("title", "a"), "f8")])),
    "many items of nothing": np.zeros(100_000, "V0"),
}


@pytest.mark.parametrize("name", NOT)
def test_no_values(name):
    with pytest.raises(NotAValue):
        encode([NOT[name]])


def test_shared_arrays_stay_shared_and_travel_once():
    array, buffers = np.arange(100_000), []
    found = decode(encode([array, (array,)], buffers=buffers), buffers=buffers)
    assert found[0] is found[1][0]
    assert [len(each) for each in buffers] == [array.nbytes]


def test_buffers_are_not_copied():
    array, buffers = np.arange(100_000), [memoryview(b"another's")]
    data = encode([array, np.arange(3)], buffers=buffers)
    assert np.shares_memory(np.frombuffer(buffers[1], np.uint8), array)
    assert len(data) < 200
    arrived = bytearray(buffers[1])
    found = decode(data, buffers=[b"another's", arrived])[0]
    assert np.shares_memory(np.frombuffer(arrived, np.uint8), found)
    found = decode(data, buffers=[b"another's", bytes(arrived)])[0]
    assert found.flags.writeable
    assert same(found, array)


def test_the_bytes_that_were_read_are_not_the_memory_of_arrays():
    data = bytearray(encode(np.zeros(100_000)))
    before, found = bytes(data), decode(data)
    found[:] = 1
    assert data == before


def test_what_is_no_value_leaves_no_buffers():
    buffers = []
    with pytest.raises(NotAValue):
        encode([np.zeros(100_000), object()], buffers=buffers)
    assert buffers == []


def extension(code, *parts):
    body = b"".join(map(packing.pack, parts))
    return b"\x80\0\0\0\0" + packing.extension(code, len(body)) + body


HOSTILE = {
    "an array of objects": extension(base.NDARRAY, "|O", [1], False, bytes(8)),
    "an expression": extension(base.NDARRAY, "__import__('os')", [1], False, bytes(8)),
    "several types": extension(base.NDARRAY, "f8,f8", [1], False, bytes(16)),
    "native order": extension(base.NDARRAY, "=f8", [1], False, bytes(8)),
    "too few bytes": extension(base.NDARRAY, "<f8", [2], False, bytes(8)),
    "too many bytes": extension(base.NDARRAY, "<f8", [1], False, bytes(16)),
    "a negative length": extension(base.NDARRAY, "<f8", [-1], False, b""),
    "lengths that overflow": extension(base.NDARRAY, "<f8", [2**61, 8], False, b""),
    "lengths beyond, and none": extension(base.NDARRAY, "<f8", [0, 2**61, 2**61, 2**61], False, b""),
    "a hundred dimensions": extension(base.NDARRAY, "<f8", [1] * 100, False, bytes(8)),
    "a length that is a bool": extension(base.NDARRAY, "|u1", [True], False, b"x"),
    "items of nothing": extension(base.NDARRAY, "|V0", [2**40], False, b""),
    "a huge item": extension(base.NDARRAY, "<U99999999", [1], False, bytes(4)),
    "impossible booleans": extension(base.NDARRAY, "|b1", [1], False, b"\x02"),
    "impossible characters": extension(base.NDARRAY, "<U1", [1], False, b"\xff\xff\xff\xff"),
    "impossible characters inside": extension(base.NDARRAY, [["a"], ["<U1"], [0], 4, False], [1], False, b"\xff" * 4),
    "fields outside": extension(base.NDARRAY, [["a"], ["<f8"], [4], 8, False], [1], False, bytes(8)),
    "fields before": extension(base.NDARRAY, [["a"], ["<f8"], [-4], 8, False], [1], False, bytes(8)),
    "fields of objects": extension(base.NDARRAY, [["a"], ["|O"], [0], 8, False], [1], False, bytes(8)),
    "the same field twice": extension(base.NDARRAY, [["a", "a"], ["|i1", "|i1"], [0, 1], 2, False], [1], False, b"xy"),
    "a huge field": extension(base.DTYPE, ["<f8", [2**20, 2**20]]),
    "types without end": extension(base.DTYPE, [[[[[[[[["<f8", [1]], [1]], [1]], [1]], [1]], [1]], [1]], [1]], [1]]),
    "no such buffer": extension(base.NDARRAY, "<f8", [1], False, 5),
    "a buffer before": extension(base.NDARRAY, "<f8", [1], False, -1),
    "a scalar of two": extension(base.SCALAR, "<f8", bytes(16)),
    "an impossible scalar": extension(base.SCALAR, "|b1", b"\x05"),
    "fewer objects": extension(base.OBJECTS, [3], False, [1, 2]),
    "a unit of none": extension(base.DTYPE, "<M8[parsec]"),
    "a list in a type": extension(base.DTYPE, [["a"], [["<f8"]], [0], 8, False]),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_descriptions(name):
    with pytest.raises(StreamError):
        decode(HOSTILE[name])


def test_a_buffer_is_used_once():
    body = packing.pack("<f8") + packing.pack([1]) + b"\xc2\x00"
    data = b"\x80\0\0\0\0\x92" + 2 * (packing.extension(base.NDARRAY, len(body)) + body)
    with pytest.raises(StreamError, match="no buffer"):
        decode(data, buffers=[bytearray(8)])


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(ARRAYS[:19] + SCALARS), st.data())
def test_changed_bytes_are_read_or_refused(value, data):
    written = bytearray(encode(value))
    for _ in range(data.draw(st.integers(1, 3))):
        written[data.draw(st.integers(0, len(written) - 1))] = data.draw(st.integers(0, 255))
    try:
        np.array(decode(bytes(written)))  # whatever it is, NumPy can look at it
    except SerializationError:
        pass
