"""What was remembered of a kahriz at quarters of an hour past, so that late readings can go back.

Kept of each kahriz: the newest four, each hour's of two days, each day's of 45 days: at most 97.
"""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Connection, delete, func, select

from kahriz.book.tables import snapshot
from kahriz.book.upsert import upsert

HOUR, DAY = 4, 96
"""In quarters of an hour."""

NEWEST, HOURS, DAYS = 4, 48, 45


def is_kept(quarter: int, newest: int) -> bool:
    """Return whether the snapshot of a quarter is kept once there is one of `newest`."""
    age = newest - quarter
    if age < NEWEST:
        return True
    if quarter % HOUR == 0 and age <= HOURS * HOUR:
        return True
    return quarter % DAY == 0 and age <= DAYS * DAY


def newest(connection: Connection, kahriz: str, until: int | None = None) -> bytes | None:
    """Return the newest state of a kahriz, of `until` or before; None where there is none."""
    c = snapshot.c
    found = select(c.state).where(c.kahriz == kahriz)
    if until is not None:
        found = found.where(c.quarter <= until)
    state = connection.scalar(found.order_by(c.quarter.desc()).limit(1))
    return None if state is None else bytes(state)


def put(
    connection: Connection, kahriz: str, after: int, states: Iterable[tuple[int, bytes]]
) -> None:
    """Keep states by their quarter, ascending, in place of all of quarters later than `after`.

    Those were remembered without what these know.
    """
    c = snapshot.c
    connection.execute(delete(snapshot).where(c.kahriz == kahriz, c.quarter > after))
    kept = list(states)
    if not kept:
        return
    last = kept[-1][0]
    rows = [{"kahriz": kahriz, "quarter": at, "state": state} for at, state in kept]
    upsert(connection, snapshot, rows, ("kahriz", "quarter"), ("state",))
    there = connection.scalars(select(c.quarter).where(c.kahriz == kahriz)).all()
    old = [at for at in there if not is_kept(at, last)]
    if old:
        connection.execute(delete(snapshot).where(c.kahriz == kahriz, c.quarter.in_(old)))


def count(connection: Connection, kahriz: str) -> int:
    """Return how many are kept of a kahriz."""
    found = select(func.count()).select_from(snapshot).where(snapshot.c.kahriz == kahriz)
    return int(connection.scalar(found) or 0)
