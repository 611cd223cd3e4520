"""Limits that sites.toml leaves open, learned from what a datastream itself did before.

Of each of the last days the farthest from the median, the roughest and the longest without a change
are known; what is usual among the days is a limit's measure. Days in which anything was suspect are
left out: what is wrong with a sensor is nothing to get used to. Where too few others are left all
count, so a place that has become rougher for good is believed within weeks.

Limits
------
- Nothing is learned from fewer than five days, nor what a person has written into sites.toml.
- Rain, turbidity and a battery's voltage rest and leap by nature; nothing is learned of them.
- A stream that stands still on a third of its days (a dry outlet) has no spike limit.
"""

from __future__ import annotations

from datetime import timedelta
from math import nan
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kahriz.observations import Flags, Quality, Values
from kahriz.quality import LimitTable, Window
from kahriz.quality.flat_line import flat_hours
from kahriz.quality.noise import roughness
from kahriz.quality.spike import distance
from kahriz.sites import Registry
from kahriz.units import Property

LOOK_BACK = timedelta(days=30)
"""What is learned from; what is learned holds for a day (UTC)."""

LEARNABLE = frozenset(
    {Property.STAGE, Property.DISCHARGE, Property.WATER_TEMPERATURE, Property.CONDUCTIVITY}
)

_DAY_MS = 86_400_000
_FEWEST_DAYS = 5
_SPIKE_TIMES = 8.5
_SPIKE_SHARE = 0.35  # of the days calmer
_NOISE_TIMES = 9.0
_NOISE_SHARE = 0.5
_STEPS = 4.0  # of the sensor's own, at least
_FLAT_TIMES = 3.0
_FLAT_LEAST_H = 3.0


class Learned(NamedTuple):
    """Limits as the columns of `LimitTable` of the same names; NaN where none could be learned."""

    spike: float = nan
    noise: float = nan
    flat_line_h: float = nan


class LearnedLimits:
    """The limits in force: those given, and in place of those that are not what was learned.

    Parameters
    ----------
    given
        What sites.toml says; it is left as it is.
    may_learn
        (n_streams,) whether a stream's past says anything; see `learnable`.

    Attributes
    ----------
    table
        The limits in force; `put` changes it in place, and whoever judges by it sees that at once.
    open_streams
        (k,) rows that have something to learn.
    """

    UNKNOWN = np.iinfo(np.int64).min

    def __init__(self, given: LimitTable, may_learn: NDArray[np.bool_]) -> None:
        columns = (getattr(given, name).copy() for name in LimitTable.__slots__)
        self.table = LimitTable(*columns)
        self._is_open = {
            name: np.isnan(getattr(given, name)) & may_learn for name in Learned._fields
        }
        is_open = np.logical_or.reduce(tuple(self._is_open.values()))
        self.open_streams: NDArray[np.intp] = np.flatnonzero(is_open)
        self._is_open_at_all = is_open
        self._day = np.full(len(is_open), self.UNKNOWN)

    def put(self, stream: int, learned: Learned, day: int) -> None:
        """Let what was learned of one datastream for a day (UTC, since 1970) hold from now on."""
        for name in Learned._fields:
            if self._is_open[name][stream]:
                getattr(self.table, name)[stream] = getattr(learned, name)
        self._day[stream] = day

    def are_of(self, stream: NDArray[np.int32], time_ms: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return for which rows (n,) the limits in force are those of the row's own day."""
        is_of: NDArray[np.bool_] = self._day[stream] == time_ms // _DAY_MS
        found: NDArray[np.bool_] = is_of | ~self._is_open_at_all[stream]
        return found


def learnable(registry: Registry) -> NDArray[np.bool_]:
    """Return of which datastreams (n_streams,) something can be learned."""
    found = (d.sensor is not None and d.measures in LEARNABLE for d in registry.datastreams)
    return np.fromiter(found, np.bool_)


def learn(time_ms: NDArray[np.int64], value: Values, flags: Flags) -> Learned:
    """Return the limits that the past of one datastream suggests for a day.

    Parameters
    ----------
    time_ms, value, flags
        (n,) each, in time order, of the `LOOK_BACK` before the day's first instant (UTC).
    """
    is_value = np.isfinite(value) & (flags != Quality.FAIL)
    n = int(np.count_nonzero(is_value))
    if not n:
        return Learned()
    window = Window.of(np.zeros(n, np.int32), time_ms[is_value], value[is_value])
    days = _Days(window.time_ms, time_ms[np.isin(flags, (Quality.SUSPECT, Quality.FAIL))])
    if len(days) < _FEWEST_DAYS:
        return Learned()
    least = _STEPS * _own_step(window.value)
    longest = float(days.greatest(flat_hours(window)).max())
    return Learned(
        _limit(days.greatest(_evaluated(*distance(window))), _SPIKE_SHARE, _SPIKE_TIMES, least),
        _limit(days.greatest(_evaluated(*roughness(window))), _NOISE_SHARE, _NOISE_TIMES, least),
        max(_FLAT_LEAST_H, _FLAT_TIMES * longest),
    )


class _Days:
    """The days of a window, those left out that teach nothing: with few values, or suspect."""

    def __init__(self, time_ms: NDArray[np.int64], suspect_ms: NDArray[np.int64]) -> None:
        day, self._starts, counts = np.unique(
            time_ms // _DAY_MS, return_index=True, return_counts=True
        )
        is_full = 2 * counts >= np.median(counts)
        is_clean = is_full & ~np.isin(day, suspect_ms // _DAY_MS)
        self._kept = is_clean if np.count_nonzero(is_clean) >= _FEWEST_DAYS else is_full

    def __len__(self) -> int:
        return int(np.count_nonzero(self._kept))

    def greatest(self, value: Values) -> Values:
        """Return the greatest value of each day kept."""
        greatest: Values = np.fmax.reduceat(value, self._starts)[self._kept]
        return greatest


def _evaluated(value: Values, is_known: NDArray[np.bool_]) -> Values:
    return np.where(is_known, value, nan)


def _own_step(value: Values) -> float:
    """Return the smallest change the sensor shows: its resolution, or better."""
    steps = np.abs(np.diff(value))
    steps = steps[steps > 1e-9 * np.abs(value).max()]
    return float(steps.min()) if len(steps) else nan


def _limit(greatest: Values, share: float, times: float, least: float) -> float:
    known = greatest[np.isfinite(greatest)]
    usual = float(np.quantile(known, share)) if len(known) >= _FEWEST_DAYS else 0.0
    return max(times * usual, least) if usual > 0 else nan
