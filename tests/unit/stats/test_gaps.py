from __future__ import annotations

from dataclasses import asdict, replace
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from firmware_sim.hydrology import DAY_MS
from kahriz.clock import from_ms, to_ms
from kahriz.observations import DatastreamId, Quality, Series
from kahriz.sites import DEFAULT_NORMS
from kahriz.stats.delivered import Gap, RevisedFigures, spans_from_days, water_row
from kahriz.stats.gaps import Unmeasured
from kahriz.stats.local_days import day_bounds, day_start, days_touching
from kahriz.stats.rollup import Figures, rollup
from tests.unit.stats.test_balance import START_MS, STEP_MS, village
from tests.unit.stats.test_delivered import BAKU, COMPUTED, NOW, day_of_water

FIRST = date(2026, 11, 1)
UTC_ZONE = ZoneInfo("UTC")
DAY = timedelta(days=1)


def month(**covered_h: float) -> list[RevisedFigures]:
    """Return twenty days of 2 L/s (at most 3.5), some of them measured for fewer hours; 0: none."""
    hours = [covered_h.get(f"on_{1 + n}", 24.0) for n in range(20)]
    return [
        day_of_water(FIRST + n * DAY, 2.0 * covered * 3.6, covered)
        for n, covered in enumerate(hours)
        if covered
    ]


def gaps(days: list[RevisedFigures], capacity_lps: float | None = None) -> Unmeasured:
    return Unmeasured(days, BAKU, NOW, capacity_lps)


def test_a_day_measured_whole_has_no_gap() -> None:
    days = month()

    assert gaps(days).of(days[4]) == Gap(0.0, 0.0)


def test_half_a_day_may_have_held_nothing_or_the_most_seen_near() -> None:
    days = month(on_5=12.0)
    found = gaps(days).of(days[4])

    assert found.at_most_m3 == pytest.approx(12 * 3.6 * 3.5)
    assert found.typical_m3 == pytest.approx(12 * 3.6 * 2.0)
    row = water_row(days[4], "day", BAKU, NOW, 2500, DEFAULT_NORMS, found)
    assert (row.volume_m3, row.is_estimated, row.estimated_m3) == (86.4, False, 0.0)
    assert row.volume_at_most_m3 == pytest.approx(86.4 + 151.2)
    assert row.lpcd_at_most == pytest.approx(237.6 / 2.5)


def test_filled_it_is_told_as_an_estimate_but_meets_no_norm_by_it() -> None:
    days = month(on_5=12.0)
    gap = gaps(days).of(days[4])
    row = water_row(days[4], "day", BAKU, NOW, 2500, DEFAULT_NORMS, gap, is_filled=True)

    assert row.volume_m3 == pytest.approx(172.8)
    assert row.is_estimated
    assert row.estimated_m3 == pytest.approx(86.4)
    assert row.lpcd == pytest.approx(172.8 / 2.5)
    # 34.6 L were measured.
    assert row.norm_met == "basic"
    assert row.completeness == 0.5


def test_a_capacity_bounds_more_than_what_was_seen_and_never_less() -> None:
    days = month(on_5=12.0)

    assert gaps(days, 10.0).of(days[4]).at_most_m3 == pytest.approx(12 * 3.6 * 10.0)
    assert gaps(days, 1.0).of(days[4]).at_most_m3 == pytest.approx(12 * 3.6 * 3.5)


def test_the_middle_of_more_than_two_weeks_without_readings_has_no_bound() -> None:
    days = [*month()[:2], *month(on_19=1.0)[18:]]  # the 1st, 2nd, 19th and 20th
    all_of_it = gaps(days).of_span(*_span(FIRST, 20))

    assert all_of_it.at_most_m3 is None
    assert gaps(days, 5.0).of_span(*_span(FIRST, 20)).at_most_m3 == pytest.approx(
        5.0 * 3.6 * (16 * 24 + 23)
    )
    # Seven days from the 2nd on there is one known day near, eight days there is none.
    assert gaps(days).of_span(*_span(FIRST, 9)).at_most_m3 == pytest.approx(7 * 86.4 * 3.5)
    assert gaps(days).of_span(*_span(FIRST, 10)).at_most_m3 is None


def test_two_complete_days_near_are_too_few_to_be_typical() -> None:
    days = [day for n, day in enumerate(month(on_3=6.0)) if n < 3]
    found = gaps(days).of(days[2])

    assert found.at_most_m3 == pytest.approx(18 * 3.6 * 3.5)
    assert found.typical_m3 is None
    row = water_row(days[2], "day", BAKU, NOW, 2500, DEFAULT_NORMS, found, is_filled=True)
    assert (row.volume_m3, row.is_estimated) == (days[2].volume_m3, False)


def test_what_is_still_to_come_is_not_missing() -> None:
    today = date(2026, 11, 22)
    start = day_bounds(today, BAKU)[0]
    elapsed_h = (NOW - start) / timedelta(hours=1)
    days = [day_of_water(today - n * DAY) for n in range(7, 0, -1)]
    running = day_of_water(today, 20.0, elapsed_h - 1.0)
    found = gaps([*days, running]).of(running)

    assert found.at_most_m3 == pytest.approx(3.6 * 3.5)
    month_end = datetime(2026, 11, 30, 20, tzinfo=UTC)
    whole = gaps([*days, running]).of_span(day_start(today - 7 * DAY, BAKU), month_end)
    assert whole.at_most_m3 == pytest.approx(3.6 * 3.5)


def test_a_bound_changes_when_a_day_around_it_does_or_has_come_to_its_end() -> None:
    days = month(on_5=12.0)
    late = NOW + timedelta(hours=3)
    restated = [replace(d, computed_at_ms=to_ms(late)) if n == 9 else d for n, d in enumerate(days)]

    assert from_ms(gaps(days).of(days[4]).changed_ms) == COMPUTED
    assert from_ms(gaps(restated).of(days[4]).changed_ms) == late
    # The 13th is more than a week away, and a day without a gap rests on itself alone.
    far = [replace(d, computed_at_ms=to_ms(late)) if n == 12 else d for n, d in enumerate(days)]
    assert from_ms(gaps(far).of(days[4]).changed_ms) == COMPUTED
    assert gaps(restated).of(days[5]).changed_ms == 0
    # Of a day that still runs nothing counts for others, until it is over.
    today = date(2026, 11, 22)
    running = replace(day_of_water(today), max=9.0, computed_at_ms=to_ms(NOW))
    yesterday = day_of_water(today - DAY, 86.4, 12.0)
    before = Unmeasured([yesterday, running], BAKU, NOW).of(yesterday)
    after = Unmeasured([yesterday, running], BAKU, NOW + DAY).of(yesterday)
    assert (before.at_most_m3, after.at_most_m3) == pytest.approx((12 * 3.6 * 3.5, 12 * 3.6 * 9.0))
    assert from_ms(after.changed_ms) == day_bounds(today, BAKU)[1]


def test_before_the_first_reading_there_ever_was_nothing_is_typical() -> None:
    days = month()
    before = gaps(days).of_span(*_span(FIRST - 3 * DAY, 3))

    assert before.typical_m3 == 0.0
    assert gaps(days).unknown_days(*_span(FIRST - 3 * DAY, 3)) == []
    # It may have flowed, all the same.
    assert before.at_most_m3 == pytest.approx(3 * 86.4 * 3.5)


def test_days_that_are_nothing_but_gap_are_told_only_when_filled() -> None:
    days = [day for n, day in enumerate(month()) if n not in (4, 5)]
    start, end = _span(FIRST, 20)
    added = gaps(days).unknown_days(start, end)

    assert [day.start_ms for day in added] == [
        int(day_start(FIRST + n * DAY, BAKU).timestamp() * 1000) for n in (4, 5)
    ]
    gap = gaps(days).of(added[0])
    row = water_row(added[0], "day", BAKU, NOW, 2500, DEFAULT_NORMS, gap, is_filled=True)
    assert (row.n, row.completeness, row.norm_met) == (0, 0.0, None)
    assert row.volume_m3 == row.estimated_m3 == pytest.approx(172.8)


def test_a_gap_of_weeks_is_filled_whole_or_not_at_all() -> None:
    short = [day for n, day in enumerate(month()) if n not in (4, 5)]
    long = [day for n, day in enumerate(month()) if not 3 <= n <= 18]
    start, end = _span(FIRST, 20)

    assert gaps(short).of_span(start, end).typical_m3 == pytest.approx(2 * 172.8)
    assert gaps(long).of_span(start, end).typical_m3 is None


def test_an_hour_that_ended_in_a_gap_is_changed_by_its_end_though_its_day_goes_on() -> None:
    hour = replace(
        day_of_water(date(2026, 11, 22)),
        start_ms=to_ms(NOW - DAY / 12),
        end_ms=to_ms(NOW - DAY / 24),
        covered_s=1800.0,
    )
    gap = Unmeasured([day_of_water(date(2026, 11, 21))], BAKU, NOW).of(hour)

    assert gap.changed_ms == hour.end_ms


@given(st.lists(st.sampled_from([0.0, 3.0, 12.0, 23.0, 24.0]), min_size=20, max_size=20))
def test_a_month_is_the_sum_of_its_days_and_what_passed_lies_between(hours: list[float]) -> None:
    days = month(**{f"on_{1 + n}": covered for n, covered in enumerate(hours)})
    if not days:
        return
    start, end = _span(FIRST, 20)
    unmeasured = gaps(days, 3.5)
    (span,) = spans_from_days(days, BAKU, "month")
    by_day = [unmeasured.of_span(*day_bounds(d, BAKU)) for d in days_touching(start, end, BAKU)]
    whole = unmeasured.of_span(start, end)

    most = [gap.at_most_m3 for gap in by_day if gap.at_most_m3 is not None]
    assert len(most) == 20
    assert whole.at_most_m3 == pytest.approx(sum(most))
    typical = [gap.typical_m3 for gap in by_day if gap.typical_m3 is not None]
    # Half a gap filled would be half the water.
    assert whole.typical_m3 == (pytest.approx(sum(typical)) if len(typical) == 20 else None)
    # 2 L/s ran all the time.
    least = span.volume_m3 or 0.0
    assert least <= 20 * 172.8 + 1e-6
    assert least + (whole.at_most_m3 or 0.0) >= 20 * 172.8 - 1e-6


def test_over_months_of_a_simulated_village_what_passed_lies_within_and_the_typical_is_near() -> (
    None
):
    held, off = [], []
    for seed in range(3):
        true, seen = a_village_with_outages(seed, days=90)
        unmeasured = Unmeasured(seen, UTC_ZONE, NOW)
        measured = {day.start_ms: day.volume_m3 or 0.0 for day in seen}
        whole = unmeasured.of_span(from_ms(true[0].start_ms), from_ms(true[-1].end_ms))
        for day in true:
            gap = unmeasured.of_span(from_ms(day.start_ms), from_ms(day.end_ms))
            least, passed = measured.get(day.start_ms, 0.0), day.volume_m3 or 0.0
            if gap.at_most_m3:
                held.append(least - 1e-6 <= passed <= least + gap.at_most_m3 + 1e-6)
                off.append(abs(least + (gap.typical_m3 or 0.0) - passed) / passed)
        passed = sum(day.volume_m3 or 0.0 for day in true)
        assert sum(measured.values()) < 0.98 * passed
        assert sum(measured.values()) + (whole.typical_m3 or 0.0) == pytest.approx(passed, rel=0.01)

    assert len(held) > 30
    assert all(held)
    assert np.median(off) < 0.06


def a_village_with_outages(seed: int, days: int) -> tuple[list[Figures], list[RevisedFigures]]:
    """Return the true days of a line behind a reservoir, and what eight outages left of them."""
    chance = np.random.default_rng(seed)
    time = START_MS + np.arange(0, days * DAY_MS + 1, STEP_MS, dtype=np.int64)
    lps = village(seed, reservoir=True).water(time).delivery_lps
    keep = np.ones(len(time), bool)
    for _ in range(8):
        begin = chance.integers(0, len(time))
        keep[begin : begin + int(chance.choice([6, 20, 70, 200, 600]))] = False
    edges = (START_MS + np.arange(days + 1) * DAY_MS).astype("datetime64[ms]")

    def figures(rows: NDArray[np.bool_]) -> list[Figures]:
        flags = np.full(rows.sum(), Quality.GOOD, np.uint8)
        at = time[rows].astype("datetime64[ms]")
        return rollup(Series(DatastreamId("k.line.discharge"), at, lps[rows], flags), edges)

    seen = [RevisedFigures(**asdict(f)) for f in figures(keep) if not f.is_empty]
    return figures(np.ones(len(time), bool)), seen


def _span(first: date, days: int) -> tuple[datetime, datetime]:
    return day_start(first, BAKU), day_start(first + days * DAY, BAKU)
