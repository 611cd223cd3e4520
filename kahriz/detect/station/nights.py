"""When it is night at a line: the four hours of the day in which least is drawn.

People's clocks, a recording's zone and a tank that is filled by night are all read off the meter.
"""

from __future__ import annotations

import msgspec

from kahriz.detect.station.night_flow import NIGHT, Loss, NightFlow

_HOUR = 3_600_000
_DAY_H = 24
DAY_LEARNED = 7
"""Days after which it is known when the night is."""
_WEIGHT = 0.1
_LENGTH = NIGHT[1] - NIGHT[0]


class Nights(msgspec.Struct):
    """One delivery line [L/s]: its day, learned in a week, and then its nights' losses.

    Attributes
    ----------
    hours
        The usual flow of each hour of the day [L/s]; empty before the first one.
    n_days
        Days it has learned from.
    flow
        The judge of its nights; None while it learns.
    """

    hours: list[float] = []
    n_days: int = 0
    hour: int = -1
    total: float = 0.0
    count: int = 0
    flow: NightFlow | None = None

    @property
    def standing(self) -> Loss | None:
        """The loss that stands."""
        return None if self.flow is None else self.flow.standing

    @property
    def nights(self) -> int:
        """Days it knows of."""
        return self.n_days if self.flow is None else DAY_LEARNED + self.flow.nights

    @property
    def is_blind(self) -> bool:
        """Whether its nights are so like its days that no loss could be told."""
        return self.flow is not None and self.flow.is_blind

    def step(self, time_ms: int, value: float) -> None:
        """Take the flow at an instant later than all before (NaN: none)."""
        hour = time_ms // _HOUR
        if hour != self.hour:
            self._close_hour(hour)
        if value == value:
            self.total += value
            self.count += 1
        if self.flow is not None:
            self.flow.step(time_ms, value)

    def _close_hour(self, hour: int) -> None:
        last, self.hour = self.hour, hour
        total, count = self.total, self.count
        self.total, self.count = 0.0, 0
        if not count:
            return
        if not self.hours:
            self.hours = [total / count] * _DAY_H
        of_day = last % _DAY_H
        self.hours[of_day] += _WEIGHT * (total / count - self.hours[of_day])
        if of_day == _DAY_H - 1:
            self.n_days += 1
            if self.n_days == DAY_LEARNED:
                self.flow = NightFlow(utc_offset_h=float(NIGHT[0] - self._quietest()))

    def _quietest(self) -> int:
        """Return at which hour the quietest hours begin."""

        def drawn(first: int) -> float:
            return sum(self.hours[(first + i) % _DAY_H] for i in range(_LENGTH))

        return min(range(_DAY_H), key=drawn)
