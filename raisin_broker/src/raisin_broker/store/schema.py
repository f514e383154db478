"""The tables, in SQLAlchemy Core: the source of ddl.sql, and of any other database's DDL.

Rules of this file: never imported by a broker that runs on SQLite (SQLAlchemy takes long to import); `scripts/ddl.py`
writes ddl.sql from it and a test compares. Payloads are last in their tables, so that reading the rest does not touch
them. Lists and options are msgpack; those that mostly are empty are NULL then. Rows of a job name it by `jobs.number`,
which is shorter than its id and stays when a job is forgotten: then `jobs.job` is NULL until its rows are deleted. So
is `keys.account` when a key is cleared. `crc` is of the payload.
"""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import Boolean, Column, Float, Index, Integer, LargeBinary, MetaData, Table, Text, UniqueConstraint
from sqlalchemy.dialects import sqlite
from sqlalchemy.schema import CreateIndex, CreateTable
from sqlalchemy.types import TypeEngine

from raisin_broker.store.version import APPLICATION, VERSION

metadata: Final = MetaData()


def _column(name: str, kind: type[TypeEngine[Any]], unique: bool = False) -> Column[Any]:
    return Column(name, kind, nullable=False, unique=unique)


def _later(name: str, kind: type[TypeEngine[Any]], before: str) -> Column[Any]:
    """A column that older rows do not have: what is in it there."""
    return Column(name, kind, nullable=False, server_default=before)


def _key(name: str) -> Column[Any]:
    return Column(name, Integer, primary_key=True, autoincrement=False)


meta: Final = Table("meta", metadata, Column("name", Text, primary_key=True), _column("value", Integer))

jobs: Final = Table(
    "jobs",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("job", LargeBinary, unique=True),
    _column("owner", Text),
    _column("account", Text),
    _column("instance", LargeBinary),
    _column("form", Text),
    _column("name", Text),
    Column("function", LargeBinary, nullable=False, index=True),
    _column("function_blobs", LargeBinary),
    _column("options", LargeBinary),
    _column("context", LargeBinary),
    _column("shape", LargeBinary),
    _column("opened", Float),
    _column("resume", Text),
    _column("fingerprint", LargeBinary),
    Column("total", Integer),
    _column("state", Text),
    _column("unwanted", Boolean),
    _column("leased_up_to", Integer),
    _column("ended", Float),
    _later("owner_key", Text, ""),
    _later("epoch", Integer, "0"),
)

functions: Final = Table(
    "functions",
    metadata,
    Column("digest", LargeBinary, primary_key=True),
    _column("crc", Integer),
    _column("payload", LargeBinary),
)

pages: Final = Table(
    "pages",
    metadata,
    _key("job"),
    _key("number"),
    _column("first", Integer),
    _column("count", Integer),
    Column("blobs", LargeBinary),
    Column("tags", LargeBinary),
    _column("crc", Integer),
    _column("payload", LargeBinary),
)
Index("ix_pages_tagged", pages.c.job, pages.c.first, sqlite_where=pages.c.tags.is_not(None))

results: Final = Table(
    "results",
    metadata,
    _key("job"),
    _key("arrival"),
    _column("start", Integer),
    _column("stop", Integer),
    Column("won", LargeBinary),
    _column("failed", Integer),
    _column("run", Integer),
    Column("source_job", LargeBinary),
    Column("source_arrival", Integer),
    Column("source_first", Integer),
    _column("about", LargeBinary),
    _column("crc", Integer),
    _column("payload", LargeBinary),
)

keys: Final = Table(
    "keys",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("account", Text),
    _column("name", Text),
    _column("fingerprint", LargeBinary),
    _column("parts", LargeBinary),
    UniqueConstraint("account", "name"),
)

recorded: Final = Table(
    "recorded",
    metadata,
    _key("key"),
    Column("tag", LargeBinary, primary_key=True),
    _column("job", Integer),
    _column("arrival", Integer),
    _column("task", Integer),
    sqlite_with_rowid=False,
)

tried: Final = Table(
    "tried",
    metadata,
    Column("number", Integer, primary_key=True),
    _column("job", Integer),
    _column("task", Integer),
    _column("attempt", Text),
    _column("kind", Text),
    _column("host", Text),
    _column("place", Text),
    _column("detail", Text),
    UniqueConstraint("job", "task", "attempt"),
)

blobs: Final = Table(
    "blobs",
    metadata,
    _key("job"),
    Column("digest", LargeBinary, primary_key=True),
    sqlite_with_rowid=False,
)

workers: Final = Table(
    "workers",
    metadata,
    Column("number", Integer, primary_key=True),
    _column("instance", LargeBinary, unique=True),
)


def ddl() -> str:
    """The text of ddl.sql: everything a new SQLite database needs, in one transaction."""
    dialect = sqlite.dialect()
    statements = ["BEGIN IMMEDIATE", f"PRAGMA application_id = {APPLICATION}", f"PRAGMA user_version = {VERSION}"]
    for table in metadata.sorted_tables:
        statements.append(str(CreateTable(table).compile(dialect=dialect)))
        statements += [str(CreateIndex(index).compile(dialect=dialect)) for index in sorted(table.indexes, key=str)]
    statements += ["INSERT INTO meta (name, value) VALUES ('run', 0)", "COMMIT"]
    lines = (
        ";\n".join(text.strip() for text in statements)
        .replace("\t", "    ")
        .replace("\n WITHOUT", " WITHOUT")
        .splitlines()
    )
    return "-- Made by scripts/ddl.py from schema.py.\n" + "\n".join(line.rstrip() for line in lines) + ";\n"
