"""What is lost between outlet and village, hour by hour, and whether it has grown: taps and leaks.

The outlet's flow does not follow demand, but what arrives in the village does. So the ratio of the
two is compared with the same hour of other days, and only in hours that are alike from day to day;
that is the night, mostly.

That holds where the line carries what the outlet gives, as a canal does. Where people draw what
they need and the rest runs over, the line does not follow the outlet through the season: then the
ratio says nothing, and nothing is said. Before a season has shown it, it is seen by how much runs
over, and by whether the line has a day and a night.

Who takes water without right may do so in some hours of each day only: what is lost in the same
hours of two days one after the other counts as what is lost all day.
"""

from __future__ import annotations

import math

import msgspec

from kahriz.detect.station.channel import DAY, HOUR
from kahriz.detect.station.window import NAN, Held, Window, median

_LEARNS = 15  # days
_NEEDS = 7
_NEEDS_FOR_ONE = 5
NEEDS_FOR_LEAK = 21
_LEAST_SPREAD = 0.004
_AS_QUIET = 1.5
_QUIET_HOURS = 4
_LOOKS_BACK = 2 * DAY
_RELEASE = 35 * DAY
_FOLLOWS_SPAN = 60  # days
_WEEK = 7
_RISEN = 0.9
_FOLLOWS = 0.5
_CARRIES = 0.75
_NEARLY_ALL = 0.75
_DAY_AND_NIGHT = 0.2
_IN_A_ROW = 6  # hours of the day
# Known before anything is seen: a line follows. As from twenty days with the flow 3 % off.
_PRIOR = 20 * 0.03**2


class Losses(msgspec.Struct):
    """The ratio of outlet to delivery [ln].

    Attributes
    ----------
    loss
        How much more is lost than usual in the quiet hours of the last day [ln]; NaN where it
        is not known.
    by_hours
        The same in the hours, at least six in a row, in which more is lost on two days; 0: in none.
    limit, sigma
        Beyond which loss that is a tap or a leak, and how much it differs by chance.
    share
        By how much the line follows the outlet through weeks: 1 as a canal does, 0 not at all.
    is_leaking, since
        Whether it is one, and since when.
    """

    hours: list[Window] = msgspec.field(
        default_factory=lambda: [Window(_LEARNS) for _ in range(24)]
    )
    quiet: list[int] = []
    recent: list[tuple[int, float, float]] = []
    loss: float = NAN
    by_hours: float = 0.0
    limit: float = NAN
    sigma: float = NAN
    share: float = 1.0
    days: list[int] = []
    outlet: list[float] = []
    village: list[float] = []
    held: Held = msgspec.field(default_factory=Held)
    is_leaking: bool = False
    since: int = 0

    @property
    def is_judged(self) -> bool:
        """Whether the line follows the outlet so closely that the ratio tells of losses."""
        return self.share >= _CARRIES

    @property
    def worst(self) -> float:
        """How much more is lost than usual, all day or in the hours in which it is [ln]."""
        return max(self.loss, self.by_hours)

    def usual(self, at: int) -> tuple[float, float] | None:
        """Return (middle, spread) of the ratio at the hour of step `at`; None: not learned."""
        hour = self.hours[at // HOUR % 24]
        if len(hour) < _NEEDS_FOR_ONE or self.share < _FOLLOWS:
            return None
        return hour.middle, max(hour.spread, 0.01)

    def close_hour(
        self,
        at: int,
        outlet: float,
        village: float,
        least: float,
        *,
        is_right: bool,
        is_calm: bool,
    ) -> None:
        """Take an hour of both [ln L/s; NaN: not known]; losses under `least` do not matter.

        ``is_right`` says that the outlet's meter is beyond suspicion; ``is_calm`` that nothing is
        wrong with the water, so that the hour may be learned from.
        """
        ratio = outlet - village
        self._compare(at, ratio, least)
        if not self.is_leaking:
            is_so = is_right and self._is_beyond(at) and not self._has_risen(outlet)
            if self.held.has("leak", is_so, at, HOUR, 2 * HOUR):
                looks_back = DAY if self.loss > self.limit else _LOOKS_BACK
                self.is_leaking = True
                self.since = min(e[0] for e in self.recent if at - e[0] < looks_back)
                self.held.drop()
        elif self.held.has("tight", not self.worst > 0.6 * self.limit, at, 12 * HOUR):
            self.is_leaking = False
            self.held.drop()
        elif at - self.since > _RELEASE:
            self.forget()  # it is what is usual now
        if ratio == ratio and is_calm and not self.is_leaking and not self.held.is_any("leak"):
            self.hours[at // HOUR % 24].add(at // DAY, ratio)

    def _compare(self, at: int, ratio: float, least: float) -> None:
        number = at // HOUR % 24
        hour = self.hours[number]
        if number == 0 or not self.quiet:
            self._find_quiet()
        if ratio == ratio and len(hour) >= _NEEDS and number in self.quiet:
            self.recent.append((at, ratio - hour.middle, max(hour.spread, _LEAST_SPREAD)))
        while self.recent and at - self.recent[0][0] >= _LOOKS_BACK:
            del self.recent[0]
        newest = [entry for entry in self.recent if at - entry[0] < DAY]
        self.by_hours = 0.0
        if len(newest) < 4 or not self.is_judged:
            self.loss = self.limit = self.sigma = NAN
            return
        self.loss = median([entry[1] for entry in newest])
        self.sigma = median([entry[2] for entry in newest])
        self.limit = max(least, 2.5 * self.sigma)
        self.by_hours = self._by_hours(at)

    def _by_hours(self, at: int) -> float:
        """Return what is lost in the same hours of two days, where they are enough in a row."""
        today: list[float | None] = [None] * 24
        yesterday = list(today)
        for when, value, _ in self.recent:
            (today if at - when < DAY else yesterday)[when // HOUR % 24] = value
        both = [
            None if a is None or b is None else min(a, b)
            for a, b in zip(today, yesterday, strict=True)
        ]
        best: list[float] = []
        row: list[float] = []
        for found in both + both:  # over midnight
            if found is not None:
                row = [*row, found] if found > self.limit else []
            if len(row) > len(best):
                best = row
        return median(best) if len(best) >= _IN_A_ROW else 0.0

    def _is_beyond(self, at: int) -> bool:
        """Return whether more is lost than chance explains, in the newest quiet hours too."""
        if len(self.days) < NEEDS_FOR_LEAK or not self.worst > self.limit:
            return False
        if self.by_hours > self.limit:
            return True
        newest = [entry[1] for entry in self.recent[-6:] if at - entry[0] < DAY]
        return sum(value > 0.7 * self.limit for value in newest) >= 4

    def _has_risen(self, outlet: float) -> bool:
        """Return whether more comes than lately: what people do not draw of that is not lost."""
        lately = self.outlet[-_LEARNS:]
        return bool(lately) and outlet - median(lately) > _RISEN * self.worst

    def close_day(self, day: int, outlet: float, village: float) -> None:
        """Take the medians of a calm day [ln L/s], and see whether the line follows the outlet."""
        self.days.append(day)
        self.outlet.append(outlet)
        self.village.append(village)
        while self.days[0] <= day - _FOLLOWS_SPAN:
            del self.days[0], self.outlet[0], self.village[0]
        x, y = median(self.outlet), median(self.village)
        # From week to week: what a meter drifted by, or a tap takes unseen, does not turn it.
        days = self._weeks()
        expected = 0.0 if self._is_drawn(y - x) else 1.0
        # What is far from how the line followed until now may be a tap, and tells little of it.
        off = [abs(b - self.share * a) for a, b in days]
        limit = max(3 * median(off), 0.02) if off else 0.0
        kept = [pair for pair, far in zip(days, off, strict=True) if far <= limit]
        self.share = _share(kept, expected)

    def _weeks(self) -> list[tuple[float, float]]:
        """Return by how much outlet and line changed from one day to that a week later [ln]."""
        place = {day: i for i, day in enumerate(self.days)}
        pairs = [(place[day - _WEEK], i) for day, i in place.items() if day - _WEEK in place]
        return [
            (self.outlet[j] - self.outlet[i], self.village[j] - self.village[i]) for i, j in pairs
        ]

    def _is_drawn(self, carried: float) -> bool:
        """Return whether people seem to draw what they need: much runs over, most of it by night.

        Parameters
        ----------
        carried
            The part of the outlet's water that the line usually carries [ln].
        """
        by_hour = [hour.middle for hour in self.hours if len(hour) >= _NEEDS]
        if carried > math.log(_NEARLY_ALL) or not by_hour:
            return False
        return max(by_hour) - min(by_hour) > _DAY_AND_NIGHT

    def _find_quiet(self) -> None:
        spreads = [
            max(hour.spread, _LEAST_SPREAD) if len(hour) >= _NEEDS else 9.0 for hour in self.hours
        ]
        # The quietest hour of all is so by chance.
        limit = _AS_QUIET * sorted(spreads)[_QUIET_HOURS - 1] + 0.002
        self.quiet = [i for i, spread in enumerate(spreads) if spread < limit]

    def forget(self) -> None:
        """Learn anew."""
        for hour in self.hours:
            hour.clear()
        self.recent, self.quiet = [], []
        self.days, self.outlet, self.village, self.share = [], [], [], 1.0
        self.loss = self.limit = self.sigma = NAN
        self.by_hours = 0.0
        self.is_leaking = False
        self.held.drop()


def _share(days: list[tuple[float, float]], expected: float) -> float:
    """Return by how much the second moves with the first [ln], as expected where it is not seen."""
    sxx = sum(a * a for a, _ in days) + _PRIOR
    return (sum(a * b for a, b in days) + _PRIOR * expected) / sxx
