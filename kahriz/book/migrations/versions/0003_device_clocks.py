"""Device clocks that were corrected, and who of several processes is at work."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "device_clock",
        sa.Column("device", sa.String(40), primary_key=True),
        sa.Column("boot", sa.BigInteger(), primary_key=True),
        sa.Column("first_seq", sa.BigInteger(), primary_key=True),
        sa.Column("offset_ms", sa.BigInteger(), nullable=False),
        sa.Column("booted_at_ms", sa.BigInteger(), nullable=False),
        sa.Column("decided_at_ms", sa.BigInteger(), nullable=False),
    )
    op.create_table(
        "lease",
        sa.Column("name", sa.String(140), primary_key=True),
        sa.Column("token", sa.String(32), nullable=False),
        sa.Column("holder", sa.JSON(), nullable=False),
        sa.Column("beat", sa.BigInteger(), nullable=False),
        sa.Column("taken_at_ms", sa.BigInteger(), nullable=False),
    )
