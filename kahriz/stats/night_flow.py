"""Minimum night flow of a delivery line: what runs when people sleep, hence mostly what leaks.

The rule is that of UK Water Industry Research, *Leakage Estimation from Night Flow Analysis*
(99/WM/08/21), as the publisher's abstract gives it: of each night the lowest rolling hour, and of
each rolling seven days the 20th percentile. The window, and how many nights must be known, are
ours. The one high night of a feast and the one low night of a burst main upstream do not
move it. The source's flow follows no demand, so on an outlet it means nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import numpy as np

from kahriz.clock import from_ms, to_datetime64, to_ms
from kahriz.observations import Quality, Series
from kahriz.stats.volume import REACH, integrals

NIGHT = (time(2), time(4))
"""Local clock times between which a night's lowest hour lies."""
NIGHTS = 7
PERCENTILE = 20.0
FEWEST_NIGHTS = 5
"""Of seven; with fewer known ones nothing is said."""
COMPLETE = 0.9
"""Part of the window that must be measured: the lowest of half a night may be missed."""

_MINUTE_MS = 60_000
_HOUR_MINUTES = 60
_ROUNDING_S = 1e-6


@dataclass(frozen=True, slots=True)
class Night:
    """One night of a line.

    Attributes
    ----------
    day
        The local day on whose morning it ends.
    lowest_lps
        Mean of its lowest hour [L/s]; None where the window was not measured enough, or no hour
        of it whole.
    at
        When that hour began.
    completeness
        Part of the window that was measured.
    n, n_suspect, n_fail
        Values in the window that count, the suspect ones of them, and those that do not count.
    """

    day: date
    lowest_lps: float | None
    at: datetime | None
    completeness: float
    n: int
    n_suspect: int
    n_fail: int


@dataclass(frozen=True, slots=True)
class NightFlow:
    """The smoothed night flow of a day: of it and the six nights before.

    Attributes
    ----------
    lps
        None with fewer than `FEWEST_NIGHTS` known ones.
    low_lps, high_lps
        The same if the nights that are not known had no flow at all, and if they had as much as the
        highest one that is; None like `lps`.
    nights
        How many are known.
    """

    day: date
    lps: float | None
    low_lps: float | None
    high_lps: float | None
    nights: int


def night(series: Series, day: date, zone: ZoneInfo) -> Night:
    """Return the lowest hour of the night that ends on a local day.

    Every hour that begins on a full minute and lies in the window is looked at; its mean is the
    integral of the discharge over it / 3600 s, all of it measured.

    Parameters
    ----------
    series
        (n,) discharge [L/s] of a delivery line, reaching `volume.REACH` beyond the window.
    day, zone
        Local; where the clocks change in the night the window is an hour longer or shorter.

    Uncertainty: the meter's own at that flow; of the lowest of 61 hours none is added, by which
    chance makes it a little low. Source: UKWIR 99/WM/08/21, abstract.
    """
    opens, closes = _window(day, zone)
    edges = np.arange(opens, closes + 1, _MINUTE_MS).astype("datetime64[ms]")
    passed = integrals(series, edges)
    litres = np.concatenate([[0.0], np.cumsum(passed.value_s)])
    covered = np.concatenate([[0.0], np.cumsum(passed.covered_s)])
    completeness = float(covered[-1]) / ((closes - opens) / 1000.0)
    hours = litres[_HOUR_MINUTES:] - litres[:-_HOUR_MINUTES]
    is_whole = covered[_HOUR_MINUTES:] - covered[:-_HOUR_MINUTES] >= 3600.0 - _ROUNDING_S
    usable = series.usable()
    failed = series.time[series.quality == Quality.FAIL]
    within = (usable.time >= edges[0]) & (usable.time < edges[-1])
    lowest, at = None, None
    if completeness >= COMPLETE - _ROUNDING_S and is_whole.any():
        first = int(np.argmin(np.where(is_whole, hours, np.inf)))
        lowest, at = max(float(hours[first]), 0.0) / 3600.0, from_ms(opens + first * _MINUTE_MS)
    return Night(
        day,
        lowest,
        at,
        min(completeness, 1.0),
        int(np.count_nonzero(within)),
        int(np.count_nonzero(usable.quality[within] == Quality.SUSPECT)),
        int(np.count_nonzero((failed >= edges[0]) & (failed < edges[-1]))),
    )


def nights(series: Series, days: Iterable[date], zone: ZoneInfo) -> list[Night]:
    """Return the lowest hour of each of these nights; see `night`."""
    return [night(_about(series, day, zone), day, zone) for day in days]


def night_flows(nights: Sequence[Night]) -> list[NightFlow]:
    """Return of each night the 20th percentile of it and the six days before.

    Formula: straight between order statistics, at 1 + 0.2 (n - 1) (numpy's ``linear``, a
    spreadsheet's PERCENTILE), of the nights that are known. Uncertainty: the meter's own, which is
    the same in all nights, and what the nights that are not known may have been; of seven known
    ones `low_lps` and `high_lps` are `lps`. Source: UKWIR 99/WM/08/21, abstract.

    Parameters
    ----------
    nights
        In order of their days; a day that is absent is not known.
    """
    known = {each.day: each.lowest_lps for each in nights if each.lowest_lps is not None}
    found = []
    for each in nights:
        days = (each.day - timedelta(days=back) for back in range(NIGHTS))
        lowest = [known[day] for day in days if day in known]
        lps = low = high = None
        if len(lowest) >= FEWEST_NIGHTS:
            absent = NIGHTS - len(lowest)
            lps, low, high = (
                float(np.percentile(lowest + absent_ones, PERCENTILE))
                for absent_ones in ([], [0.0] * absent, [max(lowest)] * absent)
            )
        found.append(NightFlow(each.day, lps, low, high, len(lowest)))
    return found


def _window(day: date, zone: ZoneInfo) -> tuple[int, int]:
    """Return when the window of a night opens and closes [ms since 1970]."""
    opens, closes = (datetime.combine(day, clock, tzinfo=zone).astimezone(UTC) for clock in NIGHT)
    return to_ms(opens), to_ms(closes)


def _about(series: Series, day: date, zone: ZoneInfo) -> Series:
    """Return the part of a series that a night depends on."""
    opens, closes = (from_ms(edge) for edge in _window(day, zone))
    edges = [to_datetime64(opens - REACH), to_datetime64(closes + REACH)]
    first, last = np.searchsorted(series.time, np.array(edges, "datetime64[ms]"))
    rows = slice(int(first), int(last))
    return Series(series.datastream, series.time[rows], series.value[rows], series.quality[rows])
