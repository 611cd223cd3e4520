"""How many texts whom reached, and how many SMS they were: what a month costs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, and_, case, func, or_, select

from kahriz.book.tables import message
from kahriz.clock import to_ms


@dataclass(frozen=True, slots=True)
class Count:
    """Texts to one contact about one kahriz; None: about several, or about the service.

    Attributes
    ----------
    texts
        That were written.
    parts
        SMS of those that a gateway took, or may have taken before a crash: what is paid for.
    sent, delivered, failed, expired
        Texts a gateway took or may have taken; of those known to have arrived; given up; and too
        late or out of date before they left.
    """

    kahriz: str | None
    contact: str
    address: str
    channel: str
    texts: int
    parts: int
    sent: int
    delivered: int
    failed: int
    expired: int


def count(connection: Connection, start: datetime, end: datetime) -> list[Count]:
    """Return the counts of the texts written in [start, end), by kahriz and contact."""
    c = message.c
    was_sent = or_(c.sent_at_ms.is_not(None), c.state.in_(("accepted", "delivered", "unknown")))
    query = (
        select(
            c.kahriz,
            c.contact,
            c.address,
            c.channel,
            func.count(),
            _sum(c.parts, and_(was_sent, c.channel == "sms")),
            _sum(1, was_sent),
            _sum(1, c.state == "delivered"),
            _sum(1, c.state == "failed"),
            _sum(1, c.state == "expired"),
        )
        .where(c.created_at_ms >= to_ms(start), c.created_at_ms < to_ms(end))
        .group_by(c.kahriz, c.contact, c.address, c.channel)
        .order_by(c.kahriz, c.contact, c.address)
    )
    return [Count(*row) for row in connection.execute(query)]


def _sum(what: object, where: ColumnElement[bool]) -> ColumnElement[int]:
    return func.sum(case((where, what), else_=0))
