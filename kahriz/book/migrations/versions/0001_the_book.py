"""The book as the first release made it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# SQLite gives an autoincrementing id to INTEGER only, PostgreSQL wants BIGINT.
_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    _make_figures()
    _make_intake()
    _make_alerts()
    _make_outbox()
    _make_the_rest()


def _make_figures() -> None:
    op.create_table(
        "rollup",
        sa.Column("datastream", sa.String(140), primary_key=True),
        sa.Column("period", sa.String(4), primary_key=True),
        sa.Column("start_ms", sa.BigInteger(), primary_key=True),
        sa.Column("end_ms", sa.BigInteger(), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("n_good", sa.Integer(), nullable=False),
        sa.Column("n_suspect", sa.Integer(), nullable=False),
        sa.Column("n_fail", sa.Integer(), nullable=False),
        sa.Column("min", sa.Float()),
        sa.Column("max", sa.Float()),
        sa.Column("mean", sa.Float()),
        sa.Column("volume_m3", sa.Float()),
        sa.Column("covered_s", sa.Float(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("computed_at_ms", sa.BigInteger(), nullable=False),
    )
    op.create_table(
        "dirty_hour",
        sa.Column("datastream", sa.String(140), primary_key=True),
        sa.Column("hour_ms", sa.BigInteger(), primary_key=True),
        sa.Column("mark", sa.BigInteger(), nullable=False),
    )


def _make_intake() -> None:
    op.create_table(
        "received_range",
        sa.Column("device", sa.String(40), primary_key=True),
        sa.Column("boot", sa.BigInteger(), primary_key=True),
        sa.Column("first_seq", sa.BigInteger(), primary_key=True),
        sa.Column("last_seq", sa.BigInteger(), nullable=False),
    )
    op.create_table(
        "boot",
        sa.Column("device", sa.String(40), primary_key=True),
        sa.Column("boot", sa.BigInteger(), primary_key=True),
        sa.Column("floor_seq", sa.BigInteger(), nullable=False),
        sa.Column("first_heard_ms", sa.BigInteger(), nullable=False),
    )
    op.create_table(
        "device",
        sa.Column("device", sa.String(40), primary_key=True),
        sa.Column("boot", sa.BigInteger()),
        sa.Column("last_seq", sa.BigInteger()),
        sa.Column("last_time_ms", sa.BigInteger()),
        sa.Column("received_at_ms", sa.BigInteger()),
        sa.Column("status", sa.String(16)),
        sa.Column("firmware", sa.String(64)),
        sa.Column("received", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("duplicate", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("quarantined", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("lost", sa.BigInteger(), nullable=False, server_default="0"),
    )
    op.create_table(
        "dead_letter",
        sa.Column("id", _ID, primary_key=True, autoincrement=True),
        sa.Column("received_at_ms", sa.BigInteger(), nullable=False),
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("device", sa.String(40)),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("times", sa.Integer(), nullable=False, server_default="1"),
        sa.UniqueConstraint("digest"),
    )
    op.create_index("ix_dead_letter_received_at_ms", "dead_letter", ["received_at_ms"])


def _make_alerts() -> None:
    op.create_table(
        "alert",
        sa.Column("id", _ID, primary_key=True, autoincrement=True),
        sa.Column("code", sa.String(8), nullable=False),
        sa.Column("kahriz", sa.String(40), nullable=False),
        sa.Column("kind", sa.String(24), nullable=False),
        sa.Column("key", sa.String(60), nullable=False, server_default=""),
        sa.Column("audience", sa.String(16), nullable=False),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("since_ms", sa.BigInteger(), nullable=False),
        sa.Column("pending_at_ms", sa.BigInteger(), nullable=False),
        sa.Column("fired_at_ms", sa.BigInteger()),
        sa.Column("last_seen_ms", sa.BigInteger(), nullable=False),
        sa.Column("resolved_at_ms", sa.BigInteger()),
        sa.Column("acknowledged_at_ms", sa.BigInteger()),
        sa.Column("acknowledged_by", sa.Text()),
        sa.Column("detector", sa.String(40), nullable=False),
        sa.Column("evidence", sa.JSON(), nullable=False),
        sa.Column("explanation", sa.Text(), nullable=False),
        sa.Column("updated_at_ms", sa.BigInteger(), nullable=False),
    )
    op.create_index("alert_by_place", "alert", ["kahriz", "kind", "key", "state"])
    op.create_index("alert_by_state", "alert", ["state", "since_ms"])
    op.create_table(
        "alert_event",
        sa.Column("id", _ID, primary_key=True, autoincrement=True),
        sa.Column("alert_id", _ID, sa.ForeignKey("alert.id"), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("what", sa.String(24), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False, server_default=""),
    )
    op.create_index("ix_alert_event_alert_id", "alert_event", ["alert_id"])


def _make_outbox() -> None:
    op.create_table(
        "message",
        sa.Column("id", _ID, primary_key=True, autoincrement=True),
        sa.Column("alert_id", _ID, sa.ForeignKey("alert.id"), nullable=False),
        sa.Column("contact", sa.Text(), nullable=False),
        sa.Column("phone", sa.String(20), nullable=False),
        sa.Column("reason", sa.String(16), nullable=False),
        sa.Column("step", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("language", sa.String(8), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("encoding", sa.String(8), nullable=False),
        sa.Column("parts", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("created_at_ms", sa.BigInteger(), nullable=False),
        sa.Column("due_at_ms", sa.BigInteger(), nullable=False),
        sa.Column("expires_at_ms", sa.BigInteger(), nullable=False),
        sa.Column("sent_at_ms", sa.BigInteger()),
        sa.Column("reference", sa.Text()),
        sa.Column("error", sa.Text()),
        sa.UniqueConstraint("alert_id", "phone", "reason", "step"),
    )
    op.create_index("ix_message_alert_id", "message", ["alert_id"])
    op.create_index("ix_message_state", "message", ["state"])


def _make_the_rest() -> None:
    op.create_table(
        "api_key",
        sa.Column("id", sa.String(16), primary_key=True),
        sa.Column("secret_sha256", sa.String(64), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("scope", sa.String(16), nullable=False),
        sa.Column("created_at_ms", sa.BigInteger(), nullable=False),
        sa.Column("expires_at_ms", sa.BigInteger()),
        sa.Column("revoked_at_ms", sa.BigInteger()),
    )
    op.create_table(
        "checkpoint",
        sa.Column("name", sa.String(80), primary_key=True),
        sa.Column("value", sa.JSON(), nullable=False),
    )
    op.create_table(
        "audit_log",
        sa.Column("id", _ID, primary_key=True, autoincrement=True),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("what", sa.String(40), nullable=False),
        sa.Column("detail", sa.JSON(), nullable=False),
    )
