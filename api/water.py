"""Water delivered by one kahriz: rows of the book, told in local time and a person."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Literal

from api import shapes
from api.reads import Connection
from kahriz.book import rollups
from kahriz.clock import to_ms
from kahriz.sites import Kahriz
from kahriz.stats.delivered import Period, RevisedFigures, WaterRow, spans_from_days, water_row
from kahriz.stats.local_days import Span, day_bounds, local_date, span_bounds
from kahriz.stats.summary import Summary, summary


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
) -> list[shapes.Shape]:
    """Return the hours or local days that begin in [start, end), or the longer spans it touches.

    With `modified_since` only those whose figures were computed then or later.
    """
    if kahriz.delivery is None:
        return []
    if by != "hour" and by != "day":
        start, end = whole(kahriz, by, start, end)
    period: Literal["hour", "day"] = "hour" if by == "hour" else "day"
    kept = rollups.rows(book, kahriz.delivery, period, to_ms(start), to_ms(end))
    found: Sequence[rollups.Rollup | RevisedFigures] = kept
    if by != "hour" and by != "day":
        found = spans_from_days(kept, kahriz.zone, by)
    since_ms = None if modified_since is None else to_ms(modified_since)
    return [
        shapes.water(_told(kahriz, by, row, now))
        for row in found
        if since_ms is None or row.computed_at_ms >= since_ms
    ]


def summed(
    book: Connection, kahriz: Kahriz, start: datetime, end: datetime, now: datetime
) -> Summary:
    """Return the water of the local days that begin in [start, end) and are over."""
    over = min(end, last_days(kahriz, now, 1)[0])
    begun = local_date(start - timedelta(milliseconds=1), kahriz.zone)
    last = local_date(over - timedelta(milliseconds=1), kahriz.zone)
    days = max((last - begun).days, 0)
    if kahriz.delivery is None or not days:
        return summary([], days, kahriz.norms)
    kept = rollups.rows(book, kahriz.delivery, "day", to_ms(start), to_ms(over))
    return summary([_told(kahriz, "day", row, now) for row in kept], days, kahriz.norms)


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
    told = (shapes.water(_told(kahriz, "day", day, now)) for day in days)
    by_label = {row["label"]: row for row in told}
    yesterday = today - timedelta(days=1)
    return by_label.get(yesterday.isoformat()), by_label.get(today.isoformat())


def _told(
    kahriz: Kahriz, by: Period, figures: rollups.Rollup | RevisedFigures, now: datetime
) -> WaterRow:
    return water_row(figures, by, kahriz.zone, now, kahriz.served, kahriz.norms)
