"""What every formula Q = a * head^b shares: limits, flags, uncertainty and the way back.

Thin-plate weirs need two small additions, both 0 elsewhere: a length added to the head (viscosity
and surface tension) and a coefficient that grows with it (the speed at which the water comes).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite

import numpy as np
from numpy.typing import NDArray

from kahriz.errors import ConfigError
from kahriz.observations import Flags, Quality, Values
from kahriz.rating import Limits, Rated

BELOW_ZERO_M = 0.005
"""A head this far below zero is more than noise: the zero offset or the sensor has moved."""

_LITRES = 1000.0
ROUNDING_M = 1e-9
"""Subtracting a zero offset rounds: a head at a limit stays inside it."""
# Each step of the way back leaves a fifth of the error or less.
_STEPS_BACK = 30


@dataclass(frozen=True, slots=True)
class Band:
    """Heads at which a formula holds, [m].

    Below ``best_from`` it still gives a discharge, SUSPECT and with the wider uncertainty; below
    ``lowest`` (and above 0) and above ``highest`` it gives none.
    """

    lowest: float
    best_from: float
    highest: float


@dataclass(frozen=True, slots=True)
class Curve:
    """Q = coefficient * (1 + gain * head) * (head + added)^exponent, with limits and uncertainty.

    Q in m3/s, head in m.

    Attributes
    ----------
    zero_offset_m
        The stage reading at zero head.
    stage_uncertainty_m
        Standard uncertainty of the stage.
    relative_uncertainty, relative_uncertainty_low
        Standard uncertainty of the formula itself, as a part of Q, in and below the best band.
    added_m
        What is added to a head above 0.
    gain_per_m
        By how much of itself the coefficient grows with a metre of head.
    """

    coefficient: float
    exponent: float
    band: Band
    zero_offset_m: float
    stage_uncertainty_m: float
    relative_uncertainty: float
    relative_uncertainty_low: float
    added_m: float = 0.0
    gain_per_m: float = 0.0

    def discharge(self, stage_m: Values) -> Rated:
        """Return discharge of `stage_m` (n,) [m]: NaN and FAIL where the curve says nothing."""
        head = np.asarray(stage_m, np.float64) - self.zero_offset_m
        with np.errstate(invalid="ignore"):
            flows = np.where(self._is_within(head), np.maximum(head, 0.0), np.nan)
            flows = np.where(head <= 0, 0.0, flows)
            discharge = np.where(flows == 0, 0.0, self._formula(flows))
        return Rated(discharge, self._uncertainty(flows, discharge), self._flags(head, flows))

    def stage(self, discharge_lps: Values) -> Values:
        """Return the stage (n,) [m] that gives `discharge_lps` (n,) [L/s]; NaN outside limits."""
        flow = np.asarray(discharge_lps, np.float64) / _LITRES
        with np.errstate(invalid="ignore"):
            head = self._head(flow)
            head = np.where(flow == 0, 0.0, np.where(self._is_within(head), head, np.nan))
        return head + self.zero_offset_m

    def _formula(self, head: Values) -> Values:
        grown = self.coefficient * (1 + self.gain_per_m * head)
        found: Values = _LITRES * grown * (head + self.added_m) ** self.exponent
        return found

    def _head(self, flow: Values) -> Values:
        """Return the head (n,) [m] of `flow` (n,) [m3/s]; in steps where the coefficient grows."""
        head: Values = (flow / self.coefficient) ** (1 / self.exponent) - self.added_m
        for _ in range(_STEPS_BACK if self.gain_per_m else 0):
            grown = self.coefficient * (1 + self.gain_per_m * head)
            head = (flow / grown) ** (1 / self.exponent) - self.added_m
        return head

    def _is_within(self, head: Values) -> NDArray[np.bool_]:
        low, high = self.band.lowest - ROUNDING_M, self.band.highest + ROUNDING_M
        return (head >= low) & (head <= high)

    def _uncertainty(self, head: Values, discharge: Values) -> Values:
        """Return standard uncertainty (n,) [L/s]: (dQ/Q)^2 = (b dH/H)^2 + curve^2.

        At heads smaller than the stage's own uncertainty the slope is taken at that uncertainty:
        at zero head the formula's slope is 0, and nobody knows zero that well.
        """
        at = np.fmax(head, self.stage_uncertainty_m)
        over = at + self.added_m
        grown = self.exponent * (1 + self.gain_per_m * at) + self.gain_per_m * over
        slope = _LITRES * self.coefficient * grown * over ** (self.exponent - 1)
        is_low = head < self.band.best_from - ROUNDING_M
        curve = np.where(is_low, self.relative_uncertainty_low, self.relative_uncertainty)
        found: Values = np.hypot(slope * self.stage_uncertainty_m, curve * discharge)
        return np.where(np.isnan(head), np.nan, found)

    def _flags(self, head: Values, flows: Values) -> Flags:
        flags: Flags = np.full(head.shape, Quality.GOOD, np.uint8)
        is_low: NDArray[np.bool_] = (head > 0) & (head < self.band.best_from - ROUNDING_M)
        flags[is_low | (head < -BELOW_ZERO_M)] = Quality.SUSPECT
        flags[np.isnan(flows)] = Quality.FAIL
        flags[np.isnan(head)] = Quality.MISSING
        return flags


class OneCurve:
    """A rating that is one curve; what it is made of sets `_curve`."""

    _curve: Curve

    @property
    def limits(self) -> Limits:
        """The stages between which it says anything."""
        zero, band = self._curve.zero_offset_m, self._curve.band
        return Limits(zero, zero + band.lowest, zero + band.best_from, zero + band.highest)

    def discharge(self, stage_m: Values) -> Rated:
        """Return discharge of `stage_m` (n,) [m]."""
        return self._curve.discharge(stage_m)

    def stage(self, discharge_lps: Values) -> Values:
        """Return the stage (n,) [m] that gives `discharge_lps` (n,) [L/s]; NaN outside limits."""
        return self._curve.stage(discharge_lps)


def check_above_zero(rating: str, **options: float) -> None:
    """Raise ConfigError unless every option is a finite number above 0."""
    for name, value in options.items():
        if not (isfinite(value) and value > 0):
            raise ConfigError(rating, f"{name} {value!r} is not above 0")


def check_not_negative(rating: str, **options: float) -> None:
    """Raise ConfigError unless every option is a finite number of 0 or more."""
    for name, value in options.items():
        if not (isfinite(value) and value >= 0):
            raise ConfigError(rating, f"{name} {value!r} is not 0 or more")


def check_finite(rating: str, **options: float) -> None:
    """Raise ConfigError unless every option is a finite number."""
    for name, value in options.items():
        if not isfinite(value):
            raise ConfigError(rating, f"{name} {value!r} is not a finite number")


def height(rating: str, max_head_m: float | None, limit: float, reason: str) -> float:
    """Return the highest head that is rated: the formula's `limit`, or a lower one of the site's.

    Raises
    ------
    ConfigError
        `max_head_m` is above the limit, for `reason`, or not above 0.
    """
    highest = limit if max_head_m is None else max_head_m
    check_above_zero(rating, max_head_m=highest)
    if highest > limit:
        raise ConfigError(rating, f"max_head_m {highest!r} is above {limit:.3g} m, {reason}")
    return highest


def band_from(
    rating: str, best_from_m: float, max_head_m: float | None, limit: float, reason: str
) -> Band:
    """Return the heads of a weir or flume that is good from `best_from_m` on, up to `height`.

    Raises
    ------
    ConfigError
        As of `height`, or no head would be good.
    """
    highest = height(rating, max_head_m, limit, reason)
    if highest <= best_from_m:
        raise ConfigError(
            rating, f"no head is in range: from {best_from_m:.3g} m to {highest:.3g} m"
        )
    return Band(lowest=0.0, best_from=best_from_m, highest=highest)
