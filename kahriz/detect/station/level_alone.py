"""One stage sensor with nothing beside it: what its level does that water does not.

With a level alone nobody can tell much water from standing water, nor either from a wrong sensor,
by how high it is. But by how it moves. Water comes quickly and goes slowly: a flood rises within
hours and recedes over days, snowmelt rises as slowly as it falls. What stands behind an obstacle
(ice, debris) does the reverse: it climbs for hours and is gone at once when the obstacle gives way.
And a sensor pulled out of the water, or moved, is far off from one reading to the next.

Limits
------
- An obstacle is told when it gives way, hours after it began; one that stays cannot be told from a
  flood without a second sensor.
- What comes and goes between two readings is nobody's walk to a shaft: the quality flags show it.
- A level that has been elsewhere for two days is the new calm one. A slow drift is never seen.
"""

from __future__ import annotations

from statistics import median
from typing import Any, Self

import msgspec

_MINUTE = 60_000
_HOUR = 60 * _MINUTE
_DAY = 24 * _HOUR

_SMOOTHED = 45 * _MINUTE
_APART = 10 * _MINUTE  # values kept of what is read more often
_CALM_OVER = 48  # hours
_CALM_NEEDS = 12  # hours
_CALM_SHARE = 0.4  # of those hours lower: humps stand above the calm level
_USUAL_OVER = 14  # days
USUAL_NEEDS = 3  # days
_USUAL_SHARE = 0.4  # of those days calmer: what was strange and not told is among them

_CLIMBED_M = 0.05
_CLIMBED_TIMES = 3.0  # the usual excursion of a day
_CLIMBED_FOR = 75 * _MINUTE
_LOOKS_BACK = _DAY
_GONE = 0.6  # of the climb, within
_GONE_WITHIN = 3 * _HOUR
_QUICKER = 1.6  # gone than come
_BY_STEPS = 0.7  # no hour has more of the climb: a wave or a moved sensor comes at once

_FAR_M = 0.20
_FAR_TIMES = 6.0
_AT_ONCE = 0.7  # of the way, from one reading to the next
_BELOW_FOR = 15 * _MINUTE
_ABOVE_FOR = _HOUR
_FLAT = 0.1  # of the way: a flood does not stop where it came to

_OVER_AFTER = _DAY

GAVE_WAY, FELL, MOVED = "gave_way", "fell", "moved"


class Strange(msgspec.Struct):
    """A level that is not the water's, as long as it stands.

    Attributes
    ----------
    fault
        ``gave_way``: it climbed, and was gone at once; ``fell``: it is far below from one reading
        to the next, as a sensor in the air; ``moved``: it is far above so, and stays there.
    raised_ms, since_ms
        When it could be told, and when it began.
    last_ms
        When it last showed.
    observed_m, calm_m
        The level that was farthest from calm, and the calm level it is compared with.
    usual_m
        How far from calm this level goes on a usual day.
    """

    fault: str
    raised_ms: int
    since_ms: int
    last_ms: int
    observed_m: float
    calm_m: float
    usual_m: float


class LevelAlone(msgspec.Struct):
    """The judge of one level [m]: all it remembers, and `step`."""

    newest: list[tuple[int, float]] = []
    lately: list[tuple[int, float]] = []
    hour: int = 0
    in_hour: list[float] = []
    hours: list[tuple[int, float]] = []
    calm_m: float | None = None
    farthest_m: float = 0.0
    is_strange_day: bool = False
    days: list[tuple[int, float]] = []
    off_side: int = 0
    off_since: int = 0
    standing: Strange | None = None

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> Self:
        """Go on from where another one was."""
        return msgspec.convert(state, cls)

    def state(self) -> dict[str, Any]:
        """Return everything remembered, as plain lists and numbers."""
        found: dict[str, Any] = msgspec.to_builtins(self)
        return found

    def step(self, time_ms: int, value: float) -> Strange | None:
        """Take the level at an instant (NaN: none); return what is strange about it.

        Parameters
        ----------
        time_ms
            Milliseconds since 1970, later than the last one.
        """
        if time_ms // _HOUR != self.hour:
            self._close_hour(time_ms // _HOUR)
        if value == value:
            self.in_hour.append(value)
            self._take(time_ms, value)
            self._judge(time_ms, value)
        if self.standing is not None and time_ms - self.standing.last_ms >= _OVER_AFTER:
            self.standing = None
        return self.standing

    def _take(self, at: int, value: float) -> None:
        self.newest.append((at, value))
        while at - self.newest[0][0] >= _SMOOTHED:
            del self.newest[0]
        if self.lately and at - self.lately[-1][0] < _APART:
            return
        self.lately.append((at, median([each for _, each in self.newest])))
        while at - self.lately[0][0] > _LOOKS_BACK + _GONE_WITHIN:
            del self.lately[0]

    def _close_hour(self, hour: int) -> None:
        if self.in_hour:
            level = median(self.in_hour)
            if self.calm_m is not None:
                self.farthest_m = max(self.farthest_m, abs(level - self.calm_m))
            self.hours.append((self.hour, level))
            self.in_hour = []
        while self.hours and hour - self.hours[0][0] > _CALM_OVER:
            del self.hours[0]
        if len(self.hours) >= _CALM_NEEDS:
            ordered = sorted(level for _, level in self.hours)
            self.calm_m = ordered[int(_CALM_SHARE * (len(ordered) - 1))]
        if hour // 24 != self.hour // 24:
            self._close_day(self.hour // 24)
        self.hour = hour

    def _close_day(self, day: int) -> None:
        # What is known to be strange is nothing to get used to.
        if self.calm_m is not None and not self.is_strange_day:
            self.days.append((day, self.farthest_m))
            while day - self.days[0][0] >= _USUAL_OVER:
                del self.days[0]
        self.farthest_m = 0.0
        self.is_strange_day = self.standing is not None

    def usual_m(self) -> float | None:
        """Return how far from calm the level goes on a usual day; None while that is learned."""
        if len(self.days) < USUAL_NEEDS:
            return None
        ordered = sorted(farthest for _, farthest in self.days)
        return ordered[int(_USUAL_SHARE * (len(ordered) - 1))]

    def _judge(self, at: int, value: float) -> None:
        usual = self.usual_m()
        if self.calm_m is None or usual is None:
            return
        fault = self._is_off(at, value, max(_FAR_M, _FAR_TIMES * usual))
        if fault:
            self._tell(fault, at, self.off_since, value, usual)
        else:
            found = self._gave_way(at, usual)
            if found is not None:
                self._tell(GAVE_WAY, at, *found, usual)

    def _is_off(self, at: int, value: float, far: float) -> str:
        """Return ``fell`` or ``moved`` where the level went so far at once and is there still."""
        if self.calm_m is None:
            return ""
        way = value - self.calm_m
        side = (way > far) - (way < -far)
        if side != self.off_side or not side:
            self.off_side = 0
            if (
                side
                and len(self.newest) > 1
                and _AT_ONCE * abs(way) < side * (value - self.newest[-2][1])
            ):
                self.off_side, self.off_since = side, at
            return ""
        if side < 0:
            return FELL if at - self.off_since >= _BELOW_FOR else ""
        since = [level for when, level in self.lately if when > self.off_since]
        if at - self.off_since < _ABOVE_FOR or max(since) - min(since) > _FLAT * way:
            return ""
        return MOVED

    def _gave_way(self, at: int, usual: float) -> tuple[int, float] | None:
        """Return when the climb began and how high it went, if it is just gone."""
        if self.calm_m is None:
            return None
        first = len(self.lately) - 1
        top = now = self.lately[-1][1]
        at_top = first
        while first and at - self.lately[first - 1][0] <= _GONE_WITHIN:
            first -= 1
            if self.lately[first][1] > top:
                top, at_top = self.lately[first][1], first
        climb = top - self.calm_m
        if climb < max(_CLIMBED_M, _CLIMBED_TIMES * usual) or top - now < _GONE * climb:
            return None
        # Between the same two heights, on the way up and on the way down.
        began = at_top
        while began and self.lately[began][1] > now:
            began -= 1
        reached = began
        while self.lately[reached][1] < top:
            reached += 1
        since = self.lately[began][0]
        took = self.lately[reached][0] - since
        if took < max(_CLIMBED_FOR, _QUICKER * (at - self.lately[at_top][0])):
            return None
        if self._steepest(began, reached) > _BY_STEPS * climb:
            return None
        return since, top

    def _steepest(self, first: int, last: int) -> float:
        """Return the most that the level rose within an hour."""
        steepest, before = 0.0, first
        for here in range(first, last + 1):
            while self.lately[here][0] - self.lately[before][0] > _HOUR:
                before += 1
            steepest = max(steepest, self.lately[here][1] - self.lately[before][1])
        return steepest

    def _tell(self, fault: str, at: int, since: int, observed: float, usual: float) -> None:
        self.is_strange_day = True
        stands = self.standing
        if stands is not None:
            stands.last_ms = at
        elif self.calm_m is not None:
            self.standing = Strange(fault, at, since, at, observed, self.calm_m, usual)
