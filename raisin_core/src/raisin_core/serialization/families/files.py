"""Open files: content, mode, position, and for text what it is read and written by.

A file arrives as a real file of the same name in a private folder (or, with `copy_file=False`, as the file of that name
there), open in the same mode at the same position: what has been written so far is kept, also in the modes w and x.
Only its `name` is another. Unwritten bytes are flushed first; the file that is written stays where it is and open.
The standard streams are those of whoever reads. Closed files arrive closed; pipes, sockets and terminals cannot travel.

Rules of this file: the standard library only. The layers of a file travel as they are stacked: raw, buffered, text.
"""

from __future__ import annotations

import io
import os
import stat
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from raisin_core.errors import SerializationError
from raisin_core.serialization.families import contents
from raisin_core.serialization.families.buffers import set_attributes

if TYPE_CHECKING:
    from raisin_core.serialization.pickling import Pickler, Reducer

Buffered = io.BufferedReader | io.BufferedWriter | io.BufferedRandom
NEITHER: Final = os.O_TRUNC | os.O_EXCL | os.O_CREAT  # what opening a file again must not do
STANDARD: Final = ("stdin", "stdout", "stderr", "__stdin__", "__stdout__", "__stderr__")
KINDS: Final[dict[str, type[Buffered]]] = {
    "BufferedReader": io.BufferedReader,
    "BufferedWriter": io.BufferedWriter,
    "BufferedRandom": io.BufferedRandom,
}
OTHERS: Final = (
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a terminal or device"),
    (stat.S_ISDIR, "a folder"),
)


def reduce_raw(value: io.FileIO, pickler: Pickler) -> Any:
    """An unbuffered file."""
    if value.closed:
        return rebuild_closed, ("FileIO", *trace(value))
    if (found := standard(value, "buffer") or standard(value, "buffer", "raw")) is not None:
        return found
    name = getattr(value, "name", None)
    if name == os.devnull:
        return rebuild_named, (name, value.mode, 0), _attributes(value), None, None, set_attributes
    arguments = value.mode, value.tell() if value.seekable() else 0
    where = place(value.fileno(), name, pickler)
    rebuild = rebuild_named if isinstance(where, str) else rebuild_raw
    return rebuild, (where, *arguments), _attributes(value), None, None, set_attributes


def place(descriptor: int, name: object, pickler: Pickler) -> contents.Once | str:
    """Where an open file is on the other side: carried there (of any size, if `copy_file` is True), or by its name."""
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        kind = next((kind for test, kind in OTHERS if test(status.st_mode)), "no regular file")
        raise SerializationError(f"the open file {name!r} is {kind}; open it inside the function")
    copy_file = pickler.channels.copy_file
    text = os.path.abspath(os.fsdecode(name)) if isinstance(name, (str, bytes)) else None
    if not copy_file:
        if text is None:
            raise SerializationError(f"the open file {name!r} has no name, and copy_file=False sends names only")
        return text
    if copy_file is not True and status.st_size > copy_file:
        raise SerializationError(f"the open file {name!r} has {status.st_size:,} bytes; copy_file allows {copy_file:,}")
    held = contents.Held(descriptor, name)
    return contents.carried(pickler, status, os.path.basename(text or "") or "file", held)


def reduce_buffered(value: Buffered, pickler: Pickler) -> Any:
    """A buffer over an unbuffered file."""
    kind = type(value).__name__
    raw: Any = attached(value, "raw")
    if value.closed:
        return rebuild_closed, (kind, *trace(raw))
    if (found := standard(value, "buffer")) is not None:
        return found
    if value.writable():
        value.flush()
    if type(raw) is not io.FileIO and not value.seekable():
        raise SerializationError(f"a {kind} over {type(raw).__name__} has no position; open it inside the function")
    position = value.tell() if value.seekable() else None
    return rebuild_buffered, (kind, raw, position), vars(value) or None, None, None, set_attributes


def standard(value: object, *layers: str) -> Any:
    """A standard stream, or that layer of it, by name; None for whatever else."""
    for name in STANDARD:
        found: Any = getattr(sys, name, None)
        for layer in layers:
            found = getattr(found, layer, None)
        if found is value:
            return rebuild_standard, (name, *layers)
    return None


def attached(value: Any, layer: str) -> Any:
    """The layer below. Raises SerializationError where it was detached."""
    below = getattr(value, layer)
    if below is None:
        raise SerializationError(f"a {type(value).__name__} whose {layer} was detached cannot travel")
    return below


def trace(raw: Any) -> tuple[object, str]:
    """What a closed file still tells: name and mode."""
    known = type(raw) is io.FileIO
    return (getattr(raw, "name", None), raw.mode) if known else (None, "rb+")


def _attributes(value: io.FileIO) -> dict[str, object] | None:
    return {key: each for key, each in vars(value).items() if key != "name"} or None


# The reading side


def rebuild_raw(where: Path, mode: str, position: int) -> io.FileIO:
    """An unbuffered file over what came."""
    return rebuild_named(str(where), mode, position)


def rebuild_named(name: str, mode: str, position: int) -> io.FileIO:
    """An unbuffered file of that name, which stays as it is."""
    raw = io.FileIO(name, mode, opener=_again)
    if position:
        raw.seek(position)
    return raw


def _again(name: str, flags: int) -> int:
    return os.open(name, flags & ~NEITHER)


def rebuild_buffered(kind: str, raw: Any, position: int | None) -> Buffered:
    """A buffer at that position of a raw file."""
    value = KINDS[kind](raw)
    if position is not None:
        value.seek(position)
    return value


def rebuild_standard(name: str, *layers: str) -> Any:
    """The standard stream of this process."""
    found: Any = getattr(sys, name)
    for layer in layers:
        found = getattr(found, layer, None) or getattr(getattr(sys, f"__{name.strip('_')}__"), layer)
    return found


def rebuild_closed(kind: str, name: object, mode: str, text: dict[str, Any] | None = None) -> io.IOBase:
    """A file that is closed."""
    raw: Any = io.FileIO(os.devnull, mode, opener=_again)
    if name is not None:
        raw.name = name
    value: Any = KINDS[kind](raw) if kind in KINDS else raw
    if text is not None:
        value = io.TextIOWrapper(value, **text)
    value.close()
    return value  # type: ignore[no-any-return]


REDUCERS: Final[dict[type, Reducer]] = {
    io.FileIO: reduce_raw,
    io.BufferedReader: reduce_buffered,
    io.BufferedWriter: reduce_buffered,
    io.BufferedRandom: reduce_buffered,
}
