"""Buffers of the `io` module: content, position and attributes; `struct.Struct`, which reads bytes.

Rules of this file: the standard library only; the bytes of a BytesIO are not copied on the writing side.
"""

from __future__ import annotations

import io
import pickle
import struct
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from raisin_core.serialization.pickling import Pickler, Reducer

LARGE: Final = 1 << 16  # bytes that are worth a buffer of their own


def reduce_bytes(value: io.BytesIO, pickler: Pickler) -> Any:
    """Its bytes, beside the object where they are many."""
    if value.closed:
        return rebuild_closed, ("BytesIO",)
    data = value.getvalue()  # the very bytes that are in it: it copies them when it is written to
    content = data if len(data) < LARGE else pickle.PickleBuffer(data)
    return rebuild_bytes, (content, value.tell()), vars(value) or None, None, None, set_attributes


def reduce_string(value: io.StringIO, pickler: Pickler) -> Any:
    """As it does it itself: text, newline, position."""
    return (rebuild_closed, ("StringIO",)) if value.closed else NotImplemented


def rebuild_bytes(content: Any, position: int) -> io.BytesIO:
    """A buffer with these bytes, at that position."""
    buffer = io.BytesIO(content)
    buffer.seek(position)
    return buffer


def rebuild_closed(kind: str) -> io.IOBase:
    """A buffer that is closed."""
    buffer: io.IOBase = io.BytesIO() if kind == "BytesIO" else io.StringIO()
    buffer.close()
    return buffer


def set_attributes(value: Any, attributes: dict[str, object]) -> None:
    """What somebody put on an object of the `io` module."""
    vars(value).update(attributes)


def reduce_struct(value: struct.Struct, pickler: Pickler) -> Any:
    """By its format."""
    return struct.Struct, (value.format,)


REDUCERS: Final[dict[type, Reducer]] = {
    io.BytesIO: reduce_bytes,
    io.StringIO: reduce_string,
    struct.Struct: reduce_struct,
}
