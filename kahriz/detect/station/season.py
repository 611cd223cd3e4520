"""Weeks against months: less water than the season before, and the battery's trend."""

from __future__ import annotations

import math

import msgspec

from kahriz.detect.station.window import NAN, Window

_STEPS = 96  # a day
WEEK = 7
NEEDS = 45
_BELOW = 0.03
_A_WEEK = 0.03
_LEVEL_FALL_M = 0.005
_CALM, _BEYOND = 0.8, 1.2
_WEEKS = 11
_SPAN = _WEEKS * WEEK
_LEAST_READINGS = 12  # half a day of a device that speaks once an hour


class Season(msgspec.Struct):
    """Daily medians of flow [ln L/s] and level [m] of days without trouble.

    A drought is water that is below the mean of the eleven weeks before and goes on falling, week
    by week: by 14 % in three weeks, and in five; by 11 % where no other three weeks of those
    changed the water nearly as much. A recession after a wet season falls as fast, but from above
    the mean; a dry season of every year falls slower. Rain raises the water for days over what the
    ground gives; so weeks are compared by their low days.

    Attributes
    ----------
    below
        The last week's mean below that of all eleven [ln]; NaN while unknown.
    fall
        The last week's mean below that of three weeks earlier [ln].
    is_drought
        Whether water is short, and its level has fallen too.
    since
        The step from which on it fell.
    """

    first: int = -1
    days: list[int] = []
    flow: list[float] = []
    level: list[float] = []
    below: float = NAN
    fall: float = NAN
    is_drought: bool = False
    since: int = 0

    def close_day(self, day: int, flow: float, level: float, least: float) -> None:
        """Take a day (level NaN: not known), and judge the season by a fall of `least` [ln]."""
        if self.first < 0:
            self.first = day
        self.days.append(day)
        self.flow.append(flow)
        self.level.append(level)
        while self.days[0] <= day - _SPAN:
            del self.days[0], self.flow[0], self.level[0]
        if day - self.first < NEEDS:
            return
        week = self._mean(self.flow, day - WEEK, day)
        self.below = self._mean(self.flow, day - _SPAN, day - WEEK) - week
        self.fall = self._mean(self.flow, day - 4 * WEEK, day - 3 * WEEK) - week
        if self.is_drought:
            self.is_drought = not (self.below < 0 or self.fall < -0.05)
            return
        self.is_drought = (
            self._mean(self.flow, day - _SPAN, day - WEEK) - self._low(day) > _BELOW
            and self._falls(day, least)
            and self._level_fell(day)
        )
        self.since = _STEPS * (day - 3 * WEEK)

    def _falls(self, day: int, least: float) -> bool:
        """Return whether the water of the low days falls week by week, and further than usual."""
        low = [self._low(day - WEEK * weeks) for weeks in range(_WEEKS)]
        if not all(low[i + 1] - low[i] > _A_WEEK for i in range(3)):
            return False
        changes = [abs(before - after) for after, before in zip(low[3:], low[6:], strict=False)]
        usual = max((change for change in changes if change == change), default=math.inf)
        limit = min(least, max(_CALM * least, _BEYOND * usual))
        return low[3] - low[0] > limit and low[5] - low[0] > limit

    def _low(self, day: int) -> float:
        """Return the lower quartile of the days of the week up to `day`; NaN with under three."""
        kept = sorted(self._of(self.flow, day - WEEK, day))
        return kept[len(kept) // 4] if len(kept) >= 3 else NAN

    def _level_fell(self, day: int) -> bool:
        if not any(level == level for level in self.level):
            return True
        before = self._mean(self.level, day - 4 * WEEK, day - 3 * WEEK)
        return before - self._mean(self.level, day - WEEK, day) > _LEVEL_FALL_M

    def _mean(self, values: list[float], after: int, until: int) -> float:
        """Return the mean of the days in (after, until]; NaN where under three are known."""
        kept = self._of(values, after, until)
        return _mean(kept) if len(kept) >= 3 else NAN

    def _of(self, values: list[float], after: int, until: int) -> list[float]:
        days = zip(self.days, values, strict=True)
        return [value for day, value in days if after < day <= until and value == value]

    def forget(self) -> None:
        """Learn anew."""
        self.days, self.flow, self.level = [], [], []
        self.first = -1
        self.below = self.fall = NAN
        self.is_drought = False


class Battery(msgspec.Struct):
    """A day's mean voltage against the two weeks before.

    Attributes
    ----------
    is_low, since
        Whether it sagged, and from which step on.
    """

    today: list[float] = []
    usual: Window = msgspec.field(default_factory=lambda: Window(14))
    mean: float = NAN
    is_low: bool = False
    since: int = 0

    def take(self, volts: float) -> None:
        """Take a step's voltage."""
        if volts == volts:
            self.today.append(volts)

    def close_day(self, day: int, least_v: float) -> None:
        """Judge the day that ends by a sag of `least_v`; under twelve readings change nothing."""
        if len(self.today) >= _LEAST_READINGS:
            self.mean = _mean(self.today)
            if len(self.usual) >= WEEK:
                sag = 0.5 * least_v if self.is_low else least_v
                was_low = self.is_low
                self.is_low = self.mean < self.usual.middle - sag
                if self.is_low and not was_low:
                    self.since = _STEPS * day
            if not self.is_low:
                self.usual.add(day, self.mean)
        self.today = []


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)
