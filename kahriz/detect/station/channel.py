"""One measured quantity: what it said lately, and whether its instrument can be believed."""

from __future__ import annotations

import math

import msgspec

from kahriz.detect.station.window import NAN, Window, median

HOUR = 4
DAY = 24 * HOUR
"""A step is a quarter of an hour."""

IMPOSSIBLE = math.inf
"""In place of a value that cannot be (out of the instrument's range)."""

_DRY_LPS = 0.02
_LEAST_LPS = 0.005  # the logarithm of "no water" has to be some number
_FLAT_LEAST = 3 * HOUR
_LEARNS_FLAT = 30 * DAY
_MEETS_FLAT = 7 * DAY
_IMPOSSIBLE_FOR = HOUR
_NOISE_NEEDS = 14  # days
_ONCE_AN_HOUR = 4  # hours with one value each
_TIMES_ROUGHER = {True: 2.0, False: 4.0}  # levels have rough weeks of their own
_LEAST_NOISE = {True: 0.010, False: 0.004}  # ln flow, m
_NOISE_HELD = {True: HOUR, False: 4 * HOUR}
_NOISE_SPAN = {True: 6 * HOUR, False: 12 * HOUR}


class Channel(msgspec.Struct):
    """A quantity step by step: a flow is judged by its logarithm, a level [m] as it is.

    Attributes
    ----------
    is_flow
        Whether values are flows [L/s].
    lately
        The last clean values as (step, value in the scale judged).
    usual
        Medians of the hours of the last three days, in which nothing was wrong.
    fault
        What is wrong with the instrument itself: ``flat``, ``impossible``, ``noise``; or nothing.
    fault_since
        When that began.
    """

    is_flow: bool
    lately: list[tuple[int, float]] = []
    hour: list[float] = []
    usual: Window = msgspec.field(default_factory=lambda: Window(3 * DAY))
    fault: str = ""
    fault_since: int = 0
    first: int = -1
    last: float = NAN
    same_since: int = 0
    same_until: int = 0
    longest: int = 2 * HOUR
    impossible: int = 0
    possible: int = 0
    before: list[float] = []
    bends: list[float] = []
    roughest: float = 0.0
    roughness: Window = msgspec.field(default_factory=lambda: Window(45))

    def take(self, at: int, value: float) -> bool:
        """Take the value of a step (NaN: none); return whether it can be used."""
        if value != value:
            return False
        if self.first < 0:
            self.first = at
        if value == IMPOSSIBLE:
            self.impossible += 1
            self.possible = 0
            return False
        self.possible += 1
        if self.possible >= 2:
            self.impossible = 0
        # Across a silence nobody knows whether it moved.
        if value != self.last or at - self.same_until > HOUR:
            self._learn_flat(at)
            self.same_since = at
        self.last, self.same_until = value, at
        scaled = math.log(max(value, _LEAST_LPS)) if self.is_flow else value
        self._bend(scaled)
        self.lately.append((at, scaled))
        if len(self.lately) > HOUR:
            del self.lately[0]
        self.hour.append(scaled)
        return True

    def recent(self, at: int) -> float:
        """Return the median of the last hour's clean values; NaN with fewer than three.

        Of a device that speaks every half hour the last two hours count.
        """
        values = [value for when, value in self.lately if at - when <= HOUR]
        if len(values) < 3:
            values = [value for when, value in self.lately if at - when <= 2 * HOUR]
        return median(values) if len(values) >= 3 else NAN

    def close_hour(self) -> float:
        """Return the median of the hour that ends; NaN where it is not known.

        One value is not enough, unless of a device that speaks once an hour.
        """
        n = len(self.hour)
        self.alone = self.alone + 1 if n == 1 else 0
        is_known = n >= 2 or self.alone >= _ONCE_AN_HOUR
        value = median(self.hour) if is_known and not self.fault else NAN
        self.hour = []
        return value

    def judge(self, at: int) -> None:
        """Say what is wrong with the instrument at a step."""
        found = self._flat(at) or self._impossible() or self._noisy(at)
        if found != self.fault:
            self.fault, self.fault_since = found, at

    def _flat(self, at: int) -> str:
        run = self.same_until - self.same_since
        if self.is_flow and self.last < _DRY_LPS:
            return ""
        if at - self.first < _MEETS_FLAT:
            return ""
        return "flat" if run >= max(_FLAT_LEAST, 3 * self.longest) else ""

    def _learn_flat(self, at: int) -> None:
        """Learn from a run that has ended how long this instrument may say the same.

        Not from one that lasts: a stuck sensor would teach that it is not.
        """
        run = self.same_until - self.same_since
        if at - self.first < _LEARNS_FLAT and self.longest < run <= DAY and not self.fault:
            self.longest = run

    def _impossible(self) -> str:
        return "impossible" if self.impossible >= _IMPOSSIBLE_FOR else ""

    def _bend(self, scaled: float) -> None:
        # The second difference: a flood's ramp is not noise.
        if len(self.before) == 2:
            self.bends.append(abs(scaled - 2 * self.before[1] + self.before[0]))
            del self.before[0]
            if len(self.bends) > _NOISE_SPAN[self.is_flow]:
                del self.bends[0]
        self.before.append(scaled)

    def _noisy(self, at: int) -> str:
        if len(self.bends) < 4 * HOUR:
            return self.fault if self.fault == "noise" else ""
        rough = median(self.bends)
        is_on = self.fault == "noise"
        if not is_on:
            self.roughest = max(self.roughest, rough)
        if at % DAY == 0:
            if not is_on and self.roughest:
                self.roughness.add(at // DAY, self.roughest)
            self.roughest = 0.0
        if len(self.roughness) < _NOISE_NEEDS:
            return ""
        ordered = sorted(self.roughness.value)
        high = ordered[int(0.9 * len(ordered))]
        limit = max(_TIMES_ROUGHER[self.is_flow] * high, _LEAST_NOISE[self.is_flow])
        if is_on:
            return "" if rough < 0.6 * limit else "noise"
        self.noisy_for = self.noisy_for + 1 if rough > limit else 0
        return "noise" if self.noisy_for >= _NOISE_HELD[self.is_flow] else ""

    noisy_for: int = 0
    alone: int = 0
