"""One instant, three forms: aware datetime, milliseconds, datetime64; and time that runs faster."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kahriz.clock import (
    from_datetime64,
    from_ms,
    iso,
    scaled_clock,
    system_clock,
    to_datetime64,
    to_ms,
)

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
BAKU = timezone(timedelta(hours=4))


@given(st.integers(-62_135_596_800_000, 253_402_300_799_999))
def test_every_millisecond_of_the_years_1_to_9999_survives_both_forms(ms: int) -> None:
    instant = from_ms(ms)

    assert instant.tzinfo is UTC
    assert to_ms(instant) == ms
    assert from_datetime64(to_datetime64(instant)) == instant


def test_what_is_finer_than_a_millisecond_is_rounded_down_also_before_1970() -> None:
    assert to_ms(datetime(1970, 1, 1, 0, 0, 0, 1999, tzinfo=UTC)) == 1
    assert to_ms(datetime(1969, 12, 31, 23, 59, 59, 999_500, tzinfo=UTC)) == -1


def test_a_time_without_a_zone_is_refused_rather_than_guessed() -> None:
    with pytest.raises(TypeError):
        to_ms(NOON.replace(tzinfo=None))


def test_datetime64_of_another_unit_is_the_same_instant() -> None:
    assert from_datetime64(np.datetime64("2026-11-22T12", "h")) == NOON


@pytest.mark.parametrize(
    ("instant", "text"),
    [
        (NOON, "2026-11-22T12:00:00Z"),
        (NOON.astimezone(BAKU), "2026-11-22T12:00:00Z"),
        (NOON + timedelta(milliseconds=5), "2026-11-22T12:00:00.005Z"),
        (NOON + timedelta(microseconds=999), "2026-11-22T12:00:00Z"),
    ],
)
def test_an_instant_is_written_in_utc_with_milliseconds_where_there_are_any(
    instant: datetime, text: str
) -> None:
    assert iso(instant) == text


def test_a_scaled_clock_stands_at_its_origin_when_it_starts_and_runs_faster() -> None:
    wall = NOON.timestamp()
    readings = iter([wall, wall + 10, wall - 1])
    now = scaled_clock(datetime(2026, 1, 1, tzinfo=UTC), NOON, 300, lambda: next(readings))

    assert now() == datetime(2026, 1, 1, tzinfo=UTC)
    assert now() == datetime(2026, 1, 1, 0, 50, tzinfo=UTC)
    assert now() == datetime(2025, 12, 31, 23, 55, tzinfo=UTC)


@pytest.mark.parametrize("speed", [0.0, -1.0, float("nan")])
def test_time_that_stands_or_runs_back_is_refused(speed: float) -> None:
    with pytest.raises(ValueError, match="is not above 0"):
        scaled_clock(NOON, NOON, speed)


def test_the_system_clock_is_aware() -> None:
    assert system_clock().utcoffset() == timedelta(0)
