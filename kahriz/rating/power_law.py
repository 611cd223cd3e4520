"""A curve fitted to gaugings: Q = a (h - h0)^b, for a control section of any form.

Q in m3/s, stage h and zero offset h0 in m; so a V-notch is a = 1.38, b = 2.5. The committee's
bucket gaugings, or an engineer's current meter, give the points it is fitted to.

Limits
------
- It knows nothing beyond its gaugings: below the lowest head gauged and above the highest it is
  refused (NaN, FAIL), head at or below 0 apart, which is no flow under any curve.
- It cannot see that the section has changed (stones, silt, a new sill): then a new entry with its
  own ``valid_from`` is due. A V-notch plate does not wear that way.

Example
-------
>>> import numpy as np
>>> canal = PowerLaw(coefficient=0.9, exponent=1.6, min_head_m=0.04, max_head_m=0.5)
>>> canal.discharge(np.array([0.10, 0.60])).discharge_lps.round(1).tolist()
[22.6, nan]

Source: ISO 18320:2020, Hydrometry - Determination of the stage-discharge relationship; WMO-No.
1044, Manual on Stream Gauging, volume II.
"""

from __future__ import annotations

from kahriz.errors import ConfigError
from kahriz.rating.curve import (
    Band,
    Curve,
    OneCurve,
    check_above_zero,
    check_finite,
    check_not_negative,
)

CURVE_UNCERTAINTY = 0.05
"""Standard uncertainty of a fitted curve as a part of Q: what a fair set of gaugings gives."""

_NAME = "power_law"


class PowerLaw(OneCurve):
    """A fitted curve; see the module for its formula and limits.

    Parameters
    ----------
    coefficient, exponent
        a [m3/s at 1 m of head] and b, both above 0.
    min_head_m, max_head_m
        Lowest and highest head that was gauged.
    zero_offset_m
        h0, the stage at which the flow stops.
    stage_uncertainty_m
        Standard uncertainty of the stage.
    curve_uncertainty
        Standard uncertainty of the curve as a part of Q.

    Raises
    ------
    ConfigError
        An option cannot be; names it and its value.
    """

    def __init__(
        self,
        *,
        coefficient: float,
        exponent: float,
        min_head_m: float,
        max_head_m: float,
        zero_offset_m: float = 0.0,
        stage_uncertainty_m: float = 0.003,
        curve_uncertainty: float = CURVE_UNCERTAINTY,
    ) -> None:
        check_above_zero(_NAME, coefficient=coefficient, exponent=exponent, max_head_m=max_head_m)
        check_not_negative(
            _NAME,
            min_head_m=min_head_m,
            stage_uncertainty_m=stage_uncertainty_m,
            curve_uncertainty=curve_uncertainty,
        )
        check_finite(_NAME, zero_offset_m=zero_offset_m)
        if min_head_m >= max_head_m:
            raise ConfigError(
                _NAME, f"min_head_m {min_head_m!r} is not below max_head_m {max_head_m!r}"
            )
        self._curve = Curve(
            coefficient,
            exponent,
            Band(lowest=min_head_m, best_from=min_head_m, highest=max_head_m),
            zero_offset_m,
            stage_uncertainty_m,
            curve_uncertainty,
            curve_uncertainty,
        )
