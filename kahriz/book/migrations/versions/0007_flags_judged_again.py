"""What came late and has to be judged again, and hours in which times were corrected."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "late_hour",
        sa.Column("datastream", sa.String(140), primary_key=True),
        sa.Column("hour_ms", sa.BigInteger(), primary_key=True),
        sa.Column("mark", sa.BigInteger(), nullable=False),
        sa.Column("said_at_ms", sa.BigInteger(), nullable=False),
    )
    op.create_index("late_hour_by_age", "late_hour", ["said_at_ms", "datastream", "hour_ms"])
    op.create_table(
        "late_since",
        sa.Column("datastream", sa.String(140), primary_key=True),
        sa.Column("oldest_ms", sa.BigInteger(), nullable=False),
        sa.Column("mark", sa.BigInteger(), nullable=False),
        sa.Column("first_said_ms", sa.BigInteger(), nullable=False),
        sa.Column("last_said_ms", sa.BigInteger(), nullable=False),
    )
    op.create_table(
        "corrected_hour",
        sa.Column("datastream", sa.String(140), primary_key=True),
        sa.Column("hour_ms", sa.BigInteger(), primary_key=True),
    )
