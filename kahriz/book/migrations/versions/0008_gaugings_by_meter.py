"""Flows measured with a current meter beside those of a bucket, and how sure each is."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("gauging") as table:
        table.add_column(
            sa.Column("method", sa.String(16), nullable=False, server_default="bucket")
        )
        table.add_column(sa.Column("uncertainty_lps", sa.Float()))
        table.alter_column("volume_l", existing_type=sa.Float(), nullable=True)
        table.alter_column("duration_s", existing_type=sa.Float(), nullable=True)
        table.alter_column("trials", existing_type=sa.Integer(), nullable=True)
