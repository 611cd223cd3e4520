"""Silences: somebody knows of a trouble, and nobody is to be told of it for a while.

Unlike works (`kahriz.book.maintenance`) a silence changes nothing of what is learned and judged:
alerts come and go as ever, only their texts are not sent. Instants are event time.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, insert, select, update

from kahriz.book import audit
from kahriz.book.tables import silence
from kahriz.clock import from_ms, iso, to_ms
from kahriz.errors import KahrizError, NotFoundError


class Role(StrEnum):
    """Who silences."""

    COMMITTEE = "committee"
    ENGINEER = "engineer"


LONGEST = {Role.COMMITTEE: timedelta(hours=24), Role.ENGINEER: timedelta(days=30)}
"""How long a silence may be: who wants more has works, or a sensor that is to be repaired."""


class SilenceRefused(KahrizError):  # noqa: N818 - the name says a decision, not a mistake
    """A silence that may not be: too long, over before it begins, or of more than one's own."""


@dataclass(frozen=True, slots=True)
class Silence:
    """Nothing is told in [start, end) of a kahriz and a kind; None: of every one."""

    id: int
    kahriz: str | None
    kind: str | None
    start: datetime
    end: datetime
    note: str
    by: str

    def hides(self, kahriz: str, kind: str, now: datetime) -> bool:
        """Return whether it holds back what there is to tell of a kahriz and a kind at `now`."""
        is_meant = self.kahriz in (None, kahriz) and self.kind in (None, kind)
        return is_meant and self.start <= now < self.end


def add(
    connection: Connection,
    kahriz: str | None,
    kind: str | None,
    start: datetime,
    end: datetime,
    *,
    note: str,
    by: str,
    role: Role,
    now: datetime,
) -> Silence:
    """Begin a silence, at once or later, and return it.

    Raises
    ------
    SilenceRefused
        It ends before it begins, is over already, is longer than `LONGEST` allows `role`, or a
        committee does not say of which kahriz.
    """
    if end <= start:
        raise SilenceRefused(f"end {iso(end)} is not after start {iso(start)}")
    if end <= now:
        raise SilenceRefused(f"end {iso(end)} is past: it is {iso(now)}")
    if end - start > LONGEST[role]:
        hours = LONGEST[role] / timedelta(hours=1)
        raise SilenceRefused(
            f"end {iso(end)} is more than {hours:g} h after start {iso(start)}:"
            f" no {role} silences for longer"
        )
    if role is Role.COMMITTEE and kahriz is None:
        raise SilenceRefused("a committee silences its own kahriz, not every one")
    row = {
        "kahriz": kahriz,
        "kind": kind,
        "start_ms": to_ms(start),
        "end_ms": to_ms(end),
        "note": note,
        "by": by,
    }
    id = connection.execute(insert(silence).returning(silence.c.id), row).scalar_one()
    span = {"start": iso(start), "end": iso(end)}
    detail = {"silence": id, "kahriz": kahriz, "kind": kind, **span, "note": note}
    audit.append(connection, now, by, "silence.add", detail)
    return find(connection, id)


def end(connection: Connection, id: int, *, by: str, now: datetime) -> Silence:
    """Let a silence be over at `now`, and return it; one that is over stays as it is.

    Raises
    ------
    NotFoundError
        There is none of that id.
    """
    before = find(connection, id)
    if before.end <= now:
        return before
    # One that has not begun yet never will.
    at = max(before.start, now)
    c = silence.c
    connection.execute(update(silence).where(c.id == id).values(end_ms=to_ms(at)))
    detail = {"silence": id, "kahriz": before.kahriz, "kind": before.kind, "end": iso(at)}
    audit.append(connection, now, by, "silence.end", detail)
    return find(connection, id)


def find(connection: Connection, id: int) -> Silence:
    """Return one silence; NotFoundError if there is none of that id."""
    row = connection.execute(select(silence).where(silence.c.id == id)).one_or_none()
    if row is None:
        raise NotFoundError("silence", str(id))
    return _silence(row)


def list_silences(
    connection: Connection, at: datetime | None = None, after: datetime | None = None
) -> list[Silence]:
    """Return silences, the first to begin first.

    Parameters
    ----------
    connection
        The book.
    at
        Only those that are on at this instant.
    after
        Only those not over at this instant: on, or still to come.
    """
    c = silence.c
    found = select(silence).order_by(c.start_ms, c.id)
    if at is not None:
        found = found.where(c.start_ms <= to_ms(at), c.end_ms > to_ms(at))
    if after is not None:
        # One that was ended before it began is over.
        found = found.where(c.end_ms > to_ms(after), c.end_ms > c.start_ms)
    return [_silence(row) for row in connection.execute(found)]


def that_hide(silences: Iterable[Silence], kahriz: str, kind: str, now: datetime) -> list[Silence]:
    """Return those that hold back what there is to tell of a kahriz and a kind at `now`."""
    return [each for each in silences if each.hides(kahriz, kind, now)]


def _silence(row: Any) -> Silence:
    return Silence(
        row.id,
        row.kahriz,
        row.kind,
        from_ms(row.start_ms),
        from_ms(row.end_ms),
        row.note,
        row.by,
    )
