"""Keep the statistics up with the data: hours that got data are computed again, and their days."""

from __future__ import annotations

import logging
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from kahriz.book import Book, checkpoints, rollups
from kahriz.book.rollups import DirtyHour
from kahriz.clock import from_datetime64, from_ms, to_ms
from kahriz.observations import DatastreamId
from kahriz.sites import Registry
from kahriz.stats.local_days import day_bounds, days_touching, hour_edges
from kahriz.stats.rollup import Figures, joined, rollup
from kahriz.stats.volume import REACH
from kahriz.store import Store

_log = logging.getLogger(__name__)

_HOUR = timedelta(hours=1)
_MILLISECOND = timedelta(milliseconds=1)
# Dirty hours closer than this share most of what has to be read for them.
_NEAR_MS = 4 * REACH // _MILLISECOND


@dataclass(frozen=True, slots=True)
class _Span:
    """Dirty hours of one datastream that lie close together, computed in one go."""

    datastream: DatastreamId
    start: datetime
    end: datetime
    zone: ZoneInfo


class Rollups:
    """The worker that turns dirty hours into figures of hours and local days.

    An hour's figures depend on readings up to `REACH` outside it, never on more, so the cost of
    a late reading does not grow with the history. Days are joined from their hours.

    Parameters
    ----------
    registry, store, book
        What is measured, where it is, and where the figures are kept.
    chunk
        Dirty hours taken in one step, the newest first: bounds its time and its transaction.
    """

    def __init__(self, registry: Registry, store: Store, book: Book, chunk: int = 2000) -> None:
        self._registry = registry
        self._store = store
        self._book = book
        self._chunk = chunk

    def step(self, now: datetime) -> int:
        """Compute one chunk of dirty hours; return how many, 0 when all is up to date.

        Figures and cleared marks are one transaction: after a crash, or an error, the marks are
        still there. An hour that got data while it was computed stays dirty.

        Raises
        ------
        StoreUnavailable
            Store or book cannot be read or written now; nothing has changed.
        """
        with self._book.read() as connection:
            read = rollups.dirty(connection, self._chunk)
        if not read:
            return 0
        computed = [(span, self._hours(span)) for span in self._spans(read)]
        with self._book.begin() as connection:
            for span, hours in computed:
                _keep(connection, span, hours, now)
            rollups.clear(connection, read)
            # What the API's event stream looks at to tell open pages of new figures.
            checkpoints.put(connection, "rollups", {"computed_at_ms": to_ms(now)})
        return len(read)

    def _spans(self, read: Sequence[DirtyHour]) -> Iterator[_Span]:
        for datastream, group in groupby(sorted(read), key=lambda dirty: dirty.datastream):
            if datastream not in self._registry.index:
                _log.warning("no statistics: not in sites.toml", extra={"datastream": datastream})
                continue
            zone = self._registry.datastream(datastream).kahriz.zone
            for first, last in _stretches(dirty.hour_ms for dirty in group):
                yield _Span(datastream, from_ms(first), from_ms(last) + _HOUR, zone)

    def _hours(self, span: _Span) -> list[Figures]:
        """Return the figures of every local hour that the dirty ones can have changed."""
        edges = hour_edges(span.start - REACH, span.end + REACH, span.zone)
        first, last = from_datetime64(edges[0]), from_datetime64(edges[-1])
        series = self._store.series(span.datastream, first - REACH, last + REACH + _MILLISECOND)
        return rollup(series, edges)


def _stretches(hours_ms: Iterable[int]) -> Iterator[tuple[int, int]]:
    """Yield (first, last) of runs of increasing `hours_ms` with no wide hole in them."""
    first = last = None
    for hour_ms in hours_ms:
        if first is None or last is None:
            first = hour_ms
        elif hour_ms - last > _NEAR_MS:
            yield first, last
            first = hour_ms
        last = hour_ms
    if first is not None and last is not None:
        yield first, last


def _keep(connection: Connection, span: _Span, hours: Sequence[Figures], now: datetime) -> None:
    changed = rollups.put(connection, [_row(span, "hour", hour) for hour in hours], now)
    if not changed:
        return
    begin = from_ms(min(row["start_ms"] for row in changed))
    end = from_ms(max(row["end_ms"] for row in changed))
    days = list(_days(connection, span, begin, end))
    rollups.put(connection, [_row(span, "day", day) for day in days], now)


def _days(connection: Connection, span: _Span, begin: datetime, end: datetime) -> Iterator[Figures]:
    """Yield the figures of the local days that touch [begin, end), from all their hours kept."""
    bounds = [
        (to_ms(opening), to_ms(closing))
        for opening, closing in (
            day_bounds(day, span.zone) for day in days_touching(begin, end, span.zone)
        )
    ]
    hours = rollups.rows(connection, span.datastream, "hour", bounds[0][0], bounds[-1][1])
    starts = [hour.start_ms for hour in hours]
    for opening, closing in bounds:
        of_day = slice(bisect_left(starts, opening), bisect_left(starts, closing))
        yield joined(hours[of_day], opening, closing)


def _row(span: _Span, period: rollups.Period, figures: Figures) -> dict[str, Any]:
    row: dict[str, Any] = {name: getattr(figures, name) for name in Figures.__slots__}
    return row | {"datastream": span.datastream, "period": period}
