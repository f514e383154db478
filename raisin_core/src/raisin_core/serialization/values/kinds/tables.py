"""pandas: indexes, series and tables from their columns, and its scalars. Exact types only.

A table whose columns all have one type of NumPy's is one array of two dimensions. Names and attributes are values.
"""

from __future__ import annotations

from typing import Any, Final

from raisin_core.errors import StreamError
from raisin_core.serialization.values import base
from raisin_core.serialization.values.base import NotAValue, Read, Write
from raisin_core.serialization.values.decode import Reader
from raisin_core.serialization.values.encode import Writer
from raisin_core.serialization.values.kinds import columnar
from raisin_core.serialization.values.kinds.arrays import np
from raisin_core.serialization.values.kinds.columnar import FREQUENCY, ZONES, check, frequency, pd

INDEXES: Final[tuple[Any, ...]] = (
    pd.Index,
    pd.DatetimeIndex,
    pd.TimedeltaIndex,
    pd.PeriodIndex,
    pd.CategoricalIndex,
    pd.IntervalIndex,
)
WITH_FREQUENCY: Final = (pd.DatetimeIndex, pd.TimedeltaIndex)
ANY_INDEX: Final = (*INDEXES, pd.RangeIndex, pd.MultiIndex)
MISSING: Final = (pd.NaT, pd.NA)


def say_column(content: Any) -> Any:
    """NumPy's arrays are values themselves."""
    return content if type(content) is np.ndarray else columnar.say(content)


def read_column(said: Any) -> Any:
    if type(said) is np.ndarray:
        check(said.ndim == 1)
        return said
    return columnar.build(said)


def _index(writer: Writer, value: Any) -> None:
    number = INDEXES.index(type(value))
    freq = frequency(value.freq) if type(value) in WITH_FREQUENCY else None
    writer.nest(base.INDEX, (number, value.name, say_column(value._values), freq))


def _range_index(writer: Writer, value: Any) -> None:
    writer.nest(base.RANGE_INDEX, (value.name, int(value.start), int(value.stop), int(value.step)))


def _multi_index(writer: Writer, value: Any) -> None:
    codes = [np.asarray(each) for each in value.codes]
    writer.nest(base.MULTI_INDEX, (list(value.names), list(value.levels), codes))


def _plain_flags(value: Any) -> None:
    """Raises NotAValue for what our form would lose."""
    if not value.flags.allows_duplicate_labels:
        raise NotAValue("", type(value))


def _series(writer: Writer, value: Any) -> None:
    _plain_flags(value)
    writer.nest(base.SERIES, (value.name, value.index, say_column(value._values), dict(value.attrs)))


def _frame(writer: Writer, value: Any) -> None:
    _plain_flags(value)
    count = value.shape[1]
    types = set(value.dtypes)
    one = types.pop() if len(types) == 1 else None
    if count > 1 and isinstance(one, np.dtype) and one.kind in "biufc":
        content: Any = value.to_numpy()
    else:
        content = [say_column(value.iloc[:, number]._values) for number in range(count)]
    writer.nest(base.FRAME, (value.columns, value.index, content, dict(value.attrs)))


def _moment(writer: Writer, value: Any) -> None:
    if type(value) is pd.Timestamp:
        if type(value.tz) not in ZONES:
            raise NotAValue("", type(value.tz))
        said: tuple[Any, ...] = ("timestamp", value.to_datetime64(), value.tz)
    elif type(value) is pd.Timedelta:
        said = ("timedelta", value.to_timedelta64())
    elif type(value) is pd.Period:
        said = ("period", int(value.ordinal), columnar.period_name(pd.PeriodDtype(value.freq)))
    else:
        said = ("interval", value.left, value.right, str(value.closed))
    writer.nest(base.MOMENT, said)


WRITERS: Final[dict[type, Write]] = {
    **dict.fromkeys(INDEXES, _index),
    pd.RangeIndex: _range_index,
    pd.MultiIndex: _multi_index,
    pd.Series: _series,
    pd.DataFrame: _frame,
    **dict.fromkeys((pd.Timestamp, pd.Timedelta, pd.Period, pd.Interval), _moment),
    **{
        type(each): lambda writer, value: writer.extension(base.MISSING, bytes((int(value is pd.NA),)))
        for each in MISSING
    },
    **{form[0]: lambda writer, value: writer.nest(base.COLUMN, (columnar.say(value),)) for form in columnar.FORMS},
}


def _read_index(reader: Reader, end: int) -> Any:
    number, name, said, freq = reader.exactly(end, int, object, (np.ndarray, list), (type(None), str))
    check(0 <= number < len(INDEXES))
    kind, content = INDEXES[number], read_column(said)
    if freq is not None:
        check(kind in WITH_FREQUENCY and FREQUENCY.fullmatch(freq) is not None)
        found = kind(content, name=name, freq=freq)
    elif kind is pd.Index:
        found = pd.Index(content, name=name, dtype=content.dtype, tupleize_cols=False)
    else:
        found = kind(content, name=name)
    check(type(found) is kind and found.dtype == content.dtype)
    return found


def _read_range_index(reader: Reader, end: int) -> Any:
    name, start, stop, step = reader.exactly(end, object, int, int, int)
    return pd.RangeIndex(start, stop, step, name=name)


def _read_multi_index(reader: Reader, end: int) -> Any:
    names, levels, codes = reader.exactly(end, list, list, list)
    check(all(type(level) in ANY_INDEX for level in levels))
    check(all(type(each) is np.ndarray and each.dtype.kind == "i" and each.ndim == 1 for each in codes))
    return pd.MultiIndex(levels=levels, codes=codes, names=names, verify_integrity=True)


def _labels(found: Any) -> Any:
    if type(found) not in ANY_INDEX:
        raise StreamError("no index")
    return found


def _with_attributes(found: Any, attributes: dict[Any, Any]) -> Any:
    if attributes:
        found.attrs.update(attributes)
    return found


def _read_series(reader: Reader, end: int) -> Any:
    name, index, said, attributes = reader.exactly(end, object, object, (np.ndarray, list), dict)
    content = read_column(said)
    found = _one(content, _labels(index))
    found.name = name
    return _with_attributes(found, attributes)


def _one(content: Any, index: Any) -> Any:
    """A series with exactly this content: with a type given, pandas infers none."""
    check(len(content) == len(index))
    found = pd.Series(content, index=index, dtype=content.dtype, copy=False)
    check(found.dtype == content.dtype)
    return found


def _read_frame(reader: Reader, end: int) -> Any:
    names, index, content, attributes = reader.exactly(end, object, object, (np.ndarray, list), dict)
    _labels(names), _labels(index)
    if type(content) is np.ndarray:
        check(content.ndim == 2 and content.dtype.kind in "biufc" and content.shape == (len(index), len(names)))
        found = pd.DataFrame(content, index=index, columns=names, copy=False)
    else:
        check(len(content) == len(names))
        parts = {number: _one(read_column(said), index) for number, said in enumerate(content)}
        found = pd.DataFrame(parts, index=index, copy=False)
        found.columns = names
    return _with_attributes(found, attributes)


def _read_moment(reader: Reader, end: int) -> Any:
    form, *said = reader.parts(end)
    if form == "timestamp" and len(said) == 2 and type(said[0]) is np.datetime64:
        found = columnar.zoned(pd.Timestamp(said[0]), said[1])
        check(type(found) is pd.Timestamp)
        return found
    if form == "timedelta" and len(said) == 1 and type(said[0]) is np.timedelta64:
        found = pd.Timedelta(said[0])
        check(type(found) is pd.Timedelta)
        return found
    if form == "period" and len(said) == 2 and type(said[0]) is int:
        return pd.Period(ordinal=said[0], freq=columnar.period_type(said[1]).freq)
    check(form == "interval" and len(said) == 3 and said[2] in columnar.SIDES)
    return pd.Interval(*said)


READERS: Final[dict[int, Read]] = {
    base.INDEX: _read_index,
    base.RANGE_INDEX: _read_range_index,
    base.MULTI_INDEX: _read_multi_index,
    base.COLUMN: lambda reader, end: columnar.build(reader.exactly(end, list)[0]),
    base.SERIES: _read_series,
    base.FRAME: _read_frame,
    base.MOMENT: _read_moment,
    base.MISSING: lambda reader, end: MISSING[reader.take(1)[0]],
}
