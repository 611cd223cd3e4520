from __future__ import annotations

import numpy as np
import pytest

from bench.hindcast import coverage, errors, hindcast, stations
from kahriz.observations import Values
from kahriz.stats.forecast import FEWEST_YEARS, Forecast, forecast, smoothed


def told(lps: Values, threshold: float) -> Forecast:
    found = forecast(lps, threshold)
    assert found is not None
    return found


def falling(first: float, days: float, n: int) -> Values:
    return np.asarray(first * np.exp(-np.arange(n) / days))


def season(years: float, lowest: float = 1.0) -> Values:
    """Return days of a flow between `lowest` and 3 L/s, highest on the first day of each year."""
    day = np.arange(round(years * 365.25))
    return np.asarray(lowest + (3.0 - lowest) * (0.5 + 0.5 * np.cos(2 * np.pi * day / 365.25)))


def test_in_the_first_years_the_recession_that_runs_is_drawn_on() -> None:
    # 2 L/s are reached after 100 ln 1.5 = 40.5 days, from the weekly median of three days ago.
    lps = falling(3.0, 100.0, 60)
    found = told(lps, lps[-4] / 1.5)

    assert (found.basis, found.chance, found.years, found.paths) == ("recession", None, 0, 0)
    assert (found.earliest, found.likely, found.latest) == (20, 53, 101)
    assert found.now_lps == pytest.approx(lps[-4])


def test_beyond_half_a_year_nothing_is_said() -> None:
    lps = falling(3.0, 400.0, 60)
    found = told(lps, lps[-4] / 2.0)

    assert (found.earliest, found.likely, found.latest) == (139, None, None)


def test_steady_water_has_no_forecast_in_its_first_year() -> None:
    assert forecast(np.full(100, 2.0), 1.0) is None
    assert forecast(falling(3.0, 100.0, 29), 1.0) is None


def test_what_is_below_now_is_said_to_be() -> None:
    found = told(np.full(30, 0.9), 1.0)

    assert (found.earliest, found.likely, found.latest) == (0, 0, 0)
    assert found.basis == "measured"


def test_with_other_years_this_one_goes_on_as_they_did() -> None:
    now = 3 * 365 + 60
    lps = season(4)
    found = told(lps[: now + 1], 1.5)
    came = int(np.flatnonzero(smoothed(lps)[now + 1 :] < 1.5)[0]) + 1

    assert (found.basis, found.years, found.chance) == ("years", 3, 1.0)
    assert found.likely == pytest.approx(came, abs=2)
    assert found.earliest is not None
    assert found.latest is not None
    assert found.earliest < came < found.latest


def test_the_fewer_years_the_wider_the_band() -> None:
    # Every year is as every other one: what makes the band wider is only how few they are.
    found = [told(season(years + 0.2), 1.5) for years in (2, 3, 4, 5)]

    assert [each.years for each in found] == [2, 3, 4, 5]
    assert [each.likely for each in found] == [53, 53, 53, 54]
    assert [each.earliest for each in found] == [37, 39, 40, 42]
    assert [each.latest for each in found] == [74, 71, 69, 69]


def test_years_that_never_went_so_low_say_so() -> None:
    found = told(season(3.2), 0.5)

    assert (found.earliest, found.likely, found.latest, found.chance) == (None, None, None, 0.0)


def test_two_other_years_are_the_fewest_that_are_gone_by() -> None:
    assert FEWEST_YEARS == 2
    assert told(season(2.2), 1.5).basis == "years"
    only_one = forecast(season(1.2), 1.5)
    assert only_one is None or only_one.basis == "recession"


def test_a_week_of_which_three_days_are_known_is_not_known() -> None:
    lps = np.array([1.0, 2.0, 3.0, 4.0, np.nan, np.nan, np.nan, 5.0])
    week = smoothed(lps)

    assert np.isnan(week[:3]).all()
    assert week[3] == 2.5
    assert week[6] == 2.5
    assert week[7] == 3.5
    assert forecast(np.concatenate([season(3), np.full(4, np.nan)]), 1.0) is None


def test_a_year_that_was_hardly_measured_is_no_year_to_go_by() -> None:
    lps = season(3.2)
    lps[365:700] = np.nan

    assert told(lps, 1.5).years == 2
    lps[30:300] = np.nan
    assert forecast(lps, 1.5) is None or told(lps, 1.5).basis == "recession"


def test_a_threshold_of_nothing_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match=r"threshold 0 L/s is not above 0"):
        forecast(season(3), 0)


@pytest.mark.parametrize("moved_days", [0.0, 20.0])
def test_over_twenty_simulated_years_the_band_holds_what_came(moved_days: float) -> None:
    chosen = {
        name: s for name, s in stations().items() if name in ("maillet 75 d", "boussinesq 300 d")
    }
    found = hindcast(chosen, [77], every_days=30, moved_days=moved_days)
    by_years = [each for each in found if each.made.basis == "years"]
    closed = [each for each in by_years if each.made.latest is not None]

    assert len(by_years) > 200
    assert len(closed) > 40
    assert coverage(by_years) >= 0.8
    assert coverage(closed) >= 0.75
    # A band that is always right says nothing: ten percent are to fall before it.
    assert any(each.is_early for each in by_years)
    assert np.median(errors(by_years)) <= 20
