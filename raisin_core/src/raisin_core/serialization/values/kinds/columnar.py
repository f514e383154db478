"""pandas: the arrays that columns and indexes are made of.

A column is a list whose first element names its form. NumPy columns are arrays as in `arrays`; text and Arrow columns
are the buffers of Arrow's own layout, which `validate(full=True)` goes through before anybody looks at them. (Messages
of Arrow IPC around such buffers may ask the reader to decompress to any size, and may bring extension types; ours
cannot.)
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timezone
from typing import Any, Final
from zoneinfo import ZoneInfo

from raisin_core.errors import StreamError
from raisin_core.serialization.values.base import NotAValue, optional
from raisin_core.serialization.values.kinds.arrays import np

pd: Final[Any] = optional("pandas")
arrays: Final = pd.arrays

FREQUENCY: Final = re.compile(r"-?[A-Za-z0-9-]{1,24}", re.ASCII)
ZONES: Final = (type(None), timezone, ZoneInfo)
FIXED: Final = (
    "int8",
    "int16",
    "int32",
    "int64",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
    "float",
    "double",
    "date32[day]",
)
TEXT: Final = ("string", "large_string", "binary", "large_binary")
SIDES: Final = ("left", "right", "both", "neither")


def say(column: Any) -> list[Any]:
    """A column in values. Raises NotAValue."""
    for kind, form, write, _ in FORMS:
        if type(column) is kind:
            return [form, *write(column)]
    raise NotAValue("", type(column))


def build(said: Any) -> Any:
    """The column again. Raises StreamError, and what pandas raises."""
    if type(said) is list and said and type(said[0]) is str:
        for _, form, _, read in FORMS:
            if form == said[0]:
                return read(*said[1:])
    raise StreamError("no column")


def check(good: bool) -> None:
    """Raises StreamError."""
    if not good:
        raise StreamError("a column that is not as it should be")


def frequency(offset: Any) -> str | None:
    """A frequency's name, if it says all. Raises NotAValue."""
    if offset is None:
        return None
    name = str(offset.freqstr)
    if FREQUENCY.fullmatch(name) is None or pd.tseries.frequencies.to_offset(name) != offset:
        raise NotAValue("", type(offset))
    return name


def period_name(kind: Any) -> str:
    """The frequency of a type of periods, if it says all. Raises NotAValue."""
    name = str(kind).removeprefix("period[").removesuffix("]")
    if FREQUENCY.fullmatch(name) is None or pd.PeriodDtype(name) != kind:
        raise NotAValue("", type(kind))
    return name


def period_type(name: Any) -> Any:
    check(type(name) is str and FREQUENCY.fullmatch(name) is not None)
    return pd.PeriodDtype(name)


def _array(content: Any, kinds: str) -> Any:
    check(type(content) is np.ndarray and content.ndim == 1 and content.dtype.kind in kinds)
    return content


def zoned(index: Any, zone: Any) -> Any:
    """Moments of UTC in a zone."""
    check(type(zone) in ZONES)
    return index if zone is None else index.tz_localize("UTC").tz_convert(zone)


def _say_datetimes(column: Any) -> list[Any]:
    if type(getattr(column, "tz", None)) not in ZONES:
        raise NotAValue("", type(column.tz))
    return [np.asarray(column.view("i8")).view(f"M8[{column.unit}]"), getattr(column, "tz", None)]


def _read_datetimes(content: Any, zone: Any) -> Any:
    return zoned(pd.DatetimeIndex(_array(content, "M"), copy=False), zone)._data


def _say_timedeltas(column: Any) -> list[Any]:
    return [np.asarray(column.view("i8")).view(f"m8[{column.unit}]")]


def _say_periods(column: Any) -> list[Any]:
    return [np.asarray(column.asi8), period_name(column.dtype)]


def _say_categories(column: Any) -> list[Any]:
    return [np.asarray(column.codes), column.categories, bool(column.ordered)]


def _read_categories(codes: Any, categories: Any, ordered: Any) -> Any:
    check(isinstance(categories, pd.Index) and type(ordered) is bool)
    kind = pd.CategoricalDtype(categories, ordered)
    return pd.Categorical.from_codes(_array(codes, "i"), dtype=kind)


def _read_masked(content: Any, mask: Any) -> Any:
    _array(mask, "b")
    kind = {"b": arrays.BooleanArray, "f": arrays.FloatingArray}.get(_array(content, "biuf").dtype.kind)
    check(len(mask) == len(content))
    return (kind or arrays.IntegerArray)(content, mask)


def _read_intervals(left: Any, right: Any, closed: Any) -> Any:
    check(isinstance(left, pd.Index) and isinstance(right, pd.Index) and closed in SIDES)
    return arrays.IntervalArray.from_arrays(left, right, closed)


def _say_text(column: Any) -> list[Any]:
    missing = "nan" if column.dtype.na_value is not pd.NA else "NA"
    if column.dtype.storage == "python":
        return [missing, [None if part is column.dtype.na_value or part is pd.NA else str(part) for part in column]]
    return [missing, say_arrow(column)]


def _text_type(storage: str, missing: Any) -> Any:
    check(missing in ("nan", "NA"))
    if missing == "NA":
        return pd.StringDtype(storage)
    return pd.StringDtype(storage, na_value=np.nan)


def _read_text(missing: Any, content: Any) -> Any:
    check(type(content) is list and all(part is None or type(part) is str for part in content))
    return pd.array(content, dtype=_text_type("python", missing))


def _read_arrow_text(missing: Any, content: Any) -> Any:
    kind = _text_type("pyarrow", missing)
    check(type(content) is list and content[:1] in (["string"], ["large_string"]))
    return kind.__from_arrow__(read_arrow(*content))


def say_arrow(column: Any) -> list[Any]:
    """An Arrow column: its type, length, which are there (or None), offsets (or None), content. Raises NotAValue."""
    pa = optional("pyarrow")
    found = column.__arrow_array__()
    if isinstance(found, pa.ChunkedArray):
        found = found.combine_chunks()
    if isinstance(found, pa.ChunkedArray):  # without any chunk
        found = pa.concat_arrays(found.chunks) if found.num_chunks else pa.array([], found.type)
    name, length, start = str(found.type), len(found), found.offset
    there = np.asarray(found.is_valid()) if found.null_count else None
    if name == "bool":
        return [name, length, there, None, np.asarray(found.fill_null(False))]
    if name in TEXT:
        return [name, length, there, *_say_texts(found.buffers(), name, start, length)]
    if name not in FIXED and not _is_moment(name):
        raise NotAValue("", type(column))
    width = found.type.bit_width // 8
    content = np.frombuffer(found.buffers()[1], np.uint8)[start * width : (start + length) * width]
    return [name, length, there, None, content]


def _say_texts(buffers: list[Any], name: str, start: int, length: int) -> tuple[Any, Any]:
    kind = np.dtype(np.int64 if name.startswith("large") else np.int32)
    if not length:
        return np.zeros(1, kind), np.zeros(0, np.uint8)
    offsets = np.frombuffer(buffers[1], kind)[start : start + length + 1]
    content = np.frombuffer(buffers[2], np.uint8) if buffers[2] is not None else np.zeros(0, np.uint8)
    return offsets - offsets[0], content[offsets[0] : offsets[-1]]


def _is_moment(name: str) -> bool:
    return re.fullmatch(r"(timestamp|duration)\[(s|ms|us|ns)\]", name) is not None


def read_arrow(name: Any, length: Any, there: Any, offsets: Any, content: Any) -> Any:
    """The Arrow array again, looked over. Raises StreamError, and what pyarrow raises."""
    pa = optional("pyarrow")
    check(type(name) is str and type(length) is int and 0 <= length < 1 << 60)
    check(there is None or len(_array(there, "b")) == length)
    valid = None if there is None else pa.array(there).buffers()[1]
    if name == "bool":
        check(len(_array(content, "b")) == length)
        return pa.array(content, mask=None if there is None else ~there)
    if name in TEXT:
        wide = np.int64 if name.startswith("large") else np.int32
        check(_array(offsets, "i").dtype == wide and len(offsets) == length + 1)
        buffers = [valid, pa.py_buffer(offsets), pa.py_buffer(_array(content, "u"))]
    else:
        check(name in FIXED or _is_moment(name))
        buffers = [valid, pa.py_buffer(_array(content, "u"))]
    kind = pa.type_for_alias({"date32[day]": "date32"}.get(name, name))
    if name not in TEXT:
        check(len(content) == length * (kind.bit_width // 8))
    found = pa.Array.from_buffers(kind, length, buffers)
    found.validate(full=True)
    return found


def _read_arrow(*said: Any) -> Any:
    found = read_arrow(*said)
    return pd.arrays.ArrowExtensionArray(optional("pyarrow").chunked_array([found]))


Form = tuple[Any, str, Callable[[Any], list[Any]], Callable[..., Any]]


def _masked(column: Any) -> list[Any]:
    return [column._data, column._mask]


def _text_forms() -> list[Form]:
    """Text is held in two ways, under names that differ between versions of pandas."""
    forms: list[Form] = [(arrays.StringArray, "text", _say_text, _read_text)]
    named = [getattr(arrays, name, None) for name in ("ArrowStringArray", "ArrowStringArrayNumpySemantics")]
    forms += [(each, "arrow text", _say_text, _read_arrow_text) for each in named if each is not None]
    return forms


FORMS: Final[list[Form]] = [
    (arrays.DatetimeArray, "datetimes", _say_datetimes, _read_datetimes),
    (
        arrays.TimedeltaArray,
        "timedeltas",
        _say_timedeltas,
        lambda content: pd.TimedeltaIndex(_array(content, "m"), copy=False)._data,
    ),
    (
        arrays.PeriodArray,
        "periods",
        _say_periods,
        lambda content, name: arrays.PeriodArray(_array(content, "i"), dtype=period_type(name)),
    ),
    (pd.Categorical, "categories", _say_categories, _read_categories),
    (arrays.IntegerArray, "masked", _masked, _read_masked),
    (arrays.FloatingArray, "masked", _masked, _read_masked),
    (arrays.BooleanArray, "masked", _masked, _read_masked),
    (
        arrays.IntervalArray,
        "intervals",
        lambda column: [column.left, column.right, str(column.closed)],
        _read_intervals,
    ),
    (arrays.ArrowExtensionArray, "arrow", say_arrow, _read_arrow),
    *_text_forms(),
]
