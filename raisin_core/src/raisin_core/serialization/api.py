"""Any object as text, as a file's part, or as a stream of bytes, and back; each form is read wherever another is.

    dumps, loads              printable text
    dump, load                a file, several objects in one
    serialize, deserialize    an iterator of bytes; memory stays bounded for files, arrays and generators of any size

Rules of this file: options are checked before anything is read or written.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from typing import IO, Any, Final
from weakref import WeakKeyDictionary

from raisin_core.errors import UntrustedResult, UsageError
from raisin_core.serialization.streams import layers, lone, sources, text
from raisin_core.serialization.streams.entries import Entry, pickled, read_whole, values_of, whole
from raisin_core.serialization.streams.frames import TAG, Piece
from raisin_core.serialization.streams.layers import Password
from raisin_core.serialization.streams.reading import Reader
from raisin_core.serialization.streams.writing import Outgoing, Writer, tag

CHUNK: Final = 1 << 16  # bytes that `serialize` gives at once at least, unless something lazy is to be sent on
SHORT: Final = 50  # characters
TRUST: Final = ("all", "values")
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
    if isinstance(file, io.TextIOBase):
        _drain(file)
        for part in text.written(_pieces(obj, compresslevel, password, copy_file)):
            file.write(part)
        return
    pieces = _pieces(obj, compresslevel, password, copy_file)
    _drain(file)
    for piece in pieces:
        if len(piece):
            file.write(piece)


def load(file: IO[Any], *, trust: str = "all", password: Password | None = None) -> Any:
    """The next object of a file. Options and errors as in `loads`; at the file's end it raises EOFError.

    The file is left behind the object; where it holds a generator, at the items that were not asked for yet, and these
    are put aside before the next object is read. A file with an object that was refused is left before that object.
    """
    _drain(file)
    start = _tell(file)
    try:
        found, reader = _read(sources.File(file), trust, password)
    except UntrustedResult:
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
    return _read(sources.Chunks(_pieces(obj, 0, None, True)), "all", None)[0]


def _pieces(obj: object, level: int, password: Password | None, copy_file: bool | int) -> list[bytes] | Iterator[Piece]:
    if type(level) is not int or not -1 <= level <= 9:
        raise UsageError(f"compresslevel is -1 (decides), 0 (none) or 1 to 9, not {level!r}")
    if not (password is None or isinstance(password, (str, bytes))):
        raise UsageError(f"password is a str or bytes, not {type(password).__name__}")
    if not isinstance(copy_file, int):
        raise UsageError(f"copy_file is True, False or a number of bytes, not {copy_file!r}")
    return _stream(obj, level, password, copy_file)


def _stream(obj: object, level: int, password: Password | None, copy_file: bool | int) -> list[bytes] | Iterator[Piece]:
    """The stream in pieces; a list of one where it is small. What cannot travel is said when they are drawn."""
    found = values_of(obj, copy_file)
    if isinstance(found, Entry) and password is None and level < 0:
        small = whole(found)
        if small is not None:
            return [small]
    pieces = _written(obj, found, level, password is not None, copy_file)
    if password is None:
        return pieces
    from raisin_core.serialization import sealed

    return sealed.seal(pieces, password)


def _written(obj: object, found: Entry | bytes, level: int, sealed: bool, copy_file: bool | int) -> Iterator[Piece]:
    out = Outgoing(copy_file)
    if not isinstance(found, Entry):
        found = pickled(obj, out, "object", found)
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


def _read(source: sources.Source, trust: str, password: Password | None) -> tuple[Any, Reader | None]:
    if trust not in TRUST:
        raise UsageError(f'trust is "all" or "values" here, not {trust!r}')
    kind, inner = layers.opened(source, password)
    if kind in lone.NUMBERS:
        number = lone.read_closed(kind, inner.some)
        inner.finish()
        return number, None
    if kind != "raisin":
        return lone.read(kind, inner.rest(lone.LONGEST)), None
    reader = Reader(inner, trust)
    return reader.read(), reader


def _whole(data: object, trust: str, password: Password | None) -> Any:
    """The object of all these bytes; where they are in memory, nothing may follow it."""
    if trust in TRUST and password is None:
        if type(data) is str:
            if len(data) < SHORT and (number := lone.small_int(data)) is not None:
                return number
            data = text.small_read(data) or data
        if type(data) is bytes and (quick := read_whole(data)) is not None:
            return quick[0]
    return _read(sources.source(data), trust, password)[0]


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
