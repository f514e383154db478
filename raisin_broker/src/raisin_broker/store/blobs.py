"""Blobs in files, named by their SHA-256: `ab/abcdef...`, and `ab/abcdef....part` while pieces arrive.

Rules of this file: a file without `.part` is complete, checked and durable; pieces are taken strictly in order, so an
upload goes on where it stopped, also after a restart or half a piece; no name is touched that is not 64 hexadecimal
digits (and `.part`).
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from io import FileIO
from pathlib import Path
from typing import Final

from raisin_core.errors import BlobRefused, StoreError

LIMIT: Final = 64 * 1024**3
_READ = 1024 * 1024
_NAME = re.compile(r"([0-9a-f]{64})(\.part)?")
_FLAGS = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)


class _Part:
    """An upload that is under way: the size it was announced with, and the hash of what is in its file."""

    def __init__(self, size: int) -> None:
        self.size, self.length, self.hash = size, 0, hashlib.sha256()

    def add(self, data: bytes) -> None:
        self.hash.update(data)
        self.length += len(data)


class Blobs:
    """Content-addressed files below `directory`, made when needed, for this user only.

    `limit` is the largest size of a blob, in bytes.

    >>> import tempfile; from hashlib import sha256
    >>> with tempfile.TemporaryDirectory() as place:
    ...     blobs, digest = Blobs(Path(place)), sha256(b"sultana").digest()
    ...     blobs.put(digest, 0, 7, b"sult"), blobs.put(digest, 4, 7, b"ana"), blobs.get(digest, 4, 100)
    ((4, False), (7, True), (b'ana', 7))
    """

    def __init__(self, directory: Path, limit: int = LIMIT) -> None:
        self._directory, self._limit = directory, limit
        self._parts: dict[bytes, _Part] = {}
        self._total: int | None = None  # the bytes of all files, once somebody has asked

    def put(self, digest: bytes, offset: int, size: int, data: bytes) -> tuple[int, bool]:
        """Take a piece; returns how many bytes are here, and whether that is all of them, checked and durable.

        A piece that does not begin where the last one ended changes nothing, nor does an empty one. If the whole does
        not have the digest, it is deleted: (0, False). Raises BlobRefused (sizes), StoreError (disk full).
        """
        if len(digest) != 32 or not 0 <= size <= self._limit:
            raise BlobRefused(f"blob {digest.hex()[:12]}: {size} bytes; at most {self._limit} are taken")
        with _explained(self._directory):
            if (there := self._size(digest)) is not None:
                return self._again(digest, size, there)
            part = self._part(digest, size)
            if offset + len(data) > size or part.length > size:
                raise BlobRefused(f"blob {digest.hex()[:12]}: more than the {size} bytes announced")
            if offset == part.length and (data or size == 0):
                self._append(digest, part, data)
            return self._finish(digest, part) if part.length == size else (part.length, False)

    def has(self, digest: bytes) -> bool:
        """Whether the whole blob is here."""
        return len(digest) == 32 and self._size(digest) is not None

    def get(self, digest: bytes, offset: int, length: int) -> tuple[bytes, int] | None:
        """Up to `length` bytes from `offset` on, and the blob's size; None if it is not here. Raises StoreError."""
        if not self.has(digest):
            return None
        with _explained(self._directory), _open(self._path(digest)) as file:
            total = os.fstat(file.fileno()).st_size
            file.seek(min(offset, total))
            return file.read(max(0, length)), total

    def sweep(self, keep: set[bytes], now: float, grace: float) -> int:
        """Delete what is not in `keep` and was last written more than `grace` seconds before `now` (wall-clock time).

        Returns how many files went, unfinished uploads included. Raises StoreError.
        """
        with _explained(self._directory):
            others = [entry for entry in self._entries() if bytes.fromhex(entry.name[:64]) not in keep]
            old = [entry for entry in others if now - entry.stat(follow_symlinks=False).st_mtime > grace]
            for entry in old:
                self._count(-entry.stat(follow_symlinks=False).st_size)
                os.unlink(entry.path)
                self._parts.pop(bytes.fromhex(entry.name[:64]), None)
        return len(old)

    def size(self) -> int:
        """The bytes of all files, unfinished uploads included; cheap after the first time. Raises StoreError."""
        if self._total is None:
            with _explained(self._directory):
                self._total = sum(entry.stat(follow_symlinks=False).st_size for entry in self._entries())
        return self._total

    def _count(self, more: int) -> None:
        if self._total is not None:
            self._total += more

    def _path(self, digest: bytes, suffix: str = "") -> Path:
        name = digest.hex()
        return self._directory / name[:2] / (name + suffix)

    def _size(self, digest: bytes, suffix: str = "") -> int | None:
        try:
            return os.lstat(self._path(digest, suffix)).st_size
        except FileNotFoundError:
            return None

    def _again(self, digest: bytes, size: int, there: int) -> tuple[int, bool]:
        """Whoever is told that it is here counts on it: its time of grace begins anew."""
        if there != size:
            raise BlobRefused(f"blob {digest.hex()[:12]}: {size} bytes announced, it has {there}")
        os.utime(self._path(digest))
        return there, True

    def _part(self, digest: bytes, size: int) -> _Part:
        """What is known of an upload; the file counts, memory only saves reading it again."""
        part = self._parts.get(digest)
        if part is not None and part.size != size:
            raise BlobRefused(f"blob {digest.hex()[:12]}: {size} bytes announced, before it was {part.size}")
        length = self._size(digest, ".part") or 0
        if part is None or part.length != length:
            part = _Part(size)
            if length:
                with _open(self._path(digest, ".part")) as file:
                    while data := file.read(_READ):
                        part.add(data)
                self._parts[digest] = part
        return part

    def _append(self, digest: bytes, part: _Part, data: bytes) -> None:
        path = self._path(digest, ".part")
        for folder in (self._directory, path.parent):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _open(path, os.O_RDWR | os.O_CREAT) as file:
            file.seek(part.length)
            rest = memoryview(data)
            while rest:
                written = file.write(rest)
                self._count(written)
                rest = rest[written:]
        part.add(data)
        self._parts[digest] = part

    def _finish(self, digest: bytes, part: _Part) -> tuple[int, bool]:
        path = self._path(digest, ".part")
        if part.hash.digest() != digest:
            self._count(-(self._size(digest, ".part") or 0))
            path.unlink(missing_ok=True)
            self._parts.pop(digest, None)
            return 0, False
        with _open(path, os.O_RDWR) as file:
            os.fsync(file.fileno())
        os.replace(path, self._path(digest))
        _sync(path.parent)
        _sync(self._directory)
        self._parts.pop(digest, None)
        return part.size, True

    def _entries(self) -> Iterator[os.DirEntry[str]]:
        if not self._directory.is_dir():
            return
        for folder in os.scandir(self._directory):
            if re.fullmatch("[0-9a-f]{2}", folder.name) and folder.is_dir(follow_symlinks=False):
                for entry in os.scandir(folder.path):
                    if _NAME.fullmatch(entry.name) and entry.is_file(follow_symlinks=False):
                        yield entry


def _open(path: Path, flags: int = os.O_RDONLY) -> FileIO:
    """A file without buffer, for its owner only, and never through a link."""
    return FileIO(os.open(path, flags | _FLAGS, 0o600), "r+" if flags & os.O_RDWR else "r")


def _sync(folder: Path) -> None:
    """Make a new name durable, where a directory can be opened."""
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


@contextmanager
def _explained(directory: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StoreError(
            f"{directory}: {error.strerror}; check space, quota and rights there, then try again"
        ) from error
