"""What came late: hours whose flags are not settled, and since when detection has to look again.

A value is late where its datastream has shown a newer one already.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

from sqlalchemy import Connection, bindparam, case, delete, or_, select, update

from kahriz.book import marks
from kahriz.book.tables import corrected_hour, late_hour, late_since
from kahriz.book.upsert import excluded, upsert
from kahriz.observations import DatastreamId

_KEY = ("datastream", "hour_ms")


class LateHour(NamedTuple):
    """An hour (UTC) of a datastream whose flags have to be judged again."""

    datastream: DatastreamId
    hour_ms: int
    mark: int


def mark(connection: Connection, hours: Iterable[tuple[str, int]], now_ms: int) -> None:
    """Say that the flags of these (datastream, hour_ms) are not settled; repeats are welcome."""
    marks.put(connection, late_hour, hours, said_at_ms=now_ms)


def unsettled(connection: Connection, said_before_ms: int, limit: int) -> list[LateHour]:
    """Return at most `limit` hours last marked before an instant, by datastream, oldest first.

    Those that have waited longest are taken: whoever marks hours again and again, or cannot be
    settled and is marked again, goes behind the others.
    """
    c = late_hour.c
    statement = (
        select(c.datastream, c.hour_ms, c.mark)
        .where(c.said_at_ms < said_before_ms)
        .order_by(c.said_at_ms, c.datastream, c.hour_ms)
        .limit(limit)
    )
    return sorted(LateHour(*row) for row in connection.execute(statement))


def clear(connection: Connection, judged: Sequence[LateHour]) -> None:
    """Say that these hours are settled, but for those marked again since they were read."""
    marks.take_away(connection, late_hour, judged)


class LateSince(NamedTuple):
    """The oldest hour of a datastream in which late values are that detection has not seen."""

    datastream: DatastreamId
    oldest_ms: int
    mark: int


def tell(connection: Connection, hours: Iterable[tuple[str, int]], now_ms: int) -> None:
    """Say that late values came in these (datastream, hour_ms)."""
    oldest: dict[str, int] = {}
    for datastream, hour_ms in hours:
        oldest[datastream] = min(hour_ms, oldest.get(datastream, hour_ms))
    mark, c, new = random.getrandbits(62), late_since.c, excluded(late_since)
    rows = [
        {
            "datastream": datastream,
            "oldest_ms": oldest_ms,
            "mark": mark,
            "first_said_ms": now_ms,
            "last_said_ms": now_ms,
        }
        for datastream, oldest_ms in sorted(oldest.items())
    ]
    changes = {
        "oldest_ms": case((new.oldest_ms < c.oldest_ms, new.oldest_ms), else_=c.oldest_ms),
        "mark": new.mark,
        "last_said_ms": new.last_said_ms,
    }
    upsert(connection, late_since, rows, ("datastream",), changes)


def untold(
    connection: Connection, datastreams: Collection[str], quiet_ms: int, patient_ms: int
) -> list[LateSince]:
    """Return since when `datastreams` have late values that detection has not seen.

    Those of which no more came since `quiet_ms`, and those that began before `patient_ms`.
    """
    c = late_since.c
    statement = (
        select(c.datastream, c.oldest_ms, c.mark)
        .where(c.datastream.in_(list(datastreams)))
        .where(or_(c.last_said_ms < quiet_ms, c.first_said_ms < patient_ms))
    )
    return [LateSince(*row) for row in connection.execute(statement)]


def clear_told(connection: Connection, told: Sequence[LateSince]) -> None:
    """Say that detection has seen these, but for those of which more came since they were read."""
    if not told:
        return
    c = late_since.c
    statement = delete(late_since).where(
        c.datastream == bindparam("of"), c.mark == bindparam("as_read")
    )
    connection.execute(statement, [{"of": one.datastream, "as_read": one.mark} for one in told])
    # Of these more came meanwhile: they are waited for anew, so who repeats himself is seen seldom.
    names = [one.datastream for one in told]
    still = update(late_since).where(c.datastream.in_(names))
    connection.execute(still.values(first_said_ms=c.last_said_ms))


def mark_corrected(connection: Connection, hours: Iterable[tuple[str, int]]) -> None:
    """Say that in these (datastream, hour_ms) a value's time is not as its device said it."""
    rows = [{"datastream": name, "hour_ms": hour_ms} for name, hour_ms in sorted(set(hours))]
    upsert(connection, corrected_hour, rows, _KEY, ())


def corrected(
    connection: Connection, datastream: DatastreamId, start_ms: int, end_ms: int
) -> list[int]:
    """Return the hours [ms] of a datastream that begin in [start, end) and hold such a value."""
    c = corrected_hour.c
    statement = select(c.hour_ms).where(
        c.datastream == datastream, c.hour_ms >= start_ms, c.hour_ms < end_ms
    )
    return list(connection.scalars(statement))
