"""Statistics that are kept: which hours are out of date, and the figures of hours and days."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import groupby
from typing import Any, Literal, NamedTuple

from sqlalchemy import Connection, Select, bindparam, func, select

from kahriz.book import marks
from kahriz.book.tables import dirty_hour, rollup
from kahriz.book.upsert import upsert
from kahriz.clock import to_ms
from kahriz.observations import DatastreamId

Period = Literal["hour", "day"]

FIGURES = (
    "end_ms",
    "n",
    "n_good",
    "n_suspect",
    "n_fail",
    "min",
    "max",
    "mean",
    "volume_m3",
    "covered_s",
)
"""Columns whose change makes a new revision."""

_KEY = ("datastream", "period", "start_ms")
# Sums taken over different stretches may differ in the last digits of a float: that is no change.
_ROUNDING = 1e-9


class Rollup(NamedTuple):
    """The figures of one datastream in [start_ms, end_ms), as kept; see docs/statistics.md."""

    datastream: DatastreamId
    start_ms: int
    end_ms: int
    n: int
    n_good: int
    n_suspect: int
    n_fail: int
    min: float | None
    max: float | None
    mean: float | None
    volume_m3: float | None
    covered_s: float
    revision: int
    computed_at_ms: int


class DirtyHour(NamedTuple):
    """An hour (UTC) of a datastream that has got data since its figures were computed."""

    datastream: DatastreamId
    hour_ms: int
    mark: int


def mark_dirty(connection: Connection, hours: Iterable[tuple[str, int]]) -> None:
    """Say that the figures of these (datastream, hour_ms) are out of date; repeats are welcome."""
    marks.put(connection, dirty_hour, hours)


def dirty(connection: Connection, limit: int) -> list[DirtyHour]:
    """Return at most `limit` hours that are out of date, the newest first."""
    statement = (
        select(dirty_hour.c.datastream, dirty_hour.c.hour_ms, dirty_hour.c.mark)
        .order_by(dirty_hour.c.hour_ms.desc(), dirty_hour.c.datastream)
        .limit(limit)
    )
    return [DirtyHour(*row) for row in connection.execute(statement)]


def clear(connection: Connection, read: Sequence[DirtyHour]) -> None:
    """Say that these hours are computed, but for those marked again since they were `read`."""
    marks.take_away(connection, dirty_hour, read)


def first_hour(connection: Connection, datastream: DatastreamId) -> int | None:
    """Return an instant before which nothing of a datastream is stored; None: nothing is."""
    kept = select(func.min(rollup.c.start_ms)).where(
        rollup.c.datastream == datastream, rollup.c.period == "hour"
    )
    waiting = select(func.min(dirty_hour.c.hour_ms)).where(dirty_hour.c.datastream == datastream)
    found = [connection.scalar(question) for question in (kept, waiting)]
    return min((at for at in found if at is not None), default=None)


def put(
    connection: Connection, rows: Iterable[Mapping[str, Any]], now: datetime
) -> list[Mapping[str, Any]]:
    """Keep figures; return the rows that were new or changed.

    A row that changed is computed `now`, and one revision on if its interval was over when it was
    computed before: a day that grows while it runs is not revised. A row whose figures are as they
    were keeps both. A new row that knows nothing (no values, no time covered) is not begun.

    Parameters
    ----------
    connection
        An open transaction.
    rows
        Each with ``datastream``, ``period``, ``start_ms`` and `FIGURES`.
    now
        When they were computed.
    """
    changed: list[Mapping[str, Any]] = []
    ordered = sorted(rows, key=lambda row: (row["datastream"], row["period"], row["start_ms"]))
    for (datastream, period), group in groupby(
        ordered, key=lambda row: (row["datastream"], row["period"])
    ):
        candidates = list(group)
        kept = {
            row.start_ms: row
            for row in _rows(
                connection,
                datastream,
                period,
                candidates[0]["start_ms"],
                candidates[-1]["start_ms"] + 1,
            )
        }
        changed += [
            {**row, "revision": _revision(before)}
            for row in candidates
            if _is_news(row, before := kept.get(row["start_ms"]))
        ]
    computed_at_ms = to_ms(now)
    upsert(
        connection,
        rollup,
        [{**row, "computed_at_ms": computed_at_ms} for row in changed],
        _KEY,
        (*FIGURES, "revision", "computed_at_ms"),
    )
    return changed


def rows(
    connection: Connection, datastream: DatastreamId, period: Period, start_ms: int, end_ms: int
) -> list[Rollup]:
    """Return the hours, or the local days, that begin in [start_ms, end_ms), in time order."""
    return [Rollup._make(row) for row in _rows(connection, datastream, period, start_ms, end_ms)]


def first_rows(
    connection: Connection,
    datastream: DatastreamId,
    period: Period,
    start_ms: int,
    end_ms: int,
    most: int,
) -> list[Rollup]:
    """Return the first `most` of what `rows` would: a history page by page."""
    given = {"of": datastream, "by": period, "since": start_ms, "until": end_ms}
    return [Rollup._make(row) for row in connection.execute(_SELECT.limit(most), given)]


def rows_of_many(
    connection: Connection,
    datastreams: Collection[DatastreamId],
    period: Period,
    start_ms: int,
    end_ms: int,
) -> dict[DatastreamId, list[Rollup]]:
    """Return what `rows` would for each of `datastreams`, by a few questions in all."""
    found: dict[DatastreamId, list[Rollup]] = {name: [] for name in datastreams}
    for row in _of_many(connection, _SELECT_MANY, found, period, start_ms, end_ms):
        found[row[0]].append(Rollup._make(row))
    return found


def volumes(
    connection: Connection,
    datastreams: Collection[DatastreamId],
    period: Period,
    start_ms: int,
    end_ms: int,
) -> dict[DatastreamId, list[tuple[int, float | None]]]:
    """Return only (start_ms, volume_m3) of these rows: a district's week in some milliseconds."""
    found: dict[DatastreamId, list[tuple[int, float | None]]] = {name: [] for name in datastreams}
    for row in _of_many(connection, _SELECT_VOLUMES, found, period, start_ms, end_ms):
        found[row[0]].append((row[1], row[2]))
    return found


def _of_many(
    connection: Connection,
    question: Select[Any],
    datastreams: Collection[str],
    period: Period,
    start_ms: int,
    end_ms: int,
) -> Iterator[Any]:
    names = list(datastreams)
    given = {"by": period, "since": start_ms, "until": end_ms}
    for first in range(0, len(names), _AT_ONCE):
        some = {"some": names[first : first + _AT_ONCE]}
        yield from connection.execute(question, given | some)


_COLUMNS = [rollup.c[name] for name in Rollup._fields]
_SELECT = (
    select(*_COLUMNS)
    .where(
        rollup.c.datastream == bindparam("of"),
        rollup.c.period == bindparam("by"),
        rollup.c.start_ms >= bindparam("since"),
        rollup.c.start_ms < bindparam("until"),
    )
    .order_by(rollup.c.start_ms)
)
# Databases limit how many values one question may name.
_AT_ONCE = 1000
_SELECT_MANY = (
    select(*_COLUMNS)
    .where(
        rollup.c.datastream.in_(bindparam("some", expanding=True)),
        rollup.c.period == bindparam("by"),
        rollup.c.start_ms >= bindparam("since"),
        rollup.c.start_ms < bindparam("until"),
    )
    .order_by(rollup.c.datastream, rollup.c.start_ms)
)
_SELECT_VOLUMES = _SELECT_MANY.with_only_columns(
    rollup.c.datastream, rollup.c.start_ms, rollup.c.volume_m3
)


def _rows(
    connection: Connection, datastream: str, period: str, start_ms: int, end_ms: int
) -> Sequence[Any]:
    given = {"of": datastream, "by": period, "since": start_ms, "until": end_ms}
    return connection.execute(_SELECT, given).all()


def _revision(before: Any | None) -> int:
    if before is None:
        return 1
    was_over: bool = before.computed_at_ms >= before.end_ms
    return int(before.revision) + was_over


def _is_news(row: Mapping[str, Any], before: Any | None) -> bool:
    if before is None:
        return bool(row["n"] or row["n_fail"] or row["covered_s"])
    return not all(_is_same(row[name], getattr(before, name)) for name in FIGURES)


def _is_same(a: float | None, b: float | None) -> bool:
    if a is None or b is None:
        return a is b
    return a == b or math.isclose(a, b, rel_tol=_ROUNDING, abs_tol=_ROUNDING)
