"""Cipolletti weir: a thin plate cut as a trapezoid whose sides lean out one in four.

Q = 1.859 L H^1.5, Q in m3/s, L the length of the crest and H the head over it in m: the leaning
sides make up for what the contraction takes, so L counts whole. It carries more water than a
V-notch and is less sensitive to the head: dQ/Q = 1.5 dH/H.

Limits
------
- Heads of 0.06 m to a third of the crest. Above that nothing is said.
- Under 0.06 m the nappe clings: SUSPECT, with a wider uncertainty, as of a V-notch; a failing
  kahriz passes through just these heads.
- It cannot see a crest that is silted up in front, drowned from below or out of level.

Example
-------
>>> import numpy as np
>>> rated = Cipolletti(crest_m=0.6).discharge(np.array([0.15]))
>>> float(rated.discharge_lps[0].round(1)), int(rated.quality[0])
(64.8, 1)

Source: U.S. Bureau of Reclamation, Water Measurement Manual (3rd edition, revised 2001), chapter 7
section 12: Q = 3.367 L h^1.5 in feet and seconds, without the velocity of approach; its table A7-5
follows it to a head of L/3, to +-5 %, taken here as two standard uncertainties. It calls the weir
considerably less accurate than a V-notch. The lower limit is that of the V-notch here.
"""

from __future__ import annotations

from kahriz.rating.curve import (
    Band,
    Curve,
    OneCurve,
    check_above_zero,
    check_finite,
    check_not_negative,
    height,
)

_FOOT_M = 0.3048
COEFFICIENT = 3.367 * _FOOT_M**0.5
"""1.859 [m^0.5/s]: feet to metres."""
EXPONENT = 1.5
BEST_FROM_M = 0.06
HIGHEST = 1 / 3
"""Head over length of the crest."""
CURVE_UNCERTAINTY = 0.025
"""Standard uncertainty of the formula in its range, as a part of Q."""
CURVE_UNCERTAINTY_LOW = 0.075
"""The same under 0.06 m, where the manual gives none: assumed."""

_NAME = "cipolletti"


class Cipolletti(OneCurve):
    """A Cipolletti weir; see the module for its formula and limits.

    Parameters
    ----------
    crest_m
        Length of the crest, the lower edge of the trapezoid.
    zero_offset_m
        Stage reading when the water stands at the crest.
    stage_uncertainty_m
        Standard uncertainty of the stage.
    max_head_m
        Height of this very notch, where it is lower than a third of the crest.

    Raises
    ------
    ConfigError
        An option cannot be; names it and its value.
    """

    def __init__(
        self,
        *,
        crest_m: float,
        zero_offset_m: float = 0.0,
        stage_uncertainty_m: float = 0.003,
        max_head_m: float | None = None,
    ) -> None:
        check_above_zero(_NAME, crest_m=crest_m)
        check_finite(_NAME, zero_offset_m=zero_offset_m)
        check_not_negative(_NAME, stage_uncertainty_m=stage_uncertainty_m)
        highest = height(_NAME, max_head_m, HIGHEST * crest_m, f"a third of crest_m {crest_m!r}")
        self._curve = Curve(
            COEFFICIENT * crest_m,
            EXPONENT,
            Band(lowest=0.0, best_from=BEST_FROM_M, highest=highest),
            zero_offset_m,
            stage_uncertainty_m,
            CURVE_UNCERTAINTY,
            CURVE_UNCERTAINTY_LOW,
        )
