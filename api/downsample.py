"""Fewer points for a chart that still shows every peak and every drop."""

from __future__ import annotations

from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from kahriz.clock import to_ms
from kahriz.observations import Series, Values

Positions = NDArray[np.intp]


def extremes(series: Series, start: datetime, end: datetime, max_points: int) -> Series:
    """Return the lowest and the highest value of every stretch of time, in time order.

    [start, end) is cut into ``max_points // 2`` equal stretches. A stretch without values gives
    none, so a gap stays a gap. A series that is short enough comes back as it is.

    Parameters
    ----------
    series
        (n,), all within [start, end).
    start, end
        What was asked for.
    max_points
        At most so many points come back; >= 2.

    Notes
    -----
    Each point is a true observation with its own instant and flag; nothing is averaged. Values that
    are not finite are left out.
    """
    if len(series) <= max_points:
        return series
    finite = np.isfinite(series.value)
    if not finite.all():
        series = _only(series, np.flatnonzero(finite))
        if len(series) == 0:
            return series
    begins = _begins(series.time.astype(np.int64), start, end, max_points // 2)
    return _only(series, np.union1d(_lowest(series.value, begins), _lowest(-series.value, begins)))


def _only(series: Series, kept: Positions) -> Series:
    return Series(series.datastream, series.time[kept], series.value[kept], series.quality[kept])


def _begins(time: NDArray[np.int64], start: datetime, end: datetime, stretches: int) -> Positions:
    """Return the position of the first value of each stretch that has one."""
    first, span = to_ms(start), to_ms(end) - to_ms(start)
    edges = first - (-np.arange(stretches) * span // stretches)
    begins = np.searchsorted(time, edges)
    return np.unique(begins[begins < len(time)])


def _lowest(value: Values, begins: Positions) -> Positions:
    """Return the position of the first lowest value of each stretch."""
    lengths = np.diff(begins, append=len(value))
    is_lowest = value == np.repeat(np.minimum.reduceat(value, begins), lengths)
    found = np.flatnonzero(is_lowest)
    first: Positions = found[np.searchsorted(found, begins)]
    return first
