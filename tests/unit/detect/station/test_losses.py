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
                self._hour(day, hour, outlet - village)
            if not self.losses.is_leaking:
                self.losses.close_day(day, outlet, village - self._loss(day))
        return self

    def _hour(self, day: int, hour: int, ratio: float) -> None:
        is_day = 6 <= hour < 22
        ratio += 0.15 * is_day + self._rng.normal(0, 0.06 if is_day else 0.006)
        was = self.losses.is_leaking
        self.losses.close_hour(
            day * DAY + hour * HOUR + 3,
            ratio + self._loss(day + hour / 24),
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
