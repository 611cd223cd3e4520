"""Water that passed: discharge integrated over the time that readings cover, never over a gap.

Between two readings the value is taken to run straight (trapezoidal rule), but only where the
second came soon enough after the first. Everything else is a gap, and nothing is said about it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import numpy as np
from numpy.typing import NDArray

from kahriz.observations import Series, Times, Values

GAP = timedelta(minutes=30)
"""A step no longer than this is never a gap."""
GAP_STEPS = 3
"""A step longer than this many usual steps is a gap."""
LONGEST_STEP = timedelta(hours=2)
"""A longer step is a gap whatever is usual there."""
REACH = 3 * LONGEST_STEP
"""How far from a value any figure can depend on it: three steps."""

_SIDE = 2  # steps looked at on either side to learn what is usual
_FEWEST = 3  # fewer steps than this tell nothing about what is usual


@dataclass(frozen=True, slots=True)
class Integrals:
    """What passed in each of m intervals.

    Attributes
    ----------
    value_s
        (m,) integral of the value over the covered time [unit x s]; of a discharge: litres.
    covered_s
        (m,) time covered by readings [s].
    """

    value_s: Values
    covered_s: Values


def integrals(series: Series, edges: Times, gap: timedelta | None = None) -> Integrals:
    """Return what passed in each interval between `edges`, and how much of it was measured.

    A covered step that crosses an edge is cut there at the value on its straight line, so the
    integrals of intervals side by side add up to that of the whole.

    Parameters
    ----------
    series
        (n,) observations; FAIL and MISSING values break like absent ones, SUSPECT ones count. To
        be exact near the first and last edge it must reach `REACH` beyond them.
    edges
        (m + 1,) increasing; interval i is [edges[i], edges[i + 1]).
    gap
        A longer step is a gap; by default what `is_bridged` says.

    Source: WMO-No. 1044, Manual on Stream Gauging, vol. II: computing a discharge record from its
    unit values; the trapezoidal rule.
    """
    usable = series.usable()
    time, value = _as_ms(usable.time), usable.value
    steps = np.diff(time)
    open_ = is_bridged(usable.time) if gap is None else steps <= gap // timedelta(milliseconds=1)
    open_ &= (time[1:] > int(_as_ms(edges)[0])) & (time[:-1] < int(_as_ms(edges)[-1]))
    first = np.flatnonzero(open_)
    return _sum_pieces(time, value, first, _as_ms(edges))


def is_bridged(time: Times) -> NDArray[np.bool_]:
    """Return (n - 1,) whether the water between readings at `time` (n,) is known.

    Yes for a step up to `GAP`, and up to `GAP_STEPS` times the usual step but never beyond
    `LONGEST_STEP`. The usual step is the median of five: the step itself and the two on either
    side, as far as none is longer than `LONGEST_STEP`; known from three on.

    It looks at neighbours instead of the whole series so that the same readings give the same
    figures whatever else was fetched with them, or came later. It cannot tell a logger that
    reads hourly from an outage through which a reading slipped every hour.
    """
    step = np.diff(_as_ms(time))
    bridged = step <= _ms(GAP)
    unsure = np.flatnonzero(~bridged & (step <= _ms(LONGEST_STEP)))
    if len(unsure):
        bridged[unsure] = step[unsure] <= GAP_STEPS * _usual_step(step, unsure)
    return bridged


def volume_m3(series: Series, start: np.datetime64, end: np.datetime64) -> tuple[float, float]:
    """Return the volume [m3] a discharge series [L/s] shows in [start, end), and seconds covered.

    Not scaled up where the time is not covered: water nobody measured is not claimed.
    """
    passed = integrals(series, np.array([start, end], "datetime64[ms]"))
    return float(passed.value_s[0]) / 1000.0, float(passed.covered_s[0])


def _usual_step(step: NDArray[np.int64], where: NDArray[np.intp]) -> Values:
    """Return (k,) the median step [ms] around each of `where` (k,); 0 where too few are known."""
    near = np.full((len(where), 2 * _SIDE + 1), np.nan)
    near[:, _SIDE] = step[where]
    for side in (-1, 1):
        connected = np.ones(len(where), bool)
        for distance in range(1, _SIDE + 1):
            at = where + side * distance
            inside = (at >= 0) & (at < len(step))
            length = step[np.where(inside, at, 0)]
            connected &= inside & (length <= _ms(LONGEST_STEP))
            near[:, _SIDE + side * distance] = np.where(connected, length, np.nan)
    enough = np.count_nonzero(np.isfinite(near), axis=1) >= _FEWEST
    usual: Values = np.where(enough, np.nanmedian(near, axis=1), 0.0)
    return usual


def _sum_pieces(
    time: NDArray[np.int64],
    value: Values,
    first: NDArray[np.intp],
    edges: NDArray[np.int64],
) -> Integrals:
    """Cut the steps that begin at rows `first` at the edges inside them and add up by interval."""
    begin, end = time[first], time[first + 1]
    slope = (value[first + 1] - value[first]) / (end - begin)
    edge = np.searchsorted(edges, begin, side="right")  # the first edge inside each step
    pieces = np.searchsorted(edges, end, side="left") - edge + 1
    step = np.repeat(np.arange(len(first)), pieces)
    place = np.arange(len(step)) - np.repeat(np.cumsum(pieces) - pieces, pieces)
    last = len(edges) - 1
    left = np.where(place == 0, begin[step], edges[np.clip(edge[step] + place - 1, 0, last)])
    right = np.where(
        place == pieces[step] - 1, end[step], edges[np.clip(edge[step] + place, 0, last)]
    )
    middle = value[first][step] + slope[step] * ((left + right) / 2 - begin[step])
    seconds = (right - left) / 1000.0
    interval = np.searchsorted(edges, left, side="right") - 1
    inside = (interval >= 0) & (interval < last)
    weights = np.where(inside, seconds, 0.0)
    interval = np.where(inside, interval, 0)
    total: Values = np.bincount(interval, middle * weights, minlength=last).astype(np.float64)
    covered: Values = np.bincount(interval, weights, minlength=last).astype(np.float64)
    return Integrals(total, covered)


def _as_ms(time: Times) -> NDArray[np.int64]:
    return time.astype("datetime64[ms]").astype(np.int64)


def _ms(duration: timedelta) -> int:
    return duration // timedelta(milliseconds=1)
