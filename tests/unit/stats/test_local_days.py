from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kahriz.stats.local_days import (
    Span,
    day_bounds,
    days_touching,
    hour_edges,
    local_date,
    month_bounds,
    span_bounds,
)

ZONES = st.sampled_from(
    [
        "Asia/Baku",
        "Asia/Tehran",
        "Asia/Kabul",
        "Asia/Kathmandu",
        "Europe/Rome",
        "America/Sao_Paulo",
        "America/St_Johns",
        "Africa/Cairo",
        "Asia/Beirut",
        "Australia/Lord_Howe",
        "Pacific/Apia",
    ]
)
DATES = st.dates(date(1972, 1, 1), date(2036, 12, 30))


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[arg-type, misc]


def hours(zone: str, day: date) -> float:
    start, end = day_bounds(day, ZoneInfo(zone))
    return (end - start).total_seconds() / 3600


def test_a_day_in_baku_begins_at_eight_in_the_evening_of_utc() -> None:
    assert day_bounds(date(2026, 11, 22), ZoneInfo("Asia/Baku")) == (
        utc(2026, 11, 21, 20),
        utc(2026, 11, 22, 20),
    )


def test_a_day_in_tehran_begins_at_half_past_eight() -> None:
    assert day_bounds(date(2026, 11, 22), ZoneInfo("Asia/Tehran")) == (
        utc(2026, 11, 21, 20, 30),
        utc(2026, 11, 22, 20, 30),
    )


@pytest.mark.parametrize(
    ("zone", "day", "length_h"),
    [
        ("Europe/Rome", date(2026, 3, 29), 23),
        ("Europe/Rome", date(2026, 10, 25), 25),
        ("Australia/Lord_Howe", date(2026, 4, 5), 24.5),
        ("Asia/Tehran", date(2022, 3, 22), 23),  # the clocks skipped midnight itself
        ("Asia/Beirut", date(2026, 3, 29), 23),  # likewise
        ("America/Sao_Paulo", date(2018, 11, 4), 23),  # likewise
        ("Pacific/Apia", date(2011, 12, 30), 0),  # the calendar skipped this day
    ],
)
def test_a_day_is_as_long_as_the_clocks_made_it(zone: str, day: date, length_h: float) -> None:
    assert hours(zone, day) == length_h


def test_a_month_has_its_own_first_midnight_and_the_next_ones() -> None:
    assert month_bounds(2026, 12, ZoneInfo("Asia/Baku")) == (
        utc(2026, 11, 30, 20),
        utc(2026, 12, 31, 20),
    )


@pytest.mark.parametrize(
    ("day", "span", "first", "following"),
    [
        (date(2026, 11, 30), "month", date(2026, 11, 1), date(2026, 12, 1)),
        (date(2025, 12, 1), "season", date(2025, 12, 1), date(2026, 3, 1)),
        (date(2024, 2, 29), "season", date(2023, 12, 1), date(2024, 3, 1)),
        (date(2026, 11, 30), "season", date(2026, 9, 1), date(2026, 12, 1)),
        (date(2026, 12, 31), "year", date(2026, 1, 1), date(2027, 1, 1)),
    ],
)
def test_months_seasons_and_years_hold_their_days(
    day: date, span: Span, first: date, following: date
) -> None:
    baku = ZoneInfo("Asia/Baku")

    assert span_bounds(day, span, baku) == (
        day_bounds(first, baku)[0],
        day_bounds(following, baku)[0],
    )


@given(ZONES, DATES)
def test_days_follow_each_other_without_a_gap(zone: str, day: date) -> None:
    start, end = day_bounds(day, ZoneInfo(zone))
    following, _ = day_bounds(day + timedelta(days=1), ZoneInfo(zone))

    assert start <= end == following
    if start < end:
        assert local_date(start, ZoneInfo(zone)) == day
        assert local_date(end - timedelta(milliseconds=1), ZoneInfo(zone)) == day
        assert start.astimezone(ZoneInfo(zone)).date() == day


@given(ZONES, DATES)
def test_hours_fill_their_day_exactly(zone: str, day: date) -> None:
    start, end = day_bounds(day, ZoneInfo(zone))
    if start == end:
        return
    edges = hour_edges(start, end, ZoneInfo(zone))
    lengths = np.diff(edges).astype(int)

    assert edges[0] == np.datetime64(start.replace(tzinfo=None), "ms")
    assert edges[-1] == np.datetime64(end.replace(tzinfo=None), "ms")
    assert (lengths[:-1] == 3_600_000).all()
    assert 0 < lengths[-1] <= 3_600_000


@given(
    ZONES,
    st.datetimes(datetime(1972, 1, 1), datetime(2036, 1, 1)),  # noqa: DTZ001 - made aware below
    st.integers(1, 7 * 86_400_000),
)
def test_hours_and_days_touching_a_span_are_all_and_only_those(
    zone: str, naive: datetime, length_ms: int
) -> None:
    start = naive.replace(tzinfo=UTC, microsecond=naive.microsecond // 1000 * 1000)
    end = start + timedelta(milliseconds=length_ms)
    begin, finish = (np.datetime64(t.replace(tzinfo=None), "ms") for t in (start, end))
    edges = hour_edges(start, end, ZoneInfo(zone))
    days = list(days_touching(start, end, ZoneInfo(zone)))

    assert edges[0] <= begin < edges[1]
    assert edges[-2] < finish <= edges[-1]
    assert days[0] == local_date(start, ZoneInfo(zone))
    assert days[-1] == local_date(end - timedelta(milliseconds=1), ZoneInfo(zone))
