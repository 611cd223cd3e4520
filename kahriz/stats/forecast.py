"""When the water will fall below what people need, if it goes on as it did in other years.

An extrapolation, hence made only when asked for, always with its band and with what it rests on.
Where two years or more are known, each of them goes on from today: the flow is taken along the path
it took then from about this day of the year (an ensemble of past years, as hydrological services
make it). In the first years there is only the recession that runs: it is drawn on, with a band that
was found wide enough on simulated springs. docs/statistics.md has how often both were right.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from kahriz.observations import Values

HORIZON_DAYS = 180
"""Nobody is told of what may come later."""
SEASON_DAYS = 20
"""Paths of other years begin at most so far from this day of the year."""
FEWEST_YEARS = 2
BAND = (0.1, 0.5, 0.9)
WIDENING = 0.35
"""The band reaches 1 -+ this / sqrt(years) times as far: paths of one year are not forty draws of
what may come but nearly one. Found on simulated springs other than those it was scored on."""
FALL_DAYS = 30
"""Without other years: the recession of so many days is drawn on ..."""
SLOWEST = 0.0008
"""... if it is faster than this part a day."""
FACTORS = (0.5, 1.3, 2.5)
"""... its time to the threshold is at least, about and at most so many times as long."""

_SMOOTH_DAYS = 7
_FEWEST_OF_SMOOTH = 4
_KNOWN_PART = 0.8
_YEAR_DAYS = 365.25

Basis = Literal["years", "recession", "measured"]


@dataclass(frozen=True, slots=True)
class Forecast:
    """When a flow falls below a threshold, in days from the last day that is known.

    Attributes
    ----------
    threshold_lps, now_lps
        What it is to fall below; the median of the last week.
    basis
        ``years``: paths of other years; ``recession``: the present one drawn on; ``measured``: it
        is below now, and nothing is forecast.
    earliest, likely, latest
        Days ahead by which one in ten, half and nine in ten of what may come are below, the first
        and the last widened by `WIDENING`; None: not within `HORIZON_DAYS`. All 0 where it is
        measured to be below.
    chance
        Part of the other years' paths that get there within `HORIZON_DAYS`; None without.
    years, paths
        Other years, and their paths.
    """

    threshold_lps: float
    now_lps: float
    basis: Basis
    earliest: int | None
    likely: int | None
    latest: int | None
    chance: float | None
    years: int
    paths: int


def smoothed(lps: Values) -> Values:
    """Return the median of each day and the six before (n,); NaN with fewer than four known."""
    padded = np.concatenate([np.full(_SMOOTH_DAYS - 1, np.nan), lps])
    week = np.sort(np.lib.stride_tricks.sliding_window_view(padded, _SMOOTH_DAYS), axis=1)
    known = np.count_nonzero(np.isfinite(week), axis=1)
    row = np.arange(len(week))
    # NaN sorts to the end: the middle of what is known.
    middle = (week[row, np.maximum(known - 1, 0) // 2] + week[row, known // 2 % _SMOOTH_DAYS]) / 2
    return np.where(known >= _FEWEST_OF_SMOOTH, middle, np.nan)


def forecast(lps: Values, threshold_lps: float) -> Forecast | None:
    """Return when the weekly median falls below a threshold; None where nothing can be said.

    Formulas: of each day p of other years whose day of the year is at most `SEASON_DAYS` away, the
    first h with s(o) s(p + h) / s(p) < threshold, s being the weekly median and o the last day; the
    band is made of the order statistics of these h (those that do not get there count as later
    than all), its ends times 1 -+ `WIDENING` / sqrt(years). Without two other years:
    h = ln(s(o) / threshold) / k, k the slope of ln s over `FALL_DAYS`, times `FACTORS`.

    Parameters
    ----------
    lps
        (n,) mean flow of each day until now [L/s], one day apart; NaN where it is not complete.
    threshold_lps
        Above 0.

    Limits: it knows nothing of works, collapses and a drought worse than any year on record; where
    a year on record is as another every year, it is surer than it should be. Sources: each past
    year as one that may come: Day 1985, J. Water Resour. Plann. Manage. 111, 157 (its abstract was
    read; there past weather is led through a model of the basin, here, without one, past flow
    itself is taken); recession: Maillet 1905 as quoted by Dewandel et al. 2003.
    """
    if threshold_lps <= 0:
        raise ValueError(f"threshold {threshold_lps!r} L/s is not above 0")
    flow = smoothed(lps)
    if not len(flow) or not np.isfinite(flow[-1]):
        return None
    now = float(flow[-1])
    if now < threshold_lps:
        return Forecast(threshold_lps, now, "measured", 0, 0, 0, None, 0, 0)
    paths, years = _paths(flow)
    if years >= FEWEST_YEARS:
        return _by_years(now, threshold_lps, paths, years)
    return _by_recession(flow, threshold_lps)


def _paths(flow: Values) -> tuple[Values, int]:
    """Return how other years went on from here (m, HORIZON), as parts of where they began."""
    n = len(flow)
    begins = np.arange(n - HORIZON_DAYS)
    back = (n - 1 - begins) / _YEAR_DAYS
    year = np.rint(back)
    is_near = (np.abs(back - year) * _YEAR_DAYS <= SEASON_DAYS) & (year >= 1)
    begins, year = (
        begins[is_near & (flow[: len(begins)] > 0)],
        year[is_near & (flow[: len(begins)] > 0)],
    )
    if not len(begins):
        return np.empty((0, HORIZON_DAYS)), 0
    ahead = np.lib.stride_tricks.sliding_window_view(flow, HORIZON_DAYS)[begins + 1]
    is_known = np.isfinite(ahead).mean(axis=1) >= _KNOWN_PART
    ahead, begins, year = ahead[is_known], begins[is_known], year[is_known]
    return ahead / flow[begins][:, np.newaxis], len(np.unique(year))


def _by_years(now: float, threshold: float, paths: Values, years: int) -> Forecast:
    days = np.sort(_first_below(now * paths, threshold))
    last = len(days) - 1
    wider = WIDENING / years**0.5
    early, likely, late = (
        _day(float(days[round(part * last)]) * factor)
        for part, factor in zip(BAND, (1.0 - wider, 1.0, 1.0 + wider), strict=True)
    )
    return Forecast(
        threshold,
        now,
        "years",
        early,
        likely,
        late,
        float(np.isfinite(days).mean()),
        years,
        len(days),
    )


def _first_below(flow: Values, threshold: float) -> Values:
    """Return the days (m,) until each of the paths (m, k) is below; inf where it never is."""
    is_below: NDArray[np.bool_] = flow < threshold  # NaN is not
    return np.where(is_below.any(axis=1), np.argmax(is_below, axis=1) + 1.0, np.inf)


def _by_recession(flow: Values, threshold: float) -> Forecast | None:
    last = flow[-FALL_DAYS:]
    if len(last) < FALL_DAYS or not (np.isfinite(last).all() and (last > 0).all()):
        return None
    time = np.arange(FALL_DAYS) - (FALL_DAYS - 1) / 2.0
    rate = -float(time @ np.log(last)) / float(time @ time)
    if rate < SLOWEST:
        return None
    now = float(flow[-1])
    days = float(np.log(now / threshold)) / rate
    early, likely, late = (_day(factor * days) for factor in FACTORS)
    return Forecast(threshold, now, "recession", early, likely, late, None, 0, 0)


def _day(days: float) -> int | None:
    return round(days) if days <= HORIZON_DAYS else None
