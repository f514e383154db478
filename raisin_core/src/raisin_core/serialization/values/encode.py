"""Values to bytes: `encode`. The form is described in docs/values.md.

Rules of this file: exact types only; whatever is not in a table raises NotAValue. Nothing of a value's own is called.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from raisin_core.serialization.values import packing, plain
from raisin_core.serialization.values.base import (
    DEPTH,
    HOMES,
    KINDS,
    LARGE,
    PLAIN,
    REFERENCE,
    TEXT,
    NotAValue,
    Write,
)

GENERAL: Final = b"\x80"  # the first byte of the general form; smaller ones are forms of plain values
WITH_BUFFERS: Final = b"\x81"
WORTHWHILE: Final = 64  # elements; smaller containers inside are not tried as plain ones
SHORT: Final = 255  # bytes; longer texts have a number, so that they are written once
WRITERS: Final[dict[type, Write]] = {}
FORMS: Final = [bytes((form,)) for form in range(2 << plain.DEEPEST)]
_CANNOT_PACK: Final = (OverflowError, UnicodeEncodeError, RecursionError, ValueError)


def encode(
    value: object,
    *,
    classes: Sequence[type] = (),
    buffers: list[memoryview] | None = None,
    apart: Callable[[Any], bool] | None = None,
) -> bytes:
    """A value as bytes, without pickle.

    `classes` are the job's own enums, namedtuples and dataclasses: `decode` needs the same ones in the same order.
    With `buffers`, data of arrays from 64 KiB on is appended there instead of copied. A `pathlib.Path` for which
    `apart` is true counts as no value (its content is to travel, too). Raises NotAValue with place and
    type of the first part that is no value; `buffers` is then as it was.

    >>> decode(encode({"a": (1, 2.5)}))
    {'a': (1, 2.5)}
    """
    return b"".join(pieces(value, classes=classes, buffers=buffers, apart=apart))


def pieces(
    value: object,
    *,
    classes: Sequence[type] = (),
    buffers: list[memoryview] | None = None,
    apart: Callable[[Any], bool] | None = None,
) -> list[bytes]:
    """What `encode` gives, in pieces, so that large values are not copied; small ones are one piece."""
    kind = type(value)
    try:
        if kind in plain.CONTAINERS:
            if len(value) <= plain.FEW and (form := plain.glance(value)):  # type: ignore[arg-type]
                data = plain.pack(value)
                if len(data) <= plain.LONG_TEXT:  # so no text in it is longer
                    return [FORMS[form] + data]
            said = plain.form(value, whole=True)
        else:
            said = 1 if kind in plain.ATOMS else None
        if said is not None:
            return [FORMS[said], plain.pack(value)]
    except _CANNOT_PACK:  # long integers, lone surrogates
        pass
    return [_general(value, classes, buffers, apart)]


def _general(
    value: object, classes: Sequence[type], buffers: list[memoryview] | None, apart: Callable[[Any], bool] | None
) -> bytes:
    writer = Writer(classes, apart)
    try:
        writer.write(value)
    except (RecursionError, OverflowError) as error:  # OverflowError: more than 4 GiB in one piece
        raise NotAValue("", type(value)) from error
    if buffers is not None:
        first = len(buffers)
        buffers.extend(writer.buffers)
        return GENERAL + first.to_bytes(4, "big") + writer.out
    if not writer.buffers:
        return GENERAL + bytes(4) + writer.out
    sizes = [len(buffer).to_bytes(8, "big") for buffer in writer.buffers]
    return b"".join([WITH_BUFFERS, len(sizes).to_bytes(4, "big"), *sizes, *writer.buffers, writer.out])


class Writer:
    """Writes one value in the general form; what is met again becomes a reference to where it was met first."""

    def __init__(self, classes: Sequence[type], apart: Callable[[Any], bool] | None = None) -> None:
        self.apart = apart
        self.out = bytearray()
        self.buffers: list[memoryview] = []
        self.classes = {kind: number for number, kind in enumerate(classes)}
        self._numbers: dict[int, int] = {}
        self._met: list[object] = []  # by number; also keeps them alive, so that no identity is used twice
        self._unfinished: set[int] = set()
        self._depth = 0

    def write(self, value: Any) -> None:
        """Raises NotAValue."""
        kind = type(value)
        atom = packing.ATOMS.get(kind)
        if atom is None or (kind in plain.TEXTS and len(value) * 4 > SHORT):
            self._numbered(value, kind)
            return
        try:
            self.out += atom(value)
        except (OverflowError, UnicodeEncodeError):
            self._numbered(value, kind)

    def _numbered(self, value: Any, kind: type) -> None:
        number = self._numbers.get(id(value))
        if number is not None:
            if number in self._unfinished:
                raise NotAValue("", kind, value)
            self.extension(REFERENCE, packing.integer(number))
            return
        if kind in plain.TEXTS and self._short_text(value, kind):
            return
        number = self._numbers[id(value)] = len(self._met)
        self._met.append(value)
        self._depth += 1
        try:
            if self._depth > DEPTH:
                raise NotAValue("", kind, value)
            self._composite(value, kind, number)
        except NotAValue as error:
            _lead(error, value)
            raise
        self._depth -= 1

    def _short_text(self, value: Any, kind: type) -> bool:
        """Texts of few bytes have no number."""
        try:
            data = packing.ATOMS[kind](value)
        except UnicodeEncodeError:
            return False
        if len(data) > SHORT + 2:
            return False
        self.out += data
        return True

    def _composite(self, value: Any, kind: type, number: int) -> None:
        if kind is list:
            self._list(value)
        elif kind is dict:
            self._dict(value)
        elif kind is str:
            self._long_text(value)
        elif kind is bytes:
            self.out += packing.binary(value)
        elif kind is tuple and len(value) >= WORTHWHILE and self._plain(value):
            pass
        else:
            self._unfinished.add(number)
            self._by_kind(value, kind)
            self._unfinished.discard(number)

    def _by_kind(self, value: Any, kind: type) -> None:
        try:
            (WRITERS.get(kind) or self._writer(kind))(self, value)
        except (NotAValue, RecursionError):
            raise
        except (ValueError, TypeError, AttributeError, LookupError, ArithmeticError, ImportError) as error:
            raise NotAValue("", kind) from error  # a size or a state that its writer does not foresee

    def _writer(self, kind: type) -> Write:
        """The writer of a type met for the first time. Raises NotAValue."""
        own = self.classes.get(kind)
        room = "classes" if own is not None else HOMES.get(str(kind.__module__).partition(".")[0])
        if room is None:
            raise NotAValue("", kind)
        module = importlib.import_module(KINDS + room)
        WRITERS.update(module.WRITERS)
        writer: Write | None = module.write if own is not None else WRITERS.get(kind)
        if writer is None:
            raise NotAValue("", kind)
        return writer

    def _list(self, value: list[Any]) -> None:
        if len(value) >= WORTHWHILE and self._plain(value):
            return
        self.out += packing.head(packing.ARRAYS, len(value))
        for part in value:
            self.write(part)

    def _dict(self, value: dict[Any, Any]) -> None:
        if len(value) >= WORTHWHILE and self._plain(value):
            return
        self.out += packing.head(packing.MAPS, len(value))
        for key, part in value.items():
            self.write(key)
            self.write(part)

    def _plain(self, value: object) -> bool:
        form = plain.form(value, whole=False)
        if form is None:
            return False
        try:
            data = plain.pack(value)
        except _CANNOT_PACK:
            return False
        self.extension(PLAIN, FORMS[form], data)
        return True

    def _long_text(self, value: str) -> None:
        try:
            self.out += packing.string(value)
        except UnicodeEncodeError:
            self.extension(TEXT, value.encode("utf-8", "surrogatepass"))

    def extension(self, code: int, *parts: bytes | memoryview) -> None:
        """An extension of bytes."""
        self.out += packing.extension(code, sum(map(len, parts)))
        for part in parts:
            self.out += part

    def nest(self, code: int, parts: Iterable[object], start: bytes = b"") -> None:
        """An extension of values, after some bytes of its own."""
        begin = len(self.out)
        self.out += start
        for part in parts:
            self.write(part)
        self.out[begin:begin] = packing.extension(code, len(self.out) - begin)

    def data(self, content: memoryview) -> bytes | int:
        """How array data is said: as itself, or by the number of its buffer."""
        if len(content) < LARGE:
            return bytes(content)
        self.buffers.append(content)
        return len(self.buffers) - 1


def _lead(error: NotAValue, value: Any) -> None:
    """Add the step that leads from a value to the part that is none."""
    if error.part is not None and error.part is not value:
        error.place = _step(value, error.part) + error.place
    error.part = value


def _step(value: Any, part: object) -> str:
    if isinstance(value, dict):
        for key, each in value.items():
            if each is part:
                return f"[{key!r}]"
            if key is part:
                return f" key {type(key).__qualname__}"
    elif isinstance(value, (set, frozenset)):
        return " element"
    elif hasattr(type(value), "__dataclass_fields__"):
        return next((f".{name}" for name in type(value).__dataclass_fields__ if _holds(value, name, part)), "")
    elif isinstance(value, (list, tuple)) or type(value).__name__ == "deque":
        return next((f"[{index}]" for index, each in enumerate(value) if each is part), "")
    return ""


def _holds(value: object, name: str, part: object) -> bool:
    try:
        return object.__getattribute__(value, name) is part
    except AttributeError:
        return False
