from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from api.downsample import extremes
from kahriz.clock import from_ms
from kahriz.observations import DatastreamId, Series

START = from_ms(1_700_000_000_000)
NAME = DatastreamId("agh-dere.line.discharge")


def series(offsets_s: NDArray[np.int64], value: NDArray[np.float64]) -> Series:
    time = np.datetime64(1_700_000_000_000, "ms") + offsets_s * np.timedelta64(1000, "ms")
    return Series(NAME, time, value, np.ones(len(value), np.uint8))


def test_a_short_series_comes_back_as_it_is() -> None:
    short = series(np.arange(10), np.arange(10.0))

    assert extremes(short, START, START + timedelta(seconds=10), 10) is short


def test_one_spike_and_one_drop_in_a_long_series_are_both_kept_in_time_order() -> None:
    value = np.full(10_000, 5.0)
    value[1234], value[8765] = 99.0, -7.0

    thin = extremes(series(np.arange(10_000), value), START, START + timedelta(seconds=10_000), 20)

    assert len(thin) <= 20
    assert {99.0, -7.0} <= set(thin.value)
    assert np.all(np.diff(thin.time) > np.timedelta64(0))
    assert thin.time[list(thin.value).index(99.0)] == np.datetime64(1_700_001_234_000, "ms")


def test_a_gap_stays_a_gap() -> None:
    offsets = np.concatenate([np.arange(1000), np.arange(9000, 10_000)])

    thin = extremes(series(offsets, np.sin(offsets)), START, START + timedelta(seconds=10_000), 100)
    gap = int(np.diff(thin.time).max() // np.timedelta64(1, "s"))

    assert gap >= 8000


def test_each_stretch_gives_its_first_lowest_and_first_highest() -> None:
    value = np.array([1.0, 3, 0, 3, 0, 9, 9, 8, 7, 7])

    thin = extremes(series(np.arange(10), value), START, START + timedelta(seconds=10), 4)

    assert thin.value.tolist() == [3, 0, 9, 7]
    assert (thin.time - thin.time[0]).astype(int).tolist() == [0, 1000, 4000, 7000]


def test_two_points_are_the_extremes_of_everything() -> None:
    value = np.random.default_rng(1).normal(size=5000)

    thin = extremes(series(np.arange(5000), value), START, START + timedelta(seconds=5000), 2)

    assert sorted(thin.value) == [value.min(), value.max()]


def test_values_that_are_not_finite_are_left_out() -> None:
    value = np.arange(100.0)
    value[::2] = np.nan

    thin = extremes(series(np.arange(100), value), START, START + timedelta(seconds=100), 10)
    none = extremes(
        series(np.arange(9), np.full(9, np.nan)), START, START + timedelta(seconds=9), 2
    )

    assert np.isfinite(thin.value).all()
    assert {1.0, 99.0} <= set(thin.value)
    assert len(none) == 0


@given(
    st.lists(st.integers(0, 999), min_size=1, max_size=200, unique=True),
    st.integers(2, 60),
    st.randoms(use_true_random=False),
)
def test_a_thinned_series_is_a_part_of_the_whole_with_its_extremes(
    offsets: list[int], points: int, random: object
) -> None:
    offset = np.array(sorted(offsets))
    whole = series(offset, np.array([random.choice([0.0, 1.0, 2.0, 5.5]) for _ in offsets]))  # type: ignore[attr-defined]

    thin = extremes(whole, START, START + timedelta(seconds=1000), points)
    pairs = set(zip(whole.time.tolist(), whole.value.tolist(), strict=True))

    assert len(thin) <= points
    assert set(zip(thin.time.tolist(), thin.value.tolist(), strict=True)) <= pairs
    assert thin.value.min() == whole.value.min()
    assert thin.value.max() == whole.value.max()
    assert np.all(np.diff(thin.time) > np.timedelta64(0))


@pytest.mark.parametrize("points", [2, 3, 1000, 9999])
def test_never_more_points_than_asked_for(points: int) -> None:
    n = 50_000
    whole = series(np.arange(n), np.random.default_rng(2).normal(size=n))

    thin = extremes(whole, START, START + timedelta(seconds=n), points)

    assert points - points % 2 - 2 <= len(thin) <= points
