"""Brings a database of an older version up to date, with Alembic's scripts in migrations/.

Rules of this file: imported only when there is something to migrate (Alembic and SQLAlchemy take long to import).
First the file is copied beside itself; then all versions in one transaction, so that whatever happens the file is
either as it was or up to date. The version is SQLite's own (`PRAGMA user_version`).
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from itertools import chain, count
from pathlib import Path
from typing import Final
from zlib import crc32

import msgspec
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import StaticPool

from raisin_broker.store.errors import damaged, explained
from raisin_core.errors import StoreError

SCRIPTS: Final = Path(__file__).with_name("migrations")
_decode: Final = msgspec.msgpack.decode


def migrate(path: Path, version: int) -> None:
    """Bring a database up to date, after copying it to `NAME.v<version>-backup`. Raises StoreError; it is as it was
    then."""
    copy = _copied(path, version)
    try:
        with _explained(path), closing(sqlite3.connect(path, isolation_level=None)) as db:
            upgrade(db, version)
    except StoreError:
        copy.unlink()  # the file itself is as it was
        raise


def upgrade(db: sqlite3.Connection, version: int, to: int | None = None) -> None:
    """Apply all scripts after `version` (up to version `to`), in one transaction. Raises sqlite3.Error, DBAPIError."""
    _lend(db)
    engine = create_engine("sqlite://", creator=lambda: db, poolclass=StaticPool)
    with engine.connect() as connection:
        try:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            _apply(connection, version, to)
            db.execute("COMMIT")
        except BaseException:
            with suppress(sqlite3.Error):
                db.execute("ROLLBACK")
            raise


def _apply(connection: Connection, version: int, to: int | None) -> None:
    script = ScriptDirectory(str(SCRIPTS))
    revisions = sorted(script.walk_revisions(), key=lambda it: it.revision)
    with Operations.context(MigrationContext.configure(connection)):
        for revision in revisions:
            number = int(revision.revision)
            if number > version and (to is None or number <= to):
                revision.module.upgrade()
                connection.exec_driver_sql(f"PRAGMA user_version = {number}")


def _lend(db: sqlite3.Connection) -> None:
    """What the scripts use and SQLite has not."""
    db.create_function("crc", 1, crc32, deterministic=True)
    db.create_function("about", 6, _about, deterministic=True)
    db.create_function("unix_now", 0, time.time)


def _about(host: str, member: str, queued: float, retried: bytes, ruling: int, blobs: bytes) -> bytes:
    return msgspec.msgpack.encode((host, member, queued, _decode(retried), bool(ruling), _decode(blobs)))


def _copied(path: Path, version: int) -> Path:
    """A copy beside the file, under a name that was free."""
    names = chain([f"{path.name}.v{version}-backup"], (f"{path.name}.v{version}-backup-{n}" for n in count(2)))
    copy = next(place for place in map(path.with_name, names) if not place.exists())
    with _explained(path):
        os.close(os.open(copy, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        try:
            with closing(sqlite3.connect(path)) as old, closing(sqlite3.connect(copy)) as new:
                old.backup(new)
        except BaseException:
            copy.unlink()
            raise
    return copy


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except DBAPIError as error:
        raise explained(error.orig or error, path) from error
    except (sqlite3.Error, OSError) as error:
        raise explained(error, path) from error
    except msgspec.DecodeError as error:
        raise damaged(error, path) from error
