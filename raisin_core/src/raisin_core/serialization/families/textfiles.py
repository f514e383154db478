"""Text files: the buffer below them, encoding, newlines, and a position that is right for every encoding.

Rules of this file: as in `files`; where a text file was iterated, its position is found by counting characters.
"""

from __future__ import annotations

import gc
import io
from typing import TYPE_CHECKING, Any, Final

from raisin_core.errors import SerializationError
from raisin_core.serialization.families import files
from raisin_core.serialization.families.buffers import set_attributes

if TYPE_CHECKING:
    from raisin_core.serialization.pickling import Pickler, Reducer

CHARACTERS: Final = 1 << 18  # in one go
NEWLINES: Final = ("", "\n", "\r", "\r\n")
OPTIONS: Final = ("encoding", "errors", "line_buffering", "write_through")


def reduce_text(value: io.TextIOWrapper, pickler: Pickler) -> Any:
    """A text file over a buffer that can travel."""
    if (found := files.standard(value)) is not None:
        return found
    buffer: Any = files.attached(value, "buffer")
    options = {option: getattr(value, option) for option in OPTIONS}
    attributes = vars(value) or None
    if value.closed:
        below = type(buffer).__name__ if type(buffer) in files.REDUCERS else "BufferedRandom"
        traces = files.trace(getattr(buffer, "raw", None))
        return files.rebuild_closed, (below, *traces, options), attributes, None, None, set_attributes
    if not value.seekable():
        raise SerializationError(f"{value!r} is a pipe or a terminal; open it inside the function")
    cookie = position(value)
    options["newline"] = newline(value, cookie)
    return rebuild_text, (buffer, options, cookie), attributes, None, None, set_attributes


def position(value: io.TextIOWrapper) -> int:
    """Where it stands; it stands there afterwards too, with nothing left to be written."""
    try:
        return value.tell()  # before any flush: that would let a file tell wrong positions while it is iterated
    except OSError:  # the file is being iterated, which keeps it from telling
        return _counted(value)


def _counted(value: io.TextIOWrapper) -> int:
    left = _skip(value)
    value.seek(0)
    every = _skip(value)
    value.seek(0)
    _skip(value, every - left)
    return value.tell()


def _skip(value: io.TextIOWrapper, most: int | None = None) -> int:
    """Read so many characters, or all; returns how many there were."""
    done = 0
    while most is None or done < most:
        read = len(value.read(CHARACTERS if most is None else min(CHARACTERS, most - done)))
        if not read:
            break
        done += read
    return done


def newline(value: io.TextIOWrapper, cookie: int) -> str | None:
    """The `newline` that the file was opened with. A text file does not tell it, but holds on to it: at its begin it
    refers to three strings, encoding, newline and errors; or, where newline is None, to two."""
    value.seek(0)
    held = [each for each in gc.get_referents(value) if type(each) is str]
    value.seek(cookie)
    if len(held) == 2:
        return None
    if len(held) == 3 and held[1] in NEWLINES:
        return held[1]
    raise SerializationError(f"{value!r}: how it treats newlines cannot be found out; pass its path")


def rebuild_text(buffer: Any, options: dict[str, Any], cookie: int) -> io.TextIOWrapper:
    """A text file over a buffer, at that position."""
    value = io.TextIOWrapper(buffer, **options)
    value.seek(cookie)
    return value


REDUCERS: Final[dict[type, Reducer]] = {io.TextIOWrapper: reduce_text}
