from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kahriz.observations import Quality, Series
from kahriz.stats.continuity import SHORTEST, Continuity, continuity
from tests.unit.stats.test_volume import series

START = datetime(2026, 11, 21, tzinfo=UTC)
DAY = timedelta(days=1)


def day(
    of: Series, shortest: timedelta = SHORTEST, uncertainty_lps: float = math.nan
) -> Continuity:
    return continuity(of, START, START + DAY, 0.5, uncertainty_lps, shortest)


def every_ten_minutes(values: list[float]) -> Series:
    return series([10.0 * i for i in range(len(values))], values)


def test_a_day_of_water_is_24_hours_without_interruption() -> None:
    found = day(every_ten_minutes([1.0] * 145))

    assert (found.hours_at_least, found.hours_at_most, found.share) == (24.0, 24.0, 1.0)
    assert (found.interruptions, found.longest_s, found.completeness) == (0, 0.0, 1.0)
    assert (found.n, found.n_suspect, found.n_fail) == (144, 0, 0)


def test_an_interruption_lasts_from_crossing_to_crossing() -> None:
    # 1 L/s, half of it at 05:55, none from 06:00 to 08:00, half of 1 L/s again at 08:05.
    values = [1.0] * 36 + [0.0] * 13 + [1.0] * 96
    found = day(every_ten_minutes(values))

    assert found.interruptions == 1
    assert found.longest_s == 2 * 3600 + 2 * 300
    assert found.is_longest_whole
    assert found.hours_at_least == pytest.approx(24 - 13 / 6)


def test_what_was_not_measured_is_neither_water_nor_its_lack() -> None:
    found = day(series([0, 10, 20, 30, 1400, 1410, 1420, 1430], [1.0] * 8))

    assert found.hours_at_least == pytest.approx(1.0)
    assert found.hours_at_most == pytest.approx(24.0)
    assert (found.share, found.interruptions) == (1.0, 0)
    assert found.completeness == pytest.approx(1 / 24)


def test_an_interruption_that_runs_into_a_gap_lasted_at_least_what_was_seen() -> None:
    minutes = [*range(0, 70, 10), *range(300, 370, 10)]
    found = day(series([float(m) for m in minutes], [1, 1, 0, 0, 0, 0, 0] + [0] * 5 + [1, 1]))

    assert found.interruptions == 1
    assert found.longest_s == 45 * 60
    assert not found.is_longest_whole


def test_a_day_nobody_measured_has_no_share() -> None:
    found = day(series([], []))

    assert (found.share, found.hours_at_least, found.hours_at_most) == (None, 0.0, 24.0)


def test_exactly_half_an_hour_is_an_interruption_and_a_minute_less_is_none() -> None:
    values = [1.0] * 10 + [0.0] * 3 + [1.0] * 132
    found = day(every_ten_minutes(values))

    assert (found.interruptions, found.longest_s) == (1, 1800.0)
    longer = day(every_ten_minutes(values), shortest=timedelta(minutes=31))
    assert (longer.interruptions, longer.longest_s) == (0, 0.0)
    assert longer.with_water_s == found.with_water_s == 86400 - 1800


def test_a_dry_day_is_one_interruption_of_which_no_end_was_seen() -> None:
    found = day(every_ten_minutes([0.0] * 145))

    assert (found.interruptions, found.longest_s, found.is_longest_whole) == (1, 86400.0, False)


def test_the_threshold_itself_is_water() -> None:
    assert day(every_ten_minutes([0.5] * 145)).share == 1.0


def test_what_the_instrument_cannot_tell_from_no_water_widens_the_share() -> None:
    # Six hours each of much, of just enough, of just too little and of none; known to 0.1 L/s.
    values = [2.0] * 36 + [0.6] * 36 + [0.4] * 36 + [0.0] * 37
    found = day(every_ten_minutes(values), uncertainty_lps=0.1)

    assert found.share == pytest.approx(0.5, abs=0.01)
    assert found.share_low == pytest.approx(0.25, abs=0.01)
    assert found.share_high == pytest.approx(0.75, abs=0.01)
    sure = day(every_ten_minutes(values), uncertainty_lps=0.0)
    assert sure.share_low == sure.share == sure.share_high
    # One that errs by half the threshold and more cannot tell a dry line at all.
    assert day(every_ten_minutes(values), uncertainty_lps=0.25).share_high == 1.0
    unknown = day(every_ten_minutes(values))
    assert (unknown.share_low, unknown.share_high) == (None, None)


def test_no_time_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="no time between"):
        continuity(every_ten_minutes([1.0]), START, START, 0.5)


@given(
    st.lists(st.sampled_from([0.0, 0.2, 0.5, 0.8, 3.0]), min_size=1, max_size=60),
    st.lists(st.sampled_from([4, 10, 29, 200]), min_size=60, max_size=60),
    st.lists(st.sampled_from(list(Quality)), min_size=60, max_size=60),
)
def test_parts_of_a_day_add_up_and_the_bounds_hold(
    values: list[float], steps: list[int], flags: list[Quality]
) -> None:
    minutes = np.cumsum(steps[: len(values)])
    of = series([float(m) for m in minutes], values, flags[: len(values)])
    half = START + DAY / 2
    whole = day(of, uncertainty_lps=0.12)
    parts = [continuity(of, START, half, 0.5), continuity(of, half, START + DAY, 0.5)]

    assert sum(p.with_water_s for p in parts) == pytest.approx(whole.with_water_s, abs=0.01)
    assert sum(p.covered_s for p in parts) == pytest.approx(whole.covered_s)
    assert 0 <= whole.hours_at_least <= whole.hours_at_most <= 24.0 + 1e-9
    assert whole.longest_s <= whole.covered_s - whole.with_water_s + 0.01
    if whole.share is not None and whole.share_low is not None and whole.share_high is not None:
        assert 0 <= whole.share_low <= whole.share <= whole.share_high <= 1.0
    assert (whole.interruptions == 0) == (whole.longest_s == 0.0)
