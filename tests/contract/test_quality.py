"""What every registered quality test promises; a new one is covered before its first own test."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kahriz import plugins
from kahriz.observations import Flags, Quality
from kahriz.quality import TESTS, LimitTable, QualityTest, Window

EVERY_TEST = pytest.mark.parametrize("name", sorted(TESTS))
FIVE_MINUTES = 300_000

# Coarse values, so that runs of equal ones, steps and spikes all turn up.
values = st.lists(
    st.one_of(st.integers(0, 6).map(lambda v: v / 10), st.just(float("nan"))),
    min_size=1,
    max_size=40,
)
steps = st.integers(1, 48)


def quality_test(name: str) -> QualityTest:
    made: QualityTest = plugins.load("quality test", name, TESTS)()
    return made


def limits(n_streams: int = 3) -> LimitTable:
    """Every limit for every stream but the last, which has none."""
    given_limits = (-0.05, 0.55, 0.05, 0.45, 0.5, 0.15, 0.15, 1.0)
    columns = [np.full(n_streams, limit) for limit in given_limits]
    for column in columns:
        column[-1] = np.nan
    return LimitTable(*columns)


def series(value: list[float], step: int = 1, stream: int = 0) -> Window:
    n = len(value)
    return Window.of(
        np.full(n, stream, np.int32),
        np.arange(n, dtype=np.int64) * step * FIVE_MINUTES,
        np.array(value, np.float64),
    )


def joined(*windows: Window) -> Window:
    return Window.of(
        np.concatenate([w.stream for w in windows]),
        np.concatenate([w.time_ms for w in windows]),
        np.concatenate([w.value for w in windows]),
    )


def flags_of(name: str, window: Window) -> Flags:
    return quality_test(name)(window, limits())


@EVERY_TEST
@given(value=values, step=steps)
@settings(max_examples=50, deadline=None)
def test_every_row_has_a_flag_and_nan_is_missing(name: str, value: list[float], step: int) -> None:
    flags = flags_of(name, series(value, step))

    assert flags.dtype == np.uint8
    assert flags.shape == (len(value),)
    assert set(flags.tolist()) <= {int(q) for q in Quality}
    assert ((flags == Quality.MISSING) == np.isnan(value)).all()


@EVERY_TEST
@given(value=values, step=steps, cut=st.integers(0, 40))
@settings(max_examples=50, deadline=None)
def test_a_later_value_changes_no_earlier_flag(
    name: str, value: list[float], step: int, cut: int
) -> None:
    whole = flags_of(name, series(value, step))
    other = value[:cut] + [0.3 - v for v in value[cut:]]

    assert flags_of(name, series(other, step))[:cut].tolist() == whole[:cut].tolist()
    if 0 < cut <= len(value):
        assert flags_of(name, series(value[:cut], step)).tolist() == whole[:cut].tolist()


@EVERY_TEST
@given(value=values, step=steps)
@settings(max_examples=50, deadline=None)
def test_a_missing_value_is_invisible_to_the_others(
    name: str, value: list[float], step: int
) -> None:
    window = series(value, step)
    there = np.isfinite(window.value)

    without = flags_of(name, window.take(there))
    assert flags_of(name, window)[there].tolist() == without.tolist()


@EVERY_TEST
@given(one=values, other=values, step=steps)
@settings(max_examples=50, deadline=None)
def test_datastreams_do_not_see_one_another(
    name: str, one: list[float], other: list[float], step: int
) -> None:
    first, second = series(one, step, stream=0), series(other, step, stream=1)
    together = flags_of(name, joined(first, second))

    assert together[: len(one)].tolist() == flags_of(name, first).tolist()
    assert together[len(one) :].tolist() == flags_of(name, second).tolist()


@EVERY_TEST
def test_without_a_limit_nothing_is_evaluated(name: str) -> None:
    flags = flags_of(name, series([0.1, 0.1, 9.9, 0.1, 0.1, 0.1, 0.1], step=12, stream=2))

    assert set(flags.tolist()) == {int(Quality.NOT_EVALUATED)}


@EVERY_TEST
def test_an_ordinary_series_is_good(name: str) -> None:
    flags = flags_of(name, series([0.20, 0.21, 0.20, 0.19, 0.20, 0.21, 0.22, 0.21]))

    assert flags[-1] == Quality.GOOD
    assert set(flags.tolist()) <= {int(Quality.GOOD), int(Quality.NOT_EVALUATED)}


@EVERY_TEST
def test_a_true_collapse_is_suspect_at_most_and_good_within_three_values(name: str) -> None:
    before, after = [0.40, 0.41, 0.40, 0.41, 0.40, 0.41], [0.10, 0.11, 0.10, 0.11, 0.10]
    flags = flags_of(name, series(before + after))

    assert Quality.FAIL not in flags
    assert (flags[len(before) + 2 :] == Quality.GOOD).all()


@EVERY_TEST
def test_the_largest_floats_do_no_harm(name: str) -> None:
    flags = flags_of(name, series([0.20, 0.21] * 3 + [1.7e308, -1.7e308]))

    # A value alone is no noise yet, and no flat line.
    assert Quality.GOOD not in flags[-1 if name == "noise" else -2 :] or name == "flat_line"


@EVERY_TEST
def test_an_empty_window_has_no_flags(name: str) -> None:
    assert len(flags_of(name, series([]))) == 0
