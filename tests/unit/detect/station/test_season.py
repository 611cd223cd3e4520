from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from kahriz.detect.station.season import Battery, Season
from kahriz.detect.station.verdict import log_fall

LEAST = log_fall(0.14)


def found_on(flow: Callable[[int], float], until: int = 150, level: float | None = None) -> int:
    """Return the first day of a drought by a flow [ln L/s] of the day; -1: none."""
    season = Season()
    rng = np.random.default_rng(2)
    for day in range(until):
        log_flow = 2.5 + flow(day) + rng.normal(0, 0.01)
        at = 0.4 + 0.1 * math.exp(0.4 * log_flow) if level is None else level
        season.close_day(day, log_flow, at, LEAST)
        if season.is_drought:
            return day
    return -1


def test_water_that_goes_on_falling_by_one_percent_a_day_is_a_drought_within_five_weeks() -> None:
    assert 75 < found_on(lambda day: -0.01 * max(0, day - 60)) <= 95


def test_a_smaller_fall_is_a_drought_where_the_water_was_steady_before() -> None:
    def falls(day: int) -> float:
        return -0.0065 * max(0, day - 90)

    def swings(day: int) -> float:
        return falls(day) + 0.15 * math.sin(2 * math.pi * day / 42) * (day < 90)

    assert 110 < found_on(falls, until=130) < 125
    assert found_on(swings, until=125) == -1


def test_a_fall_that_pauses_for_a_week_is_no_drought_yet() -> None:
    def paused(day: int) -> float:
        return -0.015 * (min(max(0, day - 80), 10) + max(0, day - 98))

    assert found_on(paused) > 98


def test_rain_on_falling_water_hides_no_drought() -> None:
    def rained(day: int) -> float:
        return -0.01 * max(0, day - 60) + (0.15 if day % 7 in (0, 1) else 0.0)

    assert 75 < found_on(rained) <= 95


def test_a_year_that_turns_dry_slowly_is_none() -> None:
    assert found_on(lambda day: -0.003 * max(0, day - 60)) == -1


def test_a_dry_season_of_every_year_is_none() -> None:
    assert found_on(lambda day: 0.15 * math.sin(2 * math.pi * day / 365), until=730) == -1


def test_a_flood_that_runs_off_within_weeks_is_none() -> None:
    def wet(day: int) -> float:
        return 0.0 if day < 60 else 0.5 * math.exp(-(day - 60) / 10)

    assert found_on(wet) == -1


def test_a_fall_within_a_week_that_stays_is_no_drought() -> None:
    assert found_on(lambda day: -0.1 * (day > 70)) == -1


def test_a_flow_that_falls_while_the_level_stays_is_its_meter() -> None:
    assert found_on(lambda day: -0.01 * max(0, day - 60), level=0.7) == -1


def test_without_a_level_the_flow_is_believed() -> None:
    assert found_on(lambda day: -0.01 * max(0, day - 60), level=math.nan) > 60


def test_nothing_is_said_before_a_month_and_a_half() -> None:
    assert found_on(lambda day: -0.02 * day) == 45


def test_it_is_over_when_the_water_is_back() -> None:
    season = Season()
    told = []
    for day in range(170):
        flow = 2.5 - 0.01 * max(0, min(day, 110) - 60) + 0.03 * max(0, day - 125)
        season.close_day(day, flow, math.nan, LEAST)
        told.append(season.is_drought)

    assert told[110]
    assert not told[-1]
    assert told.index(True) < told.index(False, 110) < 145


def test_days_that_are_not_known_are_left_out() -> None:
    season = Season()
    for day in [*range(60), *range(66, 100)]:
        season.close_day(day, 2.5 - 0.01 * max(0, day - 60), math.nan, LEAST)

    assert season.is_drought
    assert season.fall == pytest.approx(0.21, abs=0.01)


def battery(days: list[float], readings: int = 96) -> list[bool]:
    """Return day by day whether a battery of these mean volts is low."""
    it = Battery()
    said = []
    for day, volts in enumerate(days):
        for reading in range(readings):
            it.take(volts + 0.02 * math.sin(reading / 9))
        it.close_day(day, 0.3)
        said.append(it.is_low)
    return said


def test_a_battery_sags_when_a_day_is_far_below_the_two_weeks_before() -> None:
    assert battery([3.9] * 10 + [3.55, 3.5]) == [False] * 10 + [True] * 2


def test_a_battery_that_falls_by_less_is_not_told_of() -> None:
    assert not any(battery([3.9] * 10 + [3.65] * 3))


def test_a_battery_is_well_again_when_half_of_it_is_back() -> None:
    assert battery([3.9] * 10 + [3.5, 3.7, 3.8])[-3:] == [True, True, False]


def test_a_low_battery_does_not_become_usual() -> None:
    assert all(battery([3.9] * 10 + [3.5] * 40)[10:])


def test_a_first_week_and_a_day_half_known_say_nothing() -> None:
    assert not any(battery([3.9] * 6 + [3.0]))
    assert not any(battery([3.9] * 10 + [3.0], readings=11))
    assert any(battery([3.9] * 10 + [3.0], readings=24))


def test_where_nothing_is_measured_nothing_is_said() -> None:
    it = Battery()
    for day in range(20):
        it.take(math.nan)
        it.close_day(day, 0.3)

    assert not it.is_low
