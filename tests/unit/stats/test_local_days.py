from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kahriz.clock import to_datetime64
from kahriz.observations import DatastreamId, Quality, Series
from kahriz.stats.delivered import RevisedFigures, spans_from_days
from kahriz.stats.local_days import (
    Span,
    day_bounds,
    days_touching,
    hour_edges,
    local_date,
    month_bounds,
    span_bounds,
)
from kahriz.stats.rollup import Figures, joined, rollup

ZONES = st.sampled_from(
    [
        "Asia/Baku",
        "Asia/Tehran",
        "Asia/Kolkata",
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
        ("Australia/Lord_Howe", date(2026, 10, 4), 23.5),
        ("Asia/Kathmandu", date(2026, 3, 29), 24),
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


@given(ZONES, DATES, st.sampled_from(["month", "season", "year"]))
def test_months_seasons_and_years_follow_each_other_and_hold_whole_days(
    zone: str, day: date, span: Span
) -> None:
    of = ZoneInfo(zone)
    start, end = span_bounds(day, span, of)
    opening, closing = day_bounds(day, of)
    following, _ = span_bounds(local_date(end, of), span, of)
    before = span_bounds(local_date(start - timedelta(milliseconds=1), of), span, of)

    assert start <= opening <= closing <= end == following
    assert before[1] == start
    days = [day_bounds(each, of) for each in days_touching(start, end, of)]
    assert (days[0][0], days[-1][1]) == (start, end)
    assert all(one[1] == other[0] for one, other in pairwise(days))
    assert {span_bounds(local_date(each[0], of), span, of) for each in days} == {(start, end)}


@pytest.mark.parametrize(
    ("zone", "first"),
    [
        ("Asia/Kolkata", date(2026, 2, 26)),
        ("Asia/Tehran", date(2022, 3, 19)),  # its last spring with summer time, at midnight
        ("Asia/Kathmandu", date(2026, 2, 26)),
        ("Australia/Lord_Howe", date(2026, 3, 29)),  # half an hour more
        ("Australia/Lord_Howe", date(2026, 9, 28)),  # half an hour less
        ("Europe/Rome", date(2026, 3, 26)),
        ("Europe/Rome", date(2026, 10, 22)),
        ("Pacific/Apia", date(2011, 12, 27)),
    ],
)
@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=15)
def test_hours_add_up_to_days_and_days_to_months_and_seasons(
    zone: str, first: date, seed: int
) -> None:
    of = ZoneInfo(zone)
    start, _ = day_bounds(first, of)
    _, end = day_bounds(first + timedelta(days=9), of)
    chance = np.random.default_rng(seed)
    steps = chance.choice([60, 300, 900, 1800, 7200, 40_000], 3000)
    time = np.cumsum(steps) * 1000 + int(start.timestamp() * 1000) - 3_600_000
    time = time[time < int(end.timestamp() * 1000) + 3_600_000]
    value = chance.uniform(0.0, 5.0, len(time))
    series = Series(
        DatastreamId("k.line.discharge"),
        time.astype("datetime64[ms]"),
        value,
        np.full(len(time), Quality.GOOD, np.uint8),
    )
    edges = [day_bounds(day, of)[0] for day in days_touching(start, end, of)] + [end]
    days = rollup(series, np.array([to_datetime64(edge) for edge in edges], "datetime64[ms]"))
    hours = rollup(series, hour_edges(start, end, of))
    (whole,) = rollup(series, np.array([to_datetime64(start), to_datetime64(end)]))

    assert all(one.end_ms == other.start_ms for one, other in pairwise(hours))
    for day in days:
        inside = [h for h in hours if day.start_ms <= h.start_ms < day.end_ms]
        assert inside[-1].end_ms == day.end_ms
        _same(joined(inside, day.start_ms, day.end_ms), day)
    spans: tuple[Span, ...] = ("month", "season", "year")
    for span in spans:
        kept = [RevisedFigures(**asdict(day)) for day in days]
        told = spans_from_days(kept, of, span)
        assert sum(each.covered_s for each in told) == pytest.approx(whole.covered_s)
        assert sum(each.volume_m3 or 0.0 for each in told) == pytest.approx(whole.volume_m3)
        assert sum(each.n for each in told) == whole.n


def _same(found: Figures, wanted: Figures) -> None:
    assert (found.n, found.min, found.max) == (wanted.n, wanted.min, wanted.max)
    assert found.covered_s == pytest.approx(wanted.covered_s)
    assert found.volume_m3 == pytest.approx(wanted.volume_m3)
    assert found.mean == pytest.approx(wanted.mean)
