"""Outlet against delivery, an hour at a time, over weeks of days that are alike by night only."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from kahriz.detect.station.channel import DAY, HOUR
from kahriz.detect.station.losses import Losses
from kahriz.detect.station.verdict import log_fall

LEAST = log_fall(0.035)
Loss = Callable[[float], float]


class Way:
    """Days on the way to the village: `loss` [ln] beyond the usual, by the day with a fraction."""

    def __init__(
        self, loss: Loss = lambda _: 0.0, *, carries: float = 1.0, is_right: bool = True
    ) -> None:
        self.losses = Losses()
        self._loss, self._carries, self._is_right = loss, carries, is_right
        self._rng = np.random.default_rng(4)
        self.began: list[float] = []

    @property
    def is_leaking(self) -> bool:
        return self.losses.is_leaking

    def go(self, first: int, last: int) -> Way:
        """Walk through the days in [first, last)."""
        for day in range(first, last):
            outlet = 2.5 + 0.15 * math.sin(day / 9)
            village = 2.3 + self._carries * 0.15 * math.sin(day / 9)
            for hour in range(24):
                self._hour(day, hour, outlet, village)
            if not self.losses.is_leaking:
                self.losses.close_day(day, outlet, village - self._loss(day))
        return self

    def _hour(self, day: int, hour: int, outlet: float, village: float) -> None:
        is_day = 6 <= hour < 22
        village -= 0.15 * is_day + self._rng.normal(0, 0.06 if is_day else 0.006)
        was = self.losses.is_leaking
        self.losses.close_hour(
            day * DAY + hour * HOUR + 3,
            outlet,
            village - self._loss(day + hour / 24),
            LEAST,
            is_right=self._is_right,
            is_calm=True,
        )
        if self.losses.is_leaking and not was:
            self.began.append(day + hour / 24)


def tapped(since: float, part: float, until: float = math.inf) -> Loss:
    return lambda day: -math.log(1 - part) if since <= day < until else 0.0


def test_a_tap_is_found_in_the_night_after_it_was_opened() -> None:
    way = Way(tapped(30.5, 0.1)).go(0, 33)

    (began,) = way.began
    assert 30.9 < began < 31.3
    assert abs(way.losses.loss - 0.105) < 0.01


def test_a_loss_that_does_not_matter_is_not_told() -> None:
    assert Way(tapped(30.5, 0.02)).go(0, 45).began == []


def test_people_who_draw_more_by_day_are_no_leak() -> None:
    def more(day: float) -> float:
        return 0.15 if day > 30 and 6 <= day % 1 * 24 < 22 else 0.0

    way = Way(more).go(0, 45)

    assert way.began == []
    assert set(way.losses.quiet) <= {*range(6), 22, 23}
    assert len(way.losses.quiet) >= 5


def test_quiet_weeks_are_quiet() -> None:
    assert Way().go(0, 120).began == []


def test_nothing_is_said_before_three_weeks() -> None:
    (began,) = Way(tapped(19.5, 0.1)).go(0, 30).began

    assert 21 <= began < 22


def test_what_was_lost_in_the_first_two_weeks_already_is_usual() -> None:
    assert Way(tapped(8.0, 0.1)).go(0, 60).began == []


def test_nothing_is_said_while_the_outlets_meter_is_under_suspicion() -> None:
    assert Way(tapped(30.5, 0.1), is_right=False).go(0, 45).began == []


def test_a_line_that_does_not_follow_the_outlet_is_not_judged() -> None:
    way = Way(tapped(40.5, 0.1), carries=0.0).go(0, 50)

    assert way.began == []
    assert math.isnan(way.losses.loss)
    assert way.losses.usual(50 * DAY) is None


def test_a_line_that_follows_is_a_witness_at_any_hour() -> None:
    usual = Way().go(0, 30).losses.usual
    night, day = usual(30 * DAY + 2 * HOUR), usual(30 * DAY + 12 * HOUR)

    assert night is not None
    assert day is not None
    assert abs(night[0] - 0.2) < 0.01
    assert abs(day[0] - 0.35) < 0.05
    assert night[1] < 0.02 < day[1]


def test_a_leak_that_was_mended_is_over_within_two_days() -> None:
    way = Way(tapped(30.5, 0.1, until=36.5))

    assert way.go(0, 36).is_leaking
    assert not way.go(36, 39).is_leaking
    assert len(way.began) == 1


def test_what_is_lost_for_five_weeks_is_what_is_usual_now() -> None:
    way = Way(tapped(30.5, 0.1))

    assert way.go(0, 65).is_leaking
    assert not way.go(65, 110).is_leaking
    assert len(way.began) == 1


def test_a_leak_is_not_learned_while_it_is_on() -> None:
    way = Way(tapped(30.5, 0.1)).go(0, 60)

    assert abs(way.losses.loss - 0.105) < 0.01


NIGHT_AND_DAY = [1.2] * 6 + [1.8] * 18
"""What people draw [ln L/s], hour by hour."""


class Spring:
    """Weeks of an outlet and a line [ln L/s] as they are said, without any noise."""

    def __init__(self) -> None:
        self.losses = Losses()
        self.told: list[int] = []

    def day(self, day: int, outlet: float, village: list[float]) -> None:
        for hour in range(24):
            at = day * DAY + hour * HOUR + 3
            self.losses.close_hour(at, outlet, village[hour], LEAST, is_right=True, is_calm=True)
        if self.losses.is_leaking:
            self.told.append(day)
        else:
            self.losses.close_day(day, outlet, village[12])


def canal(hours: set[int], first: int = 40, last: int = 99, until: int = 50) -> Spring:
    """Return a canal from which a tenth is taken in some hours of the days [first, last)."""
    spring = Spring()
    for day in range(until):
        taken = hours if first <= day < last else set()
        spring.day(day, 2.5, [2.4 - 0.1 * (hour in taken) for hour in range(24)])
    return spring


def test_a_tap_of_some_hours_of_the_night_is_found_after_the_second_night() -> None:
    spring = canal({22, 23, 0, 1, 2, 3, 4})

    assert spring.told[0] == 42
    assert spring.losses.loss < spring.losses.limit
    assert abs(spring.losses.worst - 0.1) < 0.01


def test_under_six_hours_in_a_row_no_tap_is_told() -> None:
    assert canal({23, 0, 1, 2, 3}).told == []
    assert canal({22, 23, 0, 1, 2, 3}).told != []
    assert canal({1, 2, 3, 12, 13, 14}).told == []


def test_a_tap_of_some_hours_is_over_when_it_is_shut() -> None:
    spring = canal({0, 1, 2, 3, 4, 5, 6, 7}, last=45, until=60)

    assert spring.told[-1] == 44


def test_more_water_that_nobody_draws_is_not_lost() -> None:
    spring = Spring()
    for day in range(60):
        spring.day(day, 2.5 + 0.2 * (day >= 40), [2.4] * 24)

    assert spring.told == []


def test_a_line_that_takes_half_and_has_a_night_is_one_that_people_draw_from() -> None:
    drawn, split = Spring(), Spring()
    for day in range(30):
        drawn.day(day, 2.5, NIGHT_AND_DAY)
        split.day(day, 2.5, [1.8] * 24)

    assert drawn.losses.share < 0.1
    assert not drawn.losses.is_judged
    assert split.losses.share > 0.9


def test_a_tap_that_is_not_seen_does_not_make_a_line_follow() -> None:
    spring = Spring()
    for day in range(60):
        # The water rises slowly, and by chance somebody opens a tap on half the way.
        taken = 0.15 if day >= 40 else 0.0
        spring.day(day, 2.5 + 0.003 * day, [value + taken for value in NIGHT_AND_DAY])

    assert spring.losses.share < 0.3
