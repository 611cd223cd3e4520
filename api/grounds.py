"""What a figure rests on, read from the book and shaped the same way for every figure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime

from api.reads import Connection
from api.shapes import Shape
from kahriz.book import rollups
from kahriz.book.rollups import Rollup
from kahriz.clock import to_ms
from kahriz.observations import DatastreamId
from kahriz.sites import Kahriz
from kahriz.stats.grounds import Grounds, grounds
from kahriz.stats.local_days import day_bounds, local_date


def days(
    book: Connection, kahriz: Kahriz, datastream: DatastreamId, start: datetime, end: datetime
) -> list[Rollup]:
    """Return the local days that share time with [start, end), of which anything is known."""
    opening, _ = day_bounds(local_date(start, kahriz.zone), kahriz.zone)
    return rollups.rows(book, datastream, "day", to_ms(opening), to_ms(end))


def rests_on(
    datastream: DatastreamId, rows: Sequence[Rollup], start: datetime, end: datetime
) -> Shape:
    """Return what a figure of [start, end), whole days `rows` of one datastream, rests on."""
    return shape(datastream, grounds(rows, start, end))


def shape(datastream: DatastreamId, found: Grounds) -> Shape:
    """Return what a figure rests on, and of which datastream that is."""
    return {"datastream": datastream} | asdict(found)
