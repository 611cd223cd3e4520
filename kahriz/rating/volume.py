"""How sure a volume is, by the curve its discharge was derived by, or by its meter.

    u(V)^2 = sum over curves c of ( sum over parts i rated by c of u(Q_i) T_i )^2

Q_i is the mean discharge of an hour or a day, T_i its time covered by readings, u(Q_i) the standard
uncertainty of that discharge by the curve that held in its middle, in which the stage's and the
curve's own are added as squares. A meter counts as one curve.

A curve that is 2 % off is so every day, and a zero that is 3 mm off stays so: within one curve
nothing averages out, and parts add up as they are. Two curves have nothing in common.

Limits
------
- All of `stage_uncertainty_m` is taken to be the zero's. The stage's noise does average out, and
  is small beside it; so this is rather too much than too little.
- It is taken at the mean discharge. The slope of a curve with an exponent above 1 grows less than
  the discharge, so flow that varies within the part is a little surer than this.
- What was not measured is in neither the volume nor here.

Source: JCGM 100:2008 (GUM) 5.2, correlated input quantities, with correlation 1 within a curve and
0 between two.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import tzinfo
from math import hypot, isnan

import numpy as np

from kahriz.rating.dated import DatedRating
from kahriz.rating.uncertainty import instrument_uncertainty
from kahriz.sites import Site
from kahriz.stats.rollup import HasFigures

_LITRES = 1000.0


class VolumeUncertainty:
    """Standard uncertainty of volumes of one discharge; see the module for the formula.

    Parameters
    ----------
    site, zone
        Where the discharge is measured, or derived, and the kahriz's time zone.
    parts
        Hours or days, in time order; what is asked for is made of whole ones.
    """

    def __init__(self, site: Site, zone: tzinfo, parts: Sequence[HasFigures]) -> None:
        said = [part for part in parts if part.mean is not None and part.covered_s > 0]
        start = np.array([part.start_ms for part in said], np.int64)
        middle = start + (np.array([part.end_ms for part in said], np.int64) - start) // 2
        mean = np.array([part.mean for part in said], np.float64)
        covered = np.array([part.covered_s for part in said], np.float64)
        self._start = start
        sure_lps = instrument_uncertainty(site, zone, middle, mean)
        self._volume_m3 = (sure_lps * covered / _LITRES).tolist()
        self._curve = (
            DatedRating(site.rating, zone).holding(middle).tolist()
            if site.rating
            else [0] * len(said)
        )

    def between(self, start_ms: int, end_ms: int) -> float | None:
        """Return that of the parts which begin in [start, end) [m3]; None: not known of all."""
        first, last = np.searchsorted(self._start, (start_ms, end_ms)).tolist()
        of_curve: dict[int, float] = {}
        for curve, volume in zip(self._curve[first:last], self._volume_m3[first:last], strict=True):
            of_curve[curve] = of_curve.get(curve, 0.0) + volume
        found = hypot(*of_curve.values())
        return None if not of_curve or isnan(found) else found
