"""What was remembered of each kahriz when it had been judged so far."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "snapshot",
        sa.Column("kahriz", sa.String(40), primary_key=True),
        sa.Column("quarter", sa.BigInteger(), primary_key=True),
        sa.Column("state", sa.LargeBinary(), nullable=False),
    )
