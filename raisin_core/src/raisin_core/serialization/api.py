"""Any object as text, as a file's part, or as a stream of bytes, and back; each form is read wherever another is.

    dumps, loads              printable text
    dump, load                a file, several objects in one
    serialize, deserialize    an iterator of bytes; memory stays bounded for files, arrays and generators of any size

Rules of this file: options are checked before anything is read or written.
"""

from __future__ import annotations

import io
import operator
from collections.abc import Iterable, Iterator
from types import FunctionType
from typing import IO, Any, Final
from weakref import WeakKeyDictionary

from raisin_core.errors import UntrustedResult, UsageError, WrongPassword
from raisin_core.serialization.streams import layers, lone, sources, text
from raisin_core.serialization.streams.entries import Entry, function, pickled, read_whole, values_of, whole
from raisin_core.serialization.streams.frames import TAG, Piece
from raisin_core.serialization.streams.layers import Password
from raisin_core.serialization.streams.reading import Reader
from raisin_core.serialization.streams.writing import Outgoing, Writer, tag

CHUNK: Final = 1 << 16  # bytes that `serialize` gives at once at least, unless something lazy is to be sent on
SHORT: Final = 50  # characters
TRUST: Final = ("all", "values")
LIST_ITERATOR: Final[Any] = type(iter([]))
_unfinished: WeakKeyDictionary[Any, Reader] = WeakKeyDictionary()  # by file: its lazy items have not all been read


def serialize(
    obj: object, *, compresslevel: int = -1, password: Password | None = None, copy_file: bool | int = True
) -> Iterator[bytes]:
    """The object as a stream of bytes.

    Nothing is drawn from files and generators before its bytes are asked for. A lone number or short text is
    readable; whatever else says where it ends. See `dumps` for the options and errors.

    >>> b"".join(serialize(123456789))
    b'</>small int</>123456789'
    """
    pieces = _pieces(obj, compresslevel, password, copy_file)
    short = lone.written(obj) if password is None and compresslevel <= 0 else None
    if short is not None:
        return iter([short])
    return iter(pieces) if isinstance(pieces, list) else _chunks(pieces, 1 if password is not None else CHUNK)


def deserialize(
    data: bytes | bytearray | memoryview | str | Iterable[bytes] | IO[Any],
    *,
    trust: str = "all",
    password: Password | None = None,
) -> Any:
    """The object of a stream, given as bytes, as an iterable of bytes, or as a file.

    What a generator yielded is read when it is asked for. See `loads` for the options and errors.

    >>> deserialize(serialize({"a": 1}))
    {'a': 1}
    """
    return _whole(data, trust, password)


def dumps(
    obj: object, *, compresslevel: int = -1, password: Password | None = None, copy_file: bool | int = True
) -> str:
    """The object as printable ASCII text.

    `compresslevel`: -1 looks whether it pays, 0 never, 1 (fast) to 9 (small) always. `password` seals the stream
    (scrypt, AES-256-GCM). `copy_file`: whether the content of existing files that paths name travels with them (up to
    100 MB; a number sets that limit in bytes).

    Raises SerializationError, which names the part that cannot travel and the path to it.

    >>> loads(dumps([1, 2.5, "three"]))
    [1, 2.5, 'three']
    """
    if password is None and compresslevel == -1:
        number = lone.closed(obj)
        if number is not None:
            return number.decode("ascii")
    pieces = _pieces(obj, compresslevel, password, copy_file)
    return text.small(pieces[0]) if isinstance(pieces, list) else "".join(text.written(pieces))


def loads(data: str | bytes, *, trust: str = "all", password: Password | None = None) -> Any:
    """The object of a text.

    `trust="values"` reads plain values only and loads no pickle: for what others wrote. With "all", reading may run
    code of whoever wrote it.

    Raises UnknownFormat, Truncated, Tampered and WrongPassword (all of them StreamError), UntrustedResult, CodeError
    for functions that this Python cannot run, and whatever the object's own code raises while it is rebuilt.
    """
    return _whole(data, trust, password)


def dump(
    obj: object,
    file: IO[Any],
    *,
    compresslevel: int = -1,
    password: Password | None = None,
    copy_file: bool | int = True,
) -> None:
    """Write the object to a file, after what is there: in binary, or as text where the file is one.

    Options and errors as in `dumps`.
    """
    pieces = _pieces(obj, compresslevel, password, copy_file)
    _drain(file)
    if isinstance(file, io.TextIOBase) or isinstance(getattr(file, "encoding", None), str):  # also what wraps one
        for part in text.written(pieces):
            file.write(part)
        return
    for piece in pieces:
        if len(piece):
            _write(file, piece)


def load(file: IO[Any], *, trust: str = "all", password: Password | None = None) -> Any:
    """The next object of a file. Options and errors as in `loads`; at the file's end it raises EOFError.

    The file is left behind the object; where it holds a generator, at the items that were not asked for yet, and these
    are put aside before the next object is read. Where an object was refused, or its password is another one, the file
    is left before that object.
    """
    _drain(file)
    start = _tell(file)
    try:
        found, reader = _read(sources.File(file), trust, password, file)
    except (UntrustedResult, WrongPassword):
        if start is not None:
            file.seek(start)
        raise
    if reader is not None and not reader.ended:
        try:
            _unfinished[file] = reader
        except TypeError:  # a file of somebody's own that cannot be referred to weakly
            reader.drain()
    return found


def copy(obj: object) -> Any:
    """The object as it arrives elsewhere: its parts are new, its files are copies, its generators go on in the copy.

    >>> copy({"a": [1]})
    {'a': [1]}
    """
    return _read(sources.Chunks(_pieces(obj, 0, None, True)), "all", None, None)[0]


def _pieces(obj: object, level: int, password: Password | None, copy_file: bool | int) -> list[bytes] | Iterator[Piece]:
    """The stream in pieces; a list of one where it is small. Items that cannot travel are found when they are drawn."""
    if level == -1 and password is None and copy_file is True:
        found = values_of(obj, True)  # the usual case, quickly
        small = whole(found) if type(found) is Entry else None
        return [small] if small is not None else _written(obj, found, -1, False, True)
    if type(level) is not int or not -1 <= level <= 9:
        raise UsageError(f"compresslevel is -1 (decides), 0 (none) or 1 to 9, not {level!r}")
    _check_password(password)
    if not isinstance(copy_file, int):
        raise UsageError(f"copy_file is True, False or a number of bytes, not {copy_file!r}")
    pieces = _written(obj, values_of(obj, copy_file), level, password is not None, copy_file)
    if password is None:
        return pieces
    from raisin_core.serialization import sealed

    return sealed.seal(pieces, password)


def _written(obj: object, found: Entry | bytes, level: int, sealed: bool, copy_file: bool | int) -> Iterator[Piece]:
    out = Outgoing(copy_file)
    if not isinstance(found, Entry):
        found = function(obj, out, found) if type(obj) is FunctionType else pickled(obj, out, "object", found)
    return Writer(out, level, sealed).write(found, tag(obj) if level == 0 else TAG)


def _chunks(pieces: Iterable[Piece], least: int) -> Iterator[bytes]:
    """Pieces as bytes, joined to so many at least where nothing is to be sent on."""
    waiting = bytearray()
    for piece in pieces:
        if waiting and (len(piece) >= CHUNK or not len(piece)):
            yield bytes(waiting)
            waiting = bytearray()
        if len(piece) >= CHUNK:
            yield bytes(piece)
            continue
        waiting += piece
        if len(waiting) >= least:
            yield bytes(waiting)
            waiting = bytearray()
    if waiting:
        yield bytes(waiting)


def _check_password(password: object) -> None:
    if not (password is None or isinstance(password, (str, bytes))):
        raise UsageError(f"password is a str or bytes, not {type(password).__name__}")
    if password is not None and not password:
        raise UsageError("password is empty")


def _write(file: Any, piece: Piece) -> None:
    """All of it: files without a buffer, sockets' among them, may take less at a time, and say so."""
    count = file.write(piece)
    if not isinstance(file, io.RawIOBase):
        return
    rest = memoryview(piece)
    while (rest := rest[count or 0 :]).nbytes:
        if count is None:
            raise UsageError("the file takes no bytes now: it is in non-blocking mode")
        count = file.write(rest)


def _read(source: sources.Source, trust: str, password: Password | None, file: object) -> tuple[Any, Reader | None]:
    """The object, and what reads on where something follows. Its generators keep `file` alive."""
    if trust not in TRUST:
        raise UsageError(f'trust is "all" or "values" here, not {trust!r}')
    _check_password(password)
    kind, inner = layers.opened(source, password)
    if kind in lone.NUMBERS:
        number = lone.read_closed(kind, inner.some)
        inner.finish()
        return number, None
    if kind != "raisin":
        return lone.read(kind, inner.rest(lone.LONGEST)), None
    reader = Reader(inner, trust, file)
    return reader.read(), reader


def _whole(data: Any, trust: str, password: Password | None) -> Any:
    """The object of all these bytes; where they are in memory, nothing may follow it."""
    if trust in TRUST and password is None:
        if type(data) is str:
            if len(data) < SHORT and (number := lone.small_int(data)) is not None:
                return number
            data = text.small_read(data) or data
        elif type(data) is LIST_ITERATOR and operator.length_hint(data) == 1:  # as `serialize` gives small objects
            first = next(data)
            data = first if type(first) is bytes else iter([first])
        if type(data) is bytes and (quick := read_whole(data)) is not None:
            return quick[0]
    return _read(sources.source(data), trust, password, data if hasattr(data, "read") else None)[0]


def _drain(file: Any) -> None:
    try:
        reader = _unfinished.pop(file, None)
    except TypeError:
        return
    if reader is not None:
        reader.drain()


def _tell(file: Any) -> int | None:
    try:
        return int(file.tell()) if file.seekable() else None
    except (OSError, AttributeError, ValueError):
        return None
