from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from kahriz.clock import to_datetime64
from kahriz.observations import DatastreamId, Quality, Series, Values
from kahriz.stats.night_flow import Night, night, night_flows

BAKU = ZoneInfo("Asia/Baku")
ROME = ZoneInfo("Europe/Rome")
DAY = date(2026, 11, 21)
LINE = DatastreamId("agh-dere.line.discharge")
STEP = timedelta(minutes=5)


def around(day: date, zone: ZoneInfo) -> tuple[list[datetime], Values]:
    """Return 5-minute instants of a local day and the local hour (n,) at each."""
    start = datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)
    times = [start + i * STEP for i in range(289)]
    local = [t.astimezone(zone) for t in times]
    return times, np.array([t.hour + t.minute / 60 for t in local])


def line(times: list[datetime], values: Values, keep: object = None) -> Series:
    time = np.array([to_datetime64(t) for t in times], "datetime64[ms]")
    rows = np.ones(len(time), bool) if keep is None else np.asarray(keep, bool)
    return Series(LINE, time[rows], values[rows], np.full(rows.sum(), Quality.GOOD, np.uint8))


def test_the_lowest_hour_between_two_and_four_is_found_to_the_minute() -> None:
    times, hour = around(DAY, BAKU)
    # A V with its foot at 03:10: its lowest hour is 02:40 to 03:40, its mean a quarter hour up.
    found = night(line(times, 0.4 + np.abs(hour - (3 + 10 / 60))), DAY, BAKU)

    assert found.at == datetime(2026, 11, 20, 22, 40, tzinfo=UTC)
    assert found.lowest_lps == pytest.approx(0.65)
    assert (found.completeness, found.n, found.n_suspect) == (1.0, 24, 0)


def test_a_lower_hour_outside_the_window_is_not_looked_at() -> None:
    times, hour = around(DAY, BAKU)

    assert night(line(times, np.where((hour >= 2) & (hour <= 4), 0.5, 0.0)), DAY, BAKU).lowest_lps
    found = night(line(times, np.where(hour < 1.5, 0.1, 0.5)), DAY, BAKU)
    assert found.lowest_lps == pytest.approx(0.5)


def test_a_night_that_was_not_measured_enough_has_no_lowest_hour() -> None:
    times, hour = around(DAY, BAKU)
    broken = line(times, np.full(len(hour), 0.5), (hour < 3) | (hour > 3.7))
    found = night(broken, DAY, BAKU)

    assert found.lowest_lps is None
    assert found.completeness == pytest.approx(1 - 50 / 120)


@pytest.mark.parametrize(
    ("day", "hours"), [(date(2026, 3, 29), 1), (date(2026, 10, 25), 3), (date(2026, 6, 1), 2)]
)
def test_a_night_in_which_the_clocks_change_has_another_length(day: date, hours: int) -> None:
    times, hour = around(day, ROME)
    found = night(line(times, np.full(len(hour), 0.5)), day, ROME)

    assert found.n == hours * 12
    assert found.lowest_lps == pytest.approx(0.5)


def nights(*lowest: float | None) -> list[Night]:
    return [
        Night(DAY + timedelta(days=i), value, None, 1.0, 24, 0, 0) for i, value in enumerate(lowest)
    ]


def test_the_night_flow_is_the_20th_percentile_of_seven_nights() -> None:
    # Ordered 1 2 3 4 5 6 7: at 1 + 0.2 * 6 = 2.2, between 2 and 3.
    last = night_flows(nights(7.0, 1.0, 3.0, 2.0, 5.0, 6.0, 4.0))[-1]

    assert last.lps == pytest.approx(2.2)
    assert last.nights == 7


def test_one_night_of_a_feast_moves_nothing_and_a_leak_shows_within_the_week() -> None:
    steady = [0.5] * 7
    assert night_flows(nights(*steady, 5.0))[-1].lps == pytest.approx(0.5)
    risen = night_flows(nights(*steady, *[0.9] * 6))
    # One old night of seven is left, and 1 + 0.2 * 6 = 2.2 lies beyond it.
    assert risen[-1].lps == pytest.approx(0.9)
    assert risen[-2].lps == pytest.approx(0.5 + 0.2 * 0.4)


def test_five_nights_of_seven_are_the_fewest_that_say_anything() -> None:
    found = night_flows(nights(0.5, None, 0.5, 0.5, None, 0.5, 0.5))
    assert (found[-1].lps, found[-1].nights) == (0.5, 5)
    assert (found[-2].lps, found[-2].low_lps, found[-2].high_lps) == (None, None, None)


def test_nights_nobody_measured_may_have_been_lower_or_higher() -> None:
    whole = night_flows(nights(1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0))[-1]
    assert (whole.low_lps, whole.lps, whole.high_lps) == (2.2, 2.2, 2.2)
    # One is absent. Of 1 2 3 4 5 6 at 1 + 0.2 * 5 = 2; with a nought before them at 2.2: 1.2; with
    # a night like the highest after them at 2.2: 2.2.
    one = night_flows(nights(1.0, 2.0, None, 3.0, 4.0, 5.0, 6.0))[-1]
    assert (one.low_lps, one.lps, one.high_lps) == pytest.approx((1.2, 2.0, 2.2))
    # Two are: the second of seven may be nought, a fifth of the way from there to the lowest known.
    two = night_flows(nights(1.0, 2.0, None, None, 3.0, 4.0, 5.0))[-1]
    assert two.low_lps == pytest.approx(0.2)


def test_values_that_failed_are_counted_and_not_used() -> None:
    times, hour = around(DAY, BAKU)
    flags = np.full(len(hour), Quality.GOOD, np.uint8)
    flags[(hour > 3.1) & (hour < 3.2)] = Quality.FAIL
    series = line(times, np.full(len(hour), 0.5))
    found = night(Series(series.datastream, series.time, series.value, flags), DAY, BAKU)

    assert (found.n, found.n_fail) == (23, 1)
