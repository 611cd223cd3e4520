"""Flags add up to the gravest, series are half-open, batches fall apart into series."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kahriz.observations import (
    DatastreamId,
    Observation,
    ObservationBatch,
    Quality,
    Series,
    combine_flags,
    datastream_id,
    split_datastream_id,
)
from kahriz.units import Property

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
FLOW, STAGE = DatastreamId("k.line.discharge"), DatastreamId("k.outlet.stage")
GRAVEST_FIRST = [
    Quality.FAIL,
    Quality.SUSPECT,
    Quality.GOOD,
    Quality.NOT_EVALUATED,
    Quality.MISSING,
]


@given(st.lists(st.sampled_from(list(Quality)), min_size=1, max_size=6))
def test_the_gravest_flag_wins_in_whatever_order_the_tests_ran(flags: list[Quality]) -> None:
    columns = [np.array([flag], np.uint8) for flag in flags]

    assert combine_flags(columns).tolist() == [min(flags, key=GRAVEST_FIRST.index)]
    assert combine_flags(columns[::-1]).tolist() == combine_flags(columns).tolist()


def test_no_flags_at_all_are_refused() -> None:
    with pytest.raises(ValueError, match="no flags"):
        combine_flags([])


def test_an_id_is_taken_apart_as_it_was_made() -> None:
    id = datastream_id("agh-dere", "outlet", Property.STAGE)

    assert id == "agh-dere.outlet.stage"
    assert split_datastream_id(id) == ("agh-dere", "outlet", "stage")


def series() -> Series:
    values = [1.0, np.nan, 3.0, 4.0, 5.0]
    flags = [Quality.GOOD, Quality.GOOD, Quality.SUSPECT, Quality.FAIL, Quality.MISSING]
    minutes = np.arange(5).astype("timedelta64[m]")
    return Series(
        FLOW, np.datetime64("2026-11-22T12:00:00.000") + minutes, np.array(values), np.array(flags)
    )


def test_an_interval_holds_its_start_and_not_its_end() -> None:
    part = series().between(NOON + timedelta(minutes=1), NOON + timedelta(minutes=3))

    assert part.quality.tolist() == [Quality.GOOD, Quality.SUSPECT]
    assert len(series().between(NOON, NOON)) == 0


def test_usable_is_what_says_something_about_the_water() -> None:
    assert series().usable().value.tolist() == [1.0, 3.0], "a suspect value may be a true collapse"


def test_an_empty_series_has_the_types_of_a_full_one() -> None:
    empty, full = Series.empty(FLOW), series()

    assert len(empty) == 0
    assert empty.time.dtype == full.time.dtype
    assert empty.between(NOON, NOON + timedelta(days=1)).usable().value.tolist() == []


def observation(id: DatastreamId, minute: int, value: float) -> Observation:
    return Observation(id, NOON + timedelta(minutes=minute), value, Quality.GOOD)


def test_a_batch_falls_apart_into_series_in_time_order_of_equal_times_the_last() -> None:
    batch = ObservationBatch.of(
        [
            observation(STAGE, 2, 0.3),
            observation(FLOW, 1, 7.0),
            observation(STAGE, 1, 0.1),
            observation(STAGE, 2, 0.4),
        ]
    )
    parts = batch.by_datastream()

    assert set(parts) == {STAGE, FLOW}
    assert parts[STAGE].value.tolist() == [0.1, 0.4]
    assert parts[STAGE].time.tolist() == [
        datetime(2026, 11, 22, 12, 1),  # noqa: DTZ001 - numpy gives them naive
        datetime(2026, 11, 22, 12, 2),  # noqa: DTZ001
    ]
    assert parts[FLOW].value.tolist() == [7.0]


def test_rows_are_taken_by_mask_and_by_position() -> None:
    batch = ObservationBatch.of([observation(FLOW, i, float(i)) for i in range(3)])

    assert batch.take(np.array([True, False, True])).value.tolist() == [0.0, 2.0]
    assert batch.take(np.array([2], np.intp)).value.tolist() == [2.0]
    assert ObservationBatch.of([]).by_datastream() == {}
