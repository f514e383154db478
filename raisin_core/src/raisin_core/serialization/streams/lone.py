"""The readable form of one lone atom: its kind between tags, and its text.

    </>small int</>123456789            up to the end: for what stands alone (`serialize`)
    </>small int</>123456789</>         the same where more may follow; numbers only (`dumps`)

Rules of this file: pure; the standard library only.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from raisin_core.errors import Tampered

LONGEST: Final = 1000  # bytes of a text or bytes that travel so
SMALL: Final = 1 << 63
INT: Final = "</>small int</>"
CLOSE: Final = b"</>"
NUMBERS: Final = frozenset(("small int", "float", "bool", "None"))
CLOSED: Final = frozenset((int, float, bool, type(None)))


def _whole(text: bytes) -> int:
    if not text.removeprefix(b"-").isdigit() or len(text) > 20:
        raise ValueError(text)
    return int(text)


KINDS: Final[dict[str, Callable[[bytes], Any]]] = {
    "small int": _whole,
    "float": lambda text: float(text.decode("ascii")),
    "bool": lambda text: {b"True": True, b"False": False}[text],
    "None": lambda text: {b"": None}[text],
    "str": lambda text: text.decode("utf-8"),
    "bytes": lambda text: text,
}


def written(value: Any) -> bytes | None:
    """The readable form, or None where a value has none.

    >>> written(123456789)
    b'</>small int</>123456789'
    """
    kind = type(value)
    if kind is bytes and len(value) <= LONGEST:
        return b"</>bytes</>" + bytes(value)
    if kind is str and len(value) <= LONGEST // 4:
        try:
            return b"</>str</>" + str(value).encode("utf-8")
        except UnicodeEncodeError:  # a lone surrogate
            return None
    return _number(value)


def closed(value: Any) -> bytes | None:
    """The readable form that says where it ends, of numbers; None for other values.

    >>> closed(5)
    b'</>small int</>5</>'
    """
    number = _number(value)
    return None if number is None else number + CLOSE


def _number(value: Any) -> bytes | None:
    kind = type(value)
    if kind not in CLOSED:
        return None
    if kind is int and -SMALL <= value < SMALL:
        return b"</>small int</>%d" % value
    if kind is float or kind is bool:
        return f"</>{kind.__name__}</>{value!r}".encode()
    return b"</>None</>" if value is None else None


def small_int(text: str) -> int | None:
    """The number that `closed` made this text of, where it is a whole one."""
    number = text[len(INT) : -len(CLOSE)]
    well = text[: len(INT)] == INT and text[-3:] == "</>" and number.isdecimal() and number.isascii()
    return int(number) if well and len(number) < 19 else None


def read_closed(kind: str, some: Callable[[int], bytes]) -> Any:
    """A number from where its text begins; `some(1)` gives the next byte, none at the end. Raises Tampered."""
    text = b""
    while len(text) <= LONGEST and not text.endswith(CLOSE) and (more := some(1)):
        text += more
    return read(kind, text.rstrip().removesuffix(CLOSE))


def read(kind: str, text: bytes) -> Any:
    """The value again. Raises Tampered where the text is none of its kind.

    >>> read("small int", b"123456789")
    123456789
    """
    try:
        if len(text) <= LONGEST:
            return KINDS[kind](text)
    except (ValueError, KeyError):
        pass
    raise Tampered(f"this stream was damaged: {text[:40]!r} is no {kind}")
