"""A curve drawn through gaugings: pairs of stage and discharge, and straight between them.

Straight in logarithms of head and discharge (``interpolation = "log"``), as a control section of
one form gives it, or of the figures themselves (``"linear"``), as a calibrated tank may ask.

Limits
------
- It knows nothing beyond its pairs: below the first and above the last it is refused (NaN, FAIL),
  a stage at or below `zero_offset_m` apart, which is no flow.
- Stages are those of the gauge itself; `zero_offset_m` is the one at which the flow stops, and the
  table is not moved by it.
- It cannot see that the section has changed: then a new entry with its own ``valid_from`` is due.

Example
-------
>>> import numpy as np
>>> canal = Table(table=[(0.05, 0.8), (0.10, 4.4), (0.20, 24.7)])
>>> canal.discharge(np.array([0.10, 0.15, 0.21])).discharge_lps.round(1).tolist()
[4.4, 12.1, nan]

Source: none but the table's author, whom the entry names; the curve's own uncertainty is theirs to
give too, and assumed otherwise.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from math import isfinite
from typing import Literal

import numpy as np

from kahriz.errors import ConfigError
from kahriz.observations import Flags, Quality, Values
from kahriz.rating import Limits, Rated
from kahriz.rating.curve import BELOW_ZERO_M, ROUNDING_M, check_finite, check_not_negative

CURVE_UNCERTAINTY = 0.05
"""Standard uncertainty of the curve as a part of Q: what a fair set of gaugings gives."""

_NAME = "table"


class Table:
    """A tabulated curve; see the module for its limits.

    Parameters
    ----------
    table
        Pairs of stage [m] and discharge [L/s], at least two, both rising from pair to pair.
    interpolation
        ``log`` or ``linear``.
    zero_offset_m
        The stage at which the flow stops, at or below the first pair's.
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
        table: Sequence[tuple[float, float]],
        interpolation: Literal["log", "linear"] = "log",
        zero_offset_m: float = 0.0,
        stage_uncertainty_m: float = 0.003,
        curve_uncertainty: float = CURVE_UNCERTAINTY,
    ) -> None:
        check_finite(_NAME, zero_offset_m=zero_offset_m)
        check_not_negative(
            _NAME, stage_uncertainty_m=stage_uncertainty_m, curve_uncertainty=curve_uncertainty
        )
        _check_pairs(table, zero_offset_m, is_log=interpolation == "log")
        stage, flow = np.array(table, np.float64).T
        self._is_log = interpolation == "log"
        self._zero_m = zero_offset_m
        self._stage_uncertainty_m = stage_uncertainty_m
        self._curve_uncertainty = curve_uncertainty
        self._first_m, self._last_m = float(stage[0]), float(stage[-1])
        self._x = self._scaled(stage - zero_offset_m)
        self._y = self._scaled(flow)
        self._slopes = np.diff(self._y) / np.diff(self._x)

    @property
    def limits(self) -> Limits:
        """The stages between which it says anything."""
        return Limits(self._zero_m, self._first_m, self._first_m, self._last_m)

    def discharge(self, stage_m: Values) -> Rated:
        """Return discharge of `stage_m` (n,) [m]: NaN and FAIL where the table says nothing."""
        stage = np.asarray(stage_m, np.float64)
        head = stage - self._zero_m
        with np.errstate(invalid="ignore"):
            is_dry = head <= 0
            is_known = (stage >= self._first_m - ROUNDING_M) & (stage <= self._last_m + ROUNDING_M)
        x = np.full(stage.shape, np.nan)
        x[is_known & ~is_dry] = self._scaled(head[is_known & ~is_dry])
        flow = self._unscaled(np.interp(x, self._x, self._y))
        flow[is_dry] = 0.0
        flags: Flags = np.full(stage.shape, Quality.GOOD, np.uint8)
        flags[np.isnan(flow)] = Quality.FAIL
        flags[np.isnan(stage)] = Quality.MISSING
        flags[head < -BELOW_ZERO_M] = Quality.SUSPECT
        return Rated(flow, self._uncertainty(head, x, flow), flags)

    def stage(self, discharge_lps: Values) -> Values:
        """Return the stage (n,) [m] that gives `discharge_lps` (n,) [L/s]; NaN outside limits."""
        flow = np.asarray(discharge_lps, np.float64)
        y = np.full(flow.shape, np.nan)
        y[flow > 0] = self._scaled(flow[flow > 0])
        with np.errstate(invalid="ignore"):
            y[(y < self._y[0] - 1e-12) | (y > self._y[-1] + 1e-12)] = np.nan
        head = self._unscaled(np.interp(y, self._y, self._x))
        return np.where(flow == 0, 0.0, head) + self._zero_m

    def _uncertainty(self, head: Values, x: Values, flow: Values) -> Values:
        """Return standard uncertainty (n,) [L/s]: by the slope of the piece, and the curve's own.

        At no flow the slope is that of the first piece, at the stage's own uncertainty.
        """
        piece = np.clip(np.searchsorted(self._x, x, side="right") - 1, 0, len(self._slopes) - 1)
        slope = self._slopes[np.where(np.isnan(x), 0, piece)]
        off = self._stage_uncertainty_m
        if self._is_log:
            first = self._unscaled(self._y[0] + self._slopes[0] * (_log(off) - self._x[0]))
            with np.errstate(divide="ignore", invalid="ignore"):
                by_stage = np.where(head > 0, slope * flow / head * off, self._slopes[0] * first)
        else:
            by_stage = slope * off
        found: Values = np.hypot(by_stage, self._curve_uncertainty * flow)
        return np.where(np.isnan(flow), np.nan, found)

    def _scaled(self, figures: Values) -> Values:
        return np.log(figures) if self._is_log else figures

    def _unscaled(self, figures: Values) -> Values:
        found: Values = np.exp(figures) if self._is_log else np.array(figures)
        return found


def _log(figure: float) -> float:
    return float(np.log(figure)) if figure > 0 else -np.inf


def _check_pairs(
    table: Sequence[tuple[float, float]], zero_offset_m: float, *, is_log: bool
) -> None:
    if len(table) < 2:
        raise ConfigError(_NAME, f"table has {len(table)} pairs", "two and more")
    for stage, flow in table:
        if not (isfinite(stage) and isfinite(flow) and flow >= 0):
            raise ConfigError(_NAME, f"pair [{stage!r}, {flow!r}] is no stage and discharge")
    for (stage, flow), (next_stage, next_flow) in itertools.pairwise(table):
        if not (next_stage > stage and next_flow > flow):
            raise ConfigError(
                _NAME,
                f"pair [{next_stage!r}, {next_flow!r}] does not rise above [{stage!r}, {flow!r}]",
                "stage [m] and discharge [L/s] both rise",
            )
    stage, flow = table[0]
    if stage < zero_offset_m:
        raise ConfigError(
            _NAME, f"zero_offset_m {zero_offset_m!r} is above the first stage {stage!r}"
        )
    if is_log and not (stage > zero_offset_m and flow > 0):
        raise ConfigError(
            _NAME,
            f"pair [{stage!r}, {flow!r}] has no logarithm at zero_offset_m {zero_offset_m!r}",
            'leave the pair of no flow out, or say interpolation = "linear"',
        )
