"""Can the value be at all: outside what the sensor, or the place, can say.

FAIL outside ``range_fail`` of sites.toml (where none is given: outside what no kahriz can be,
`kahriz.units.PROPERTIES`); SUSPECT outside ``range_suspect``, the range expected at this place.
The limits themselves are inside.

Limits
------
Each value is judged alone: a jump, a spike or a frozen sensor within the range passes
(rate_of_change, spike, flat_line see those). A dry outlet is a true value: keep 0 inside the range.

Example
-------
With ``range_fail = [-0.05, 0.60]`` and ``range_suspect = [0.0, 0.45]`` a stage of 0.127 m is GOOD,
0.50 is SUSPECT, 9.99 is FAIL.

Source: QARTOD Manual for Real-Time Quality Control of Water Level Data, test 4, gross range.
"""

from __future__ import annotations

import numpy as np

from kahriz.observations import Flags, Quality
from kahriz.quality import LimitTable, Window
from kahriz.quality.rows import on_finite


class GrossRange:
    """The gross range test; see the module."""

    def __call__(self, window: Window, limits: LimitTable) -> Flags:
        """Return the flag of every row (n,)."""
        return on_finite(_judge, window, limits)


def _judge(window: Window, limits: LimitTable) -> Flags:
    value, stream = window.value, window.stream
    fail = (limits.fail_low[stream], limits.fail_high[stream])
    suspect = (limits.suspect_low[stream], limits.suspect_high[stream])
    # No limit is NaN, and no comparison with NaN is true.
    flags: Flags = np.full(len(window), Quality.GOOD, np.uint8)
    flags[(value < suspect[0]) | (value > suspect[1])] = Quality.SUSPECT
    flags[(value < fail[0]) | (value > fail[1])] = Quality.FAIL
    flags[np.isnan(fail + suspect).all(axis=0)] = Quality.NOT_EVALUATED
    return flags
