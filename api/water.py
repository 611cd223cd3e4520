"""Water delivered by one kahriz: rows of the book, told in local time and a person."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Literal

from api import shapes
from api.reads import Connection
from kahriz.book import rollups
from kahriz.clock import to_ms
from kahriz.observations import datastream_id
from kahriz.rating.dated import DatedRating
from kahriz.rating.volume import VolumeUncertainty
from kahriz.sites import Kahriz
from kahriz.stats.delivered import RevisedFigures, WaterRow, months_from_days, water_row
from kahriz.stats.local_days import day_bounds, local_date, month_bounds
from kahriz.stats.summary import Summary, summary
from kahriz.units import Property

By = Literal["hour", "day", "month"]


def last_days(kahriz: Kahriz, now: datetime, days: int) -> tuple[datetime, datetime]:
    """Return the last local days, the running one included, as UTC instants."""
    today = local_date(now, kahriz.zone)
    first, _ = day_bounds(today - timedelta(days=days - 1), kahriz.zone)
    return first, day_bounds(today, kahriz.zone)[1]


def whole_months(kahriz: Kahriz, start: datetime, end: datetime) -> tuple[datetime, datetime]:
    """Return [start, end) widened to the local months it touches."""
    first = local_date(start, kahriz.zone)
    last = local_date(end - timedelta(milliseconds=1), kahriz.zone)
    return (
        month_bounds(first.year, first.month, kahriz.zone)[0],
        month_bounds(last.year, last.month, kahriz.zone)[1],
    )


def rows(
    book: Connection,
    kahriz: Kahriz,
    by: By,
    start: datetime,
    end: datetime,
    now: datetime,
    modified_since: datetime | None = None,
) -> list[shapes.Shape]:
    """Return the hours or local days that begin in [start, end), or the months it touches.

    With `modified_since` only those whose figures were computed then or later.
    """
    if kahriz.delivery is None:
        return []
    if by == "month":
        start, end = whole_months(kahriz, start, end)
    period: Literal["hour", "day"] = "hour" if by == "hour" else "day"
    kept = rollups.rows(book, kahriz.delivery, period, to_ms(start), to_ms(end))
    sure = _sure(kahriz, kept)
    found: Sequence[rollups.Rollup | RevisedFigures] = kept
    if by == "month":
        found = months_from_days(kept, kahriz.zone)
    since_ms = None if modified_since is None else to_ms(modified_since)
    return [
        shapes.water(_told(kahriz, by, row, now), _of(sure, row))
        for row in found
        if since_ms is None or row.computed_at_ms >= since_ms
    ]


def summed(
    book: Connection, kahriz: Kahriz, start: datetime, end: datetime, now: datetime
) -> tuple[Summary, float | None]:
    """Return the water of the local days that begin in [start, end) and are over, and how sure."""
    over = min(end, last_days(kahriz, now, 1)[0])
    begun = local_date(start - timedelta(milliseconds=1), kahriz.zone)
    last = local_date(over - timedelta(milliseconds=1), kahriz.zone)
    days = max((last - begun).days, 0)
    if kahriz.delivery is None or not days:
        return summary([], days, kahriz.norms), None
    kept = rollups.rows(book, kahriz.delivery, "day", to_ms(start), to_ms(over))
    sure = _sure(kahriz, kept)
    found = summary([_told(kahriz, "day", row, now) for row in kept], days, kahriz.norms)
    return found, None if sure is None else sure.between(to_ms(start), to_ms(over))


def yesterday_and_today(
    book: Connection, kahrizes: Sequence[Kahriz], now: datetime
) -> dict[str, tuple[shapes.Shape | None, shapes.Shape | None]]:
    """Return the last two local days of each kahriz, by its id; null where nothing is known."""
    spans = [last_days(kahriz, now, 2) for kahriz in kahrizes]
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
    today = local_date(now, kahriz.zone)
    sure = _sure(kahriz, days)
    told = (shapes.water(_told(kahriz, "day", day, now), _of(sure, day)) for day in days)
    by_label = {row["label"]: row for row in told}
    yesterday = today - timedelta(days=1)
    return by_label.get(yesterday.isoformat()), by_label.get(today.isoformat())


def _sure(kahriz: Kahriz, parts: Sequence[rollups.Rollup]) -> VolumeUncertainty | None:
    """Return how sure volumes of the delivery are; None where no rating derives it."""
    for site in kahriz.site:
        if site.rating and datastream_id(kahriz.id, site.id, Property.DISCHARGE) == kahriz.delivery:
            return VolumeUncertainty(DatedRating(site.rating, kahriz.zone), parts)
    return None


def _of(sure: VolumeUncertainty | None, row: rollups.Rollup | RevisedFigures) -> float | None:
    return None if sure is None else sure.between(row.start_ms, row.end_ms)


def _told(
    kahriz: Kahriz, by: By, figures: rollups.Rollup | RevisedFigures, now: datetime
) -> WaterRow:
    return water_row(figures, by, kahriz.zone, now, kahriz.served, kahriz.norms)
