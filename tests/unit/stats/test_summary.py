from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kahriz.sites import DEFAULT_NORMS
from kahriz.stats.delivered import Gap, WaterRow, water_row
from kahriz.stats.summary import duration, duration_bounds, summary
from tests.unit.stats.test_delivered import BAKU, COMPUTED, NOW, day_of_water

FIRST = date(2026, 11, 1)


def days(*volumes: tuple[float | None, float], people: int | None = 2500) -> list[WaterRow]:
    """Return days of (volume [m3], hours covered)."""
    return [
        water_row(
            day_of_water(FIRST + timedelta(days=i), volume, covered),
            "day",
            BAKU,
            NOW,
            people,
            DEFAULT_NORMS,
        )
        for i, (volume, covered) in enumerate(volumes)
    ]


def test_only_days_that_were_measured_say_how_much_water_a_day_had() -> None:
    found = summary(days((200.0, 24), (100.0, 24), (30.0, 8)), 5, DEFAULT_NORMS)

    assert (found.days, found.complete_days, found.incomplete_days) == (5, 2, 1)
    assert (found.volume_m3, found.complete_volume_m3) == (330.0, 300.0)
    assert found.mean_lpcd == pytest.approx((80 + 40) / 2)
    assert {n.norm.name: n.days_below for n in found.norms} == {
        "emergency": 0,
        "basic": 0,
        "intermediate": 1,
        "design": 1,
        "optimal": 2,
    }
    # The short day had 12 L already, and nobody knows of the other two.
    assert {n.norm.name: n.at_most for n in found.norms} == {
        "emergency": 3,
        "basic": 3,
        "intermediate": 4,
        "design": 4,
        "optimal": 5,
    }
    assert (found.n, found.n_suspect, found.n_fail) == (3 * 288, 24, 6)


def test_a_duration_lies_between_what_the_unknown_days_and_the_instrument_may_have_been() -> None:
    # Nine days of 1 ... 9 L/s; one nobody knows; an instrument that errs by 5 % (k = 1).
    flows = [float(n) for n in range(1, 10)]
    sure = 0.05 * np.array(flows)
    exact = duration_bounds(flows, 0.0 * sure, 0)
    assert exact == (duration(flows), duration(flows))

    low, high = duration_bounds(flows, sure, 0)
    assert low == pytest.approx((9 * 0.9, 5 * 0.9, 1 * 0.9))
    assert high == pytest.approx((9 * 1.1, 5 * 1.1, 1 * 1.1))

    low, high = duration_bounds(flows, 0.0 * sure, 1)
    # Ten days: Q50 is between the 5th and the 6th largest, Q10 and Q90 a tenth inside the ends.
    assert low == pytest.approx((8.9, 4.5, 0.1))
    assert high[0] is None
    assert high[1:] == pytest.approx((5.5, 1.1))
    assert duration_bounds(flows, np.full(9, np.nan), 0) == ((None,) * 3, (None,) * 3)


def test_a_span_is_told_with_the_least_and_the_most_that_passed() -> None:
    rows = days((200.0, 24), (100.0, 24), (30.0, 8))
    found = summary(rows, 5, DEFAULT_NORMS, 2500, Gap(470.0, 300.0))

    assert (found.volume_m3, found.volume_at_most_m3) == (330.0, 800.0)
    assert found.lpcd_at_least == pytest.approx(330 / 2.5 / 5)
    assert found.lpcd_at_most == pytest.approx(800 / 2.5 / 5)
    assert found.completeness == pytest.approx((1 + 1 + 1 / 3) / 5)
    assert summary(rows, 5, DEFAULT_NORMS, 2500).volume_at_most_m3 is None


def test_without_a_count_of_people_no_norm_is_judged() -> None:
    found = summary(days((200.0, 24), people=None), 1, DEFAULT_NORMS)

    assert found.mean_lpcd is None
    assert {(n.days_below, n.at_most) for n in found.norms} == {(None, None)}


def test_an_incomplete_day_that_reached_a_norm_did_not_miss_it() -> None:
    found = summary(days((160.0, 12)), 1, DEFAULT_NORMS)

    assert {n.norm.name: (n.days_below, n.at_most) for n in found.norms} == {
        "emergency": (None, 0),
        "basic": (None, 0),
        "intermediate": (None, 0),
        "design": (None, 0),
        "optimal": (None, 1),
    }


def test_of_days_nobody_measured_nothing_is_said() -> None:
    found = summary([], 30, DEFAULT_NORMS)

    assert (found.days, found.complete_days, found.volume_m3) == (30, 0, None)
    assert found.exceeded_lps == (None, None, None)
    assert found.computed_at is None


def test_a_revision_of_any_day_is_one_of_the_whole() -> None:
    rows = days((200.0, 24), (100.0, 24))
    again = water_row(day_of_water(FIRST, 210.0, 24.0, revision=3), "day", BAKU, NOW)

    assert summary(rows, 2, ()).revision == 1
    assert summary([again, rows[1]], 2, ()).revision == 3
    assert summary(rows, 2, ()).computed_at == COMPUTED


def test_nine_days_are_the_fewest_that_say_what_low_water_is() -> None:
    flows = [float(n) for n in range(1, 10)]

    assert duration(flows) == (9.0, 5.0, 1.0)
    assert duration(flows[:8]) == (None, 4.5, None)
    assert duration([]) == (None, None, None)


def test_a_duration_curve_agrees_with_the_weibull_quantiles_of_numpy() -> None:
    flows = np.random.default_rng(7).gamma(2.0, 3.0, 365)
    theirs = [np.quantile(flows, 1 - part, method="weibull") for part in (0.1, 0.5, 0.9)]

    assert duration(flows.tolist()) == pytest.approx(theirs)


@given(st.lists(st.floats(0, 1000), min_size=9, max_size=60))
def test_what_is_reached_more_often_is_less_water(flows: list[float]) -> None:
    high, middle, low = duration(flows)

    assert high is not None
    assert middle is not None
    assert low is not None
    assert max(flows) >= high >= middle >= low >= min(flows)
