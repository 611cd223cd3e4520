"""Water delivered: each hour, day or month with how much is known of it, and its revision."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import fields
from datetime import datetime, timedelta
from typing import Any, Literal, get_type_hints

from kahriz.book import Book, rollups
from kahriz.clock import from_ms, to_ms
from kahriz.export.table import Column, Kind, Part, Source, Table, Wanted, about, instants
from kahriz.sites import Kahriz
from kahriz.stats.delivered import WaterRow, months_from_days, water_row
from kahriz.stats.local_days import local_date, month_bounds

BY = ("hour", "day", "month")

ROWS = 2000
"""Rows of a part at most, of months the days they are made of."""

_KINDS: dict[Any, Kind] = {
    datetime: Kind.INSTANT,
    str: Kind.TEXT,
    str | None: Kind.NAME,
    float: Kind.NUMBER,
    float | None: Kind.NUMBER,
    int: Kind.INTEGER,
    int | None: Kind.INTEGER,
    bool: Kind.FLAG,
}
_UNITS = {"m3": "m3", "lps": "L/s", "lpcd": "L/person/day", "completeness": "1", "at": "UTC"}
_UNITS |= {"start": "UTC", "end": "UTC"}
_OF_A_ROW = tuple(field.name for field in fields(WaterRow))


def columns() -> tuple[Column, ...]:
    """Return the columns: whose water it is, and then every figure of `WaterRow`."""
    hints = get_type_hints(WaterRow)
    return (
        Column("kahriz", Kind.NAME),
        Column("datastream", Kind.NAME, "", "the discharge that counts as delivered"),
        Column("by", Kind.NAME, "", "what an interval is in local time"),
        *(Column(name, _KINDS[hints[name]], _unit(name)) for name in _OF_A_ROW),
    )


def table(source: Source, wanted: Wanted) -> Table:
    """Return the hours or local days that begin in [start, end), or the months it touches.

    Raises
    ------
    NotFoundError
        A kahriz that is named is none of the registry's.
    """
    kahrizes = wanted.chosen(source.registry)
    said = [
        *about(wanted, f"water delivered by {wanted.by}", "start"),
        (
            "figures",
            "docs/statistics.md; a gap is not bridged, completeness says how much is known",
        ),
    ]
    said += [(f"kahriz {k.id}", _served(k)) for k in kahrizes]
    parts = (_columned(k, wanted.by, rows) for k in kahrizes for rows in _rows(source, k, wanted))
    return Table(f"water-{wanted.by}", columns(), tuple(said), parts)


def of_rows(kahriz: Kahriz, by: str, rows: Sequence[WaterRow]) -> Part:
    """Return rows that are at hand already as a part of the table."""
    return _columned(kahriz, by, rows)


def _served(kahriz: Kahriz) -> str:
    people = "people not counted" if kahriz.served is None else f"{kahriz.served} people"
    assumed = " (assumed from households)" if kahriz.is_served_assumed else ""
    return (
        f"{kahriz.name}; {kahriz.village}; {kahriz.district}; {kahriz.timezone}; {people}{assumed}"
    )


def _rows(source: Source, kahriz: Kahriz, wanted: Wanted) -> Iterator[list[WaterRow]]:
    if kahriz.delivery is None:
        return
    start_ms, end_ms = wanted.between_ms()
    if wanted.by == "month":
        start_ms, end_ms = _whole_months(kahriz, wanted)
    period: Literal["hour", "day"] = "hour" if wanted.by == "hour" else "day"
    kept = _kept(source.book, kahriz.delivery, period, start_ms, end_ms)
    if wanted.by == "month":
        days = (day for page in kept for day in page)
        yield [_told(kahriz, wanted, month) for month in months_from_days(days, kahriz.zone)]
        return
    for page in kept:
        yield [_told(kahriz, wanted, row) for row in page]


def _kept(
    book: Book, datastream: Any, period: Literal["hour", "day"], start_ms: int, end_ms: int
) -> Iterator[list[rollups.Rollup]]:
    while True:
        with book.read() as connection:
            page = rollups.first_rows(connection, datastream, period, start_ms, end_ms, ROWS)
        if not page:
            return
        yield page
        start_ms = page[-1].start_ms + 1


def _told(kahriz: Kahriz, wanted: Wanted, figures: Any) -> WaterRow:
    by: Any = wanted.by
    return water_row(figures, by, kahriz.zone, wanted.now, kahriz.served, kahriz.norms)


def _whole_months(kahriz: Kahriz, wanted: Wanted) -> tuple[int, int]:
    """Return the interval widened to the local months it touches, where it has ends."""
    start_ms, end_ms = wanted.between_ms()
    if wanted.start is not None:
        first = local_date(wanted.start, kahriz.zone)
        start_ms = to_ms(month_bounds(first.year, first.month, kahriz.zone)[0])
    if wanted.end is not None:
        last = local_date(from_ms(end_ms) - timedelta(milliseconds=1), kahriz.zone)
        end_ms = to_ms(month_bounds(last.year, last.month, kahriz.zone)[1])
    return start_ms, end_ms


def _columned(kahriz: Kahriz, by: str, rows: Sequence[WaterRow]) -> Part:
    n = len(rows)
    found: list[Any] = [[kahriz.id] * n, [kahriz.delivery] * n, [by] * n]
    hints = get_type_hints(WaterRow)
    for name in _OF_A_ROW:
        values = [getattr(row, name) for row in rows]
        is_time = hints[name] is datetime
        found.append(instants([to_ms(v) for v in values]) if is_time else values)
    return tuple(found)


def _unit(name: str) -> str:
    return _UNITS.get(name.rpartition("_")[2], "")
