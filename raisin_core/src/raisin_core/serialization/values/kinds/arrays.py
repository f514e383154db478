"""NumPy: arrays, scalars and element types, from plain descriptions of these types.

An element type is its text (`<f8`), or `[base, shape]`, or `[names, types, offsets, size, aligned]`. Arrays of objects
are lists of values. What a platform understands differently (long double) or what has more to it (metadata, titles) is
no value. Content that NumPy's loops take for granted is looked at: booleans are 0 or 1, characters are Unicode's.
"""

from __future__ import annotations

import math
import re
from typing import Any, Final

from raisin_core.errors import StreamError
from raisin_core.serialization.values.base import DTYPE, NDARRAY, OBJECTS, SCALAR, NotAValue, Read, Write, optional
from raisin_core.serialization.values.decode import Reader
from raisin_core.serialization.values.encode import Writer

np: Final[Any] = optional("numpy")

UNIT: Final = r"(\[([1-9]\d{0,8})?(Y|M|W|D|h|m|s|ms|us|ns|ps|fs|as)\])?"
PLAIN_TYPE: Final = re.compile(rf"[<>|](b1|[iu][1248]|f[248]|c(8|16)|[mM]8{UNIT}|[SV]\d{{1,9}}|U\d{{1,8}})", re.ASCII)
CHARACTERS: Final = "?bBhHiIlLqQefdFDSUVmM"
NESTED: Final = 8  # structured types within one another
MOST_DIMENSIONS: Final = 64
EMPTY_ITEMS: Final = 1 << 16  # how many items of no size an array may have
TEXTUAL: Final = (np.str_, np.bytes_)


def describe(dtype: Any, depth: int = NESTED) -> Any:
    """An element type in lists and texts. Raises NotAValue."""
    if dtype.metadata or not depth or dtype.char in "gG":
        raise NotAValue("", type(dtype))
    if dtype.subdtype is not None:
        base, shape = dtype.subdtype
        return [describe(base, depth - 1), list(shape)]
    if dtype.names is None:
        if PLAIN_TYPE.fullmatch(dtype.str) is None:
            raise NotAValue("", type(dtype))
        return str(dtype.str)
    fields = [dtype.fields[name] for name in dtype.names]
    if dtype.type is not np.void or any(len(field) > 2 for field in fields):
        raise NotAValue("", type(dtype))
    types, offsets = [describe(field[0], depth - 1) for field in fields], [int(field[1]) for field in fields]
    said = [list(dtype.names), types, offsets, int(dtype.itemsize), bool(dtype.isalignedstruct)]
    if build(said) != dtype:
        raise NotAValue("", type(dtype))
    return said


def build(said: Any, depth: int = NESTED) -> Any:
    """The element type again. Raises StreamError, and what NumPy raises."""
    if type(said) is str and PLAIN_TYPE.fullmatch(said):
        return np.dtype(said)
    if type(said) is not list or not depth:
        raise StreamError("no element type")
    if len(said) == 2:
        return np.dtype((build(said[0], depth - 1), shape_of(said[1])))
    names, types, offsets, size, aligned = said
    if any(type(name) is not str for name in names) or any(type(each) is not int for each in (*offsets, size)):
        raise StreamError("no structured type")
    formats = [build(each, depth - 1) for each in types]
    content = {"names": names, "formats": formats, "offsets": offsets, "itemsize": size}
    return np.dtype(content, align=aligned is True)


def shape_of(said: Any) -> tuple[int, ...]:
    """A shape, checked. Raises StreamError."""
    good = type(said) is list and len(said) <= MOST_DIMENSIONS
    if not good or any(type(length) is not int or not 0 <= length < 1 << 62 for length in said):
        raise StreamError("no shape of an array")
    return tuple(said)


def sound(found: Any) -> bool:
    """Whether the content of an array is one that NumPy itself would make."""
    if found.dtype.names is not None:
        return all(sound(found[name]) for name in found.dtype.names)
    if found.dtype.kind == "b":
        return not (found.view(np.uint8) > 1).any()
    if found.dtype.kind == "U" and found.size and found.dtype.itemsize:
        content = np.ascontiguousarray(found).reshape(-1)
        return not (content.view(np.dtype("u4").newbyteorder(found.dtype.byteorder)) > 0x10FFFF).any()
    return True


def content_of(found: Any) -> memoryview:
    """The bytes of a contiguous array in its own order, not copied."""
    if not found.nbytes:
        return memoryview(b"")
    return memoryview(found.reshape(-1, order="A").view(np.uint8))


def is_fortran(found: Any) -> bool:
    return bool(found.flags.f_contiguous and not found.flags.c_contiguous)


def write_array(writer: Writer, value: Any) -> None:
    fortran = is_fortran(value)
    shape = list(value.shape)
    if value.dtype.char == "O":
        if value.dtype.metadata:
            raise NotAValue("", np.ndarray)
        writer.nest(OBJECTS, (shape, fortran, list((value.T if fortran else value).flat)))
        return
    said = describe(value.dtype)
    if not sound(value) or (not value.dtype.itemsize and value.size > EMPTY_ITEMS):
        raise NotAValue("", np.ndarray)
    if not fortran and not value.flags.c_contiguous:
        value = np.array(value, order="C")
    writer.nest(NDARRAY, (said, shape, fortran, writer.data(content_of(value))))


def _write_scalar(writer: Writer, value: Any) -> None:
    found = np.array(value)
    if found.dtype.hasobject or not sound(found) or (type(value) in TEXTUAL and found[()] != value):
        raise NotAValue("", type(value))
    writer.nest(SCALAR, (describe(found.dtype), found.tobytes()))


def _scalar_types() -> set[type]:
    """Those that their description leads back to (`longlong` is not, where it is the same as `int64`)."""
    types = {np.dtype(each) for each in CHARACTERS}
    return {each.type for each in types if np.dtype(each.str).type is each.type}


WRITERS: Final[dict[type, Write]] = {
    np.ndarray: write_array,
    **dict.fromkeys(_scalar_types(), _write_scalar),
    **{type(np.dtype(each)): lambda writer, value: writer.nest(DTYPE, (describe(value),)) for each in CHARACTERS},
}


def _empty(shape: tuple[int, ...], dtype: Any, size: int, fortran: bool = False) -> Any:
    """An array to be filled with exactly that many bytes."""
    if math.prod(shape) * dtype.itemsize != size or dtype.hasobject:
        raise StreamError(f"{size} bytes for an array of {shape} {dtype}"[:200])
    if not dtype.itemsize and math.prod(shape) > EMPTY_ITEMS:
        raise StreamError("too many items of no size")
    return np.empty(shape, dtype, order="F" if fortran else "C")


def _read_array(reader: Reader, end: int) -> Any:
    said, shape, fortran, where = reader.exactly(end, (str, list), list, bool, (bytes, int))
    dtype, lengths = build(said), shape_of(shape)
    data = memoryview(reader.data_of(where)).cast("B")
    found = _in_place(data, dtype, lengths, fortran)
    if found is None:
        found = _empty(lengths, dtype, len(data), fortran)
        if len(data):
            content_of_new = found.reshape(-1, order="A").view(np.uint8)
            content_of_new[:] = np.frombuffer(data, np.uint8)
    if not sound(found):
        raise StreamError("an array with impossible content")
    return found


def _in_place(data: memoryview, dtype: Any, shape: tuple[int, ...], fortran: bool) -> Any:
    """An array in the memory of a writable buffer; None where that cannot be."""
    if data.readonly or not len(data) or math.prod(shape) * dtype.itemsize != len(data) or dtype.hasobject:
        return None
    found = np.frombuffer(data, dtype).reshape(shape, order="F" if fortran else "C")
    return found if found.flags.aligned else None


def _read_scalar(reader: Reader, end: int) -> Any:
    said, data = reader.exactly(end, (str, list), bytes)
    found = _empty((), build(said), len(data))
    if data:
        found.reshape(-1).view(np.uint8)[:] = np.frombuffer(data, np.uint8)
    if not sound(found):
        raise StreamError("a scalar with impossible content")
    return found[()]


def _read_objects(reader: Reader, end: int) -> Any:
    shape, fortran, items = reader.exactly(end, list, bool, list)
    lengths = shape_of(shape)
    if math.prod(lengths) != len(items):
        raise StreamError(f"{len(items)} objects for an array of {lengths}"[:200])
    found = np.empty(len(items), object)
    for index, item in enumerate(items):
        found[index] = item
    return found.reshape(lengths, order="F" if fortran else "C")


READERS: Final[dict[int, Read]] = {
    NDARRAY: _read_array,
    SCALAR: _read_scalar,
    OBJECTS: _read_objects,
    DTYPE: lambda reader, end: build(reader.exactly(end, (str, list))[0]),
}
