"""Thin-plate weir with a 90 degree V-notch: how most kahriz outlets are gauged.

Q = 1.38 H^2.5, Q in m3/s, H the head over the notch's point in m. Discharge is very sensitive to
head: dQ/Q = 2.5 dH/H, so +-3 mm are 14 % at 1 L/s, 10 % at 2 and 4.6 % at 15.

Limits
------
- Heads of 0.06 to 0.38 m (0.0012 to 0.12 m3/s) are the standard's. Above 0.38 m nothing is said.
- Under 0.06 m surface tension makes the nappe cling: the formula is some per cent off, so
  the flag is SUSPECT and the uncertainty wider. It is not refused there, as a failing kahriz
  passes through just these heads, and refusing them would hide the failure.
- It cannot see a notch that is blocked, drowned from below, or silted up in front: a stick in
  the notch reads as more water. A bucket gauging or the upstream sensor can tell.

Example
-------
>>> import numpy as np
>>> rated = VNotch90().discharge(np.array([0.1274]))
>>> float(rated.discharge_lps[0].round(1)), int(rated.quality[0])
(8.0, 1)

Source: ISO 1438:2017, Hydrometry - Open channel flow measurement using thin-plate weirs. The
1.38 is its discharge coefficient of 0.585 times 8/15 sqrt(2 g), for all heads alike. Against the
formula of the U.S. Bureau of Reclamation (2.49 h^2.48, in feet) that is 2.8 % less at 0.06 m, 1.8 %
at 0.1 m and 0.5 % at 0.2 m, and so the uncertainty here; `v_notch` follows it within 0.8 %.
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

COEFFICIENT = 1.38
EXPONENT = 2.5
BEST_FROM_M = 0.06
MAX_HEAD_M = 0.38
CURVE_UNCERTAINTY = 0.015
"""Standard uncertainty of the formula in its range, as a part of Q."""
CURVE_UNCERTAINTY_LOW = 0.05
"""The same under 0.06 m, where the standard gives none: assumed."""

_NAME = "v_notch_90"


class VNotch90(OneCurve):
    """A 90 degree V-notch; see the module for its formula and limits.

    Parameters
    ----------
    zero_offset_m
        Stage reading when the water stands at the notch's point.
    stage_uncertainty_m
        Standard uncertainty of the stage.
    max_head_m
        Height of this very notch, where it is lower than the standard's 0.38 m.

    Raises
    ------
    ConfigError
        An option cannot be; names it and its value.
    """

    def __init__(
        self,
        *,
        zero_offset_m: float = 0.0,
        stage_uncertainty_m: float = 0.003,
        max_head_m: float = MAX_HEAD_M,
    ) -> None:
        check_finite(_NAME, zero_offset_m=zero_offset_m)
        check_not_negative(_NAME, stage_uncertainty_m=stage_uncertainty_m)
        check_above_zero(_NAME, max_head_m=max_head_m)
        if max_head_m > MAX_HEAD_M:
            raise ConfigError(
                _NAME, f"max_head_m {max_head_m!r} is above {MAX_HEAD_M} m, the standard's limit"
            )
        self._curve = Curve(
            COEFFICIENT,
            EXPONENT,
            Band(lowest=0.0, best_from=BEST_FROM_M, highest=max_head_m),
            zero_offset_m,
            stage_uncertainty_m,
            CURVE_UNCERTAINTY,
            CURVE_UNCERTAINTY_LOW,
        )
