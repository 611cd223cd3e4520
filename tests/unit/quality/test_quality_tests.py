"""Worked examples of each quality test, as its file and docs/quality.md tell them."""

from __future__ import annotations

from statistics import median

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kahriz.observations import Quality
from kahriz.quality import LimitTable, QualityTest, Window
from kahriz.quality.flat_line import FlatLine
from kahriz.quality.gross_range import GrossRange
from kahriz.quality.noise import Noise
from kahriz.quality.rate_of_change import RateOfChange
from kahriz.quality.spike import Spike

MINUTE = 60_000
NAN = float("nan")
GOOD, NOT_EVALUATED = Quality.GOOD, Quality.NOT_EVALUATED
SUSPECT, FAIL = Quality.SUSPECT, Quality.FAIL


def limits(**given_limits: float) -> LimitTable:
    names = LimitTable.__slots__
    return LimitTable(*(np.array([given_limits.get(name, NAN)]) for name in names))


# The stage of the example registry's outlets.
STAGE = limits(
    fail_low=-0.05,
    fail_high=0.60,
    suspect_low=0.0,
    suspect_high=0.45,
    max_rate_per_h=0.05,
    spike=0.02,
    flat_line_h=12,
)


def flags(
    test: QualityTest, value: list[float], every: int = 5, table: LimitTable = STAGE
) -> list[int]:
    time_ms = np.arange(len(value), dtype=np.int64) * every * MINUTE
    window = Window.of(np.zeros(len(value), np.int32), time_ms, np.array(value))
    return [int(f) for f in test(window, table)]


def test_a_value_outside_what_the_sensor_can_say_fails() -> None:
    assert flags(GrossRange(), [-0.06, 0.61, 9.99]) == [FAIL, FAIL, FAIL]


def test_a_value_outside_what_is_expected_is_suspect() -> None:
    assert flags(GrossRange(), [-0.01, 0.46]) == [SUSPECT, SUSPECT]


def test_the_limits_themselves_are_inside() -> None:
    assert flags(GrossRange(), [-0.05, 0.0, 0.45, 0.60]) == [SUSPECT, GOOD, GOOD, SUSPECT]


def test_one_limit_alone_is_judged() -> None:
    assert flags(GrossRange(), [-1.0, 9.0], table=limits(fail_high=5)) == [GOOD, FAIL]


def test_a_step_is_suspect_where_it_begins_and_good_once_it_stays() -> None:
    assert flags(RateOfChange(), [0.127, 0.090, 0.091, 0.090]) == [2, SUSPECT, GOOD, GOOD]


def test_the_same_step_over_more_time_is_good() -> None:
    assert flags(RateOfChange(), [0.127, 0.090, 0.091], every=44) == [2, SUSPECT, GOOD]
    assert flags(RateOfChange(), [0.127, 0.090, 0.091], every=45) == [2, GOOD, GOOD]


def test_the_value_after_a_spike_is_not_blamed_for_it() -> None:
    assert flags(RateOfChange(), [0.127, 0.210, 0.127, 0.126]) == [2, SUSPECT, GOOD, GOOD]


def test_noise_of_a_sensor_read_every_ten_seconds_is_no_change_of_the_water() -> None:
    time_ms = np.arange(100, dtype=np.int64) * 10_000
    value = np.tile([0.1285, 0.1255], 50)
    window = Window.of(np.zeros(100, np.int32), time_ms, value)

    assert RateOfChange()(window, STAGE).tolist() == [NOT_EVALUATED] + [GOOD] * 99


def test_a_value_alone_among_five_is_suspect_and_its_neighbours_are_not() -> None:
    value = [0.127, 0.126, 0.127, 0.127, 0.210, 0.126, 0.127]

    assert flags(Spike(), value) == [2, 2, 2, 2, SUSPECT, GOOD, GOOD]


def test_two_values_of_a_true_step_are_suspect_before_the_median_follows() -> None:
    value = [0.12] * 5 + [0.05] * 4

    assert flags(Spike(), value)[5:] == [SUSPECT, SUSPECT, GOOD, GOOD]


def test_a_value_as_far_from_the_median_as_allowed_is_good() -> None:
    table = limits(spike=0.5)

    assert flags(Spike(), [1.0, 1.0, 1.0, 1.0, 1.5], table=table)[-1] == GOOD
    assert flags(Spike(), [1.0, 1.0, 1.0, 1.0, 1.5625], table=table)[-1] == SUSPECT


@given(st.lists(st.integers(0, 9).map(float), min_size=5, max_size=12))
@settings(max_examples=200, deadline=None)
def test_the_median_is_that_of_the_last_five(value: list[float]) -> None:
    found = flags(Spike(), value, table=limits(spike=0.5))

    for i in range(4, len(value)):
        is_far = abs(value[i] - median(value[i - 4 : i + 1])) > 0.5
        assert found[i] == (SUSPECT if is_far else GOOD)


def test_values_that_go_to_and_fro_are_suspect_and_a_flood_s_ramp_is_not() -> None:
    table = limits(noise=0.02)

    assert flags(Noise(), [0.127, 0.150, 0.120, 0.152, 0.118], table=table)[-1] == SUSPECT
    assert flags(Noise(), [0.127, 0.227, 0.327, 0.427, 0.527], table=table)[-1] == GOOD


def test_a_step_that_stays_is_no_noise() -> None:
    found = flags(Noise(), [0.40] * 5 + [0.10] * 5, table=limits(noise=0.02))

    assert found == [NOT_EVALUATED] * 4 + [GOOD] * 6


def test_of_one_outlier_only_the_way_back_is_noise() -> None:
    found = flags(Noise(), [0.40] * 5 + [0.60] + [0.40] * 4, table=limits(noise=0.02))

    assert found[5:] == [GOOD, SUSPECT, GOOD, GOOD, GOOD]


def test_noise_as_rough_as_allowed_is_good() -> None:
    to_and_fro = [0.0, 1.0, 0.0, 1.0, 0.0]

    assert flags(Noise(), to_and_fro, table=limits(noise=1.0))[-1] == GOOD
    assert flags(Noise(), to_and_fro, table=limits(noise=0.99))[-1] == SUSPECT


def test_the_line_between_neighbours_is_drawn_in_time() -> None:
    # A steady ramp of which readings were missed.
    time_ms = np.array([0, 1, 2, 9, 10, 20, 21], np.int64) * MINUTE
    window = Window.of(np.zeros(7, np.int32), time_ms, time_ms / MINUTE * 0.01)

    assert set(Noise()(window, limits(noise=1e-9))[4:].tolist()) == {GOOD}


def test_twelve_hours_without_a_change_are_suspect_until_the_next() -> None:
    # From 0 h to 13 h, then a change.
    found = flags(FlatLine(), [0.127] * 14 + [0.128, 0.128], every=60)

    assert found == [NOT_EVALUATED] + [GOOD] * 11 + [SUSPECT] * 2 + [GOOD] * 2


@pytest.mark.parametrize("every", [1, 5, 60, 240])
def test_a_flat_line_is_a_matter_of_hours_not_of_counts(every: int) -> None:
    found = np.array(flags(FlatLine(), [0.127] * (24 * 60 // every), every=every))
    hours = np.arange(len(found)) * every / 60

    assert ((found == SUSPECT) == (hours >= 12)).all()


def test_a_window_tells_which_row_begins_each_stream() -> None:
    window = Window.of(
        np.array([0, 0, 3, 3, 3, 7], np.int32), np.arange(6, dtype=np.int64), np.zeros(6)
    )

    assert window.first.tolist() == [0, 0, 2, 2, 2, 5]
    assert window.take(np.array([0, 1, 0, 1, 1, 1], bool)).first.tolist() == [0, 1, 1, 3]
