"""Alerts as rows: opened, moved on, answered by people, listed; and the timeline of each.

What should happen is decided in ``kahriz.alert``; here it is only written down.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain, count
from typing import Any

from sqlalchemy import Connection, RowMapping, insert, select, tuple_, update

from kahriz.book.tables import alert, alert_event
from kahriz.clock import to_ms
from kahriz.errors import NotFoundError

OPEN = ("pending", "firing")

_MINUTE_MS = 60_000

_CODES = 99
"""Codes go round K1 ... K99, so that a resolved alert's code is not soon another's."""

# Else it was dropped before anybody was told.
_is_believed = (alert.c.state != "resolved") | alert.c.fired_at_ms.is_not(None)


@dataclass(frozen=True, slots=True)
class Alert:
    """One row of `alert`; instants in milliseconds since 1970, None where it did not happen."""

    id: int
    code: str
    kahriz: str
    kind: str
    key: str
    audience: str
    state: str
    since_ms: int
    pending_at_ms: int
    fired_at_ms: int | None
    last_seen_ms: int
    resolved_at_ms: int | None
    acknowledged_at_ms: int | None
    acknowledged_by: str | None
    detector: str
    evidence: Mapping[str, Any]
    explanation: str
    updated_at_ms: int
    on_site_at_ms: int | None = None
    on_site_by: str | None = None
    false_alarm_at_ms: int | None = None
    false_alarm_by: str | None = None
    ended_as: str | None = None
    end_lps: float | None = None

    def minutes_until(self, at_ms: int | None) -> float | None:
        """Return the minutes from when it fired until an instant; None: one of both never was."""
        if self.fired_at_ms is None or at_ms is None:
            return None
        # Somebody may have taken it on while it was only watched.
        return round(max(0, at_ms - self.fired_at_ms) / _MINUTE_MS, 1)


@dataclass(frozen=True, slots=True)
class AlertEvent:
    """One line of an alert's timeline."""

    id: int
    alert_id: int
    at_ms: int
    what: str
    detail: str


def _alert(row: RowMapping) -> Alert:
    return Alert(**row)


def find(connection: Connection, id: int) -> Alert:
    """Return one alert; NotFoundError if there is none of that id."""
    row = connection.execute(select(alert).where(alert.c.id == id)).mappings().one_or_none()
    if row is None:
        raise NotFoundError("alert", str(id))
    return _alert(row)


def find_all(connection: Connection, ids: Iterable[int]) -> dict[int, Alert]:
    """Return alerts by id; an id that there is none of is absent."""
    rows = connection.execute(select(alert).where(alert.c.id.in_(list(ids)))).mappings()
    return {row["id"]: _alert(row) for row in rows}


def list_alerts(
    connection: Connection,
    state: str | Sequence[str] | None = None,
    kahriz: str | None = None,
    limit: int = 100,
    after: tuple[int, int] | None = None,
) -> list[Alert]:
    """Return alerts, the newest trouble first; not those dropped before they were believed.

    Parameters
    ----------
    connection
        The book.
    state
        Only this state (pending, firing, resolved), or these; None: every state.
    kahriz
        Only this kahriz; None: all.
    limit
        At most so many; >= 0.
    after
        (``since_ms``, ``id``) of an alert: only those that stand behind it.
    """
    query = select(alert).order_by(alert.c.since_ms.desc(), alert.c.id.desc()).limit(limit)
    query = query.where(_is_believed)
    if state is not None:
        query = query.where(alert.c.state.in_([state] if isinstance(state, str) else list(state)))
    if kahriz is not None:
        query = query.where(alert.c.kahriz == kahriz)
    if after is not None:
        query = query.where(tuple_(alert.c.since_ms, alert.c.id) < after)
    return [_alert(row) for row in connection.execute(query).mappings()]


def page(
    connection: Connection,
    after: int,
    kahrizes: Sequence[str],
    between_ms: tuple[int, int],
    most: int,
) -> list[Alert]:
    """Return alerts by id, from the one behind `after` on; what was never believed is left out.

    Parameters
    ----------
    connection
        The book.
    after
        An id; 0: from the first.
    kahrizes
        Only of these; none: of all.
    between_ms
        Only those whose trouble began in [start, end).
    most
        At most so many.
    """
    c = alert.c
    query = select(alert).where(c.id > after).order_by(c.id).limit(most).where(_is_believed)
    query = query.where(c.since_ms >= between_ms[0], c.since_ms < between_ms[1])
    if kahrizes:
        query = query.where(c.kahriz.in_(kahrizes))
    return [_alert(row) for row in connection.execute(query).mappings()]


def recent(connection: Connection, kahriz: str, resolved_after: datetime) -> list[Alert]:
    """Return a kahriz's open alerts and those resolved at or after an instant, oldest first."""
    query = (
        select(alert)
        .where(alert.c.kahriz == kahriz)
        .where(alert.c.state.in_(OPEN) | (alert.c.resolved_at_ms >= to_ms(resolved_after)))
        .order_by(alert.c.id)
    )
    return [_alert(row) for row in connection.execute(query).mappings()]


def to_tell(connection: Connection, resolved_after: datetime) -> list[Alert]:
    """Return alerts that fire, and those that ended as something since an instant, oldest first."""
    ended = (alert.c.resolved_at_ms >= to_ms(resolved_after)) & alert.c.ended_as.is_not(None)
    query = (
        select(alert)
        .where(alert.c.state.in_(("firing", "resolved")))
        .where((alert.c.state == "firing") | ended)
        .order_by(alert.c.id)
    )
    return [_alert(row) for row in connection.execute(query).mappings()]


def fired(connection: Connection, kahriz: str, start: datetime, end: datetime) -> list[Alert]:
    """Return a kahriz's alerts that fired in [start, end), oldest first."""
    c = alert.c
    query = (
        select(alert)
        .where(c.kahriz == kahriz, c.fired_at_ms >= to_ms(start), c.fired_at_ms < to_ms(end))
        .order_by(c.fired_at_ms, c.id)
    )
    return [_alert(row) for row in connection.execute(query).mappings()]


def timeline(connection: Connection, id: int) -> list[AlertEvent]:
    """Return what happened to an alert, in the order of its instants."""
    query = (
        select(alert_event)
        .where(alert_event.c.alert_id == id)
        .order_by(alert_event.c.at_ms, alert_event.c.id)
    )
    return [AlertEvent(**row) for row in connection.execute(query).mappings()]


def add(connection: Connection, values: Mapping[str, Any]) -> Alert:
    """Write a new alert under a code that no open alert carries, and return it.

    Parameters
    ----------
    connection
        The book, in a transaction.
    values
        Every column of `alert` but ``id`` and ``code``.
    """
    query = insert(alert).values(**values, code=_free_code(connection)).returning(alert)
    return _alert(connection.execute(query).mappings().one())


def change(connection: Connection, id: int, values: Mapping[str, Any]) -> None:
    """Write new values into some columns of an alert."""
    connection.execute(update(alert).where(alert.c.id == id).values(**values))


def note(connection: Connection, id: int, events: Iterable[tuple[datetime, str, str]]) -> None:
    """Add (instant, what, detail) to an alert's timeline."""
    rows = [
        {"alert_id": id, "at_ms": to_ms(at), "what": what, "detail": detail}
        for at, what, detail in events
    ]
    if rows:
        connection.execute(insert(alert_event), rows)


def acknowledge(connection: Connection, id: int, by: str, at: datetime) -> Alert:
    """Write down that somebody took an alert on, and return it.

    The first acknowledgement stays: a second one changes nothing.
    """
    return _say_once(connection, id, "acknowledged", by, at)


def on_site(connection: Connection, id: int, by: str, at: datetime) -> Alert:
    """Write down that somebody is where the trouble is, and return the alert; the first one stays.

    Who is there has taken it on, if nobody had.
    """
    acknowledge(connection, id, by, at)
    return _say_once(connection, id, "on_site", by, at)


def false_alarm(connection: Connection, id: int, by: str, at: datetime) -> Alert:
    """Write down that somebody found nothing wrong, and return the alert; the first one stays.

    It is acknowledged by that. What the instruments say stays: the alert ends when they do.
    """
    acknowledge(connection, id, by, at)
    return _say_once(connection, id, "false_alarm", by, at)


def _say_once(connection: Connection, id: int, what: str, by: str, at: datetime) -> Alert:
    since = alert.c[f"{what}_at_ms"]
    values = {f"{what}_at_ms": to_ms(at), f"{what}_by": by, "updated_at_ms": to_ms(at)}
    query = update(alert).where(alert.c.id == id, since.is_(None)).values(**values)
    if connection.execute(query).rowcount:
        note(connection, id, [(at, what, by)])
    return find(connection, id)


def _free_code(connection: Connection) -> str:
    taken = set(connection.scalars(select(alert.c.code).where(alert.c.state.in_(OPEN))))
    last = connection.scalar(select(alert.c.code).order_by(alert.c.id.desc()).limit(1))
    number = int(last.removeprefix("K")) if last else 0
    ring = [(number + step) % _CODES + 1 for step in range(_CODES)]
    # With 99 alerts open at once the ring is full; codes then grow, they never repeat.
    numbers = chain(ring, count(_CODES + 1))
    return next(code for n in numbers if (code := f"K{n}") not in taken)
