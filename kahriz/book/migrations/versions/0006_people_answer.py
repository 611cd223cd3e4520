"""People who are told, what they were told of, what they answered, and what they measured."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_OLD_KEY = "message_alert_id_phone_reason_step_key"


def upgrade() -> None:
    _make_people()
    _make_answers()
    with op.batch_alter_table("alert") as table:
        table.add_column(sa.Column("on_site_at_ms", sa.BigInteger()))
        table.add_column(sa.Column("on_site_by", sa.Text()))
        table.add_column(sa.Column("false_alarm_at_ms", sa.BigInteger()))
        table.add_column(sa.Column("false_alarm_by", sa.Text()))
        table.add_column(sa.Column("ended_as", sa.String(12)))
        table.add_column(sa.Column("end_lps", sa.Float()))
    # Whoever had to be told of what ended before has been.
    op.execute(
        "UPDATE alert SET ended_as = 'accepted'"
        " WHERE state = 'resolved' AND fired_at_ms IS NOT NULL"
    )
    _widen_the_outbox()


def _make_people() -> None:
    op.create_table(
        "contact",
        sa.Column("id", _ID, primary_key=True, autoincrement=True),
        sa.Column("kahriz", sa.String(40), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("role", sa.String(12), nullable=False),
        sa.Column("phone", sa.String(20)),
        sa.Column("email", sa.String(254)),
        sa.Column("language", sa.String(8), nullable=False),
        sa.Column("alphabet", sa.String(8), nullable=False),
        sa.Column("quiet_hours", sa.String(11), nullable=False),
        sa.Column("consent_on", sa.Date()),
        sa.Column("source", sa.String(4), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("created_at_ms", sa.BigInteger(), nullable=False),
        sa.Column("changed_at_ms", sa.BigInteger(), nullable=False),
        sa.Column("removed_at_ms", sa.BigInteger()),
    )
    op.create_index("contact_by_kahriz", "contact", ["kahriz", "position"])
    op.create_index("contact_by_phone", "contact", ["phone"])
    op.create_table(
        "opt_out",
        sa.Column("address", sa.String(254), primary_key=True),
        sa.Column("since_ms", sa.BigInteger(), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
    )
    op.create_table(
        "silence",
        sa.Column("id", _ID, primary_key=True, autoincrement=True),
        sa.Column("kahriz", sa.String(40)),
        sa.Column("kind", sa.String(24)),
        sa.Column("start_ms", sa.BigInteger(), nullable=False),
        sa.Column("end_ms", sa.BigInteger(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
    )
    op.create_index("silence_by_end", "silence", ["end_ms"])


def _make_answers() -> None:
    op.create_table(
        "inbound",
        sa.Column("id", _ID, primary_key=True, autoincrement=True),
        sa.Column("gateway", sa.String(40), nullable=False),
        sa.Column("reference", sa.String(140), nullable=False),
        sa.Column("received_at_ms", sa.BigInteger(), nullable=False),
        sa.Column("address", sa.String(254), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("state", sa.String(12), nullable=False),
        sa.Column("command", sa.String(16)),
        sa.Column("outcome", sa.Text(), nullable=False, server_default=""),
        sa.Column("kahriz", sa.String(40)),
        sa.Column("alert_id", _ID, sa.ForeignKey("alert.id")),
        sa.UniqueConstraint("gateway", "reference"),
    )
    op.create_index("inbound_by_state", "inbound", ["state", "id"])
    op.create_index("inbound_by_address", "inbound", ["address", "received_at_ms"])
    op.create_table(
        "gauging",
        sa.Column("id", _ID, primary_key=True, autoincrement=True),
        sa.Column("site", sa.String(80), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("volume_l", sa.Float(), nullable=False),
        sa.Column("duration_s", sa.Float(), nullable=False),
        sa.Column("trials", sa.Integer(), nullable=False),
        sa.Column("discharge_lps", sa.Float(), nullable=False),
        sa.Column("rated_lps", sa.Float()),
        sa.Column("stage_m", sa.Float()),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("inbound_id", _ID, sa.ForeignKey("inbound.id")),
    )
    op.create_index("gauging_by_site", "gauging", ["site", "at_ms"])


def _widen_the_outbox() -> None:
    convention = {"uq": _OLD_KEY}
    with op.batch_alter_table("message", naming_convention=convention) as table:
        table.add_column(sa.Column("key", sa.String(330)))
        table.add_column(sa.Column("kahriz", sa.String(40)))
        table.add_column(sa.Column("channel", sa.String(8), nullable=False, server_default="sms"))
        table.add_column(sa.Column("gateway", sa.String(40)))
        table.add_column(sa.Column("delivered_at_ms", sa.BigInteger()))
        table.drop_constraint(_OLD_KEY, type_="unique")
        table.alter_column("alert_id", existing_type=_ID, nullable=True)
        table.alter_column(
            "phone",
            new_column_name="address",
            existing_type=sa.String(20),
            type_=sa.String(254),
            existing_nullable=False,
        )
    op.execute(
        "UPDATE message SET key = 'alert ' || alert_id || '/' || reason || '/' || step || '/'"
        " || address, kahriz = (SELECT kahriz FROM alert WHERE alert.id = message.alert_id)"
    )
    with op.batch_alter_table("message") as table:
        table.alter_column("key", existing_type=sa.String(330), nullable=False)
        table.create_unique_constraint("message_key", ["key"])
    op.create_index("message_by_kahriz", "message", ["kahriz", "created_at_ms"])
    op.create_table(
        "notified",
        sa.Column("alert_id", _ID, sa.ForeignKey("alert.id"), primary_key=True),
        sa.Column("address", sa.String(254), primary_key=True),
        sa.Column("reason", sa.String(16), primary_key=True),
        sa.Column("step", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("message_id", _ID, sa.ForeignKey("message.id"), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("gravity", sa.Float(), nullable=False, server_default="0"),
    )
    op.create_index("notified_by_message", "notified", ["message_id"])
    op.execute(
        "INSERT INTO notified (alert_id, address, reason, step, message_id, at_ms)"
        " SELECT alert_id, address, reason, step, id, created_at_ms FROM message"
    )
