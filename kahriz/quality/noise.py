"""Do values go to and fro: off the line between their neighbours, again and again.

A *bend* is how far a value is from the straight line between the value before it and the one after.
SUSPECT where the *roughness* is more than ``noise``: the middle one of the last three bends, or the
last change where that is less. A value's last three bends need five values; NOT_EVALUATED until
there are. So a flood's ramp is no noise, however steep; nor is a step that stays, which bends twice
and then no longer changes; nor one outlier, until the value after it.

Limits
------
- Never FAIL.
- It counts values, not time: a sensor that is read more often has other bends. The line between
  neighbours is drawn in time, so a missing value in between does no harm.
- A wave that is slow against the readings is no noise.

Example
-------
With ``noise = 0.02`` the stages 0.127 0.150 0.120 0.152 0.118 m end SUSPECT; the ramp 0.127 0.227
0.327 0.427 0.527 m is GOOD.

Source: second differences as in von Neumann et al. 1941 (Ann. Math. Stat. 12, 153), by value and
robust; a running variance would call every flood noise.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kahriz.observations import Flags, Values
from kahriz.quality import LimitTable, Window
from kahriz.quality.rows import earlier, flags_from, on_finite
from kahriz.quality.spike import SPAN


class Noise:
    """The noise test; see the module."""

    def __call__(self, window: Window, limits: LimitTable) -> Flags:
        """Return the flag of every row (n,)."""
        return on_finite(_judge, window, limits)


def roughness(window: Window) -> tuple[Values, NDArray[np.bool_]]:
    """Return how rough (n,) the last five values are at each row, and whether there are five."""
    _, has_all = earlier(window, SPAN - 1)
    rough = np.zeros(len(window))
    if len(window) < SPAN:
        return rough, has_all
    time_ms, value = window.time_ms, window.value
    with np.errstate(all="ignore"):  # across two streams, where the result is not used
        change = value[1:] - value[:-1]
        part = (time_ms[1:-1] - time_ms[:-2]) / (time_ms[2:] - time_ms[:-2])
        bend = np.abs(change[:-1] - part * (value[2:] - value[:-2]))
        a, b, c = bend[2:], bend[1:-1], bend[:-2]
        middle = np.maximum(np.minimum(a, b), np.minimum(np.maximum(a, b), c))
        rough[SPAN - 1 :] = np.minimum(middle, np.abs(change[3:]))
    return rough, has_all


def _judge(window: Window, limits: LimitTable) -> Flags:
    noise = limits.noise[window.stream]
    rough, has_all = roughness(window)
    return flags_from(rough > noise, has_all & ~np.isnan(noise))
