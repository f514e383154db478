"""Where a stream's bytes come from: bytes, files, iterables; each read exactly as far as the stream goes.

Rules of this file: a source never reads ahead of what it is asked for, so that the next object of a file is left alone.
"""

from __future__ import annotations

import io
import os
import weakref
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

from raisin_core.errors import ForkError, Tampered, Truncated, UsageError

Reading = Callable[[int], bytes]
STEP: Final = 1 << 20  # bytes
ALL_AT_ONCE: Final = 1 << 26  # bytes that are made room for before they have come


class Source:
    """Bytes in order. `read_some(n)` gives 1 to n bytes, and none at the end."""

    def __init__(self, read_some: Reading, into: Callable[[memoryview], int] | None = None) -> None:
        self._read_some, self._into = read_some, into
        self._back = b""
        self.position = 0
        self.printable = False  # then white space may follow, as editors and shells leave it

    def left(self) -> int | None:
        """How many bytes are left at least, where that is known."""
        return None

    def read(self, count: int) -> bytes:
        """Exactly so many bytes. Raises Truncated."""
        data = self.some(count) if count else b""  # asked for none, a source may wait for its next bytes
        if len(data) == count:
            return data
        pieces, missing = [data], count - len(data)
        while missing:
            data = self.some(min(missing, STEP))
            if not data:
                raise self._short(missing)
            pieces.append(data)
            missing -= len(data)
        return b"".join(pieces)

    def readinto(self, view: memoryview) -> None:
        """Fill all of it. Raises Truncated."""
        while len(view):
            if self._into is not None and not self._back:
                count = self._into(view) or 0
                self.position += count
            else:
                data = self.some(min(len(view), STEP))
                count = len(data)
                view[:count] = data
            if not count:
                raise self._short(len(view))
            view = view[count:]

    def finish(self) -> None:
        """The object has been read: check that its stream ends properly, too."""

    def rest(self, most: int) -> bytes:
        """All that is left; Truncated is never raised, and one byte more than `most` is the most that is read."""
        pieces, room = [], most + 1
        while room and (data := self.some(room)):
            pieces.append(data)
            room -= len(data)
        return b"".join(pieces)

    def unread(self, data: bytes) -> None:
        """Put bytes back before all others."""
        self._back = data + self._back
        self.position -= len(data)

    def some(self, count: int) -> bytes:
        """1 to `count` bytes; none at the end."""
        if self._back:
            data, self._back = self._back[:count], self._back[count:]
        else:
            data = self._read_some(count)
        self.position += len(data)
        return data

    def _short(self, missing: int) -> Truncated:
        if not self.position:
            return Truncated("there is no object: the stream is empty")
        return Truncated(f"the stream ends after {self.position} bytes, at least {missing} too early")


class Bytes(Source):
    """A source over bytes in memory."""

    def __init__(self, data: bytes | bytearray | memoryview) -> None:
        self._file = io.BytesIO(data if isinstance(data, bytes) else memoryview(data).tobytes())  # bytes are shared
        self._size = memoryview(data).nbytes
        super().__init__(self._file.read, self._file.readinto)

    def left(self) -> int:
        return self._size - self._file.tell()

    def finish(self) -> None:
        _nothing(self._file.read() if self.left() else b"", self.printable)


class File(Source):
    """A source over a binary file, or a text file with the printable form.

    It does not keep its file alive: whoever reads from it does.
    """

    def __init__(self, file: Any) -> None:
        try:
            self._file: Callable[[], Any] = weakref.ref(file)
        except TypeError:  # a file of somebody's own
            self._file = lambda: file
        self._rest = b""  # of a text's last letter
        self._process = os.getpid()
        super().__init__(self._from_file, self._fill if hasattr(file, "readinto") else None)

    def _open(self) -> Any:
        if os.getpid() != self._process:
            raise ForkError("a stream is read on by the process that began; its file has one position for all of them")
        return self._file()

    def _from_file(self, count: int) -> bytes:
        data = self._rest or self._open().read(count)
        if type(data) is bytes and len(data) <= count:
            self._rest = b""
            return data
        if isinstance(data, str):
            data = data.encode("utf-8", "surrogatepass")
        elif not isinstance(data, (bytes, bytearray, memoryview)):
            raise _not_now(data)
        self._rest = bytes(data[count:])
        return bytes(data[:count])

    def _fill(self, view: memoryview) -> int:
        count = self._open().readinto(view)
        if not isinstance(count, int):
            raise _not_now(count)
        return count

    def left(self) -> int | None:
        file = self._file()
        try:
            return os.fstat(file.fileno()).st_size - int(file.tell())
        except (OSError, AttributeError, ValueError, TypeError):  # no real file
            return None


class Chunks(Source):
    """A source over an iterable of bytes."""

    def __init__(self, chunks: Iterable[Any]) -> None:
        self._chunks: Iterator[Any] = iter(chunks)
        self._view = memoryview(b"")
        super().__init__(self._next, self._fill)

    def finish(self) -> None:
        """What comes in a later chunk is not asked for: it may take long to come."""
        _nothing(bytes(self._view), self.printable)

    def _next(self, count: int) -> bytes:
        return bytes(self._taken(count))

    def _fill(self, view: memoryview) -> int:
        taken = self._taken(len(view))
        view[: len(taken)] = taken
        return len(taken)

    def _taken(self, count: int) -> memoryview:
        while not len(self._view):
            try:
                self._view = _bytes(next(self._chunks))
            except StopIteration:
                break
        taken, self._view = self._view[:count], self._view[count:]
        return taken


class Inner(Source):
    """What is inside another form: it must end where its object ends."""

    def __init__(self, read_some: Reading, outer: Source) -> None:
        super().__init__(read_some)
        self._outer = outer

    def finish(self) -> None:
        if self.some(1):
            raise Tampered("this stream was damaged: something follows its object")
        self._outer.finish()


def source(data: object) -> Source:
    """The source for what `deserialize` takes. Raises UsageError for what gives no bytes."""
    if isinstance(data, str):
        return Bytes(data.encode("utf-8", "surrogatepass"))
    if isinstance(data, (bytes, bytearray, memoryview)):
        return Bytes(data)
    if hasattr(data, "read"):
        return File(data)
    try:
        return Bytes(_bytes(data))
    except UsageError:
        if isinstance(data, Iterable) and not isinstance(data, (dict, set, frozenset)):
            return Chunks(data)
        raise


def room(stream: Source, count: int) -> int:
    """How many bytes to make room for at first when `count` were announced: a lie must not fill the memory."""
    left = stream.left()
    return count if count <= ALL_AT_ONCE or (left is not None and count <= left) else ALL_AT_ONCE


def _bytes(data: Any) -> memoryview:
    """The bytes of a text, or of whatever else has some. Raises UsageError."""
    if isinstance(data, str):
        return memoryview(data.encode("utf-8", "surrogatepass"))
    try:
        view = memoryview(data)
    except TypeError:
        raise UsageError(f"expected bytes, an iterable of bytes or a file, got {type(data).__name__}") from None
    return view.cast("B") if view.c_contiguous and view.nbytes else memoryview(view.tobytes())


def _nothing(left: bytes, printable: bool) -> None:
    """Raises Tampered where something follows the object."""
    if left and not (printable and left.isspace()):
        raise Tampered(
            f"{len(left)} bytes follow the object; several objects of a file are read with raisin.load(file)"
        )


def _not_now(data: object) -> UsageError:
    if data is None:
        return UsageError("the file gives no bytes now: it is in non-blocking mode")
    return UsageError(f"the file's read gives no bytes, but {type(data).__name__}")
