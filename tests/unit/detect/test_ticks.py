from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from kahriz.clock import to_datetime64
from kahriz.detect.station.channel import DAY, HOUR, IMPOSSIBLE
from kahriz.detect.ticks import QUARTER, Quarters, steps
from kahriz.observations import DatastreamId, Quality, Series
from tests.unit.detect.station.days import kahriz

NAME = DatastreamId("k.outlet.discharge")
SECOND = timedelta(seconds=1)
T0 = datetime(2026, 11, 22, 6, tzinfo=UTC)


def quarters(zone: str = "Asia/Baku") -> Quarters:
    return Quarters(kahriz().model_copy(update={"timezone": zone}))


def series(*said: tuple[datetime, float, Quality]) -> Series:
    time = np.array([to_datetime64(at) for at, _, _ in said], "datetime64[ms]")
    value = np.array([value for _, value, _ in said])
    return Series(NAME, time, value, np.array([int(q) for _, _, q in said], np.uint8))


def good(*said: tuple[datetime, float]) -> Series:
    return series(*((at, value, Quality.GOOD) for at, value in said))


def test_a_reading_on_the_quarter_belongs_to_the_quarter_that_ends() -> None:
    of = quarters().of

    assert of(T0) == of(T0 - QUARTER + SECOND) == of(T0 - SECOND)
    assert of(T0 + SECOND) == of(T0) + 1
    assert of(T0 - QUARTER) == of(T0) - 1


def test_a_quarter_is_over_at_its_end_and_not_before() -> None:
    it = quarters()

    assert it.end(it.of(T0)) == T0
    assert it.over(T0) == it.of(T0)
    assert it.over(T0 - SECOND) == it.of(T0) - 1
    assert it.over(T0 + SECOND) == it.of(T0)


@pytest.mark.parametrize(
    ("zone", "midnight"),
    [
        ("Asia/Baku", datetime(2026, 11, 21, 20, tzinfo=UTC)),
        ("Asia/Tehran", datetime(2026, 11, 21, 20, 30, tzinfo=UTC)),
        ("Asia/Kathmandu", datetime(2026, 11, 21, 18, 15, tzinfo=UTC)),
        ("UTC", datetime(2026, 11, 22, tzinfo=UTC)),
        ("America/St_Johns", datetime(2026, 11, 22, 3, 30, tzinfo=UTC)),
    ],
)
def test_days_and_hours_are_those_of_the_place(zone: str, midnight: datetime) -> None:
    it = quarters(zone)
    last = it.of(midnight)

    assert last % DAY == 0
    assert it.end(last) == midnight
    assert it.of(midnight + timedelta(hours=5)) % DAY == 5 * HOUR


def test_summer_time_moves_no_quarter() -> None:
    it = quarters("Europe/Berlin")
    before, after = (datetime(2026, 3, day, 12, tzinfo=UTC) for day in (28, 30))

    assert it.of(after) - it.of(before) == 2 * DAY


def test_a_quarters_value_is_the_median_of_its_readings() -> None:
    it = quarters()
    minutes = [T0 - timedelta(minutes=m) for m in (14, 9, 4, 0)]
    first = it.of(T0)
    log = good(*zip(minutes, (3.0, 1.0, 2.0, 100.0), strict=True), (T0 + SECOND, 7.0))

    assert it.values(log, first, first + 1).tolist() == [2.5, 7.0]


def test_silence_is_nothing_and_other_quarters_are_left_out() -> None:
    it = quarters()
    first = it.of(T0)
    log = good((T0 - QUARTER, 1.0), (T0, 2.0), (T0 + 2 * QUARTER, 3.0), (T0 + 3 * QUARTER, 4.0))

    found = it.values(log, first, first + 2)
    assert found[[0, 2]].tolist() == [2.0, 3.0]
    assert math.isnan(found[1])
    assert np.isnan(it.values(Series.empty(NAME), first, first + 2)).all()


@pytest.mark.parametrize(
    ("flags", "value"),
    [
        ((Quality.FAIL, Quality.FAIL), IMPOSSIBLE),
        ((Quality.FAIL, Quality.GOOD), 2.0),
        ((Quality.SUSPECT, Quality.FAIL), 1.0),
        ((Quality.SUSPECT, Quality.SUSPECT), 1.5),
        ((Quality.MISSING, Quality.FAIL), IMPOSSIBLE),
        ((Quality.MISSING, Quality.GOOD), 2.0),
        ((Quality.MISSING, Quality.MISSING), math.nan),
    ],
)
def test_what_failed_counts_only_where_nothing_else_was_said(
    flags: tuple[Quality, Quality], value: float
) -> None:
    it = quarters()
    log = series((T0 - SECOND, 1.0, flags[0]), (T0, 2.0, flags[1]))

    assert it.values(log, it.of(T0), it.of(T0)).tolist() == pytest.approx([value], nan_ok=True)


def test_steps_go_through_silence_too_and_name_every_datastream() -> None:
    it = quarters()
    first = it.of(T0)
    other = DatastreamId("k.shaft.stage")
    log = {NAME: good((T0, 2.0)), other: Series.empty(other)}

    walked = list(steps(it, log, first - 1, first + 1))
    assert [at for at, _ in walked] == [first - 1, first, first + 1]
    assert all(set(values) == {NAME, other} for _, values in walked)
    assert [values[NAME] for _, values in walked] == pytest.approx(
        [math.nan, 2.0, math.nan], nan_ok=True
    )


def test_no_step_is_taken_before_a_quarter_is_over() -> None:
    assert list(steps(quarters(), {}, 5, 4)) == []
