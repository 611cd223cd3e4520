"""Texts that people sent us, as they came; what is made of each is written beside it later."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, func, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from kahriz.book.tables import inbound
from kahriz.clock import from_ms, to_ms

LONGEST_TEXT = 1600
"""Letters kept of one text; ten SMS, more than anybody answers."""
LONGEST_REFERENCE = 140
_LONGEST_ADDRESS = 254

NEW, DONE, IGNORED = "new", "done", "ignored"
"""Not looked at yet; looked at, and done what it asks for; nobody is answered."""


@dataclass(frozen=True, slots=True)
class Inbound:
    """One text that somebody sent.

    Attributes
    ----------
    gateway, reference
        Which notifier heard it, and its own name for it.
    received_at
        When the gateway got it.
    command
        What it was taken for; None: not looked at.
    outcome
        What was made of it, in words.
    kahriz, alert_id
        What it was about, where that is one.
    """

    id: int
    gateway: str
    reference: str
    received_at: datetime
    address: str
    text: str
    state: str
    command: str | None
    outcome: str
    kahriz: str | None
    alert_id: int | None


def arrive(
    connection: Connection,
    gateway: str,
    reference: str,
    address: str,
    text: str,
    received_at: datetime,
) -> bool:
    """Keep a text that came in; False: it is here already, under its gateway's reference."""
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    values = {
        "gateway": gateway,
        "reference": reference[:LONGEST_REFERENCE],
        "address": _storable(address)[:_LONGEST_ADDRESS],
        "text": _storable(text)[:LONGEST_TEXT],
        "received_at_ms": to_ms(received_at),
        "state": NEW,
    }
    query = dialect.insert(inbound).values(values).on_conflict_do_nothing()
    # Not by rowcount: PostgreSQL's driver does not tell it of such an insert.
    return connection.scalar(query.returning(inbound.c.id)) is not None


def waiting(connection: Connection, limit: int, after: int = 0) -> list[Inbound]:
    """Return texts that nobody has looked at, the first to come first, behind the id `after`."""
    c = inbound.c
    query = select(inbound).where(c.state == NEW, c.id > after).order_by(c.id).limit(limit)
    return [_inbound(row) for row in connection.execute(query)]


def done(
    connection: Connection,
    id: int,
    *,
    command: str | None,
    outcome: str,
    kahriz: str | None = None,
    alert_id: int | None = None,
    is_ignored: bool = False,
) -> bool:
    """Write down what was made of a text; False: somebody has looked at it already."""
    values = {
        "state": IGNORED if is_ignored else DONE,
        "command": command,
        "outcome": outcome,
        "kahriz": kahriz,
        "alert_id": alert_id,
    }
    query = update(inbound).where(inbound.c.id == id, inbound.c.state == NEW).values(values)
    return connection.execute(query).rowcount == 1


def forget(connection: Connection, before: datetime, most: int) -> int:
    """Let go of what was ignored and came before an instant, or is not among the newest `most`."""
    c = inbound.c
    newest = select(c.id).where(c.state == IGNORED).order_by(c.id.desc()).offset(most).limit(1)
    is_old = or_(c.received_at_ms < to_ms(before), c.id <= newest.scalar_subquery())
    return connection.execute(delete(inbound).where(c.state == IGNORED, is_old)).rowcount


def looked_at(connection: Connection, address: str, start: datetime, end: datetime) -> int:
    """Return how many texts of an address, received in (start, end], were not ignored."""
    c = inbound.c
    query = select(func.count()).where(
        c.address == address,
        c.state == DONE,
        c.received_at_ms > to_ms(start),
        c.received_at_ms <= to_ms(end),
    )
    return int(connection.execute(query).scalar_one())


def before(connection: Connection, one: Inbound) -> Inbound | None:
    """Return the text that the same address sent before this one; None: it is the first."""
    c = inbound.c
    query = select(inbound).where(c.address == one.address, c.id < one.id)
    row = connection.execute(query.order_by(c.id.desc()).limit(1)).one_or_none()
    return None if row is None else _inbound(row)


def list_inbound(
    connection: Connection,
    *,
    state: str | None = None,
    kahriz: str | None = None,
    limit: int = 100,
    older_than: int | None = None,
) -> list[Inbound]:
    """Return texts, the newest first; only in a state, about a kahriz, older than that of an id."""
    query = select(inbound).order_by(inbound.c.id.desc()).limit(limit)
    if state is not None:
        query = query.where(inbound.c.state == state)
    if kahriz is not None:
        query = query.where(inbound.c.kahriz == kahriz)
    if older_than is not None:
        query = query.where(inbound.c.id < older_than)
    return [_inbound(row) for row in connection.execute(query)]


def _inbound(row: Any) -> Inbound:
    return Inbound(
        row.id,
        row.gateway,
        row.reference,
        from_ms(row.received_at_ms),
        row.address,
        row.text,
        row.state,
        row.command,
        row.outcome,
        row.kahriz,
        row.alert_id,
    )


def _storable(text: str) -> str:
    # PostgreSQL knows no NUL, and nobody a half surrogate pair.
    return text.replace("\0", "").encode("utf-8", "replace").decode("utf-8")
