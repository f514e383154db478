"""The content of a file beside an object: read when the stream is written, and on the other side a file again.

Rules of this file: whoever writes keeps its own position in its files; on the reading side nothing is followed,
replaced or made outside the private folder, and a file may be read, written
and perhaps run by its owner only.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Hashable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakKeyDictionary

from raisin_core.errors import SerializationError
from raisin_core.serialization import arrivals
from raisin_core.serialization.families import filenames

if TYPE_CHECKING:
    from raisin_core.serialization.pickling import Pickler

CHUNK: Final = 1 << 20  # bytes
UNKNOWN: Final = 1 << 24  # bytes that are read of a file that says it is empty, as those of /proc do
READ: Final = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0)


class Once:
    """A part that several parts of one object share: it is written once and rebuilt once."""

    def __init__(self, rebuild: Callable[..., Any], *arguments: object) -> None:
        self._reduced = rebuild, arguments

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[object, ...]]:
        return self._reduced


_shared: WeakKeyDictionary[Pickler, dict[Hashable, Once]] = WeakKeyDictionary()


def once(pickler: Pickler, key: Hashable, make: Callable[[], Once]) -> Once:
    """What this object already has under that key; made where it has none."""
    known = _shared.setdefault(pickler, {})
    if key not in known:
        known[key] = make()
    return known[key]


def carried(pickler: Pickler, status: os.stat_result, name: str, opened: Callable[[], int]) -> Once:
    """A file that travels; `opened` gives a descriptor to read it from. The same file twice is one file."""

    def make() -> Once:
        return Once(rebuild_carried, pickler.channels.content(Chunks(opened)), name, bool(status.st_mode & 0o100))

    key: Hashable = (status.st_dev, status.st_ino, name) if status.st_ino else object()
    return once(pickler, key, make)


class Chunks:
    """The bytes of a file as it is when they are drawn."""

    def __init__(self, opened: Callable[[], int]) -> None:
        self._opened = opened

    def __iter__(self) -> Iterator[bytes]:
        descriptor = self._opened()
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise SerializationError("what was a file a moment ago is none any more")
            at, end = 0, status.st_size or UNKNOWN
            while at < end and (chunk := _read(descriptor, min(CHUNK, end - at), at)):
                at += len(chunk)
                yield chunk
        finally:
            os.close(descriptor)


def _read(descriptor: int, count: int, at: int) -> bytes:
    if hasattr(os, "pread"):
        return os.pread(descriptor, count, at)
    os.lseek(descriptor, at, os.SEEK_SET)
    return os.read(descriptor, count)


class Held:
    """A second descriptor of a file that is open, for whoever reads it first; it does not move the first one."""

    def __init__(self, descriptor: int, name: object) -> None:
        self._descriptor: int | None = None
        self._descriptor = _second(descriptor, name)

    def __call__(self) -> int:
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is None:
            raise SerializationError("the content of an open file is read once")
        return descriptor

    def __del__(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)


def _second(descriptor: int, name: object) -> int:
    """Also of files that have been deleted, or are open for writing only, where the system lets it."""
    for path in (f"/proc/self/fd/{descriptor}", name):
        if not isinstance(path, (str, bytes)):
            continue
        try:
            other = os.open(path, READ)
        except OSError:
            continue
        if os.path.sameopenfile(descriptor, other):
            return other
        os.close(other)
    try:
        os.pread(descriptor, 1, 0)
    except (OSError, AttributeError):
        raise SerializationError(f"the open file {name!r} cannot be read: it is for writing only, or deleted") from None
    return os.dup(descriptor)


# The reading side


def rebuild_carried(number: int, name: str, executable: bool) -> Path:
    """The file that came in this channel, under its name in a folder of its own."""
    return land(number, fresh() / filenames.local(name), executable)


def same(value: Any) -> Any:
    """What several parts share, for one of them."""
    return value


def fresh() -> Path:
    """An empty folder of its own."""
    import tempfile

    return Path(tempfile.mkdtemp(prefix="files-", dir=arrivals.current().folder()))


def land(number: int, target: Path, executable: bool) -> Path:
    """Put the file that came in this channel there. Raises SerializationError where that name is taken."""
    source = arrivals.current().content(number)
    try:
        if not stat.S_ISREG(os.lstat(source).st_mode):
            raise SerializationError("the content of a file did not arrive as a file")
        _move(source, target)
        os.chmod(target, 0o700 if executable else 0o600)
    except OSError as error:
        raise SerializationError(f"the file {target.name!r} cannot be made here: {error}") from error
    return target


def _move(source: Path, target: Path) -> None:
    """Never over what is there."""
    try:
        os.link(source, target, follow_symlinks=False)
    except FileExistsError:
        raise
    except (OSError, NotImplementedError):  # a file system without links
        os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        os.replace(source, target)
    else:
        os.unlink(source)
