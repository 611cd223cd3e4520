from __future__ import annotations

import math

import numpy as np
import pytest

from kahriz.detect.station.curve import NEEDS, SPAN, Curve


def curve_of(
    days: int, power: float = 0.4, *, least: float = 8.0, most: float = 16.0, noise: float = 0.0005
) -> Curve:
    """Return what was learned from days whose level rises with a power of the flow."""
    rng = np.random.default_rng(3)
    curve = Curve()
    for day, flow in enumerate(rng.uniform(least, most, days).tolist()):
        curve.learn(day, math.log(flow), level(flow, power) + rng.normal(0, noise))
    return curve


def level(flow: float, power: float = 0.4) -> float:
    return 0.4 + 0.1 * math.pow(flow, power)


@pytest.mark.parametrize("flow", [9.0, 12.0, 15.0])
def test_it_learns_which_level_a_flow_explains(flow: float) -> None:
    curve = curve_of(40)

    assert curve.level(math.log(flow)) == pytest.approx(level(flow), abs=0.001)
    assert curve.off(math.log(flow), level(flow) + 0.05) == pytest.approx(0.05, abs=0.001)
    assert curve.rise(math.log(flow)) == pytest.approx(0.1 * 0.4 * flow**0.4, rel=0.05)


@pytest.mark.parametrize("power", [0.7, 1.0])
def test_it_takes_the_power_that_suits_the_gallery(power: float) -> None:
    curve = curve_of(60, power, least=2.0, most=20.0)

    assert curve.exponent == power
    assert curve.level(math.log(19.0)) == pytest.approx(level(19.0, power), abs=0.002)


def test_it_says_nothing_before_ten_days() -> None:
    assert not curve_of(NEEDS - 1).is_known
    assert curve_of(NEEDS).is_known


def test_one_odd_day_does_not_turn_it() -> None:
    curve = curve_of(20)
    before = curve.level(math.log(15.0))
    curve.learn(20, math.log(15.0), level(15.0) + 0.2)

    assert curve.level(math.log(15.0)) == pytest.approx(before, abs=0.001)
    assert curve.spread < 0.0012


def test_doubt_grows_outside_the_flows_that_were_seen() -> None:
    curve = curve_of(30)
    doubts = [curve.doubt(math.log(flow)) for flow in (12.0, 20.0, 30.0, 60.0)]

    assert doubts == sorted(doubts)
    assert doubts[0] < 1.2 * curve.spread
    assert doubts[-1] > 3 * doubts[0]


def test_flows_that_hardly_differed_tell_nothing_of_the_slope_and_it_doubts() -> None:
    narrow, wide = curve_of(30, least=12.0, most=12.1), curve_of(30)

    assert narrow.rise(math.log(12.0)) < wide.rise(math.log(12.0))
    assert narrow.doubt(math.log(9.0)) > 5 * wide.doubt(math.log(9.0))


def test_a_level_never_falls_with_more_water() -> None:
    curve = Curve()
    for day in range(30):
        curve.learn(day, math.log(8.0 + 0.2 * day), 1.0 - 0.01 * day)

    assert curve.slope == 0.0


def test_a_season_ago_is_forgotten() -> None:
    curve = curve_of(30)
    for day in range(30, 30 + SPAN):
        curve.learn(day, math.log(10.0 + day % 5), level(10.0 + day % 5) + 0.1)

    assert len(curve.days) == SPAN
    assert curve.off(math.log(12.0), level(12.0)) == pytest.approx(-0.1, abs=0.001)


def test_it_can_be_told_to_learn_anew() -> None:
    curve = curve_of(30)
    curve.forget()

    assert not curve.is_known
    assert curve.days == []
