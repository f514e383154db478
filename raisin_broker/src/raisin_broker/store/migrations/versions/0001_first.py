"""The first tables: jobs, functions, pages, results, attempts, blobs, workers."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def _column(name: str, kind: type[sa.types.TypeEngine[Any]], **options: Any) -> sa.Column[Any]:
    return sa.Column(name, kind, **{"nullable": False, **options})


def _key(name: str, kind: type[sa.types.TypeEngine[Any]] = sa.Integer) -> sa.Column[Any]:
    return sa.Column(name, kind, primary_key=True, autoincrement=False)


def upgrade() -> None:
    number, text, data, real, flag = sa.Integer, sa.Text, sa.LargeBinary, sa.Float, sa.Boolean
    op.create_table("meta", _key("name", text), _column("value", number))
    op.create_table(
        "jobs",
        sa.Column("number", number, primary_key=True),
        _column("job", data, unique=True),
        *(_column("owner", text), _column("instance", data), _column("form", text), _column("name", text)),
        *(_column("function", data, index=True), _column("function_blobs", data), _column("options", data)),
        *(_column("context", data), _column("shape", data), _column("opened", real)),
        *(sa.Column("total", number), _column("state", text)),
        *(_column("unwanted", flag), _column("leased_up_to", number)),
    )
    op.create_table("functions", _key("digest", data), _column("payload", data))
    op.create_table(
        "pages",
        *(_key("job"), _key("number"), _column("first", number), _column("count", number)),
        *(_column("blobs", data), _column("payload", data)),
    )
    op.create_table(
        "results",
        *(_key("job"), _key("arrival"), _column("start", number), _column("stop", number), _column("won", data)),
        *(_column("failed", number), _column("host", text), _column("member", text), _column("queued", real)),
        *(_column("retried", data), _column("ruling", flag), _column("blobs", data), _column("payload", data)),
    )
    op.create_table(
        "tried",
        sa.Column("number", number, primary_key=True),
        *(_column("job", number), _column("task", number), _column("attempt", text), _column("kind", text)),
        *(_column("host", text), _column("place", text), _column("detail", text)),
        sa.UniqueConstraint("job", "task", "attempt"),
    )
    op.create_table("blobs", _key("job"), _key("digest", data), sqlite_with_rowid=False)
    op.create_table("workers", sa.Column("number", number, primary_key=True), _column("instance", data, unique=True))
    op.execute("INSERT INTO meta (name, value) VALUES ('run', 0)")
