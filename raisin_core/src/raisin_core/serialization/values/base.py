"""What writing and reading values have in common: limits, the error, the table of extensions.

Rules of this file: no behaviour but that of the tables. A number of an extension, once published, keeps its meaning.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final

from raisin_core.errors import InstallationError, SerializationError

if TYPE_CHECKING:
    from raisin_core.serialization.values.decode import Reader
    from raisin_core.serialization.values.encode import Writer

Write = Callable[["Writer", Any], None]
Read = Callable[["Reader", int], Any]  # the extension's payload ends at that position

DEPTH: Final = 200  # how deeply a value may be nested
LARGE: Final = 64 * 1024  # bytes; array data from this size on goes beside the rest
MOST: Final = 2**32 - 1  # what a length of msgpack can say
LONG_NUMBER: Final = 1 << 16  # bits, digits; arithmetic with longer ones takes more than linear time

REFERENCE, PLAIN, TUPLE, SET, FROZENSET, BYTEARRAY, INTEGER, COMPLEX, TEXT, RANGE, SLICE, SINGLETON = range(1, 13)
DATETIME, DATE, TIME, TIMEDELTA, TIMEZONE, ZONE = range(20, 26)
DECIMAL, FRACTION, UUID, PATH, ARRAY, NAMESPACE = range(30, 36)
ORDERED, DEQUE, COUNTER, DEFAULT = range(40, 44)
ENUM, NAMEDTUPLE, DATACLASS = range(50, 53)
NDARRAY, SCALAR, OBJECTS, DTYPE = range(60, 64)
INDEX, RANGE_INDEX, MULTI_INDEX, COLUMN, SERIES, FRAME, MOMENT, MISSING = range(70, 78)

KINDS: Final = "raisin_core.serialization.values.kinds."
ROOMS: Final = {  # the extensions of each room
    "builtin": range(TUPLE, SINGLETON + 1),
    "times": range(DATETIME, ZONE + 1),
    "things": range(DECIMAL, NAMESPACE + 1),
    "containers": range(ORDERED, DEFAULT + 1),
    "classes": range(ENUM, DATACLASS + 1),
    "arrays": range(NDARRAY, DTYPE + 1),
    "tables": range(INDEX, MISSING + 1),
}
HOMES: Final = {  # where a type comes from: the room that knows it
    "builtins": "builtin",
    "datetime": "times",
    "zoneinfo": "times",
    "decimal": "things",
    "fractions": "things",
    "uuid": "things",
    "pathlib": "things",
    "array": "things",
    "types": "things",
    "collections": "containers",
    "numpy": "arrays",
    "pandas": "tables",
}


class Limits:
    """What `decode` takes at the most.

    `depth` counts containers inside one another, `count` parts, `bytes` the data together with its buffers. Whatever
    the limits, memory stays in proportion to the data.
    """

    __slots__ = ("bytes", "count", "depth")

    def __init__(self, depth: int = DEPTH, count: int = 1 << 28, bytes: int = 1 << 36) -> None:
        self.depth, self.count, self.bytes = depth, count, bytes


class NotAValue(SerializationError):
    """A part is no value: `place` leads to it (`[3]['model']`, empty for the whole), `kind` is its type."""

    def __init__(self, place: str, kind: type, part: object = None) -> None:
        super().__init__(place, kind)
        self.place, self.kind, self.part = place, kind, part

    def __str__(self) -> str:
        where = f" at {self.place}" if self.place else ""
        return f"no value: {self.kind.__module__}.{self.kind.__qualname__}{where}"


def optional(name: str) -> ModuleType:
    """A package that may be missing. Raises InstallationError that says which."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        top = name.partition(".")[0]
        raise InstallationError(f"this value needs {top}, which is not installed here: pip install {top}") from error
