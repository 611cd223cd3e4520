"""Thin-plate weir with a V-notch of any angle from 25 to 100 degrees.

Q = 8/15 sqrt(2 g) Ce tan(angle/2) (H + kh)^2.5, Q in m3/s, H the head over the notch's point in m.
Ce and kh depend on the angle alone where the notch is fully contracted: the bed deep under it.

Limits
------
- Angles of 25 to 100 degrees; `sill_m`, the point of the notch over the bed, of 0.09 m or more.
- Heads of 0.06 m to 0.35 of `sill_m`, at most 0.38 m. Above that nothing is said.
- Under 0.06 m: SUSPECT and wider, as of the 90 degree notch.
- It takes the channel in front to be wide, five heads and more: its width is not asked for.
- It cannot see a notch that is blocked, drowned from below or silted up in front; silt also makes
  `sill_m` smaller than was measured.

Example
-------
>>> import numpy as np
>>> rated = VNotch(angle_deg=60, sill_m=0.6).discharge(np.array([0.15]))
>>> float(rated.discharge_lps[0].round(2)), int(rated.quality[0])
(6.98, 1)

Source: formula, range of angles and lowest head as in U.S. Bureau of Reclamation, Water Measurement
Manual (3rd edition, revised 2001), chapter 7 section 7, which prints Ce and kh as curves (Shen,
USGS Water-Supply Paper 1617-B); the polynomials are LMNO Engineering's fit to them. A second
reading of the curves, the table in the library `fluids`, is within 0.5 % in Ce and 0.3 mm in kh.
The manual's own formula for 90 degrees, 2.49 h^2.48 in feet, is within 0.8 %. ISO 1438 could not be
read: its limits of `sill_m` and 0.35 are as others quote them, and of its 1 % for Ce at 95 % twice
is taken. Makers of gauges who print one Cd for every angle, as Endress+Hauser's 0.584, leave kh
out: at 30 degrees that is 3 % less water at 0.2 m, and no ground to change the formula.
"""

from __future__ import annotations

from math import radians, sqrt, tan

from kahriz.errors import ConfigError
from kahriz.rating.curve import (
    Curve,
    OneCurve,
    band_from,
    check_above_zero,
    check_finite,
    check_not_negative,
)

ANGLES_DEG = (25.0, 100.0)
BEST_FROM_M = 0.06
MAX_HEAD_M = 0.38
LOWEST_SILL_M = 0.09
HIGHEST = 0.35
"""Head over the height of the notch's point."""
CURVE_UNCERTAINTY = 0.01
"""Standard uncertainty of the formula in its range, as a part of Q."""
CURVE_UNCERTAINTY_LOW = 0.05
"""The same under 0.06 m, where the standard gives none: assumed."""

_NAME = "v_notch"
_GRAVITY = 9.80665
_FOOT_M = 0.3048


class VNotch(OneCurve):
    """A V-notch of any angle; see the module for its formula and limits.

    Parameters
    ----------
    angle_deg
        Angle between the notch's sides.
    sill_m
        Height of the notch's point over the bed in front.
    zero_offset_m
        Stage reading when the water stands at the notch's point.
    stage_uncertainty_m
        Standard uncertainty of the stage.
    max_head_m
        Height of this very notch, where it is lower than the formula's limit.

    Raises
    ------
    ConfigError
        An option cannot be; names it and its value.
    """

    def __init__(
        self,
        *,
        angle_deg: float,
        sill_m: float,
        zero_offset_m: float = 0.0,
        stage_uncertainty_m: float = 0.003,
        max_head_m: float | None = None,
    ) -> None:
        if not ANGLES_DEG[0] <= angle_deg <= ANGLES_DEG[1]:
            raise ConfigError(_NAME, f"angle_deg {angle_deg!r} is not from 25 to 100")
        check_above_zero(_NAME, sill_m=sill_m)
        if sill_m < LOWEST_SILL_M:
            raise ConfigError(_NAME, f"sill_m {sill_m!r} is below {LOWEST_SILL_M} m")
        check_finite(_NAME, zero_offset_m=zero_offset_m)
        check_not_negative(_NAME, stage_uncertainty_m=stage_uncertainty_m)
        limit = min(MAX_HEAD_M, HIGHEST * sill_m)
        good = band_from(_NAME, BEST_FROM_M, max_head_m, limit, "0.35 of sill_m and at most 0.38")
        self._curve = Curve(
            8 / 15 * sqrt(2 * _GRAVITY) * coefficient(angle_deg) * tan(radians(angle_deg) / 2),
            2.5,
            good,
            zero_offset_m,
            stage_uncertainty_m,
            CURVE_UNCERTAINTY,
            CURVE_UNCERTAINTY_LOW,
            added_m=added_head_m(angle_deg),
        )


def coefficient(angle_deg: float) -> float:
    """Return Ce of a fully contracted notch."""
    return 0.607165052 - 8.74466963e-4 * angle_deg + 6.10393334e-6 * angle_deg**2


def added_head_m(angle_deg: float) -> float:
    """Return kh [m]."""
    return _FOOT_M * (
        0.0144902648
        - 3.3955535e-4 * angle_deg
        + 3.29819003e-6 * angle_deg**2
        - 1.06215442e-8 * angle_deg**3
    )
