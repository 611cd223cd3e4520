"""Mean flows day by day and month by month, as recession, forecast and trend need them.

A day or month that was not measured enough is not known (NaN): it is neither low nor left out, so
that days stay one day apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from kahriz.clock import from_ms
from kahriz.observations import Values
from kahriz.stats.delivered import COMPLETENESS_LIMIT
from kahriz.stats.local_days import local_date
from kahriz.stats.rollup import HasFigures


@dataclass(frozen=True, slots=True)
class Daily:
    """Mean flow of local days that follow each other.

    Attributes
    ----------
    first
        The first day.
    lps
        (n,) mean of each [L/s]; NaN where the day is not complete.
    """

    first: date
    lps: Values

    @property
    def known(self) -> int:
        """Complete days."""
        return int(np.count_nonzero(np.isfinite(self.lps)))


def daily(days: Sequence[HasFigures], zone: ZoneInfo, until: date) -> Daily | None:
    """Return the mean flows from the first day of which anything is known until before `until`.

    Parameters
    ----------
    days
        Figures of local days, in time order.
    zone
        The kahriz's.
    until
        The first day that is not meant, usually the running one.
    """
    if not days:
        return None
    first = local_date(from_ms(days[0].start_ms), zone)
    lps = np.full(max((until - first).days, 0), np.nan)
    for day in days:
        at = (local_date(from_ms(day.start_ms), zone) - first).days
        if at < len(lps) and day.mean is not None and _completeness(day) >= COMPLETENESS_LIMIT:
            lps[at] = day.mean
    return Daily(first, lps) if len(lps) else None


def monthly(of: Daily) -> tuple[NDArray[np.int64], Values]:
    """Return the months (m,) of which nine days in ten are complete, and their mean flows (m,).

    A month is 12 * year + month - 1; its mean is that of its complete days.
    """
    days = [of.first + timedelta(days=n) for n in range(len(of.lps))]
    index = np.array([12 * day.year + day.month - 1 for day in days], np.int64)
    months, where = np.unique(index, return_inverse=True)
    known = np.isfinite(of.lps)
    count = np.bincount(where, known, minlength=len(months))
    total = np.bincount(where, np.where(known, of.lps, 0.0), minlength=len(months))
    length = np.array([_days_of(int(month)) for month in months])
    enough = count >= COMPLETENESS_LIMIT * length
    return months[enough], total[enough] / count[enough]


def _completeness(day: HasFigures) -> float:
    return day.covered_s * 1000.0 / (day.end_ms - day.start_ms)


def _days_of(month: int) -> int:
    following = month + 1
    opening = date(month // 12, month % 12 + 1, 1)
    return (date(following // 12, following % 12 + 1, 1) - opening).days
