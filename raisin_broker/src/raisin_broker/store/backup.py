"""A broker's database, blobs and roster in one file, made while it runs; and back from that file.

Rules of this file: a target appears whole or not at all and is never overwritten; of an archive nothing is believed:
only names that a broker would give are taken, and contents are checked before the database is put in its place, last.
"""

from __future__ import annotations

import hashlib
import os
import re
import sqlite3
import tarfile
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import IO, Final

import msgspec

from raisin_broker.store import integrity, opening
from raisin_broker.store.errors import explained
from raisin_core.errors import InvitationError, RosterError, StoreError
from raisin_core.identity.standing import read_book

DATABASE: Final = "raisin.db"
PAPERS: Final = ("book", "claim.key")
"""Who belongs to the cluster, and, before there is one, the claim with which it can be founded."""
LATER_RUNS: Final = 1_000_000
_BLOB: Final = re.compile(r"blobs/([0-9a-f]{2})/(\1[0-9a-f]{62})")
_USED: Final = "SELECT DISTINCT digest FROM blobs ORDER BY digest"
_PIECE: Final = 1024 * 1024
_BINARY: Final = getattr(os, "O_BINARY", 0)


class Copied(msgspec.Struct, frozen=True):
    """What a backup holds: `blobs` and `missing` count those that are in it and those that were not there; `size` is of
    the file, in bytes."""

    blobs: int
    missing: int
    size: int


def backup(directory: Path, target: Path) -> Copied:
    """Copy the database in a broker's directory, as it is at one moment, the blobs it refers to, and the cluster's book
    (or claim) into a new file (tar, for its owner only). The broker may be running. Raises StoreError.

    >>> from raisin_broker.store.sql import SqlStore
    >>> with tempfile.TemporaryDirectory() as name:
    ...     place = Path(name)
    ...     SqlStore(place / "broker" / "raisin.db").close()
    ...     backup(place / "broker", place / "saved.tar").blobs
    ...     restore(place / "saved.tar", place / "new")
    ...     (place / "new" / "raisin.db").exists()
    0
    True
    """
    if not (directory / DATABASE).is_file():
        raise StoreError(f"{directory}: there is no {DATABASE}; is this a broker's directory?")
    if target.exists():
        raise StoreError(f"{target}: exists already, and is left as it is; choose another name")
    with _explained(target), _workshop(target.parent) as place:
        _copy_database(directory / DATABASE, place / DATABASE)
        blobs, missing = _pack(place / "archive", place / DATABASE, directory)
        size = (place / "archive").stat().st_size
        _publish(place / "archive", target)
    return Copied(blobs, missing, size)


def restore(source: Path, directory: Path) -> None:
    """Put a backup's database and blobs into a directory that has no database; its book and claim, too, where there is
    neither. Raises StoreError.

    A book may be older than the cluster: members hand newer ones to the broker when they connect. Runs of the broker
    that came after the backup are not known, so its count goes on far above.
    """
    for name in (DATABASE, f"{DATABASE}-wal"):
        if (directory / name).exists():
            raise StoreError(f"{directory / name}: is there already, and is left as it is; choose an empty directory")
    with _explained(source):
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _workshop(directory) as place:
            others = _unpack(source, place)
            _examine(source, place / DATABASE)
            _examine_book(source, place / PAPERS[0])
            if any((directory / name).exists() for name in PAPERS):
                others = [name for name in others if name not in PAPERS]
            for name in others:
                (directory / name).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                os.replace(place / name, directory / name)
            _publish(place / DATABASE, directory / DATABASE)


@contextmanager
def _workshop(parent: Path) -> Iterator[Path]:
    """A private directory on the same disk, which goes with all that is in it."""
    with tempfile.TemporaryDirectory(prefix=".raisin-", dir=parent) as name:
        yield Path(name)


def _copy_database(path: Path, copy: Path) -> None:
    opening.version_of(path)  # another program's is refused
    with closing(integrity.reading(path)) as old, closing(sqlite3.connect(copy)) as new:
        old.backup(new)  # in one step, so of one moment


def _pack(archive: Path, database: Path, directory: Path) -> tuple[int, int]:
    with closing(integrity.reading(database)) as db:
        digests = [digest.hex() for (digest,) in db.execute(_USED)]
    missing = 0
    with _new(archive) as file:
        with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as tar:
            _add(tar, database, DATABASE)
            for name in PAPERS:
                with suppress(FileNotFoundError):
                    _add(tar, directory / name, name)
            for name in digests:
                try:
                    _add(tar, directory / "blobs" / name[:2] / name, f"blobs/{name[:2]}/{name}")
                except FileNotFoundError:  # its job went in the meantime
                    missing += 1
        file.flush()
        os.fsync(file.fileno())
    return len(digests) - missing, missing


def _add(tar: tarfile.TarFile, path: Path, name: str) -> None:
    with path.open("rb") as content:
        info = tarfile.TarInfo(name)
        info.size, info.mode, info.mtime = os.fstat(content.fileno()).st_size, 0o600, int(time.time())
        tar.addfile(info, content)


def _unpack(source: Path, place: Path) -> list[str]:
    """Take out what may be in a backup, into `place`; the names of all but its database."""
    names: list[str] = []
    try:
        with tarfile.open(source, "r:") as tar:
            for member in tar:
                content = tar.extractfile(member) if member.isreg() else None
                if content is None or member.name in names or not _is_ours(member.name):
                    raise StoreError(f"{source}: {member.name!r} does not belong into a backup of a broker")
                names.append(member.name)
                (place / member.name).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                digest = _write(place / member.name, content, member.size)
                if _BLOB.fullmatch(member.name) and digest != member.name[-64:]:
                    raise StoreError(f"{source}: {member.name} is damaged; restore another backup")
    except tarfile.TarError as error:
        raise StoreError(f"{source}: no backup of a broker, or damaged ({error}); restore another one") from error
    if DATABASE not in names:
        raise StoreError(f"{source}: no backup of a broker: there is no {DATABASE} in it")
    return [name for name in names if name != DATABASE]


def _is_ours(name: str) -> bool:
    return name == DATABASE or name in PAPERS or _BLOB.fullmatch(name) is not None


def _write(path: Path, content: IO[bytes], size: int) -> str:
    """Write a file durably; the SHA-256 of what is in it. Raises tarfile.TarError if it is cut short."""
    digest, length = hashlib.sha256(), 0
    with _new(path) as file:
        while piece := content.read(_PIECE):
            digest.update(piece)
            length += file.write(piece)
        file.flush()
        os.fsync(file.fileno())
    if length != size:
        raise tarfile.ReadError("it is cut short")
    return digest.hexdigest()


def _examine(source: Path, database: Path) -> None:
    """Refuse what is not ours or damaged; count on."""
    complaints = integrity.check(database) if opening.version_of(database) else ["empty"]
    if complaints:
        raise StoreError(f"{source}: its database is damaged ({'; '.join(complaints[:3])}); restore another backup")
    with closing(sqlite3.connect(database, isolation_level=None)) as db:
        db.execute("UPDATE meta SET value = value + ? WHERE name = 'run'", (LATER_RUNS,))


def _examine_book(source: Path, book: Path) -> None:
    """Refuse a book that no broker would start with."""
    if not book.exists():
        return
    try:
        read_book(book.read_bytes())
    except (RosterError, InvitationError) as error:
        raise StoreError(f"{source}: its roster is damaged ({error}); restore another backup") from None


def _new(path: Path) -> IO[bytes]:
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _BINARY, 0o600), "wb")


def _publish(path: Path, target: Path) -> None:
    """Give a file its name, unless that is taken. Raises OSError."""
    path.chmod(0o600)
    try:
        os.link(path, target)
    except FileExistsError:
        raise
    except OSError:  # a file system without links
        if target.exists():
            raise FileExistsError(0, "exists already", str(target)) from None
        os.rename(path, target)
    if os.name == "posix":
        handle = os.open(target.parent, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise explained(error, path) from error
    except OSError as error:
        raise StoreError(f"{path}: {error.strerror}; check space, name and rights there, then try again") from error
