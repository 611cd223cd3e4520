"""The outbox: every text on its way to a number, as a row that survives any crash.

::

    queued -> handing_over -> accepted -> delivered
       ^           |  |
       |           |  +-----> failed          refused for good, or tried too often
       +--(retry)--+  +-----> unknown         the process died while handing over
    queued ----------------> expired          too late, or replaced by a newer text

A row is claimed conditionally, so two senders never hand over the same text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, func, insert, select, tuple_, union_all, update
from sqlalchemy.dialects import postgresql, sqlite

from kahriz.book.tables import message, notified
from kahriz.clock import from_ms, to_ms

Sums = tuple[int, int]
"""Texts and parts."""

INTERRUPTED = "interrupted while handing over, may have been sent"

_LATE = "not handed over in time"
MOST_INTERRUPTIONS = 5
# Databases limit how many values one question may name.
_AT_ONCE = 1000


@dataclass(frozen=True, slots=True)
class OutboxMessage:
    """One row of `message`; instants in milliseconds since 1970, None where it did not happen."""

    id: int
    alert_id: int | None
    contact: str
    address: str
    reason: str
    step: int
    language: str
    text: str
    encoding: str
    parts: int
    state: str
    attempts: int
    created_at_ms: int
    due_at_ms: int
    expires_at_ms: int
    sent_at_ms: int | None
    reference: str | None
    error: str | None
    key: str
    kahriz: str | None
    channel: str
    gateway: str | None
    delivered_at_ms: int | None


@dataclass(frozen=True, slots=True)
class Notified:
    """One alert, one address, one reason: told by a text, which is in `state` now."""

    alert_id: int
    address: str
    reason: str
    step: int
    message_id: int
    at_ms: int
    gravity: float
    state: str


def list_messages(
    connection: Connection,
    alert: int | None = None,
    limit: int = 100,
    kahriz: str | None = None,
    between: tuple[datetime, datetime] | None = None,
    after: tuple[int, int] | None = None,
) -> list[OutboxMessage]:
    """Return texts, the newest first.

    Parameters
    ----------
    connection
        The book.
    alert
        Only those that tell of this one, alone or among others.
    limit
        At most so many; >= 0.
    kahriz
        Only those of this one.
    between
        Only those written in [start, end).
    after
        (``created_at_ms``, ``id``) of a text: only those that stand behind it.
    """
    c = message.c
    query = select(message).order_by(c.created_at_ms.desc(), c.id.desc())
    if alert is not None:
        tell = select(notified.c.message_id).where(notified.c.alert_id == alert)
        query = query.where((c.alert_id == alert) | c.id.in_(tell))
    if kahriz is not None:
        query = query.where(c.kahriz == kahriz)
    if between is not None:
        start, end = between
        query = query.where(c.created_at_ms >= to_ms(start), c.created_at_ms < to_ms(end))
    if after is not None:
        query = query.where(tuple_(c.created_at_ms, c.id) < after)
    rows = connection.execute(query.limit(limit)).mappings()
    return [OutboxMessage(**row) for row in rows]


def first_reached(
    connection: Connection, alerts: Sequence[int]
) -> dict[int, tuple[int | None, int | None]]:
    """Return when the first text that told of each alert was taken, and when one arrived [ms].

    Also one that told of many; not those that said it was over.
    """
    found: dict[int, tuple[int | None, int | None]] = {}
    for begin in range(0, len(alerts), _AT_ONCE):
        found |= _first_reached(connection, alerts[begin : begin + _AT_ONCE])
    return found


def _first_reached(
    connection: Connection, alerts: Sequence[int]
) -> dict[int, tuple[int | None, int | None]]:
    c = message.c
    of_one = select(c.alert_id.label("about"), c.sent_at_ms, c.delivered_at_ms, c.reason)
    of_many = select(notified.c.alert_id, c.sent_at_ms, c.delivered_at_ms, c.reason).join(
        notified, notified.c.message_id == c.id
    )
    told = union_all(
        of_one.where(c.alert_id.in_(alerts)), of_many.where(notified.c.alert_id.in_(alerts))
    ).subquery()
    query = (
        select(told.c.about, func.min(told.c.sent_at_ms), func.min(told.c.delivered_at_ms))
        .where(told.c.reason != "resolved")
        .group_by(told.c.about)
    )
    return {about: (sent, arrived) for about, sent, arrived in connection.execute(query)}


def key_of(alert: int, address: str, reason: str, step: int = 0) -> str:
    """Return what makes a text about one alert this text and no other."""
    return f"alert {alert}/{reason}/{step}/{address}"


def queue(connection: Connection, values: Mapping[str, Any]) -> int | None:
    """Put a text into the outbox and return its id; None if one of this key is there already.

    Parameters
    ----------
    connection
        The book, in a transaction.
    values
        ``key contact address reason language text encoding parts created_at_ms due_at_ms
        expires_at_ms``, and where they are something ``alert_id kahriz channel step``.
    """
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    query = (
        dialect.insert(message)
        .values(**values, state="queued", attempts=0)
        .on_conflict_do_nothing()
        .returning(message.c.id)
    )
    id: int | None = connection.scalar(query)
    return id


def told(connection: Connection, alerts: Iterable[int]) -> list[Notified]:
    """Return who was told what of some alerts, the oldest first."""
    c = notified.c
    query = (
        select(notified, message.c.state)
        .join(message, message.c.id == c.message_id)
        .where(c.alert_id.in_(list(alerts)))
        .order_by(c.at_ms, c.message_id)
    )
    return [Notified(**row) for row in connection.execute(query).mappings()]


def sums_of_month(
    connection: Connection, now: datetime
) -> tuple[dict[str, Sums], dict[str, Sums], dict[tuple[str, str], datetime]]:
    """Return the UTC month's texts and parts by address and by kahriz, and when each last was.

    The last is by (address, kahriz). What never left does not count, nor does e-mail, nor an
    answer: whoever sends texts in somebody's name must not use up what alerts may cost.
    """
    c = message.c
    since = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    query = (
        select(c.address, c.kahriz, func.count(), func.sum(c.parts), func.max(c.created_at_ms))
        .where(c.created_at_ms >= to_ms(since), c.channel == "sms")
        .where(c.state.not_in(("expired", "failed")), c.reason != "answer")
        .group_by(c.address, c.kahriz)
    )
    people: dict[str, Sums] = {}
    kahrizes: dict[str, Sums] = {}
    last: dict[tuple[str, str], datetime] = {}
    for address, kahriz, texts, parts, newest in connection.execute(query):
        people[address] = _plus(people.get(address), texts, parts)
        if kahriz is not None:
            kahrizes[kahriz] = _plus(kahrizes.get(kahriz), texts, parts)
            last[address, kahriz] = from_ms(newest)
    return people, kahrizes, last


def count_waiting(connection: Connection) -> int:
    """Return how many texts wait to be handed over."""
    c = message.c
    query = select(func.count()).where(c.state == "queued", c.channel == "sms")
    return connection.scalar(query) or 0


def _plus(known: Sums | None, texts: int, parts: int) -> Sums:
    had = known or (0, 0)
    return (had[0] + texts, had[1] + int(parts))


def note(connection: Connection, message_id: int, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write down of which alerts a text tells: rows of ``alert_id address reason step at_ms``."""
    values = [{**row, "message_id": message_id} for row in rows]
    if values:
        connection.execute(insert(notified), values)


def to_address(connection: Connection, address: str, since: datetime) -> list[OutboxMessage]:
    """Return the texts written to an address since an instant, the oldest first."""
    c = message.c
    query = select(message).where(c.address == address, c.created_at_ms >= to_ms(since))
    rows = connection.execute(query.order_by(c.created_at_ms, c.id)).mappings()
    return [OutboxMessage(**row) for row in rows]


def last_told(connection: Connection, address: str) -> set[int]:
    """Return the alerts that the newest text to an address tells of, one that left or still may."""
    c = notified.c
    newest = (
        select(c.message_id)
        .join(message, message.c.id == c.message_id)
        .where(c.address == address, message.c.state.not_in(("expired", "failed")))
        .order_by(c.at_ms.desc(), c.message_id.desc())
        .limit(1)
    )
    return set(
        connection.scalars(select(c.alert_id).where(c.message_id == newest.scalar_subquery()))
    )


def withdraw_all(connection: Connection, address: str, why: str) -> int:
    """Expire all that waits for an address; return how many texts."""
    c = message.c
    query = update(message).where(c.address == address, c.state == "queued")
    return connection.execute(query.values(state="expired", error=why)).rowcount


def withdraw(connection: Connection, alert: int, reason: str, why: str) -> int:
    """Expire an alert's texts of one reason that have not left yet; return how many.

    A text that is out of date is never sent late: the newer one replaces it.
    """
    query = (
        update(message)
        .where(message.c.alert_id == alert, message.c.reason == reason)
        .where(message.c.state == "queued")
        .values(state="expired", error=why)
    )
    return connection.execute(query).rowcount


def expire(connection: Connection, now: datetime) -> int:
    """Give up the texts that are queued beyond their time; return how many."""
    query = (
        update(message)
        .where(message.c.state == "queued", message.c.expires_at_ms <= to_ms(now))
        # Why it could not leave stays to be read, behind that.
        .values(state="expired", error=_LATE + func.coalesce(": " + message.c.error, ""))
    )
    return connection.execute(query).rowcount


def claim(connection: Connection, now: datetime) -> OutboxMessage | None:
    """Take the queued text that has been due longest, for handing over; None: nothing is due.

    Commit before handing over: a crash then leaves ``handing_over`` behind for `recover`.
    """
    due = select(message.c.id).where(
        message.c.state == "queued",
        message.c.due_at_ms <= to_ms(now),
        message.c.expires_at_ms > to_ms(now),
    )
    oldest = due.order_by(message.c.due_at_ms, message.c.id).limit(1).scalar_subquery()
    query = (
        update(message)
        .where(message.c.id == oldest, message.c.state == "queued")
        .values(state="handing_over", attempts=message.c.attempts + 1)
        .returning(message)
    )
    row = connection.execute(query).mappings().one_or_none()
    return None if row is None else OutboxMessage(**row)


def mark_accepted(
    connection: Connection, id: int, reference: str, at: datetime, gateway: str | None = None
) -> None:
    """Write down that the gateway has the text, under its own reference."""
    accepted = {"state": "accepted", "reference": reference, "gateway": gateway}
    _finish(connection, id, accepted | {"sent_at_ms": to_ms(at)})


def mark_failed(connection: Connection, id: int, error: str) -> None:
    """Give a text up."""
    _finish(connection, id, {"state": "failed", "error": error})


def note_taken(connection: Connection, id: int, reference: str) -> None:
    """Write down which gateways have a text already, while others are still to be asked."""
    _finish(connection, id, {"reference": reference})


def tell_fate(
    connection: Connection, reference: str, state: str, at: datetime, detail: str = ""
) -> int:
    """Write down what became of the text that a gateway took as `reference`; return how many it is.

    A second receipt changes nothing, nor does one for a text that nobody knows.
    """
    values: dict[str, Any] = {"state": state, "error": detail or None}
    if state == "delivered":
        values["delivered_at_ms"] = to_ms(at)
    has_it = _has_reference(reference)
    query = update(message).where(message.c.state == "accepted", has_it).values(values)
    return connection.execute(query).rowcount


def untake(
    connection: Connection,
    reference: str,
    at: datetime,
    why: str,
    pause: Callable[[int], timedelta | None],
) -> int:
    """Put a text back into the queue that its gateway had taken and could not send.

    `pause` says how long it waits after so many tries; None: it has failed. Other gateways that
    have it are not asked again. Returns how many it is, as `tell_fate`.
    """
    query = select(message.c.id, message.c.attempts, message.c.reference)
    query = query.where(message.c.state == "accepted", _has_reference(reference))
    rows = connection.execute(query).all()
    for id, attempts, references in rows:
        wait = pause(attempts)
        values: dict[str, Any] = {"state": "failed", "error": why}
        if wait is not None:
            others = " ".join(word for word in references.split() if word != reference)
            values |= {"state": "queued", "due_at_ms": to_ms(at + wait), "reference": others}
        connection.execute(update(message).where(message.c.id == id).values(values))
    return len(rows)


def knows(connection: Connection, reference: str) -> bool:
    """Return whether a gateway took a text as `reference`, whatever became of it since."""
    query = select(message.c.id).where(_has_reference(reference)).limit(1)
    return connection.execute(query).first() is not None


def is_handed_over(connection: Connection, reference: str) -> bool:
    """Return whether the text a gateway took as `reference` is out of hand: it can have a fate."""
    in_hand = message.c.state.in_(["queued", "handing_over"])
    query = select(message.c.id).where(_has_reference(reference), ~in_hand).limit(1)
    return connection.execute(query).first() is not None


def _has_reference(reference: str) -> ColumnElement[bool]:
    return (" " + message.c.reference + " ").contains(f" {reference} ", autoescape=True)


def try_again(connection: Connection, id: int, due: datetime, error: str) -> None:
    """Put a text that was not taken back into the queue until `due`."""
    before = connection.execute(select(message.c.error).where(message.c.id == id)).scalar()
    # The mark of an interruption outlives the retries: `recover` counts them.
    times = _interruptions(before)
    kept = f"{_interrupted(times)}: {error}" if times else error
    _finish(connection, id, {"state": "queued", "due_at_ms": to_ms(due), "error": kept})


def recover(connection: Connection) -> tuple[int, int]:
    """Sort out texts that a crash left half handed over; return (queued again, left unknown).

    Nobody can tell whether the gateway took them, so each is handed over once more a crash. One
    in whose hand-over the process has died `MOST_INTERRUPTIONS` times stays ``unknown``: it may
    be what kills it.
    """
    left = select(message.c.id, message.c.error).where(message.c.state == "handing_over")
    again = unknown = 0
    for id, error in connection.execute(left).all():
        times = _interruptions(error) + 1
        is_over = times >= MOST_INTERRUPTIONS
        state = "unknown" if is_over else "queued"
        _finish(connection, id, {"state": state, "error": _interrupted(times)})
        again, unknown = again + (not is_over), unknown + is_over
    return again, unknown


def _interrupted(times: int) -> str:
    return INTERRUPTED if times == 1 else f"{INTERRUPTED} ({times} times)"


def _interruptions(error: str | None) -> int:
    if error is None or not error.startswith(INTERRUPTED):
        return 0
    said = re.match(r" \((\d+) times\)", error.removeprefix(INTERRUPTED))
    return int(said[1]) if said else 1


def _finish(connection: Connection, id: int, values: Mapping[str, Any]) -> None:
    connection.execute(
        update(message)
        .where(message.c.id == id, message.c.state == "handing_over")
        .values(**values)
    )
