"""Water delivered: each interval with how much is known of it, and its revision.

The rows are those the API tells, by the function that it tells them by (`WaterRows`): a figure that
is added there is exported, and no other one is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Literal, get_args

from kahriz.book import Book, rollups
from kahriz.clock import from_ms, to_ms
from kahriz.export.table import Column, Kind, Part, Source, Table, Wanted, about, instants
from kahriz.sites import Kahriz
from kahriz.stats.delivered import Period

BY: tuple[Period, ...] = get_args(Period)

_OF_WHOM = (
    Column("kahriz", Kind.NAME),
    Column("datastream", Kind.NAME, "", "the discharge that counts as delivered"),
    Column("by", Kind.NAME, "", "what an interval is in local time"),
)
_HOURS_AT_ONCE, _DAYS_AT_ONCE = timedelta(days=61), timedelta(days=732)
_DAY = timedelta(days=1)


def table(source: Source, wanted: Wanted) -> Table:
    """Return the hours or local days that begin in [start, end), or the longer spans it touches.

    Raises
    ------
    NotFoundError
        A kahriz that is named is none of the registry's.
    """
    kahrizes = wanted.chosen(source.registry)
    said = [
        *about(wanted, f"water delivered by {wanted.by}", "start"),
        ("figures", "docs/statistics.md; completeness says how much of the time is known"),
    ]
    said += [(f"kahriz {k.id}", _served(k)) for k in kahrizes]
    columns = (*_OF_WHOM, *source.water.columns)
    parts = (
        _columned(k, wanted.by, source.water.columns, rows)
        for k in kahrizes
        for rows in _rows(source, k, wanted)
    )
    return Table(f"water-{wanted.by}", columns, tuple(said), parts)


def _served(kahriz: Kahriz) -> str:
    people = "people not counted" if kahriz.served is None else f"{kahriz.served} people"
    assumed = " (assumed from households)" if kahriz.is_served_assumed else ""
    where = f"{kahriz.name}; {kahriz.village}; {kahriz.district}; {kahriz.timezone}"
    return f"{where}; {people}{assumed}"


def _rows(source: Source, kahriz: Kahriz, wanted: Wanted) -> Iterator[list[dict[str, Any]]]:
    """Yield the rows of a kahriz, stretch by stretch, each in one state of the book."""
    is_hours = wanted.by == "hour"
    start = _first(source.book, kahriz, "hour" if is_hours else "day", wanted.start)
    if start is None:
        return
    end = wanted.now + _DAY if wanted.end is None else min(wanted.end, wanted.now + _DAY)
    last = ""
    while start < end:
        until = min(end, start + (_HOURS_AT_ONCE if is_hours else _DAYS_AT_ONCE))
        with source.book.read() as connection:
            rows = source.water.read(connection, kahriz, wanted.by, start, until, wanted.now)
        # A month that two stretches touch is told whole by either.
        new = [row for row in rows if row["start"] > last]
        if new:
            last = new[-1]["start"]
            yield new
        start = until


def _first(
    book: Book, kahriz: Kahriz, period: Literal["hour", "day"], start: datetime | None
) -> datetime | None:
    """Return the first instant of which there may be a row; None: there is none."""
    if kahriz.delivery is None or start is not None:
        return None if kahriz.delivery is None else start
    with book.read() as connection:
        found = rollups.first_rows(connection, kahriz.delivery, period, 0, 2**62, 1)
    return from_ms(found[0].start_ms) if found else None


def _columned(
    kahriz: Kahriz, by: str, columns: Sequence[Column], rows: Sequence[Mapping[str, Any]]
) -> Part:
    n = len(rows)
    found: list[Any] = [[kahriz.id] * n, [kahriz.delivery] * n, [by] * n]
    for column in columns:
        values = [row[column.name] for row in rows]
        found.append(_instants(values) if column.kind is Kind.INSTANT else values)
    return tuple(found)


def _instants(values: Sequence[str | None]) -> Any:
    return instants([None if v is None else to_ms(datetime.fromisoformat(v)) for v in values])
