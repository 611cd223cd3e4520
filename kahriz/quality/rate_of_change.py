"""Can the water change that fast: a step between values, for the time it took.

SUSPECT where a value is farther from *both* of the two values before it than
``max_rate_per_h`` allows for the time between them. Farther from the last one alone is not
enough: after a spike the next good value is far from the spike, but near the value before it.
Where the stream has only one earlier value, that one decides. Times closer than five minutes count
as five, because a sensor's noise does not shrink when it is read more often.

Limits
------
- Never FAIL: a true collapse is a fast change. Its first value is SUSPECT and stays in sight of
  the detectors; the next, beside it on the new level, is GOOD.
- A single outlier is SUSPECT here as it comes, before anybody can know that it will not stay; a
  small one within the rate is the spike test's to see.
- A slow drift passes whatever it adds up to; so does a ramp read more often than every five
  minutes, if each of its steps is below five minutes' worth.

Example
-------
With ``max_rate_per_h = 0.05`` the stages 0.127, 0.090, 0.091 m, five minutes apart, are
NOT_EVALUATED, SUSPECT, GOOD; with three quarters of an hour or more between them all pass.

Source: QARTOD Manual for Real-Time Quality Control of Water Level Data, test 7, rate of change,
with the rate a time derivative set by the place instead of a multiple of a running deviation.
"""

from __future__ import annotations

from datetime import timedelta

import numpy as np
from numpy.typing import NDArray

from kahriz.observations import Flags, Values
from kahriz.quality import LimitTable, Window
from kahriz.quality.rows import earlier, flags_from, on_finite

SHORTEST = timedelta(minutes=5)
"""Times between values closer than this count as this."""

_HOUR_MS = 3_600_000.0
_SHORTEST_MS = SHORTEST / timedelta(milliseconds=1)


class RateOfChange:
    """The rate of change test; see the module."""

    def __call__(self, window: Window, limits: LimitTable) -> Flags:
        """Return the flag of every row (n,)."""
        return on_finite(_judge, window, limits)


def _judge(window: Window, limits: LimitTable) -> Flags:
    rate = limits.max_rate_per_h[window.stream]
    from_last, has_last = _is_too_far(window, rate, 1)
    from_before, has_before = _is_too_far(window, rate, 2)
    is_suspect = from_last & (from_before | ~has_before)
    return flags_from(is_suspect, has_last & ~np.isnan(rate))


def _is_too_far(
    window: Window, rate: Values, steps: int
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    there, has_one = earlier(window, steps)
    passed_ms = np.maximum(window.time_ms - window.time_ms[there], _SHORTEST_MS)
    with np.errstate(over="ignore"):  # infinitely far is too far
        change = np.abs(window.value - window.value[there])
    return change > rate * (passed_ms / _HOUR_MS), has_one
