"""Opens a database file: makes a new one, brings an older one up to date, refuses what is damaged or not ours.

Rules of this file: nothing that exists is ever overwritten; it is looked at through a connection that cannot write
before one is opened that can; whatever goes wrong is a StoreError that says what to do.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Final

from raisin_broker.store.errors import RIGHTS, explained
from raisin_broker.store.integrity import look, reading
from raisin_broker.store.version import APPLICATION, VERSION
from raisin_core.errors import StoreError

MEMORY: Final = ":memory:"
WAL_LIMIT: Final = 64 * 1024 * 1024


def connect(path: Path | str, patience: float) -> sqlite3.Connection:
    """An open, checked database in WAL mode; made if there is none. Raises StoreError.

    `patience` is how long to wait for a lock that another process holds, in seconds.
    """
    version = 0
    if path != MEMORY:
        path = Path(path)
        _touch(path)
        version = version_of(path)
        if version:
            look(path)
        if 0 < version < VERSION:
            from raisin_broker.store.migrating import migrate

            migrate(path, version)
    try:
        db = sqlite3.connect(path, timeout=patience, isolation_level=None)
    except sqlite3.Error as error:
        raise explained(error, path) from error
    try:
        _prepare(db, new=version == 0)
    except sqlite3.Error as error:
        db.close()
        raise explained(error, path) from error
    return db


def version_of(path: Path) -> int:
    """The version of a database of ours, 0 if the file is empty. Raises StoreError if it is none, or a newer one."""
    try:
        with closing(reading(path)) as db:
            application, version, tables = (
                db.execute(query).fetchone()[0]
                for query in ("PRAGMA application_id", "PRAGMA user_version", "SELECT COUNT(*) FROM sqlite_master")
            )
    except sqlite3.Error as error:
        raise explained(error, path) from error
    if application == version == tables == 0:
        return 0
    if application != APPLICATION:
        raise StoreError(f"{path}: a database of another program; choose another data directory")
    if version > VERSION:
        raise StoreError(
            f"{path}: written by a newer raisin (schema {version}, this one knows {VERSION}); upgrade raisin-broker, "
            "or choose another data directory"
        )
    return int(version)


def _touch(path: Path) -> None:
    """The file, for its owner only; SQLite gives -wal and -shm the same mode."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    except OSError as error:
        raise StoreError(f"{path}: cannot be opened ({error.strerror}); {RIGHTS}") from error


def _prepare(db: sqlite3.Connection, new: bool) -> None:
    if new:
        db.execute("PRAGMA auto_vacuum = INCREMENTAL")  # before anything is in the file
    db.execute("PRAGMA journal_mode = WAL")
    if new:
        db.executescript(Path(__file__).with_name("ddl.sql").read_text(encoding="utf-8"))
    db.execute("PRAGMA foreign_keys = OFF")
    db.execute(f"PRAGMA journal_size_limit = {WAL_LIMIT}")
    db.execute("BEGIN IMMEDIATE")  # a file that may only be read is found out here, not at the first commit
    db.execute("ROLLBACK")
