from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kahriz.observations import DatastreamId, Quality, Series
from kahriz.stats.volume import integrals, is_bridged, volume_m3

DISCHARGE = DatastreamId("agh-dere.line.discharge")
T0 = np.datetime64("2026-11-21T00:00", "ms")
MINUTE = np.timedelta64(60_000, "ms")


def series(
    minutes: Sequence[float], values: Sequence[float], quality: Sequence[Quality] | None = None
) -> Series:
    time = T0 + (np.array(minutes) * 60_000).astype("timedelta64[ms]")
    flags = quality or [Quality.GOOD] * len(minutes)
    return Series(DISCHARGE, time, np.array(values, float), np.array(flags, np.uint8))


def day_volume(of: Series) -> tuple[float, float]:
    return volume_m3(of, T0, T0 + np.timedelta64(1, "D"))


def test_one_litre_a_second_for_a_day_is_86_4_cubic_metres() -> None:
    steady = series([5.0 * i for i in range(289)], [1.0] * 289)

    assert day_volume(steady) == pytest.approx((86.4, 86400.0))


def test_a_ramp_is_the_triangle_under_it() -> None:
    ramp = series([0, 10, 20, 30], [0, 1, 2, 3])

    assert day_volume(ramp) == pytest.approx((3 * 1800 / 2 / 1000, 1800.0))


def test_an_outage_is_not_bridged_and_the_time_is_not_counted() -> None:
    broken = series([0, 5, 10, 60, 65, 70], [2.0] * 6)

    assert day_volume(broken) == pytest.approx((2.0 * 1200 / 1000, 1200.0))


def test_a_step_of_exactly_half_an_hour_is_bridged_and_a_millisecond_more_is_not() -> None:
    steps = [0, 5, 10, 40, 45, 50]
    longer = [0, 5, 10, 40 + 1 / 60_000, 45, 50]

    assert day_volume(series(steps, [1.0] * 6))[1] == 3000.0
    assert day_volume(series(longer, [1.0] * 6))[1] == pytest.approx(1200.0, abs=0.01)


@pytest.mark.parametrize("flag", [Quality.FAIL, Quality.MISSING])
def test_a_value_that_failed_breaks_like_an_absent_one(flag: Quality) -> None:
    minutes = [0.0, 5, 10, 15, 20, 25, 30, 35, 40, 45, 50]
    values = [1.0] * 3 + [500.0] * 7 + [1.0]
    flags = [Quality.GOOD] * 3 + [flag] * 7 + [Quality.GOOD]
    absent = series([0, 5, 10, 50], [1.0] * 4)

    assert day_volume(series(minutes, values, flags)) == day_volume(absent) == (0.6, 600.0)


def test_one_failed_value_among_good_ones_is_bridged() -> None:
    flags = [Quality.GOOD, Quality.FAIL, Quality.GOOD]

    assert day_volume(series([0, 5, 10], [1.0, 400.0, 1.0], flags)) == (0.6, 600.0)


def test_a_suspect_value_counts() -> None:
    flags = [Quality.GOOD, Quality.SUSPECT, Quality.GOOD]

    assert day_volume(series([0, 5, 10], [1.0, 3.0, 1.0], flags)) == (1.2, 600.0)


def test_an_hourly_logger_is_not_taken_for_an_outage() -> None:
    hourly = series([60.0 * i for i in range(25)], [1.0] * 25)

    assert day_volume(hourly) == pytest.approx((86.4, 86400.0))


def test_an_hourly_logger_that_missed_one_reading_is_bridged_over_two_hours_at_most() -> None:
    one_missing = series([60.0 * i for i in range(25) if i != 12], [1.0] * 24)
    two_missing = series([60.0 * i for i in range(25) if i not in {12, 13}], [1.0] * 23)

    assert day_volume(one_missing)[1] == 86400.0
    assert day_volume(two_missing)[1] == 86400.0 - 3 * 3600


def test_a_single_reading_inside_an_outage_does_not_make_it_a_rhythm() -> None:
    minutes = [0.0, 5, 10, 15, 65, 115, 120, 125, 130]

    assert day_volume(series(minutes, [1.0] * 9))[1] == 30 * 60


def test_two_readings_hours_apart_say_nothing_of_the_time_between() -> None:
    assert day_volume(series([0, 110], [1.0, 1.0])) == (0.0, 0.0)


def test_an_explicit_cut_off_is_taken_as_it_is() -> None:
    edges = np.array([T0, T0 + 24 * 60 * MINUTE])
    two = series([0, 110], [1.0, 1.0])

    assert integrals(two, edges, timedelta(hours=2)).covered_s.tolist() == [6600.0]
    assert integrals(two, edges, timedelta(hours=1)).covered_s.tolist() == [0.0]


def test_an_edge_inside_a_step_is_taken_on_the_straight_line() -> None:
    across = series([50, 70], [1.0, 3.0])
    edges = T0 + np.array([0, 60, 120]) * MINUTE

    passed = integrals(across, edges)

    assert passed.covered_s.tolist() == [600.0, 600.0]
    assert passed.value_s.tolist() == [1.5 * 600, 2.5 * 600]


def test_a_step_over_several_intervals_fills_those_between() -> None:
    across = series([0, 30], [0.0, 30.0])
    edges = T0 + np.array([-5, 5, 10, 20, 60]) * MINUTE

    passed = integrals(across, edges)

    assert passed.covered_s.tolist() == [300.0, 300.0, 600.0, 600.0]
    assert passed.value_s.tolist() == pytest.approx([2.5 * 300, 7.5 * 300, 15 * 600, 25 * 600])


def test_nothing_or_a_single_reading_is_no_volume() -> None:
    assert day_volume(series([], [])) == (0.0, 0.0)
    assert day_volume(series([5], [9.0])) == (0.0, 0.0)


RANDOM = st.lists(
    st.tuples(
        st.sampled_from([1.0, 5.0, 5.0, 5.0, 13.0, 30.0, 45.0, 60.0, 60.0, 90.0, 121.0, 400.0]),
        st.floats(-1, 500),
        st.sampled_from(list(Quality)),
    ),
    max_size=60,
)


def walk(steps: list[tuple[float, float, Quality]]) -> Series:
    minutes = np.cumsum([step for step, _, _ in steps]).tolist() if steps else []
    return series(minutes, [v for _, v, _ in steps], [q for _, _, q in steps])


@given(RANDOM, st.lists(st.integers(0, 3000), max_size=40))
def test_parts_add_up_to_the_whole_wherever_it_is_cut(
    steps: list[tuple[float, float, Quality]], cuts: list[int]
) -> None:
    of = walk(steps)
    edges = T0 + np.unique(np.array([0, 3001, *cuts])) * MINUTE

    parts = integrals(of, edges)
    whole = integrals(of, edges[[0, -1]])

    assert parts.covered_s.sum() == pytest.approx(whole.covered_s[0], rel=1e-12, abs=1e-9)
    assert parts.value_s.sum() == pytest.approx(whole.value_s[0], rel=1e-9, abs=1e-5)
    assert (parts.covered_s <= np.diff(edges).astype(np.int64) / 1000 + 1e-9).all()


@given(RANDOM)
def test_the_volume_is_that_of_a_plain_sum_over_bridged_steps(
    steps: list[tuple[float, float, Quality]],
) -> None:
    of = walk(steps).usable()
    bridged = is_bridged(of.time)
    plain = sum(
        (of.value[i] + of.value[i + 1]) / 2 * ((of.time[i + 1] - of.time[i]) / MINUTE) * 60
        for i in range(len(of) - 1)
        if bridged[i]
    )

    whole = integrals(walk(steps), T0 + np.array([-1, 60 * 24 * 30]) * MINUTE)

    assert whole.value_s[0] == pytest.approx(plain, rel=1e-9, abs=1e-5)


@given(RANDOM, st.integers(0, 3000), st.integers(1, 600))
def test_what_lies_beyond_reach_changes_nothing(
    steps: list[tuple[float, float, Quality]], begin: int, length: int
) -> None:
    of = walk(steps)
    edges = T0 + np.array([begin, begin + length]) * MINUTE
    near = (of.time >= edges[0] - 360 * MINUTE) & (of.time <= edges[1] + 360 * MINUTE)
    cut = Series(of.datastream, of.time[near], of.value[near], of.quality[near])

    ours, theirs = integrals(of, edges), integrals(cut, edges)

    assert ours.value_s.tolist() == theirs.value_s.tolist()
    assert ours.covered_s.tolist() == theirs.covered_s.tolist()
