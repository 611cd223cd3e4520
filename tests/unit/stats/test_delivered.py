from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from kahriz.clock import to_ms
from kahriz.sites import DEFAULT_NORMS
from kahriz.stats.delivered import (
    RevisedFigures,
    WaterRow,
    norm_met,
    spans_from_days,
    water_row,
)
from kahriz.stats.local_days import day_bounds

BAKU = ZoneInfo("Asia/Baku")
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
COMPUTED = datetime(2026, 11, 22, 1, tzinfo=UTC)


def day_of_water(
    day: date, volume_m3: float | None = 200.0, covered_h: float = 24.0, revision: int = 1
) -> RevisedFigures:
    start, end = day_bounds(day, BAKU)
    return RevisedFigures(
        start_ms=to_ms(start),
        end_ms=to_ms(end),
        n=288,
        n_good=280,
        n_suspect=8,
        n_fail=2,
        min=1.5,
        max=3.5,
        mean=None if volume_m3 is None else volume_m3 * 1000 / (covered_h * 3600),
        volume_m3=volume_m3,
        covered_s=covered_h * 3600,
        revision=revision,
        computed_at_ms=to_ms(COMPUTED),
    )


def yesterday(**changes: float | None) -> WaterRow:
    figures = day_of_water(date(2026, 11, 21), **changes)  # type: ignore[arg-type]
    return water_row(figures, "day", BAKU, NOW, 2500, DEFAULT_NORMS)


def test_a_day_of_water_is_told_for_each_person_beside_the_norms() -> None:
    row = yesterday(volume_m3=200.0)

    assert (row.label, row.volume_m3, row.lpcd, row.norm_met) == (
        "2026-11-21",
        200.0,
        80.0,
        "design",
    )
    assert (row.start, row.end) == day_bounds(date(2026, 11, 21), BAKU)
    assert (row.min_lps, row.max_lps) == (1.5, 3.5)
    assert row.mean_lps == pytest.approx(200 / 86.4)
    assert (row.completeness, row.is_complete) == (1.0, True)
    assert (row.n, row.n_suspect, row.n_fail) == (288, 8, 2)
    assert (row.revision, row.computed_at) == (1, COMPUTED)


def test_half_a_day_measured_is_half_the_water_and_never_scaled_up() -> None:
    row = yesterday(volume_m3=100.0, covered_h=12.0)

    assert (row.lpcd, row.completeness, row.is_complete) == (40.0, 0.5, False)
    assert row.norm_met == "basic"


def test_the_limit_itself_is_complete() -> None:
    assert yesterday(covered_h=21.6).is_complete
    assert not yesterday(covered_h=21.5).is_complete


def test_a_day_nobody_measured_is_unknown_and_not_dry() -> None:
    row = yesterday(volume_m3=None, covered_h=0.0)

    assert (row.volume_m3, row.lpcd, row.norm_met, row.completeness) == (None, None, None, 0.0)


def test_a_dry_day_is_nought_and_meets_no_norm() -> None:
    row = yesterday(volume_m3=0.0)

    assert (row.lpcd, row.norm_met, row.is_complete) == (0.0, None, True)


def test_a_day_that_still_runs_is_not_complete_however_well_it_is_measured() -> None:
    today = day_of_water(date(2026, 11, 22), covered_h=23.0)
    late = day_bounds(date(2026, 11, 22), BAKU)[1] - timedelta(minutes=1)

    assert not water_row(today, "day", BAKU, late).is_complete
    assert water_row(today, "day", BAKU, late + timedelta(minutes=1)).is_complete


def test_without_a_count_of_people_there_is_no_figure_for_each() -> None:
    row = water_row(day_of_water(date(2026, 11, 21)), "day", BAKU, NOW, None, DEFAULT_NORMS)

    assert (row.volume_m3, row.lpcd, row.norm_met) == (200.0, None, None)


def test_an_hour_has_water_but_no_litres_a_day() -> None:
    day = day_of_water(date(2026, 11, 21))
    row = water_row(day, "hour", BAKU, NOW, 2500, DEFAULT_NORMS)

    assert (row.label, row.lpcd, row.norm_met) == ("2026-11-21T00:00+04:00", None, None)


def test_a_day_of_25_hours_is_one_day_for_each_person() -> None:
    rome = ZoneInfo("Europe/Rome")
    start, end = day_bounds(date(2026, 10, 25), rome)
    long = RevisedFigures(
        to_ms(start), to_ms(end), 300, 300, 0, 0, 1.0, 1.0, 1.0, 90.0, 25 * 3600.0
    )
    row = water_row(long, "day", rome, NOW, 1000)

    assert (row.lpcd, row.completeness, row.label) == (90.0, 1.0, "2026-10-25")


def test_a_month_is_joined_from_its_days_and_divided_by_all_of_them() -> None:
    days = [day_of_water(date(2026, 10, d), revision=2 if d == 7 else 1) for d in range(1, 32)]
    (month,) = spans_from_days(days, BAKU, "month")
    row = water_row(month, "month", BAKU, NOW, 2500, DEFAULT_NORMS)

    assert (row.label, row.volume_m3, row.lpcd) == ("2026-10", 6200.0, 80.0)
    assert (row.completeness, row.is_complete, row.revision) == (1.0, True, 2)
    assert (row.n, row.n_suspect, row.n_fail) == (31 * 288, 31 * 8, 31 * 2)


def test_a_missing_day_lowers_a_month_that_is_over() -> None:
    days = [day_of_water(date(2026, 10, d)) for d in range(1, 32) if d % 2]
    (month,) = spans_from_days(days, BAKU, "month")
    row = water_row(month, "month", BAKU, NOW, 2500)

    assert row.lpcd == pytest.approx(80 * 16 / 31)
    assert row.completeness == pytest.approx(16 / 31)
    assert not row.is_complete


def test_a_month_that_runs_is_divided_by_the_days_begun() -> None:
    days = [day_of_water(date(2026, 11, d)) for d in range(1, 23)]
    (month,) = spans_from_days(days, BAKU, "month")
    row = water_row(month, "month", BAKU, NOW, 2500)

    assert (row.lpcd, row.is_complete) == (80.0, False)
    assert row.completeness == pytest.approx(22 / 30)


def test_days_of_two_months_are_two_months() -> None:
    days = [day_of_water(date(2026, 10, 31)), day_of_water(date(2026, 11, 1))]

    assert [month.volume_m3 for month in spans_from_days(days, BAKU, "month")] == [200.0, 200.0]


def test_the_highest_norm_reached_is_met_and_the_limit_belongs_to_it() -> None:
    assert norm_met(50.0, DEFAULT_NORMS) == "intermediate"
    assert norm_met(49.999, DEFAULT_NORMS) == "basic"
    assert norm_met(1000.0, DEFAULT_NORMS) == "optimal"
    assert norm_met(14.9, DEFAULT_NORMS) is None


def test_winter_is_of_the_year_of_its_january_and_a_year_has_its_own_label() -> None:
    days = [day_of_water(date(2025, 11, 30) + timedelta(days=n)) for n in range(400)]
    seasons = spans_from_days(days, BAKU, "season")
    told = [water_row(s, "season", BAKU, NOW, 2500) for s in seasons]

    assert [row.label for row in told] == [
        "2025-autumn",
        "2026-winter",
        "2026-spring",
        "2026-summer",
        "2026-autumn",
        "2027-winter",
    ]
    assert (told[1].volume_m3, told[1].lpcd, told[1].is_complete) == (90 * 200.0, 80.0, True)
    assert told[0].completeness == pytest.approx(1 / 91)
    years = [water_row(y, "year", BAKU, NOW) for y in spans_from_days(days, BAKU, "year")]
    assert [row.label for row in years] == ["2025", "2026", "2027"]


def test_seasons_add_up_to_what_their_days_had() -> None:
    days = [day_of_water(date(2025, 3, 1) + timedelta(days=n)) for n in range(365)]
    seasons = spans_from_days(days, BAKU, "season")

    assert len(seasons) == 4
    assert sum(s.volume_m3 or 0 for s in seasons) == 365 * 200.0
