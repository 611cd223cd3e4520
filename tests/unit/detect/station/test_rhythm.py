from __future__ import annotations

import math

import pytest

from kahriz.detect.station.rhythm import is_pumped

DAY = range(24)


def pumped(depth: float = -0.3, start: int = 8, hours: int = 10) -> list[float]:
    """Return a day on which a well pumps for some hours."""
    return [depth if start <= hour < start + hours else 0.05 * depth for hour in DAY]


def test_two_days_with_the_same_deep_hours_are_a_well_that_pumps_by_the_clock() -> None:
    assert is_pumped(pumped() + pumped(-0.25))
    assert is_pumped([-0.5] * 30 + pumped() + pumped())


def test_one_day_is_not_enough() -> None:
    assert not is_pumped(pumped())


def test_a_decline_knows_no_hour() -> None:
    assert not is_pumped([-0.3] * 48)
    assert not is_pumped([-0.01 * hour for hour in range(48)])


def test_other_hours_the_next_day_are_no_rhythm() -> None:
    assert not is_pumped(pumped(start=2, hours=8) + pumped(start=14, hours=8))


@pytest.mark.parametrize("shallow", [0.05, 0.15])
def test_a_day_that_hardly_comes_back_is_a_decline_with_a_days_course(shallow: float) -> None:
    day = [-0.3 + shallow * (8 <= hour < 18) for hour in DAY]

    assert not is_pumped(day + day)


def test_an_hour_nobody_knows_leaves_it_open() -> None:
    assert not is_pumped([*pumped(), math.nan, *pumped()[1:]])
