"""Water delivered by one kahriz: rows of the book, told in local time and a person."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import numpy as np

from api import shapes
from api.reads import Connection
from kahriz.book import rollups
from kahriz.clock import from_ms, to_ms
from kahriz.observations import DatastreamId
from kahriz.rating.uncertainty import instrument_uncertainty
from kahriz.rating.volume import VolumeUncertainty
from kahriz.sites import Kahriz
from kahriz.stats.delivered import (
    Gap,
    Period,
    RevisedFigures,
    WaterRow,
    spans_from_days,
    water_row,
)
from kahriz.stats.gaps import NEAR, Unmeasured
from kahriz.stats.local_days import Span, day_bounds, local_date, span_bounds
from kahriz.stats.summary import Summary, summary

_DAY = timedelta(days=1)


def last_days(kahriz: Kahriz, now: datetime, days: int) -> tuple[datetime, datetime]:
    """Return the last local days, the running one included, as UTC instants."""
    today = local_date(now, kahriz.zone)
    first, _ = day_bounds(today - timedelta(days=days - 1), kahriz.zone)
    return first, day_bounds(today, kahriz.zone)[1]


def whole(kahriz: Kahriz, span: Span, start: datetime, end: datetime) -> tuple[datetime, datetime]:
    """Return [start, end) widened to the local months, seasons or years it touches."""
    first = local_date(start, kahriz.zone)
    last = local_date(end - timedelta(milliseconds=1), kahriz.zone)
    return span_bounds(first, span, kahriz.zone)[0], span_bounds(last, span, kahriz.zone)[1]


def rows(
    book: Connection,
    kahriz: Kahriz,
    by: Period,
    start: datetime,
    end: datetime,
    now: datetime,
    modified_since: datetime | None = None,
    *,
    is_filled: bool = False,
) -> list[shapes.Shape]:
    """Return the hours or local days that begin in [start, end), or the longer spans it touches.

    With `modified_since` only those whose figures, or what their bounds rest on, were computed then
    or later; filled, with what is typical of gaps, and rows of days that are nothing but gap.
    """
    if kahriz.delivery is None:
        return []
    if by != "hour" and by != "day":
        start, end = whole(kahriz, by, start, end)
    near = _near(book, kahriz, kahriz.delivery, start, end)
    begun_ms = rollups.first_hour(book, kahriz.delivery) if is_filled else None
    begun = None if begun_ms is None else from_ms(begun_ms)
    gaps = Unmeasured(near, kahriz.zone, now, _capacity(kahriz), begun)
    kept = (
        rollups.rows(book, kahriz.delivery, "hour", to_ms(start), to_ms(end))
        if by == "hour"
        else [day for day in near if to_ms(start) <= day.start_ms < to_ms(end)]
    )
    sure = _sure(kahriz, kept)
    found: Sequence[rollups.Rollup | RevisedFigures] = kept
    if by != "hour" and by != "day":
        found = spans_from_days(kept, kahriz.zone, by)
    elif is_filled:
        found = sorted([*kept, *gaps.unknown_days(start, end)], key=lambda row: row.start_ms)
    since_ms = 0 if modified_since is None else to_ms(modified_since)
    told = ((figures, _gap(by, figures, gaps)) for figures in found)
    return [
        shapes.water(_told(kahriz, by, figures, now, gap, is_filled=is_filled), _of(sure, figures))
        for figures, gap in told
        if max(figures.computed_at_ms, gap.changed_ms) >= since_ms
    ]


def summed(
    book: Connection, kahriz: Kahriz, start: datetime, end: datetime, now: datetime
) -> tuple[Summary, float | None]:
    """Return the water of the local days that begin in [start, end) and are over, and how sure."""
    over = min(end, last_days(kahriz, now, 1)[0])
    begun = local_date(start - timedelta(milliseconds=1), kahriz.zone)
    last = local_date(over - timedelta(milliseconds=1), kahriz.zone)
    days = max((last - begun).days, 0)
    if kahriz.delivery is None or kahriz.delivery_site is None or not days:
        return summary([], days, kahriz.norms), None
    near = _near(book, kahriz, kahriz.delivery, start, over)
    gaps = Unmeasured(near, kahriz.zone, now, _capacity(kahriz))
    kept = [day for day in near if to_ms(start) <= day.start_ms < to_ms(over)]
    sure = _sure(kahriz, kept)
    opening = day_bounds(begun + timedelta(days=1), kahriz.zone)[0]
    closing = day_bounds(last, kahriz.zone)[1]
    flow = np.array([np.nan if day.mean is None else day.mean for day in kept], np.float64)
    at = np.array([day.start_ms for day in kept], np.int64)
    found = summary(
        [_told(kahriz, "day", row, now, gaps.of(row)) for row in kept],
        days,
        kahriz.norms,
        kahriz.served,
        gaps.of_span(opening, closing),
        instrument_uncertainty(kahriz.delivery_site, kahriz.zone, at, flow),
    )
    return found, None if sure is None else sure.between(to_ms(start), to_ms(over))


def _near(
    book: Connection, kahriz: Kahriz, datastream: DatastreamId, start: datetime, end: datetime
) -> list[rollups.Rollup]:
    """Return the local days of [start, end), and those that tell how much its gaps may hold."""
    first, last = to_ms(start - NEAR - _DAY), to_ms(end + NEAR)
    return rollups.rows(book, datastream, "day", first, last)


def _capacity(kahriz: Kahriz) -> float | None:
    return None if kahriz.delivery_site is None else kahriz.delivery_site.capacity_lps


def yesterday_and_today(
    book: Connection, kahrizes: Sequence[Kahriz], now: datetime
) -> dict[str, tuple[shapes.Shape | None, shapes.Shape | None]]:
    """Return the last two local days of each kahriz, by its id; null where nothing is known."""
    spans = [last_days(kahriz, now, 2 + NEAR.days) for kahriz in kahrizes]
    kept = rollups.rows_of_many(
        book,
        [kahriz.delivery for kahriz in kahrizes if kahriz.delivery is not None],
        "day",
        min((to_ms(start) for start, _ in spans), default=0),
        max((to_ms(end) for _, end in spans), default=0),
    )
    return {
        kahriz.id: _last_two(kahriz, kept[kahriz.delivery], now)
        if kahriz.delivery is not None
        else (None, None)
        for kahriz in kahrizes
    }


def _last_two(
    kahriz: Kahriz, days: Sequence[rollups.Rollup], now: datetime
) -> tuple[shapes.Shape | None, shapes.Shape | None]:
    gaps = Unmeasured(days, kahriz.zone, now, _capacity(kahriz))
    today = local_date(now, kahriz.zone)
    sure = _sure(kahriz, days)
    last = [day for day in days if local_date(from_ms(day.start_ms), kahriz.zone) >= today - _DAY]
    told = (
        shapes.water(_told(kahriz, "day", day, now, gaps.of(day)), _of(sure, day)) for day in last
    )
    by_label = {row["label"]: row for row in told}
    return by_label.get((today - _DAY).isoformat()), by_label.get(today.isoformat())


def _gap(by: Period, figures: rollups.Rollup | RevisedFigures, gaps: Unmeasured) -> Gap:
    if by == "hour" or by == "day":
        return gaps.of(figures)
    return gaps.of_span(from_ms(figures.start_ms), from_ms(figures.end_ms))


def _sure(kahriz: Kahriz, parts: Sequence[rollups.Rollup]) -> VolumeUncertainty | None:
    """Return how sure volumes of the delivery are; None where nothing delivers."""
    site = kahriz.delivery_site
    return None if site is None else VolumeUncertainty(site, kahriz.zone, parts)


def _of(sure: VolumeUncertainty | None, row: rollups.Rollup | RevisedFigures) -> float | None:
    return None if sure is None else sure.between(row.start_ms, row.end_ms)


def _told(
    kahriz: Kahriz,
    by: Period,
    figures: rollups.Rollup | RevisedFigures,
    now: datetime,
    gap: Gap,
    *,
    is_filled: bool = False,
) -> WaterRow:
    return water_row(
        figures, by, kahriz.zone, now, kahriz.served, kahriz.norms, gap, is_filled=is_filled
    )
