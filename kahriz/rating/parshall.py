"""Parshall flume: a canal narrowed to a throat whose floor falls, so that silt and straw pass.

Q = C ha^n, Q in m3/s, ha the head in the converging part in m, over the floor there. C, n and the
heads at which they hold go with the throat: a flume is built to one of the standard sizes.

Limits
------
- The sizes of `SIZES`: 1 inch to 4 feet and the metric ones of ISO 9826, 0.25 to 1.2 m, flowing
  freely: the head below the throat at most 0.5 (to 3 inches), 0.6 (to 9 inches) or 0.7 of ha. One
  gauge cannot see it drowned: then it reads high.
- Heads of 0.015, 0.03, 0.05 or 0.06 m, by size, to 0.21 ... 0.8 m. Above that nothing is said.
- Below: SUSPECT and wider.

Example
-------
>>> import numpy as np
>>> flume = Parshall(throat_m=0.0762)
>>> float(flume.discharge(np.array([0.12])).discharge_lps[0].round(2))
6.62

Source: the sizes in feet from U.S. Bureau of Reclamation, Water Measurement Manual (3rd edition,
revised 2001), chapter 8; the metric ones, and all limits of the head, from CJ/T 3008.3-1993, which
follows ISO 9826:1992 (not read itself), as programs for flow meters quote it. All of 0.25 m and
more agree with Parshall's own Q = 0.372 W (ha/0.305)^(1.569 W^0.026) within 0.5 %. At 6 inches the
same table prints n = 1.54 with the C that belongs to 1.58; 1.58 is the manual's. The manual gives
+-3 to 5 %: 5 is taken here as two standard uncertainties.
"""

from __future__ import annotations

from dataclasses import dataclass

from kahriz.errors import ConfigError
from kahriz.rating.curve import (
    Curve,
    OneCurve,
    band_from,
    check_finite,
    check_not_negative,
)

CURVE_UNCERTAINTY = 0.025
"""Standard uncertainty of the formula in its range, as a part of Q."""
CURVE_UNCERTAINTY_LOW = 0.075
"""The same below it, where the manual gives none: assumed."""

_NAME = "parshall"
_SAME_M = 0.001


@dataclass(frozen=True, slots=True)
class Size:
    """A standard flume: its throat [m], C, n, and the heads [m] at which they hold."""

    throat_m: float
    coefficient: float
    exponent: float
    lowest_m: float
    highest_m: float


SIZES = (
    Size(0.0254, 0.0604, 1.55, 0.015, 0.21),
    Size(0.0508, 0.1207, 1.55, 0.015, 0.24),
    Size(0.0762, 0.1771, 1.55, 0.03, 0.33),
    Size(0.1524, 0.3812, 1.58, 0.03, 0.45),
    Size(0.2286, 0.5354, 1.53, 0.03, 0.61),
    Size(0.25, 0.561, 1.513, 0.03, 0.6),
    Size(0.3, 0.679, 1.521, 0.03, 0.75),
    Size(0.3048, 0.6909, 1.522, 0.03, 0.76),
    Size(0.45, 1.038, 1.537, 0.03, 0.75),
    Size(0.4572, 1.056, 1.538, 0.03, 0.76),
    Size(0.6, 1.403, 1.548, 0.05, 0.75),
    Size(0.6096, 1.428, 1.55, 0.05, 0.76),
    Size(0.75, 1.772, 1.557, 0.06, 0.75),
    Size(0.9, 2.147, 1.565, 0.06, 0.75),
    Size(0.9144, 2.184, 1.566, 0.06, 0.76),
    Size(1.0, 2.397, 1.569, 0.06, 0.8),
    Size(1.2, 2.904, 1.577, 0.06, 0.8),
    Size(1.2192, 2.953, 1.578, 0.06, 0.76),
)


class Parshall(OneCurve):
    """A Parshall flume; see the module for its formula and limits.

    Parameters
    ----------
    throat_m
        Width of the throat: one of `SIZES`, to a millimetre.
    zero_offset_m
        Stage reading when the water stands at the floor of the converging part.
    stage_uncertainty_m
        Standard uncertainty of the stage.
    max_head_m
        Height of this very flume, where it is lower than the standard's.

    Raises
    ------
    ConfigError
        An option cannot be; names it and its value.
    """

    def __init__(
        self,
        *,
        throat_m: float,
        zero_offset_m: float = 0.0,
        stage_uncertainty_m: float = 0.003,
        max_head_m: float | None = None,
    ) -> None:
        size = _size(throat_m)
        check_finite(_NAME, zero_offset_m=zero_offset_m)
        check_not_negative(_NAME, stage_uncertainty_m=stage_uncertainty_m)
        good = band_from(_NAME, size.lowest_m, max_head_m, size.highest_m, "the limit of this size")
        self._curve = Curve(
            size.coefficient,
            size.exponent,
            good,
            zero_offset_m,
            stage_uncertainty_m,
            CURVE_UNCERTAINTY,
            CURVE_UNCERTAINTY_LOW,
        )


def _size(throat_m: float) -> Size:
    for size in SIZES:
        if abs(size.throat_m - throat_m) <= _SAME_M:
            return size
    raise ConfigError(
        _NAME,
        f"throat_m {throat_m!r} is no standard size",
        "sizes: " + ", ".join(f"{size.throat_m}" for size in SIZES),
    )
