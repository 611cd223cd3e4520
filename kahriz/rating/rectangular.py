"""Thin-plate weir with a rectangular notch, or as wide as its channel.

Q = 2/3 sqrt(2 g) Ce (b + kb) (H + 0.001)^1.5, Q in m3/s, b the crest's length and H the head over
it in m. Ce = alpha + beta H/p, with p the crest's height over the bed; alpha, beta and kb go with
b/B, B the channel's width.

Limits
------
- b of 0.15 m or more, p of 0.10 m or more, and 0.10 m of plate on each side, or none (b = B).
- Heads of 0.03 m to 2.5 p. Above that nothing is said.
- Under 0.03 m the nappe clings: SUSPECT and wider.
- It cannot see a crest drowned from below, silted up in front, or, where b = B, a nappe that gets
  no air from below.

Example
-------
>>> import numpy as np
>>> weir = Rectangular(crest_m=0.5, channel_m=1.0, sill_m=0.4)
>>> float(weir.discharge(np.array([0.1])).discharge_lps[0].round(1))
28.4

Source: formula of Kindsvater and Carter as in ISO 1438 and U.S. Bureau of Reclamation, Water
Measurement Manual (3rd edition, revised 2001), chapter 7. alpha and beta agree with the manual's
table in feet, as the manual of EPA's SWMM 5 quotes it, within 0.4 % of Q to H = p; b = B with the
library `fluids` within 0.1 %. ISO 1438 itself could not be read: its limits and the uncertainty of
its coefficient, 1.5 % to H = p, 2 % to 1.5 p, 3 % to 2.5 p, are as others quote them, and taken as
1.5 standard uncertainties.
"""

from __future__ import annotations

from math import sqrt

import numpy as np

from kahriz.errors import ConfigError
from kahriz.rating.curve import (
    Curve,
    OneCurve,
    band_from,
    check_above_zero,
    check_finite,
    check_not_negative,
)

BEST_FROM_M = 0.03
SHORTEST_CREST_M = 0.15
LOWEST_SILL_M = 0.10
NARROWEST_SIDE_M = 0.10
HIGHEST = 2.5
"""Head over the crest's height."""
ADDED_HEAD_M = 0.001
CURVE_UNCERTAINTY_LOW = 0.05
"""Standard uncertainty under 0.03 m, where the standard gives none: assumed."""

_NAME = "rectangular"
_GRAVITY = 9.80665
_B_OVER_B = (0.0, 0.2, 0.4, 0.6, 0.7, 0.8, 0.9, 1.0)
_ALPHA = (0.587, 0.589, 0.591, 0.593, 0.594, 0.596, 0.598, 0.602)
_BETA = (-0.0023, -0.0018, 0.0058, 0.018, 0.030, 0.045, 0.064, 0.075)
_KB_AT = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
_KB_M = (0.0024, 0.0024, 0.0027, 0.0036, 0.0042, -0.0009)


class Rectangular(OneCurve):
    """A rectangular weir; see the module for its formula and limits.

    Parameters
    ----------
    crest_m, channel_m, sill_m
        b, B and p.
    zero_offset_m
        Stage reading when the water stands at the crest.
    stage_uncertainty_m
        Standard uncertainty of the stage.
    max_head_m
        Height of this very notch, where it is lower than 2.5 p. The formula's uncertainty is that
        of the highest head rated.

    Raises
    ------
    ConfigError
        An option cannot be; names it and its value.
    """

    def __init__(
        self,
        *,
        crest_m: float,
        channel_m: float,
        sill_m: float,
        zero_offset_m: float = 0.0,
        stage_uncertainty_m: float = 0.003,
        max_head_m: float | None = None,
    ) -> None:
        check_above_zero(_NAME, crest_m=crest_m, channel_m=channel_m, sill_m=sill_m)
        check_finite(_NAME, zero_offset_m=zero_offset_m)
        check_not_negative(_NAME, stage_uncertainty_m=stage_uncertainty_m)
        _check_geometry(crest_m, channel_m, sill_m)
        limit, reason = HIGHEST * sill_m, f"2.5 times sill_m {sill_m!r}"
        good = band_from(_NAME, BEST_FROM_M, max_head_m, limit, reason)
        part = crest_m / channel_m
        alpha = float(np.interp(part, _B_OVER_B, _ALPHA))
        beta = float(np.interp(part, _B_OVER_B, _BETA))
        length = crest_m + float(np.interp(part, _KB_AT, _KB_M))
        self._curve = Curve(
            2 / 3 * sqrt(2 * _GRAVITY) * alpha * length,
            1.5,
            good,
            zero_offset_m,
            stage_uncertainty_m,
            curve_uncertainty(good.highest / sill_m),
            CURVE_UNCERTAINTY_LOW,
            added_m=ADDED_HEAD_M,
            gain_per_m=beta / alpha / sill_m,
        )


def curve_uncertainty(head_over_sill: float) -> float:
    """Return the standard uncertainty of the formula, as a part of Q, up to this H/p."""
    if head_over_sill <= 1:
        return 0.01
    return 0.0133 if head_over_sill <= 1.5 else 0.02


def _check_geometry(crest_m: float, channel_m: float, sill_m: float) -> None:
    if crest_m < SHORTEST_CREST_M:
        raise ConfigError(_NAME, f"crest_m {crest_m!r} is below {SHORTEST_CREST_M} m")
    if sill_m < LOWEST_SILL_M:
        raise ConfigError(_NAME, f"sill_m {sill_m!r} is below {LOWEST_SILL_M} m")
    side = (channel_m - crest_m) / 2
    if side < 0 or 0 < side < NARROWEST_SIDE_M - 1e-9:
        raise ConfigError(
            _NAME,
            f"crest_m {crest_m!r} leaves {side:.3g} m on each side of channel_m {channel_m!r}",
            f"none, or {NARROWEST_SIDE_M} m and more",
        )
