"""How far a channel has left its normal, measured in its own noise: arithmetic detectors share.

Instants are hours relative to `now`, so they are <= 0; values are in the scale that is judged: the
logarithm of a flow [ln L/s], a stage in metres. Windows are durations: steps of 1 to 15 minutes
mix, and readings are missing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from kahriz.clock import to_datetime64
from kahriz.observations import Series, Values

FRESH_H = 1.0
"""A channel whose newest reading is older says nothing about now."""

MAD_TO_SIGMA = 1.4826

_LEAST_FLOW_LPS = 0.005  # the logarithm of "no water" has to be some number

Interval = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Channel:
    """Clean readings of one channel: `hours` (n,) relative to now, ascending; `value` (n,)."""

    hours: Values
    value: Values

    def between(self, start_h: float, end_h: float) -> Values:
        """Return the values in [start_h, end_h)."""
        first, last = np.searchsorted(self.hours, [start_h, end_h])
        return self.value[first:last]

    def median(self, start_h: float, end_h: float, least: int = 3) -> float | None:
        """Return the median in [start_h, end_h); None with fewer readings than `least`."""
        found = self.between(start_h, end_h)
        return float(np.median(found)) if len(found) >= least else None

    @property
    def is_fresh(self) -> bool:
        """Whether it speaks of now."""
        return len(self.hours) >= 4 and bool(self.hours[-1] >= -FRESH_H)


@dataclass(frozen=True, slots=True)
class Limits:
    """Beyond which change a channel has left its normal, in the scale judged.

    ``down`` and ``up`` are what matters to people; ``uncertainty`` is what the instrument cannot
    tell anyway (already times its coverage factor): the greatest of these and of five times the
    channel's own spread is the limit.
    """

    down: float
    up: float
    uncertainty: float = 0.0


@dataclass(frozen=True, slots=True)
class Normal:
    """What a channel says when nothing is wrong: its centre and the limits around it."""

    centre: float
    down: float
    up: float


@dataclass(frozen=True, slots=True)
class Departure:
    """A channel's newest readings against its normal.

    ``change`` is observed - expected; ``onset_h`` when it began, hours relative to now;
    ``is_beyond`` whether three of four newest readings are outside the limits; ``is_abrupt``
    whether it came as a step and not as a slope.
    """

    expected: float
    observed: float
    change: float
    limit: float
    onset_h: float
    is_beyond: bool
    is_abrupt: bool


def flow_channel(series: Series, now: datetime) -> Channel:
    """Return a discharge series as the logarithm of its clean values."""
    clean = series.usable()
    return Channel(_hours(clean, now), np.log(np.maximum(clean.value, _LEAST_FLOW_LPS)))


def stage_channel(series: Series, now: datetime) -> Channel:
    """Return a stage series as its clean values."""
    clean = series.usable()
    return Channel(_hours(clean, now), clean.value)


def _hours(series: Series, now: datetime) -> Values:
    milliseconds = (series.time - to_datetime64(now)).astype(np.int64)
    return milliseconds / 3.6e6


def normal(
    channel: Channel, limits: Limits, window: Interval, known: Sequence[Interval]
) -> Normal | None:
    """Return the median and spread of a channel over `window`, `known` trouble left out.

    None where less than 12 hours of the window are left: nothing was learnt yet.
    """
    first, last = np.searchsorted(channel.hours, window)
    hours, value = channel.hours[first:last], channel.value[first:last]
    for start, end in known:
        keep = (hours < start) | (hours >= end)
        hours, value = hours[keep], value[keep]
    if len(value) < 24 or len(np.unique(np.floor(hours))) < 12:
        return None
    centre = float(np.median(value))
    spread = MAD_TO_SIGMA * float(np.median(np.abs(value - centre)))
    least = max(5.0 * spread, limits.uncertainty)
    return Normal(centre, max(limits.down, least), max(limits.up, least))


def departure(channel: Channel, usual: Normal) -> Departure | None:
    """Return how the newest readings stand to what is usual; None where there are none."""
    if not channel.is_fresh:
        return None
    newest = _newest(channel)
    observed = float(np.median(newest))
    change = observed - usual.centre
    sign, limit = (-1.0, usual.down) if change < 0 else (1.0, usual.up)
    is_beyond = bool(np.mean(sign * (newest - usual.centre) > limit) >= 0.75)
    onset = _onset(channel, usual.centre, sign, limit) if is_beyond else 0.0
    is_abrupt = is_beyond and _is_step(channel, onset, observed, sign, limit)
    return Departure(usual.centre, observed, change, limit, onset, is_beyond, is_abrupt)


def _newest(channel: Channel) -> Values:
    # Four readings at least, twenty minutes at least: whichever is more.
    first = int(np.searchsorted(channel.hours, channel.hours[-1] - 0.33))
    return channel.value[min(first, len(channel.hours) - 4) :]


def _onset(channel: Channel, centre: float, sign: float, limit: float) -> float:
    """Return when the present departure began: after the last two readings within half of it."""
    inside: NDArray[np.bool_] = sign * (channel.value - centre) < limit / 2
    pairs = np.flatnonzero(inside[1:] & inside[:-1])
    if not len(pairs):
        return float(channel.hours[0])
    return float(channel.hours[min(pairs[-1] + 2, len(channel.hours) - 1)])


def _is_step(channel: Channel, onset: float, observed: float, sign: float, limit: float) -> bool:
    # A recession or a drought crosses the limit too, but before and after differ little then.
    before = channel.median(onset - 9.0, onset - 1.5)
    after = channel.median(onset + 1.0, onset + 4.0) if onset < -2.0 else observed
    if before is None or after is None:
        return False
    return sign * (after - before) >= 0.6 * limit


def local_change(channel: Channel, onset_h: float) -> tuple[float, float] | None:
    """Return (change since just before `onset_h`, what noise alone could make of it).

    The trend of the day before is taken off for the first six hours, not beyond: a slope is no
    forecast. None where the channel is silent now or was before.
    """
    before = channel.median(onset_h - 6.0, onset_h - 0.25)
    after = channel.median(-0.75, 0.01) if channel.is_fresh else None
    if before is None or after is None:
        return None
    earlier = channel.median(onset_h - 24.0, onset_h - 18.0)
    slope = 0.0 if earlier is None else (before - earlier) / 18.0
    change = after - before - slope * (min(-onset_h, 6.0) + 3.0)
    steps = np.diff(channel.between(onset_h - 24.0, onset_h))
    return change, 5.0 * MAD_TO_SIGMA * float(np.median(np.abs(steps))) / np.sqrt(2.0)


def same_hour_change(channel: Channel, onset_h: float) -> float | None:
    """Return how the last hour differs from the same hour of the days before `onset_h`.

    A delivery line follows people's day; only the same hour of another day can be compared.
    """
    after = channel.median(-1.0, 0.01) if channel.is_fresh else None
    days = range(int(-onset_h // 24) + 1, int(-onset_h // 24) + 4)
    before = [channel.median(-24.0 * d - 1.0, -24.0 * d + 1.0) for d in days]
    known = [value for value in before if value is not None]
    if after is None or not known:
        return None
    return after - float(np.median(known))
