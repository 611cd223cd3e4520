"""When somebody works at a kahriz: meanwhile nothing is told of it, and nothing is learned.

Instants are event time. At each kahriz works follow one another and never overlap.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, insert, inspect, select, update

from kahriz.book import audit, check
from kahriz.book.book import Book
from kahriz.book.tables import maintenance
from kahriz.clock import from_ms, iso, to_ms
from kahriz.errors import KahrizError


class WorksRefused(KahrizError):  # noqa: N818 - the name says a decision, not a mistake
    """Works that cannot have been: they overlap, end before they begin, or never began."""


@dataclass(frozen=True, slots=True)
class Works:
    """Somebody works at a kahriz in [start, end); ``end`` is None while it goes on.

    Attributes
    ----------
    is_new_normal
        What is measured after them is usual: the gallery is another one than before.
    note, by
        What is done, and who said so.
    """

    id: int
    kahriz: str
    start: datetime
    end: datetime | None
    is_new_normal: bool
    note: str
    by: str


def start(
    connection: Connection, kahriz: str, at: datetime, *, by: str, note: str, now: datetime
) -> Works:
    """Say that works begin at `at`; the audit log has it at `now`.

    Raises
    ------
    WorksRefused
        Works are on already, or `at` is before the end of others.
    """
    known = list_works(connection, kahriz)
    for works in known:
        if works.end is None:
            raise WorksRefused(f"{kahriz}: works are on already, since {iso(works.start)}")
        if at < works.end:
            raise WorksRefused(
                f"{kahriz}: start {iso(at)} is before the end of other works, {iso(works.end)}"
            )
    row = {
        "kahriz": kahriz,
        "start_ms": to_ms(at),
        "is_new_normal": False,
        "note": note,
        "by": by,
    }
    connection.execute(insert(maintenance).values(row))
    begun = list_works(connection, kahriz)[-1]
    detail = {"kahriz": kahriz, "start": iso(begun.start), "note": note}
    audit.append(connection, now, by, "maintenance.start", detail)
    return begun


def end(
    connection: Connection,
    kahriz: str,
    at: datetime,
    *,
    is_new_normal: bool,
    by: str,
    now: datetime,
) -> Works:
    """Say that the works that are on end at `at`; the audit log has it at `now`.

    Raises
    ------
    WorksRefused
        None are on, or they began at `at` or later.
    """
    on = [works for works in list_works(connection, kahriz) if works.end is None]
    if not on:
        raise WorksRefused(f"{kahriz}: no works are on")
    (works,) = on
    if at <= works.start:
        raise WorksRefused(
            f"{kahriz}: end {iso(at)} is not after the start of the works, {iso(works.start)}"
        )
    c = maintenance.c
    values = {"end_ms": to_ms(at), "is_new_normal": is_new_normal}
    connection.execute(update(maintenance).where(c.id == works.id).values(values))
    ended = next(w for w in list_works(connection, kahriz) if w.id == works.id)
    detail = {"kahriz": kahriz, "end": iso(at), "is_new_normal": is_new_normal}
    audit.append(connection, now, by, "maintenance.end", detail)
    return ended


def list_works(connection: Connection, kahriz: str | None = None) -> list[Works]:
    """Return all works at a kahriz, or at every one, the oldest first: a handful a year."""
    c = maintenance.c
    found = select(maintenance).order_by(c.start_ms, c.id)
    if kahriz is not None:
        found = found.where(c.kahriz == kahriz)
    return [_works(row) for row in connection.execute(found)]


def known(book: Book, kahriz: str) -> list[Works]:
    """Return all works at a kahriz; none where there is no book yet, or one of before works."""
    if not check.is_there(book):
        return []
    with book.read() as connection:
        if not inspect(connection).has_table(maintenance.name):
            return []
        return list_works(connection, kahriz)


def _works(row: Any) -> Works:
    return Works(
        row.id,
        row.kahriz,
        from_ms(row.start_ms),
        None if row.end_ms is None else from_ms(row.end_ms),
        row.is_new_normal,
        row.note,
        row.by,
    )
