"""By which key a job was submitted, and of which epoch the key is that it is sealed with (0: it is not)."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.add_column("jobs", sa.Column("owner_key", sa.Text, nullable=False, server_default=""))
    op.add_column("jobs", sa.Column("epoch", sa.Integer, nullable=False, server_default="0"))
