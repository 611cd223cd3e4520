"""Whether a bucket and a weir say the same. Pure.

The weir is dirty when the two differ by more than a fifth *beyond* what both may be wrong by:

    |rated - gauged| > 0.20 gauged + sqrt(u_bucket^2 + u_weir^2)

with standard uncertainties. A bucket's mark is good to 5 % and whoever holds the watch to half a
second a trial: 10 L in 12 s are 0.83 +- 0.05 L/s. A V-notch whose level is good to 3 mm has 14 %
at 1 L/s, so there some 35 % are no sign of anything; at 15 L/s it has 5 %.

Limits: it cannot tell a dirty weir from a leaking bucket, hence "clean, then measure again".
"""

from __future__ import annotations

from math import hypot, sqrt

from kahriz.alert.answer import Gauging

BUCKET = 0.05
"""Standard uncertainty of a bucket's volume, as a part of it: assumed."""

STOPWATCH_S = 0.5
"""Of one time taken by hand [s]: assumed."""

METER = 0.05
"""Of a flow whose uncertainty nothing says, as a part of it: assumed."""

TOLERATED = 0.20
"""Difference, as a part of the bucket's flow, that is nobody's business."""


def uncertainty_lps(gauging: Gauging) -> float:
    """Return the standard uncertainty of a gauging [L/s]; times of several trials are averaged."""
    return bucket_uncertainty_lps(gauging.discharge_lps, gauging.mean_s, len(gauging.seconds))


def bucket_uncertainty_lps(discharge_lps: float, mean_s: float, trials: int) -> float:
    """Return the same of a discharge [L/s] found in so many trials of so many seconds."""
    timing = STOPWATCH_S / sqrt(trials) / mean_s
    return discharge_lps * hypot(BUCKET, timing)


def agrees(gauging: Gauging, rated_lps: float, rated_uncertainty_lps: float | None) -> bool:
    """Return whether what the weir says may be what the bucket says.

    Parameters
    ----------
    gauging
        The bucket.
    rated_lps
        Flow by the site's own instruments at that moment [L/s].
    rated_uncertainty_lps
        Its standard uncertainty; None: not known, `METER` is assumed.
    """
    weir = METER * rated_lps if rated_uncertainty_lps is None else rated_uncertainty_lps
    allowed = TOLERATED * gauging.discharge_lps + hypot(uncertainty_lps(gauging), weir)
    return abs(rated_lps - gauging.discharge_lps) <= allowed
