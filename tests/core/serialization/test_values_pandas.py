"""pandas' tables, series, indexes and scalars: types, names, frequencies and attributes are the same again."""

import datetime as dt

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raisin_core.errors import SerializationError
from raisin_core.serialization.values import NotAValue, decode, encode

np = pytest.importorskip("numpy", reason="needs numpy")
pd = pytest.importorskip("pandas", reason="needs pandas")

BERLIN = "Europe/Berlin"


def back(value):
    buffers = []
    found = decode(encode(value, buffers=buffers), buffers=buffers)
    assert type(found) is type(value)
    return decode(encode(value))


def series(*arguments, **options):
    return pd.Series(*arguments, **options)


def _series():
    yield from (series([1, 2, 3]), series([1.5, np.nan], name="x"), series(["a", "b", None]), series([1 + 2j]))
    yield from (series(["a", 1, None], dtype=object), series(["a", "b"], dtype=object), series([], dtype=float))
    yield from (series(pd.date_range("2020", periods=3)), series(pd.date_range("2020", periods=3, tz=BERLIN)))
    yield from (series(pd.to_timedelta([1, 2], unit="s")), series(pd.period_range("2020-01", periods=3, freq="M")))
    yield from (series(["a", "b", "a"], dtype="category"), series(pd.interval_range(0, 3)), series([1], index=["a"]))
    yield series(pd.Categorical([1, 2, 1, None], categories=[2, 1, 3], ordered=True))
    yield from (
        series([1, None], dtype="Int64"),
        series([1.5, None], dtype="Float32"),
        series([True, None], dtype="boolean"),
    )
    yield from (
        series([pd.Timestamp("2020", tz=BERLIN), pd.NaT]),
        series(["é", None, "b"])[1:],
        series(np.array([1], "i1")),
    )
    yield series(["a", None], dtype="string[python]")
    yield series(range(3), name=("a", 1), index=pd.MultiIndex.from_product([[1], list("abc")]))


def _arrow_series():
    yield series(["a", None, "é"], dtype="string[pyarrow]")[1:]
    yield from (series([1, None], dtype="int64[pyarrow]"), series([1, 2, 3, 4], dtype="int8[pyarrow]")[1:3])
    yield from (series([True, False, None], dtype="bool[pyarrow]")[1:], series([], dtype="string[pyarrow]"))
    yield from (series([dt.date(2020, 1, 1)], dtype="date32[pyarrow]"), series([1.5], dtype="double[pyarrow]"))
    yield from (series([b"x", None], dtype="binary[pyarrow]"), series([0], dtype="timestamp[us][pyarrow]"))


def _check(value):
    found = back(value)
    pd.testing.assert_series_equal(found, value, check_exact=True, check_freq=True, check_index_type="exact")
    assert found.dtype == value.dtype
    assert type(found.array) is type(value.array)
    assert type(found.name) is type(value.name)


@pytest.mark.parametrize("value", list(_series()), ids=lambda value: str(value.dtype))
def test_series(value):
    _check(value)


def test_arrow_series():
    pytest.importorskip("pyarrow", reason="needs pyarrow")
    for value in _arrow_series():
        _check(value)


def frame(*arguments, **options):
    return pd.DataFrame(*arguments, **options)


def _frames():
    mixed = {"a": [1, 2], "b": ["x", None], "c": [1.5, np.nan], "d": pd.date_range("2020", periods=2), "e": [[1], {}]}
    value = frame(mixed)
    value.attrs["unit"] = ["m", 1]
    yield from (value, value.set_index("b"), frame(), frame(index=[1, 2]), frame(columns=["a", "b"]))
    yield from (frame(np.arange(12.0).reshape(3, 4)), frame(np.arange(6).reshape(2, 3)).T, frame({1: ["x"], "y": [2]}))
    yield from (
        frame([[1, 2], [3, 4]], columns=["a", "a"]),
        frame({("a", "b"): [1]}),
        frame({"x": [1, 2, 3]}).describe(),
    )
    yield frame({"a": [1], "b": [2.0], "c": [True]}).groupby("a").sum()
    yield frame({"a": [1, 2]}, index=pd.MultiIndex.from_tuples([("a", 1), ("b", 2)], names=["x", None]))
    yield frame({"a": [1, 2]}, index=pd.date_range("2020", periods=2, freq="D", name="t"))
    yield frame({"x": list("ab"), "y": [1, 2]}).pivot_table(index="x", values="y")
    yield frame({"a": [1, None]}, dtype="Int64")


@pytest.mark.parametrize("value", list(_frames()), ids=lambda value: str(value.shape))
def test_frames(value):
    found = back(value)
    exact = {"check_column_type": "exact", "check_index_type": "exact"}
    pd.testing.assert_frame_equal(found, value, check_exact=True, check_freq=True, **exact)
    arrays = [[type(each.iloc[:, n].array) for n in range(each.shape[1])] for each in (found, value)]
    assert arrays[0] == arrays[1]
    assert found.attrs == value.attrs
    if found.shape[0] and found.shape[1]:
        found.iloc[0, 0] = value.iloc[-1, 0]  # can be written to


INDEXES = [
    *(pd.Index([1, 2]), pd.Index(["a", "b"], name="n"), pd.Index(["a", 1]), pd.Index(["a", "b"], dtype=object)),
    *(
        pd.RangeIndex(1, 10, 2, name="r"),
        pd.date_range("2020", periods=5, freq="2h"),
        pd.bdate_range("2020", periods=4),
    ),
    *(pd.date_range("2020", periods=5, freq="MS", tz=BERLIN), pd.timedelta_range("1s", periods=3)),
    *(pd.date_range("2020", periods=4, freq="W-WED"), pd.period_range("2020", periods=3, freq="Q-NOV")),
    *(pd.CategoricalIndex(list("aba")), pd.IntervalIndex.from_breaks([0, 1.5, 3], closed="left")),
    *(pd.MultiIndex.from_product([[1, 2], ["a", "b"]], names=["p", "q"]), pd.Index([1, None], dtype="Int64")),
    *(pd.Index([(1, 2), (3, 4)], tupleize_cols=False), pd.Index([1.5], dtype="f4"), pd.DatetimeIndex([])),
]


@pytest.mark.parametrize("value", INDEXES, ids=lambda value: f"{type(value).__name__} {value.dtype}")
def test_indexes(value):
    found = back(value)
    pd.testing.assert_index_equal(found, value, exact=True, check_exact=True)
    assert getattr(found, "freq", None) == getattr(value, "freq", None)
    assert (found.dtype, found.names) == (value.dtype, value.names)


SCALARS = [
    *(pd.Timestamp("2020-01-01 01:02:03.123456789"), pd.Timestamp("2020-10-25 01:30", tz="UTC").tz_convert(BERLIN)),
    *(pd.Timestamp("2020", tz="UTC"), pd.Timestamp("2020").as_unit("s"), pd.Timedelta("1s"), pd.Timedelta(5, "ms")),
    *(pd.Period("2020-01", "M"), pd.Period("2020", "Q-NOV"), pd.Interval(1, 2, "both")),
    pd.Interval(pd.Timestamp("2020"), pd.Timestamp("2021")),
]


@pytest.mark.parametrize("value", SCALARS, ids=str)
def test_scalars(value):
    found = back(value)
    assert found == value
    assert repr(found) == repr(value)
    assert [getattr(found, each, None) for each in ("unit", "fold", "freq")] == [
        getattr(value, each, None) for each in ("unit", "fold", "freq")
    ]


def test_missing_values_are_the_same_objects():
    found = back([pd.NaT, pd.NA])
    assert found[0] is pd.NaT
    assert found[1] is pd.NA


def test_columns_by_themselves():
    for value in (pd.array([1, None]), pd.Categorical(["a"]), pd.array(["x", None], dtype="string[python]")):
        pd.testing.assert_extension_array_equal(back(value), value)


class Table(pd.DataFrame):
    pass


@pytest.mark.parametrize(
    "value",
    [
        Table({"a": [1]}),
        frame({"a": [object()]}),
        frame({"a": pd.arrays.SparseArray([0, 1])}),
        frame({"a": [1]}).set_flags(allows_duplicate_labels=False),
        pd.date_range("2020", periods=3, freq=pd.offsets.CustomBusinessDay(holidays=["2020-01-02"])),
    ],
    ids=lambda value: type(value).__name__,
)
def test_no_values(value):
    with pytest.raises(NotAValue):
        encode(value)


EVERYTHING = [encode(value) for value in (*_series(), *_frames(), *INDEXES, *SCALARS)]


@settings(max_examples=250, deadline=None)
@given(st.sampled_from(EVERYTHING), st.data())
@pytest.mark.filterwarnings("ignore")
def test_changed_bytes_are_read_or_refused(written, data):
    changed = bytearray(written)
    for _ in range(data.draw(st.integers(1, 3))):
        changed[data.draw(st.integers(0, len(changed) - 1))] = data.draw(st.integers(0, 255))
    try:
        found = decode(bytes(changed))
    except SerializationError:
        return
    assert found is not None or not changed[5:]


@pytest.mark.filterwarnings("ignore")
def test_arrow_columns_are_looked_over():
    """Offsets that point outside, text that is none: refused before anybody looks."""
    pytest.importorskip("pyarrow", reason="needs pyarrow")
    written = encode(series(["abc", "de"], dtype="string[pyarrow]"))
    refused = 0
    for place in range(len(written)):
        for byte in (0x00, 0x7F, 0xFF):
            try:
                list(decode(written[:place] + bytes((byte,)) + written[place + 1 :]))
            except (SerializationError, TypeError):  # TypeError: what is read is another value, not iterable
                refused += 1
    assert refused > len(written)
