"""Accounts, keys of resumption, sources, checksums; results say of which run they are (0: not known)."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

# A member was its own account. When jobs ended is not known: as if it were now, so that none is too old at once.
_JOBS = """
    INSERT INTO jobs SELECT number, job, owner, owner, instance, form, name, function, function_blobs, options, context,
        shape, opened, '', x'', total, state, unwanted, leased_up_to,
        CASE state WHEN 'running' THEN 0 ELSE unix_now() END
    FROM old_jobs ORDER BY number"""
_FUNCTIONS = "INSERT INTO functions SELECT digest, crc(payload), payload FROM old_functions ORDER BY rowid"
_PAGES = """
    INSERT INTO pages SELECT job, number, first, count, NULLIF(blobs, x'90'), NULL, crc(payload), payload
    FROM old_pages ORDER BY rowid"""
_RESULTS = """
    INSERT INTO results SELECT job, arrival, start, stop, NULLIF(won, x'90'), failed, 0, NULL, NULL, NULL,
        about(host, member, queued, retried, ruling, blobs), crc(payload), payload
    FROM old_results ORDER BY rowid"""


def _column(name: str, kind: type[sa.types.TypeEngine[Any]], **options: Any) -> sa.Column[Any]:
    return sa.Column(name, kind, **{"nullable": False, **options})


def _key(name: str, kind: type[sa.types.TypeEngine[Any]] = sa.Integer) -> sa.Column[Any]:
    return sa.Column(name, kind, primary_key=True, autoincrement=False)


def upgrade() -> None:
    old = ("jobs", "functions", "pages", "results")
    op.drop_index("ix_jobs_function", "jobs")
    for table in old:
        op.rename_table(table, f"old_{table}")
    _create()
    for copy in (_JOBS, _FUNCTIONS, _PAGES, _RESULTS):
        op.execute(copy)
    for table in old:
        op.drop_table(f"old_{table}")


def _create() -> None:
    number, text, data, real, flag = sa.Integer, sa.Text, sa.LargeBinary, sa.Float, sa.Boolean
    op.create_table(
        "jobs",
        sa.Column("number", number, primary_key=True),
        sa.Column("job", data, unique=True),
        *(_column("owner", text), _column("account", text), _column("instance", data), _column("form", text)),
        *(_column("name", text), _column("function", data, index=True), _column("function_blobs", data)),
        *(_column("options", data), _column("context", data), _column("shape", data), _column("opened", real)),
        *(_column("resume", text), _column("fingerprint", data), sa.Column("total", number), _column("state", text)),
        *(_column("unwanted", flag), _column("leased_up_to", number), _column("ended", real)),
    )
    op.create_table("functions", _key("digest", data), _column("crc", number), _column("payload", data))
    op.create_table(
        "pages",
        *(_key("job"), _key("number"), _column("first", number), _column("count", number)),
        *(sa.Column("blobs", data), sa.Column("tags", data), _column("crc", number), _column("payload", data)),
    )
    op.create_index("ix_pages_tagged", "pages", ["job", "first"], sqlite_where=sa.text("tags IS NOT NULL"))
    op.create_table(
        "results",
        *(_key("job"), _key("arrival"), _column("start", number), _column("stop", number), sa.Column("won", data)),
        *(_column("failed", number), _column("run", number), sa.Column("source_job", data)),
        *(sa.Column("source_arrival", number), sa.Column("source_first", number), _column("about", data)),
        *(_column("crc", number), _column("payload", data)),
    )
    op.create_table(
        "keys",
        sa.Column("number", number, primary_key=True),
        *(sa.Column("account", text), _column("name", text), _column("fingerprint", data), _column("parts", data)),
        sa.UniqueConstraint("account", "name"),
    )
    op.create_table(
        "recorded",
        *(_key("key"), _key("tag", data), _column("job", number)),
        *(_column("arrival", number), _column("task", number)),
        sqlite_with_rowid=False,
    )
