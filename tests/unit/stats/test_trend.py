from __future__ import annotations

from statistics import NormalDist

import numpy as np
import pymannkendall
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import rankdata, theilslopes

from kahriz.observations import Values
from kahriz.stats.trend import Trend, autocorrelation, trend, variance_inflation, without_season

SERIES = st.lists(st.integers(-50, 50), min_size=10, max_size=60).filter(lambda v: len(set(v)) > 2)


def found(values: Values, step: float = 1.0) -> Trend:
    result = trend(step * np.arange(float(len(values))), values)
    assert result is not None
    return result


def remembering(n: int, memory: float, seed: int) -> Values:
    chance = np.random.default_rng(seed)
    values = np.zeros(n)
    for i in range(1, n):
        values[i] = memory * values[i - 1] + chance.normal()
    return values


def test_a_straight_line_is_found_exactly() -> None:
    down = found(10.0 - 0.25 * np.arange(20.0))

    assert (down.slope, down.n) == (-0.25, 20)
    assert down.is_significant
    assert (down.slope_low, down.slope_high) == (-0.25, -0.25)


def test_worked_by_hand() -> None:
    # 45 pairs, 41 rise and 4 fall: S = 37; var(S) = 10 * 9 * 25 / 18 = 125; z = 36 / 11.18 = 3.22.
    values = np.array([1.0, 3.0, 2.0, 4.0, 6.0, 5.0, 8.0, 7.0, 10.0, 9.0])
    result = found(values)

    assert result.inflation == 1.0
    assert result.p == pytest.approx(0.00128, abs=1e-5)


def test_a_published_example_is_computed_alike() -> None:
    # J. Little, College of the Holy Cross, "A Mann-Kendall example (by hand)": of 91 pairs 72 rise,
    # 18 fall and one is equal, S = 54, Z = 2.9058.
    values = np.array(
        [12.9, 14.8, 13.2, 15.7, 13.8, 15.6, 12.9, 11.0, 17.3, 15.9, 19.0, 18.3, 20.1, 21.7]
    )
    result = found(values)

    assert result.inflation == 1.0
    assert -NormalDist().inv_cdf(result.p / 2) == pytest.approx(2.9058, abs=5e-5)


def test_nine_values_are_too_few() -> None:
    assert trend(np.arange(9.0), np.arange(9.0)) is None


def test_nothing_that_moves_has_no_trend() -> None:
    still = found(np.full(12, 3.0))

    assert (still.slope, still.p, still.is_significant) == (0.0, 1.0, False)


@given(SERIES)
def test_it_is_what_an_independent_library_computes(values: list[int]) -> None:
    ours = found(np.array(values, float))
    theirs = pymannkendall.original_test(values)
    slope, _, low, high = theilslopes(values, np.arange(len(values)))

    assert ours.slope == pytest.approx(theirs.slope)
    assert ours.slope == pytest.approx(slope)
    if ours.inflation == 1.0:
        assert ours.p == pytest.approx(theirs.p, abs=1e-9)
        assert ours.slope_low == pytest.approx(low)
        assert ours.slope_high == pytest.approx(high)


@pytest.mark.parametrize("seed", range(12))
def test_the_correction_is_what_an_independent_library_computes(seed: int) -> None:
    values = remembering(80, 0.7, seed)
    theirs = pymannkendall.hamed_rao_modification_test(values)
    plain = pymannkendall.original_test(values)
    ranks = rankdata(values - theirs.slope * np.arange(80))
    memory = autocorrelation(np.asarray(ranks, np.float64))
    significant = np.where(np.abs(memory) > 1.959964 / np.sqrt(80), memory, 0.0)

    assert variance_inflation(significant) == pytest.approx(theirs.var_s / plain.var_s)


def test_memory_alone_makes_hardly_more_trends_than_the_five_percent_allowed() -> None:
    series = [remembering(120, 0.6, seed) for seed in range(200)]
    corrected = sum(found(values).is_significant for values in series)
    plain = sum(bool(pymannkendall.original_test(values).h) for values in series)
    every_lag = sum(bool(pymannkendall.hamed_rao_modification_test(values).h) for values in series)

    assert plain > 50
    assert every_lag > 30
    assert corrected <= 20


def test_a_real_trend_is_still_found_behind_the_memory() -> None:
    series = [remembering(120, 0.6, seed) - 0.04 * np.arange(120) for seed in range(50)]

    assert sum(found(values).is_significant for values in series) >= 45


@given(SERIES, st.integers(-1000, 1000), st.sampled_from([0.25, 1.0, 8.0]))
def test_a_shift_changes_nothing_and_a_scale_only_the_slope(
    values: list[int], shift: int, scale: float
) -> None:
    here = found(np.array(values, float))
    there = found(np.array(values, float) * scale + shift)
    later = trend(100.0 + np.arange(float(len(values))), np.array(values, float))

    assert later is not None
    assert there.slope == pytest.approx(here.slope * scale)
    assert later.slope == pytest.approx(here.slope)


@given(SERIES)
def test_looked_at_backwards_the_slope_turns_round(values: list[int]) -> None:
    assert found(np.array(values[::-1], float)).slope == pytest.approx(
        -found(np.array(values, float)).slope
    )


def test_a_season_is_no_trend_and_hides_none() -> None:
    month = np.arange(12 * 2020, 12 * 2025)
    water = 3.0 + np.sin(2 * np.pi * month / 12) - 0.01 * (month - month[0])
    level = without_season(month, water)

    assert level is not None
    assert found(level, 1 / 12).slope == pytest.approx(-0.12)
    still = without_season(month, water + 0.01 * (month - month[0]))
    assert still is not None
    assert np.ptp(still) == pytest.approx(0.0, abs=1e-9)


def test_two_years_cannot_tell_a_season_from_a_trend() -> None:
    month = np.arange(12 * 2020, 12 * 2023)

    assert without_season(month, np.ones(36)) is not None
    assert without_season(month[1:], np.ones(35)) is None
