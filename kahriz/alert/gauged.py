"""A gauging against the curve: how far apart, and whether both being unsure explains it. Pure.

    residual = gauged - curve,   explained where |residual| <= 2 sqrt(u_gauging^2 + u_curve^2)

with standard uncertainties: a bucket's by its mark and the stopwatch (`answering.bucket`), a
current meter's as whoever measured says, the curve's by its stage and its own.

Limits: one gauging outside is one in twenty by chance; several on one side say that the curve or
its zero is wrong. It cannot say which of the two.

Source: ISO 18320 and WMO-No. 1044 plot gaugings as departures from the curve; coverage factor 2 for
about 95 %: JCGM 100:2008 (GUM).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import hypot

from kahriz.alert.answering.bucket import bucket_uncertainty_lps
from kahriz.book.gaugings import Gauging

COVERAGE = 2.0
"""Standard uncertainties within which 95 % lie."""

METERED = 0.05
"""Standard uncertainty of a flow by current meter, as a part of it, where nobody said: assumed."""


@dataclass(frozen=True, slots=True)
class Residual:
    """What lies between a gauging and the curve.

    Attributes
    ----------
    residual_lps
        Gauged less curve.
    residual
        The same as a part of the curve's discharge; None: the curve says no flow.
    expanded_lps
        How much of it both being unsure explains.
    """

    residual_lps: float
    residual: float | None
    expanded_lps: float

    @property
    def is_within(self) -> bool:
        """Whether nothing but that is needed to explain it."""
        return abs(self.residual_lps) <= self.expanded_lps


def uncertainty_lps(gauging: Gauging) -> float:
    """Return the standard uncertainty of a gauging [L/s]."""
    if gauging.uncertainty_lps is not None:
        return gauging.uncertainty_lps
    if gauging.duration_s is None or gauging.trials is None:
        return METERED * gauging.discharge_lps
    return bucket_uncertainty_lps(gauging.discharge_lps, gauging.duration_s, gauging.trials)


def residual(gauging: Gauging, curve_lps: float, curve_uncertainty_lps: float) -> Residual:
    """Return how far a gauging is from the discharge of the curve at its stage.

    Parameters
    ----------
    gauging
        What was measured by hand.
    curve_lps, curve_uncertainty_lps
        Discharge by the curve at the stage of that moment, and its standard uncertainty.
    """
    off = gauging.discharge_lps - curve_lps
    expanded = COVERAGE * hypot(uncertainty_lps(gauging), curve_uncertainty_lps)
    return Residual(off, off / curve_lps if curve_lps > 0 else None, expanded)
