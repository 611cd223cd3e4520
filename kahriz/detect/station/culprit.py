"""Who is off the curve that flow and level usually keep: the gallery, or one of two instruments.

The way to the village is the third witness: a meter that says too little makes the loss look small
by as much, a blocked gallery and a wrong level leave it as it was. And a blocked gallery gives less
water than the weeks before it were heading for.
"""

from __future__ import annotations

from kahriz.detect.station.channel import HOUR
from kahriz.detect.station.losses import Losses
from kahriz.detect.station.season import Season
from kahriz.detect.station.verdict import BLOCKAGE, FLOW, STAGE, SURE_STAGE_M
from kahriz.detect.station.window import NAN, median

UNKNOWN = "unknown"

_FALLS = 0.02
_LARGE = 0.08
_CLEAR = 1.5
_ALL, _NONE = 0.6, 0.4


def culprit(
    off: float, rise: float, flow: float, level: float, losses: Losses, season: Season
) -> tuple[str, int]:
    """Return (`FLOW`, `STAGE`, `BLOCKAGE` or `UNKNOWN`, steps for which that has to hold).

    Parameters
    ----------
    off
        How much higher than the curve the level is [m].
    rise
        By how much the level rises per ln of flow [m].
    flow, level
        The outlet's [ln L/s] and the shaft's [m].
    losses, season
        What the village gets of it, and where the weeks before were heading.
    """
    error = -off / max(rise, 1e-6)  # of the flow [ln], if it were the flow
    trend = against_trend(season, flow)
    is_higher = off > 0
    if losses.loss == losses.loss and abs(error) > _CLEAR * losses.sigma:
        share = losses.loss / error
        if share > _ALL:
            return FLOW, 6 * HOUR
        if share < _NONE:
            if is_higher and trend < -_FALLS:
                return BLOCKAGE, (4 if abs(error) > _LARGE else 24) * HOUR
            # A gallery that slowly fills up raises the level before the flow falls.
            return STAGE, (96 if is_higher else 24) * HOUR
    # No word from the village: a meter that says too little falls by all of it.
    if is_higher and trend < -_FALLS and _is_raised(off, error, trend, risen(season, level)):
        return BLOCKAGE, 6 * HOUR
    return UNKNOWN, 48 * HOUR


def _is_raised(off: float, error: float, trend: float, rise: float) -> bool:
    """Return whether the level rose by itself [m], and does not only look high for the flow."""
    if 0.3 * off > SURE_STAGE_M:
        return rise > SURE_STAGE_M
    return 0.7 * error < trend and not rise < 0.3 * off


def against_trend(season: Season, flow: float) -> float:
    """Return a flow against where the last two weeks were heading, if that was down [ln]."""
    days, values = season.days[-14:], season.flow[-14:]
    if len(days) < 8:
        return 0.0
    half = len(days) // 2
    older, newer = sum(days[:half]) / half, sum(days[half:]) / (len(days) - half)
    middle = median(values[half:])
    rate = (middle - median(values[:half])) / max(newer - older, 1.0)
    return flow - middle - min(rate, 0.0) * (days[-1] + 1 - newer)


def risen(season: Season, level: float) -> float:
    """Return how much higher a level is than in the last two weeks of it [m]; NaN: not known.

    Of the days on which it was believed: while it is under suspicion none are added.
    """
    known = [value for value in season.level if value == value][-14:]
    return level - median(known) if len(known) >= 8 else NAN
