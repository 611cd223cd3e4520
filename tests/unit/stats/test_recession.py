from __future__ import annotations

import math
from typing import Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import curve_fit
from scipy.stats import t

from firmware_sim.hydrology import HOUR_MS, Shaft, Shafts, Source
from firmware_sim.spring import Spring
from firmware_sim.trouble.water import Befalling
from kahriz.observations import Values
from kahriz.stats.recession import Recession, dry_spells, recession, student


def known(lps: Values) -> Recession:
    found = recession(lps)
    assert found is not None
    return found


def maillet(first: float, days: float, n: int) -> Values:
    return first * np.exp(-np.arange(n) / days)


def boussinesq(first: float, days: float, n: int) -> Values:
    """Return n days from `first` on, T being `days` at 1 L/s."""
    return np.asarray((first**-0.5 + np.arange(n) / (2.0 * days)) ** -2.0)


def test_maillet_s_store_is_found_from_two_spells_that_begin_differently() -> None:
    found = known(np.concatenate([maillet(5.0, 90.0, 60), maillet(8.0, 90.0, 40)]))

    assert (found.law, found.spells, found.spell_days) == ("maillet", 2, 90)
    assert found.days == pytest.approx(90.0)
    assert found.days_low == pytest.approx(90.0)
    assert found.days_high == pytest.approx(90.0)
    assert found.scatter == pytest.approx(0.0, abs=1e-12)


def test_boussinesq_s_aquifer_is_found_and_lasts_longer_the_less_there_is() -> None:
    found = known(np.concatenate([boussinesq(6.0, 120.0, 80), boussinesq(9.0, 120.0, 80)]))

    assert found.law == "boussinesq"
    assert found.days == pytest.approx(120.0 / math.sqrt(found.reference_lps))


def test_worked_by_hand() -> None:
    # 4 L/s that halve in 30 days: T = 30 / ln 2 = 43.3 days.
    found = known(4.0 * 0.5 ** (np.arange(60) / 30))

    assert found.days == pytest.approx(43.28, abs=0.005)
    assert (found.days_low, found.days_high) == (None, None)  # one spell has no spread


def test_one_spell_is_fitted_as_scipy_fits_it() -> None:
    chance = np.random.default_rng(3)
    lps = maillet(5.0, 60.0, 60) * np.exp(0.004 * chance.normal(size=60))
    spell = np.log(lps[dry_spells(lps)[0]])
    (_, rate), _ = curve_fit(lambda day, a, k: a - k * day, np.arange(len(spell)), spell)

    assert known(lps).days == pytest.approx(1 / rate, rel=1e-6)


def test_how_far_the_interval_reaches_is_student_s_as_scipy_has_it() -> None:
    for degrees in (1, 2, 5, 9, 10, 11, 30, 500):
        assert student(degrees) == pytest.approx(t.ppf(0.975, degrees), rel=2e-3)


@pytest.mark.parametrize("spells", [2, 4, 12])
def test_the_interval_holds_the_aquifer_s_constant_nine_times_in_ten(spells: int) -> None:
    held = []
    for seed in range(60):
        chance = np.random.default_rng(seed)
        # Spells of 30 to 80 days that differ by a tenth, days that scatter by half a percent.
        parts = [
            maillet(5.0, 90.0 * math.exp(0.1 * chance.normal()), int(chance.integers(30, 80)))
            for _ in range(spells)
        ]
        scattered = [part * np.exp(0.005 * chance.normal(size=len(part))) for part in parts]
        found = known(np.concatenate([np.append(part, np.nan) for part in scattered]))
        if found.law == "maillet" and found.days_low is not None:
            held.append(found.days_low <= 90.0 <= (found.days_high or math.inf))

    assert len(held) >= 40
    assert np.mean(held) >= 0.85


def test_rain_ends_a_spell_and_an_unknown_day_too() -> None:
    lps = maillet(5.0, 60.0, 100)
    lps[50:] *= 1.1
    assert [(s.start, s.stop) for s in dry_spells(lps)] == [(5, 50), (55, 100)]
    lps[75] = np.nan
    assert [(s.start, s.stop) for s in dry_spells(lps)] == [(5, 50), (55, 75), (81, 100)]


def test_exactly_fifteen_days_are_a_spell_and_one_less_is_none() -> None:
    lps = maillet(5.0, 30.0, 20)

    assert [(s.start, s.stop) for s in dry_spells(lps)] == [(5, 20)]
    assert dry_spells(lps[:-1]) == []


def test_water_that_hardly_falls_tells_of_no_recession() -> None:
    assert recession(maillet(5.0, 3000.0, 100)) is None
    assert recession(np.full(100, np.nan)) is None
    assert recession(np.zeros(100)) is None


@given(st.floats(0.01, 100.0))
def test_a_unit_changes_no_constant(scale: float) -> None:
    lps = np.concatenate([maillet(5.0, 90.0, 60), maillet(8.0, 70.0, 40)])

    assert known(lps * scale).days == pytest.approx(known(lps).days)


@pytest.mark.parametrize("law", ["maillet", "boussinesq"])
@pytest.mark.parametrize("days", [40.0, 90.0, 200.0])
def test_a_simulated_aquifer_that_nothing_recharges_has_its_own_constant(
    law: Literal["maillet", "boussinesq"], days: float
) -> None:
    source = Source(
        discharge_lps=3.0,
        recession=law,
        recession_d=days,
        season="table",
        months=(2.0, 2.0, 2.0, 2.0, 2.0, 0.0005, 0.0005, 0.0005, 0.0005, 0.0005, 2.0, 2.0),
        rains_per_year=0,
    )
    spring = Spring(source, Shafts(Shaft(), Shaft(), Shaft()), 1, 1, Befalling([]))
    # The summers of ten years, from when the season asks for less than the aquifer can fall to.
    summers = []
    for year in range(2001, 2011):
        first = (year - 1970) * 365.25 + 150 + 15
        hours = (int(first) * 24 + np.arange(100 * 24, dtype=np.int64)) * HOUR_MS
        summers.append(spring.water(hours).outlet_lps.reshape(100, 24).mean(axis=1))
    found = known(np.concatenate(summers))
    # The simulator's Boussinesq has T at 3 L/s.
    at_reference = days if law == "maillet" else days * math.sqrt(3.0 / found.reference_lps)

    assert found.law == law
    assert found.days == pytest.approx(at_reference, rel=0.05)
