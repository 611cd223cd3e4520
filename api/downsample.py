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
    finite = np.flatnonzero(np.isfinite(series.value))
    if len(finite) == 0:
        return Series.empty(series.datastream)
    since = series.time[finite].astype(np.int64) - to_ms(start)
    stretch = since * (max_points // 2) // (to_ms(end) - to_ms(start))
    value = series.value[finite]
    kept = finite[np.union1d(_lowest(value, stretch), _lowest(-value, stretch))]
    return Series(series.datastream, series.time[kept], series.value[kept], series.quality[kept])


def _lowest(value: Values, stretch: NDArray[np.int64]) -> Positions:
    """Return the position of the first lowest value of each stretch; `stretch` never falls."""
    begins = np.flatnonzero(np.diff(stretch, prepend=stretch[0] - 1))
    lengths = np.diff(begins, append=len(stretch))
    is_lowest = value == np.repeat(np.minimum.reduceat(value, begins), lengths)
    found = np.flatnonzero(is_lowest)
    is_first = np.diff(stretch[found], prepend=stretch[0] - 1) > 0
    return found[is_first]
