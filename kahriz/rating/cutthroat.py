"""Cutthroat flume: flat floor, walls that draw in and out again, no throat between them.

Q = K W^1.025 ha^n, in feet and cubic feet a second, ha the head in the part that draws in and W
the narrowest width; K and n go with the flume's length. Any mason can build one of concrete.

Limits
------
- Lengths of 18, 36, 54 and 108 inches (0.457, 0.914, 1.372, 2.743 m), flowing freely. One gauge
  cannot see it drowned from below: then it reads high.
- Heads of 0.1 to 0.4 of the length. Above that nothing is said; below: SUSPECT and wider.
- No standard of ISO covers it.

Example
-------
>>> import numpy as np
>>> flume = Cutthroat(length_m=0.9144, throat_m=0.1016)
>>> float(flume.discharge(np.array([0.15])).discharge_lps[0].round(1))
11.2

Source: Skogerboe, Bennett and Walker, Generalized discharge relations for cutthroat flumes (ASCE,
1972), K, n and the range of heads as Openchannelflow, a maker, prints them for free flow. The maker
gives +-3 % for the flume alone and up to 10 % as installed, and its tables in feet and in metres
are up to 2 % apart: 5 % is taken as two standard uncertainties.
"""

from __future__ import annotations

from kahriz.errors import ConfigError
from kahriz.rating.curve import (
    Curve,
    OneCurve,
    band_from,
    check_above_zero,
    check_finite,
    check_not_negative,
)

LENGTHS: dict[float, tuple[float, float]] = {
    0.4572: (6.100, 2.150),
    0.9144: (4.500, 1.840),
    1.3716: (3.980, 1.720),
    2.7432: (3.500, 1.560),
}
"""Length [m]: K in feet and seconds, n."""
WIDTH_EXPONENT = 1.025
BEST_FROM = 0.1
HIGHEST = 0.4
"""Head over the length."""
CURVE_UNCERTAINTY = 0.025
"""Standard uncertainty of the formula in its range, as a part of Q."""
CURVE_UNCERTAINTY_LOW = 0.075
"""The same below it: assumed."""

_NAME = "cutthroat"
_FOOT_M = 0.3048
_SAME_M = 0.003


class Cutthroat(OneCurve):
    """A cutthroat flume; see the module for its formula and limits.

    Parameters
    ----------
    length_m
        Length of the flume: one of `LENGTHS`, to 3 mm.
    throat_m
        W, its narrowest width.
    zero_offset_m
        Stage reading when the water stands at the floor.
    stage_uncertainty_m
        Standard uncertainty of the stage.
    max_head_m
        Height of this very flume, where it is lower than 0.4 of its length.

    Raises
    ------
    ConfigError
        An option cannot be; names it and its value.
    """

    def __init__(
        self,
        *,
        length_m: float,
        throat_m: float,
        zero_offset_m: float = 0.0,
        stage_uncertainty_m: float = 0.003,
        max_head_m: float | None = None,
    ) -> None:
        length = _length(length_m)
        check_above_zero(_NAME, throat_m=throat_m)
        check_finite(_NAME, zero_offset_m=zero_offset_m)
        check_not_negative(_NAME, stage_uncertainty_m=stage_uncertainty_m)
        good = band_from(_NAME, BEST_FROM * length, max_head_m, HIGHEST * length, "0.4 of length_m")
        factor, exponent = LENGTHS[length]
        self._curve = Curve(
            factor * (throat_m / _FOOT_M) ** WIDTH_EXPONENT * _FOOT_M ** (3 - exponent),
            exponent,
            good,
            zero_offset_m,
            stage_uncertainty_m,
            CURVE_UNCERTAINTY,
            CURVE_UNCERTAINTY_LOW,
        )


def _length(length_m: float) -> float:
    for length in LENGTHS:
        if abs(length - length_m) <= _SAME_M:
            return length
    raise ConfigError(
        _NAME,
        f"length_m {length_m!r} is no length it is known for",
        "lengths: " + ", ".join(str(length) for length in LENGTHS),
    )
