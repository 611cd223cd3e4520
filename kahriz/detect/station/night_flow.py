"""One meter on the line to the people: what flows when nobody draws water is lost.

People sleep, a hole does not: a leak or an illegal tap runs at night as by day, while a hot week or
a feast raises day and night together. So the meter's night flow is compared with the flow of the
whole day around it. Where people use a share r of their day's mean at night, the share of the
delivery that is lost beyond that is (q - r) / (1 - r), q being the night's share today. The share r
is learned for each day of the week, because a Sunday's night is another one than a Monday's. What
is lost night by night goes into a cumulative sum in its own noise, which tells a great loss after
two nights and a small one within weeks. One night alone tells nothing: people filled a pool.

Limits
------
- Where nights use nearly as much as days (an open canal, a line that fills a tank), r says nothing:
  `NightFlow.is_blind`. A second meter is needed there.
- A loss that was there from the start is taken for normal.
- What only runs by day, or comes as slowly as the weeks learn, is not seen.

Source: minimum night flow as in water industry practice; the sum is that of Page 1954 (Biometrika
41, 100).
"""

from __future__ import annotations

import math
from statistics import fmean, median
from typing import Any, Self

import msgspec

_HOUR = 3_600_000
_DAY = 24 * _HOUR

NIGHT = (1, 5)
"""Local hours, from and to, in which the least water is drawn."""

_HOURS_NEEDED = 20  # of a day
_NIGHT_NEEDED = 3  # of the four hours
_NO_RHYTHM = 0.85

LEARNS = 14  # days
_REMEMBERS = 8  # of each day of the week
_NOISE_OVER = 40  # days
_OUTLIER = 4.0  # times the noise is nothing to learn from
_TO_SIGMA = 1.2533  # of a mean absolute deviation
_LEAST_NOISE = 0.002

_LEAST_LOSS = 0.004  # of the delivery: half of what is looked for
_SLACK = 0.75  # times the noise
_DECIDES_AT = 5.0  # times the noise
_ONE_NIGHT = 3.0  # times the noise at most: one night alone tells nothing
_OVER_NIGHTS = 3
_RELEASE = 14 * _DAY
_SETTLES = 7  # nights
_MORE = 0.5  # of what the night's share grew by has to be the night's own
_SURELY = 1.0  # times a night's scatter
_NIGHTS = 10


class Loss(msgspec.Struct):
    """Water that is lost on the way, as long as it is.

    Attributes
    ----------
    raised_ms, since_ms
        When it was told, and the first night that showed it.
    night_lps, expected_lps
        What flowed in the night that told it, and what people would have used.
    lost
        Part of the delivery that is lost, the nights since it began together.
    """

    raised_ms: int
    since_ms: int
    night_lps: float
    expected_lps: float
    lost: float


class Weekday(msgspec.Struct):
    """What people use in the night before a day of the week, as a share of the day's mean."""

    share: float = 0.0
    seen: int = 0


class NightFlow(msgspec.Struct):
    """The judge of one meter [L/s]: all it remembers, and `step`.

    Attributes
    ----------
    utc_offset_h
        Of the people's own time, hours east of Greenwich.
    """

    utc_offset_h: float = 0.0
    hour: int | None = None
    total: float = 0.0
    count: int = 0
    hours: list[float | None] = msgspec.field(default_factory=lambda: [None] * 24)
    weekdays: list[Weekday] = msgspec.field(default_factory=lambda: [Weekday() for _ in range(7)])
    nights: int = 0
    usual: float = 0.0
    noise: float | None = None
    noise_nights: int = 0
    above: float = 0.0
    below: float = 0.0
    began_ms: int = 0
    lately: list[float] = []
    fell_for: int = 0
    settling: int = 0
    usual_lps: float = 0.0
    scatter_lps: float = 0.0
    grown: list[tuple[float, float]] = []
    doubted: int = 0
    standing: Loss | None = None

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> Self:
        """Go on from where another one was."""
        return msgspec.convert(state, cls)

    def state(self) -> dict[str, Any]:
        """Return everything remembered, as plain lists and numbers."""
        found: dict[str, Any] = msgspec.to_builtins(self)
        return found

    @property
    def is_blind(self) -> bool:
        """Whether nights are so like days that no loss could be told."""
        known = [day.share for day in self.weekdays if day.seen]
        return bool(known) and median(known) > _NO_RHYTHM

    def step(self, time_ms: int, value: float) -> Loss | None:
        """Take the flow at an instant (NaN: none); return the loss that stands.

        Parameters
        ----------
        time_ms
            Milliseconds since 1970, later than the last one.
        """
        hour = (time_ms + round(self.utc_offset_h * _HOUR)) // _HOUR
        if self.hour is None:
            self.hour = hour
        if hour != self.hour:
            self._close_hour(self.hour, hour)
            if (hour - NIGHT[1]) // 24 != (self.hour - NIGHT[1]) // 24:
                self._close_night(time_ms, (hour - NIGHT[1]) // 24)
            self.hour = hour
        if value == value:
            self.total += value
            self.count += 1
        return self.standing

    def _close_hour(self, last: int, hour: int) -> None:
        self.hours[last % 24] = self.total / self.count if self.count else None
        for silent in range(last + 1, min(hour, last + 25)):
            self.hours[silent % 24] = None
        self.total, self.count = 0.0, 0

    def _close_night(self, at: int, day: int) -> None:
        night = [flow for flow in self.hours[slice(*NIGHT)] if flow is not None]
        whole = [flow for flow in self.hours if flow is not None]
        if len(night) < _NIGHT_NEEDED or len(whole) < _HOURS_NEEDED or fmean(whole) <= 0:
            return
        self._judge(at, self.weekdays[day % 7], fmean(night), fmean(whole))

    def _judge(self, at: int, weekday: Weekday, night_lps: float, day_lps: float) -> None:
        self.nights += 1
        share = night_lps / day_lps
        if not weekday.seen:
            weekday.share, weekday.seen = share, 1
            return
        people = weekday.share + self.usual * (1 - weekday.share)
        if people >= _NO_RHYTHM:
            weekday.share += (share - people) / _REMEMBERS
            return
        lost = (share - people) / (1 - weekday.share)
        if self.standing is not None:
            self._follow(at, lost)
            return
        if self.nights <= LEARNS or abs(lost) < _OUTLIER * self._sigma():
            self._learn(weekday, share - people, lost)
        self.grown.append((night_lps - (self.usual_lps or night_lps), (share - people) * day_lps))
        if self.nights > LEARNS and self._grows(at, lost):
            self.standing = Loss(at, self.began_ms, night_lps, people * day_lps, lost)
            self.lately = []
        if self.above < self._sigma():
            self._learn_night(night_lps)
            self.grown = []

    def _learn_night(self, night_lps: float) -> None:
        """Learn what flows in a night before its share began to grow."""
        off = night_lps - (self.usual_lps or night_lps)
        self.usual_lps = night_lps - off + off / _NIGHTS
        self.scatter_lps += (abs(off) * _TO_SIGMA - self.scatter_lps) / _NIGHTS

    def _sigma(self) -> float:
        return max(_LEAST_NOISE, _LEAST_NOISE if self.noise is None else self.noise)

    def _learn(self, weekday: Weekday, more: float, lost: float) -> None:
        weekday.seen = min(weekday.seen + 1, _REMEMBERS)
        weekday.share += more / weekday.seen
        # The share itself is known from few nights: it adds to how far a night is from it.
        noise = abs(lost) * _TO_SIGMA * (weekday.seen / (weekday.seen + 1)) ** 0.5
        self.noise_nights = min(self.noise_nights + 1, _NOISE_OVER)
        known = noise if self.noise is None else self.noise
        self.noise = known + (noise - known) / self.noise_nights

    def _is_more(self) -> bool:
        """Return whether the night's own flow may have grown, since its share has."""
        n = len(self.grown)
        if n > _SETTLES:
            return True  # who left, left within a day; and the season has moved on meanwhile
        risen = fmean(lps for lps, _ in self.grown) + _SURELY * self.scatter_lps / math.sqrt(n)
        return risen > _MORE * fmean(needed for _, needed in self.grown)

    def _grows(self, at: int, lost: float) -> bool:
        """Return whether more is lost than chance explains, this night and those before."""
        self.lately = [*self.lately[1 - _SETTLES :], lost]
        if self.settling:
            self.settling -= 1
            if not self.settling:
                self._rebase(fmean(self.lately))
            return False
        sigma = self._sigma()
        slack = max(_LEAST_LOSS, _SLACK * sigma)
        if self.above < sigma:
            self.began_ms = at
        most = slack + _ONE_NIGHT * sigma
        self.above = max(0.0, self.above + min(lost, most) - slack)
        self.below = max(0.0, self.below + min(-lost, most) - slack)
        self.fell_for = self.fell_for + 1 if self.below else 0
        if self.below > _DECIDES_AT * sigma:
            # Less than ever: what was lost before, and taken for normal, has been found.
            self._rebase(fmean(self.lately[-self.fell_for :]))
            self.settling = _SETTLES
        if self.above <= _DECIDES_AT * sigma:
            self.doubted = 0
            return False
        is_more = self._is_more()
        self.doubted = 0 if is_more else self.doubted + 1
        if self.doubted == _OVER_NIGHTS:
            # Less flows by day: people's habits have changed, or somebody who drew then has left.
            self._rebase(fmean(self.lately[-_OVER_NIGHTS:]))
            self.settling = _SETTLES
        return is_more

    def _follow(self, at: int, lost: float) -> None:
        """Judge a night while a loss stands: whether it is over, or has become normal."""
        self.lately = [*self.lately[1 - _SETTLES :], lost]
        if self.standing is None:
            return
        self.standing.lost = median(self.lately)
        newest = median(self.lately[-_OVER_NIGHTS:])
        if len(self.lately) >= _OVER_NIGHTS and newest < max(_LEAST_LOSS, self._sigma()):
            self._rebase(newest)
            self.standing, self.settling = None, _SETTLES
        elif at - self.standing.raised_ms >= _RELEASE:
            self._rebase(median(self.lately))
            self.standing = None

    def _rebase(self, by: float) -> None:
        self.usual += by
        self.doubted = 0
        self.above = self.below = 0.0
        self.fell_for = 0
        self.lately = []
