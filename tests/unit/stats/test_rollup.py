from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kahriz.observations import DatastreamId, Quality, Series
from kahriz.stats.local_days import hour_edges
from kahriz.stats.rollup import Figures, joined, rollup
from tests.unit.stats.test_volume import MINUTE, RANDOM, T0, series, walk


def figures(of: Series, *minutes: int) -> list[Figures]:
    return rollup(of, T0 + np.array(minutes) * MINUTE)


def is_same(a: float | None, b: float | None) -> bool:
    if a is None or b is None:
        return a is b
    return a == pytest.approx(b, rel=1e-9, abs=1e-9)


def test_an_hour_counts_its_values_by_quality() -> None:
    flags = [Quality.GOOD, Quality.NOT_EVALUATED, Quality.SUSPECT, Quality.FAIL, Quality.MISSING]
    of = series([0, 10, 20, 30, 40], [1.0, 2.0, 3.0, 99.0, np.nan], flags)

    (hour,) = figures(of, 0, 60)

    assert (hour.n, hour.n_good, hour.n_suspect, hour.n_fail) == (3, 1, 1, 1)
    assert (hour.min, hour.max, hour.mean) == (1.0, 3.0, 2.0)
    assert (hour.covered_s, hour.volume_m3) == (1200.0, 2.4)


def test_the_mean_weighs_each_value_by_the_time_it_stood_for() -> None:
    of = series([0, 1, 2, 3, 23], [5.0, 5.0, 5.0, 5.0, 1.0])

    (hour,) = figures(of, 0, 60)

    assert hour.mean == pytest.approx((3 * 5 + 20 * 3) / 23)


def test_a_value_on_the_edge_belongs_to_the_interval_it_opens() -> None:
    first, second = figures(series([0, 60], [1.0, 7.0]), 0, 60, 120)

    assert (first.n, first.max) == (1, 1.0)
    assert (second.n, second.min) == (1, 7.0)


def test_an_interval_without_readings_is_not_an_interval_without_water() -> None:
    (empty,) = figures(series([], []), 0, 60)

    assert empty.is_empty
    assert (empty.min, empty.max, empty.mean, empty.volume_m3) == (None, None, None, None)


def test_dry_is_a_volume_of_nought() -> None:
    (dry,) = figures(series([0, 5, 10], [0.0, 0.0, 0.0]), 0, 60)

    assert (dry.volume_m3, dry.mean, dry.covered_s) == (0.0, 0.0, 600.0)


def test_a_lone_value_has_extremes_but_no_mean() -> None:
    (lone,) = figures(series([30], [4.0]), 0, 60)

    assert (lone.n, lone.min, lone.max, lone.mean, lone.volume_m3) == (1, 4.0, 4.0, None, None)
    assert not lone.is_empty


def test_only_discharge_has_a_volume() -> None:
    flow = series([0, 5, 10], [1.0, 1.0, 1.0])
    stage = Series(DatastreamId("agh-dere.shaft.stage"), flow.time, flow.value, flow.quality)

    assert figures(flow, 0, 60)[0].volume_m3 == 0.6
    assert figures(stage, 0, 60)[0].volume_m3 is None


def test_an_hour_between_two_readings_is_covered_without_a_value_of_its_own() -> None:
    two_hourly = series([30.0 + 80 * i for i in range(6)], [2.0] * 6)

    hours = figures(two_hourly, 0, 60, 120, 180)

    assert [h.n for h in hours] == [1, 1, 0]
    assert [h.covered_s for h in hours] == [1800.0, 3600.0, 3600.0]
    assert (hours[2].min, hours[2].mean) == (None, 2.0)


@pytest.mark.parametrize("zone", ["Asia/Baku", "Asia/Tehran", "Asia/Kabul", "Europe/Rome"])
@given(steps=RANDOM)
def test_a_day_joined_from_its_hours_is_the_day_from_its_readings(
    zone: str, steps: list[tuple[float, float, Quality]]
) -> None:
    of = walk(steps)
    start = datetime(2026, 11, 20, tzinfo=UTC)
    edges = hour_edges(start, start + timedelta(days=4), ZoneInfo(zone))

    (day,) = rollup(of, edges[[0, -1]])
    from_hours = joined(rollup(of, edges), day.start_ms, day.end_ms)

    assert (from_hours.n, from_hours.n_good, from_hours.n_suspect, from_hours.n_fail) == (
        day.n,
        day.n_good,
        day.n_suspect,
        day.n_fail,
    )
    assert (from_hours.min, from_hours.max) == (day.min, day.max)
    assert from_hours.covered_s == pytest.approx(day.covered_s)
    assert is_same(from_hours.mean, day.mean)
    assert is_same(from_hours.volume_m3, day.volume_m3)


@given(RANDOM, st.integers(0, 40))
def test_an_hour_has_the_same_figures_whatever_was_fetched_around_it(
    steps: list[tuple[float, float, Quality]], hour: int
) -> None:
    of = walk(steps)
    many = figures(of, *range(0, 60 * 50, 60))
    near = (of.time >= T0 + (60 * hour - 360) * MINUTE) & (
        of.time <= T0 + (60 * hour + 420) * MINUTE
    )
    cut = Series(of.datastream, of.time[near], of.value[near], of.quality[near])

    assert figures(cut, 60 * hour, 60 * hour + 60) == [many[hour]]
