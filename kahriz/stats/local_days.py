"""Days, hours and months as people on the spot count them, in any IANA time zone, as UTC.

A local day is 24 h, or 23, 25 and more rarely other lengths where the clocks change. Its hours are
counted from its beginning, so they fill it exactly, also at +3:30 and +4:30; the last one may be
shorter. Everywhere the clocks keep still they are the hours of the local clock.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Literal
from zoneinfo import ZoneInfo

import numpy as np

from kahriz.clock import from_ms, to_ms
from kahriz.observations import Times

Span = Literal["month", "season", "year"]

_HOUR_MS = 3_600_000
_MONTHS: dict[Span, int] = {"month": 1, "season": 3, "year": 12}
_DAY = timedelta(days=1)


@lru_cache(maxsize=4096)
def day_start(day: date, zone: ZoneInfo) -> datetime:
    """Return the first UTC instant at which the local calendar has reached `day`.

    Usually midnight; where the clocks skip midnight, the instant they do; where they show
    midnight twice, the first time.
    """
    midnight = datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)
    shown = midnight.astimezone(zone)
    if (shown.date(), shown.hour, shown.minute, shown.second) == (day, 0, 0, 0):
        return midnight
    return _first_instant_of(day, zone, midnight - _DAY, midnight)


def day_bounds(day: date, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """Return [start, end) of a local day in UTC; empty for a day the calendar skipped."""
    return day_start(day, zone), day_start(day + _DAY, zone)


def month_bounds(year: int, month: int, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """Return [start, end) of a local month in UTC."""
    following = date(year + month // 12, month % 12 + 1, 1)
    return day_start(date(year, month, 1), zone), day_start(following, zone)


def local_date(instant: datetime, zone: ZoneInfo) -> date:
    """Return the local day that holds `instant`."""
    day = instant.astimezone(zone).date()
    # Where midnight comes twice the calendar goes back for a while: the day that began goes on.
    return day + _DAY if instant >= day_start(day + _DAY, zone) else day


def days_touching(start: datetime, end: datetime, zone: ZoneInfo) -> Iterator[date]:
    """Yield the local days that share time with [start, end), in order."""
    day = local_date(start, zone)
    while day_start(day, zone) < end:
        if day_start(day + _DAY, zone) > day_start(day, zone):
            yield day
        day += _DAY


def span_bounds(day: date, span: Span, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """Return [start, end) in UTC of the local month, season or year that holds a local day.

    Seasons are those of the weather service: winter is December to February, and so on.
    """
    months = _MONTHS[span]
    # December belongs to the winter that follows it.
    ahead = 1 if span == "season" else 0
    first = (12 * day.year + day.month - 1 + ahead) // months * months - ahead
    opening, closing = (date(m // 12, m % 12 + 1, 1) for m in (first, first + months))
    return day_start(opening, zone), day_start(closing, zone)


def hour_edges(start: datetime, end: datetime, zone: ZoneInfo) -> Times:
    """Return (m + 1,) the edges of the local hours that share time with [start, end)."""
    edges: list[int] = []
    for day in days_touching(start, end, zone):
        opening, closing = (to_ms(bound) for bound in day_bounds(day, zone))
        edges += range(opening, closing, _HOUR_MS)
    edges.append(closing)
    ms = np.array(edges, np.int64)
    first = int(np.searchsorted(ms, to_ms(start), side="right")) - 1
    last = int(np.searchsorted(ms, to_ms(end), side="left"))
    return ms[first : last + 1].astype("datetime64[ms]")


def _first_instant_of(day: date, zone: ZoneInfo, before: datetime, after: datetime) -> datetime:
    """Find by halving the instant in (before, after] from which on the local date is >= `day`."""
    low, high = to_ms(before) // 1000, to_ms(after) // 1000
    while high - low > 1:
        middle = (low + high) // 2
        if from_ms(middle * 1000).astimezone(zone).date() < day:
            low = middle
        else:
            high = middle
    return from_ms(high * 1000)
