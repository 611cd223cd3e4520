"""Does the sensor still feel the water: hours without the slightest change.

SUSPECT where a value equals all values of the last ``flat_line_h`` hours or more. The first value
of a stream is NOT_EVALUATED; without a limit all are.

Limits
------
- Never FAIL: still water, a dry outlet and a closed valve are flat as well.
- Equal means equal: a frozen sensor whose last digit flickers passes (the detectors' comparison
  with a second sensor can tell); a coarse sensor needs a longer limit.
- It knows when values were equal, not whether anybody looked in between: after a silence longer
  than the limit one unchanged value is SUSPECT. The silence itself is the no-data detector's.

Example
-------
With ``flat_line_h = 12`` a stage of 0.127 m since 20:00 is GOOD until 07:55 and SUSPECT from
08:00 on, until it changes.

Source: QARTOD Manual for Real-Time Quality Control of Water Level Data, test 8, flat line, with a
time in place of counts of values.
"""

from __future__ import annotations

import numpy as np

from kahriz.observations import Flags, Values
from kahriz.quality import LimitTable, Window
from kahriz.quality.rows import flags_from, on_finite, run_start

_HOUR_MS = 3_600_000.0


class FlatLine:
    """The flat line test; see the module."""

    def __call__(self, window: Window, limits: LimitTable) -> Flags:
        """Return the flag of every row (n,)."""
        return on_finite(_judge, window, limits)


def flat_hours(window: Window) -> Values:
    """Return for how many hours (n,) each value has been the same."""
    return (window.time_ms - window.time_ms[run_start(window)]) / _HOUR_MS


def _judge(window: Window, limits: LimitTable) -> Flags:
    longest_h = limits.flat_line_h[window.stream]
    flat_h = flat_hours(window)
    has_earlier = window.first < np.arange(len(window))
    return flags_from(flat_h >= longest_h, has_earlier & ~np.isnan(longest_h))
