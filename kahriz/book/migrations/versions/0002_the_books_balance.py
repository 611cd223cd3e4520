"""Counts by device and day, where each boot began, and the kind of reason of a dead letter."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "device_day",
        sa.Column("device", sa.String(40), primary_key=True),
        sa.Column("day", sa.Date(), primary_key=True),
        sa.Column("received", sa.BigInteger(), nullable=False),
        sa.Column("stored", sa.BigInteger(), nullable=False),
        sa.Column("duplicate", sa.BigInteger(), nullable=False),
        sa.Column("lost", sa.BigInteger(), nullable=False),
    )
    op.create_table(
        "device_day_reason",
        sa.Column("device", sa.String(40), primary_key=True),
        sa.Column("day", sa.Date(), primary_key=True),
        sa.Column("fate", sa.String(12), primary_key=True),
        sa.Column("reason", sa.String(24), primary_key=True),
        sa.Column("n", sa.BigInteger(), nullable=False),
    )
    op.add_column("device", sa.Column("shed", sa.BigInteger(), nullable=False, server_default="0"))
    _say_where_each_boot_began()
    op.add_column("dead_letter", sa.Column("kind", sa.String(24)))
    op.drop_index("ix_dead_letter_received_at_ms", "dead_letter")
    op.create_index("dead_letter_by_age", "dead_letter", ["received_at_ms", "size"])


def _say_where_each_boot_began() -> None:
    op.add_column("boot", sa.Column("first_seq", sa.BigInteger()))
    # The first release did not keep it; the oldest reading that came is the nearest to it.
    op.execute(
        "UPDATE boot SET first_seq = coalesce((SELECT min(r.first_seq) FROM received_range r"
        " WHERE r.device = boot.device AND r.boot = boot.boot AND r.first_seq < boot.floor_seq),"
        " floor_seq)"
    )
    with op.batch_alter_table("boot") as boot:
        boot.alter_column("first_seq", existing_type=sa.BigInteger(), nullable=False)
