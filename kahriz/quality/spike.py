"""Does a value stand alone: far from the middle of the last five.

SUSPECT where a value is farther than ``spike`` from the median of the last five values, itself
included; NOT_EVALUATED until there are five. A median ignores up to two outliers among the five,
so the good values after a spike are not blamed for it.

Limits
------
- Never FAIL: of a true step the first two values are SUSPECT too, then the median follows.
- It cannot see three or more bad values in a row (gross_range, flat_line or the detectors' second
  sensor may), nor an outlier smaller than ``spike``.
- It counts values, not time: after a long silence the first two values at a new level are SUSPECT.

Example
-------
With ``spike = 0.02`` the stages 0.127 0.126 0.127 0.127 0.210 0.126 m end SUSPECT, GOOD.

Source: QARTOD Manual for Real-Time Quality Control of Water Level Data, test 6, spike, with a
causal median of five in place of the mean of two neighbours, one of which lies in the future.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kahriz.observations import Flags, Values
from kahriz.quality import LimitTable, Window
from kahriz.quality.rows import earlier, flags_from, on_finite

SPAN = 5
"""Values the median is taken of, the judged one included."""


class Spike:
    """The spike test; see the module."""

    def __call__(self, window: Window, limits: LimitTable) -> Flags:
        """Return the flag of every row (n,)."""
        return on_finite(_judge, window, limits)


def distance(window: Window) -> tuple[Values, NDArray[np.bool_]]:
    """Return how far (n,) each value is from the median of the last five, and if there are five."""
    last, has_all = _last_five(window)
    with np.errstate(over="ignore"):  # infinitely far is too far
        return np.abs(window.value - _median_of_five(*last)), has_all


def _judge(window: Window, limits: LimitTable) -> Flags:
    spike = limits.spike[window.stream]
    far, has_all = distance(window)
    return flags_from(far > spike, has_all & ~np.isnan(spike))


def _last_five(window: Window) -> tuple[list[Values], NDArray[np.bool_]]:
    _, has_all = earlier(window, SPAN - 1)
    # Where a stream has fewer, another stream's values are looked at and the result is not used.
    found = [np.roll(window.value, steps) for steps in range(SPAN)]
    return found, has_all


def _median_of_five(a: Values, b: Values, c: Values, d: Values, e: Values) -> Values:
    """Return the median by column, by comparing: ten passes in place of sorting n short rows."""
    a, b = np.minimum(a, b), np.maximum(a, b)
    c, d = np.minimum(c, d), np.maximum(c, d)
    # The smallest of four and the largest of four cannot be the median of five.
    low, high = np.maximum(a, c), np.minimum(b, d)
    low, high = np.minimum(low, high), np.maximum(low, high)
    middle: Values = np.maximum(low, np.minimum(high, e))
    return middle
