"""What is lost between outlet and village, hour by hour, and whether it has grown: taps and leaks.

The outlet's flow does not follow demand, but what arrives in the village does. So the ratio of the
two is compared with the same hour of other days, and only in hours that are alike from day to day;
that is the night, mostly.

That holds where the line carries what the outlet gives, as a canal does. Where people draw what
they need and the rest runs over, the line does not follow the outlet through the season: then the
ratio says nothing, and nothing is said.
"""

from __future__ import annotations

import msgspec

from kahriz.detect.station.channel import DAY, HOUR
from kahriz.detect.station.window import NAN, Held, Window, median

_LEARNS = 15  # days
_NEEDS = 7
_NEEDS_FOR_ONE = 5
NEEDS_FOR_LEAK = 21
_LEAST_SPREAD = 0.004
_AS_QUIET = 1.5
_LOOKS_BACK = DAY
_RELEASE = 35 * DAY
_FOLLOWS_SPAN = 60  # days
_FOLLOWS = 0.5
_CARRIES = 0.75
# Known before anything is seen: a line follows. As from twenty days with the flow 3 % off.
_PRIOR = 20 * 0.03**2


class Losses(msgspec.Struct):
    """The ratio of outlet to delivery [ln].

    Attributes
    ----------
    loss
        How much more is lost than usual in the quiet hours of the last day [ln]; NaN where it
        is not known.
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

    def usual(self, at: int) -> tuple[float, float] | None:
        """Return (middle, spread) of the ratio at the hour of step `at`; None: not learned."""
        hour = self.hours[at // HOUR % 24]
        if len(hour) < _NEEDS_FOR_ONE or self.share < _FOLLOWS:
            return None
        return hour.middle, max(hour.spread, 0.01)

    def close_hour(
        self, at: int, ratio: float, least: float, *, is_right: bool, is_calm: bool
    ) -> None:
        """Take an hour's ratio (NaN: not known); losses under `least` [ln] do not matter.

        ``is_right`` says that the outlet's meter is beyond suspicion; ``is_calm`` that nothing is
        wrong with the water, so that the hour may be learned from.
        """
        self._compare(at, ratio, least)
        if not self.is_leaking:
            is_so = is_right and self._is_beyond()
            if self.held.has("leak", is_so, at, HOUR, 2 * HOUR):
                self.is_leaking, self.since = True, self.recent[0][0]
                self.held.drop()
        elif self.held.has("tight", not self.loss > 0.6 * self.limit, at, 12 * HOUR):
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
        if len(self.recent) < 4 or not self.is_judged:
            self.loss = self.limit = self.sigma = NAN
            return
        self.loss = median([entry[1] for entry in self.recent])
        self.sigma = median([entry[2] for entry in self.recent])
        self.limit = max(least, 2.5 * self.sigma)

    def _is_beyond(self) -> bool:
        """Return whether more is lost than chance explains, in the newest quiet hours too."""
        if len(self.days) < NEEDS_FOR_LEAK or not self.loss > self.limit:
            return False
        newest = [entry[1] for entry in self.recent[-6:]]
        return sum(value > 0.7 * self.limit for value in newest) >= 4

    def close_day(self, day: int, outlet: float, village: float) -> None:
        """Take the medians of a calm day [ln L/s], and see whether the line follows the outlet."""
        self.days.append(day)
        self.outlet.append(outlet)
        self.village.append(village)
        while self.days[0] <= day - _FOLLOWS_SPAN:
            del self.days[0], self.outlet[0], self.village[0]
        x, y = median(self.outlet), median(self.village)
        days = [(a - x, b - y) for a, b in zip(self.outlet, self.village, strict=True)]
        self.share = _share(days)
        # Days on which a meter drifted or a tap ran, unseen, would turn the line.
        off = [abs(b - self.share * a) for a, b in days]
        limit = max(3 * median(off), 0.02)
        self.share = _share([day for day, far in zip(days, off, strict=True) if far <= limit])

    def _find_quiet(self) -> None:
        spreads = [
            max(hour.spread, _LEAST_SPREAD) if len(hour) >= _NEEDS else 9.0 for hour in self.hours
        ]
        limit = _AS_QUIET * min(spreads) + 0.002
        self.quiet = [i for i, spread in enumerate(spreads) if spread < limit]

    def forget(self) -> None:
        """Learn anew."""
        for hour in self.hours:
            hour.clear()
        self.recent, self.quiet = [], []
        self.days, self.outlet, self.village, self.share = [], [], [], 1.0
        self.loss = self.limit = self.sigma = NAN
        self.is_leaking = False
        self.held.drop()


def _share(days: list[tuple[float, float]]) -> float:
    """Return by how much the second moves with the first [ln for ln]; 1 where that is not seen."""
    sxx = sum(a * a for a, _ in days) + _PRIOR
    return (sum(a * b for a, b in days) + _PRIOR) / sxx
