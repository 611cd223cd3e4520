"""The water of the simulator: plausible, and the same whoever asks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from firmware_sim.chance import TimesMs, breath, normal, smooth, uniform
from firmware_sim.hydrology import (
    DAY_MS,
    HOUR_MS,
    SEASONS,
    YEAR_DAYS,
    Shaft,
    Shafts,
    Source,
    Water,
    season_factor,
)
from firmware_sim.scenario import Scenario, find_scenario, load_scenario
from firmware_sim.spring import Spring
from firmware_sim.trouble.gallery import Blockage
from firmware_sim.trouble.ground import Drought
from firmware_sim.trouble.water import Befalling, WaterTrouble
from firmware_sim.world import World
from kahriz.rating.v_notch import VNotch90

LIVE = 1_795_348_800_000  # 2026-11-22T12:00:00Z
STEP = 5 * 60_000


@pytest.fixture(scope="module")
def scenario() -> Scenario:
    return load_scenario(find_scenario("three_kahrizes"))


@pytest.fixture(scope="module")
def world(scenario: Scenario) -> World:
    return World(scenario, seed=1, live_start_ms=LIVE)


def hours(start: float, end: float) -> TimesMs:
    return np.arange(LIVE + start * HOUR_MS, LIVE + end * HOUR_MS, STEP).astype(np.int64)


MONTH = hours(-30 * 24, 0)


def test_the_same_seed_gives_the_same_values_asked_at_once_or_one_by_one(
    scenario: Scenario,
) -> None:
    span = hours(-2, 4)
    at_once = World(scenario, 7, LIVE).measure("agh-dere-outlet", span)
    other = World(scenario, 7, LIVE)
    singly = [other.measure("agh-dere-outlet", span[i : i + 1]) for i in range(len(span))]

    assert at_once["stage_m"].tolist() == [v["stage_m"][0] for v in singly]
    assert at_once["battery_v"].tolist() == [v["battery_v"][0] for v in singly]


def test_devices_that_ask_in_turns_and_jump_about_see_what_one_sees_who_asks_at_once(
    scenario: Scenario,
) -> None:
    span = hours(-2, 4)
    at_once = {d: World(scenario, 7, LIVE).measure(d, span) for d in scenario.devices()}
    other = World(scenario, 7, LIVE)

    for i in [*range(20), 60, 3, 3, 21, *range(40, 60, 3)]:
        for device in scenario.devices():
            alone = other.measure(device, span[i : i + 1])
            for channel, value in alone.items():
                assert value.tolist() == [at_once[device][channel][i]]


def test_another_seed_gives_other_values(scenario: Scenario, world: World) -> None:
    other = World(scenario, 2, LIVE).measure("barana-line", MONTH)["discharge_lps"]

    assert (other != world.measure("barana-line", MONTH)["discharge_lps"]).mean() > 0.5


@pytest.mark.parametrize(
    ("kahriz", "outlet", "delivery", "tolerance"),
    [("agh-dere", 3.0, 2.4, 0.05), ("barana", 2.2, 0.8, 0.05), ("velibey", 8.0, 4.4, 0.06)],
)
def test_a_calm_month_carries_the_figures_of_the_place(
    world: World, kahriz: str, outlet: float, delivery: float, tolerance: float
) -> None:
    spec = next(k for k in world.scenario.kahriz if k.id == kahriz)
    water = world.water(spec, MONTH)

    assert water.outlet_lps.mean() == pytest.approx(outlet, rel=tolerance)
    assert water.delivery_lps.mean() == pytest.approx(delivery, rel=tolerance)
    assert (water.delivery_lps <= water.outlet_lps).all()
    assert (water.delivery_lps >= 0).all()


def test_a_calm_month_holds_nothing_that_looks_like_a_step(world: World) -> None:
    for kahriz in world.scenario.kahriz:
        outlet = world.water(kahriz, MONTH).outlet_lps
        over_6_h = outlet[72:] / outlet[:-72] - 1

        assert np.abs(over_6_h).max() < 0.1


def test_a_village_of_2500_gets_about_83_litres_a_person_and_day(world: World) -> None:
    spec = world.scenario.kahriz[0]
    litres = world.water(spec, MONTH).delivery_lps.sum() * STEP / 1000 / 30

    assert 75 < litres / 2500 < 90


def test_people_draw_most_in_the_morning_and_at_dusk_and_little_at_night(world: World) -> None:
    drawn = world.water(world.scenario.kahriz[1], MONTH).delivery_lps
    local_hour = ((MONTH + 4 * HOUR_MS) % DAY_MS) // HOUR_MS
    by_hour = [drawn[local_hour == h].mean() for h in range(24)]

    assert int(np.argmax(by_hour)) in (7, 8)
    assert max(by_hour[18:20]) > by_hour[14]
    assert max(by_hour[0:4]) < 0.4 * np.mean(by_hour)


def test_gardens_get_water_only_in_their_turns(world: World) -> None:
    canal = world.measure("velibey-canal", MONTH)["discharge_lps"]
    local_hour = ((MONTH + 4 * HOUR_MS) % DAY_MS) / HOUR_MS

    assert (canal[(local_hour > 20.2) | (local_hour < 4.9)] <= 0.02).all()
    assert np.median(canal[(local_hour > 6) & (local_hour < 9)]) > 6


def test_the_outlets_stage_rated_gives_back_the_discharge(world: World) -> None:
    spec = world.scenario.kahriz[0]
    stage = world.measure("agh-dere-outlet", MONTH)["stage_m"]
    rated = VNotch90().discharge(stage).discharge_lps

    assert rated.mean() == pytest.approx(world.water(spec, MONTH).outlet_lps.mean(), rel=0.01)


def test_the_shafts_levels_follow_the_source_from_the_mother_well_to_the_outlet(
    world: World,
) -> None:
    water = world.water(world.scenario.kahriz[2], hours(-300 * 24, 0)[::12])

    for stage in (water.mother_well_stage_m, water.shaft_stage_m, water.lower_shaft_stage_m):
        assert np.corrcoef(water.source_lps, stage)[0, 1] > 0.9


def test_a_shaft_stands_its_gain_higher_at_twice_the_discharge() -> None:
    source = Source(discharge_lps=5, season="table", months=(2,) * 12, rains_per_year=0, noise=0)
    shaft = Shaft(stage_m=1, gain_m=0.4, noise_m=0)
    water = spring(source, shaft).water(hours(0, 1))

    assert water.source_lps == pytest.approx(10)
    assert water.shaft_stage_m == pytest.approx(1.4)


def spring(source: Source, shaft: Shaft | None = None, *troubles: WaterTrouble) -> Spring:
    shafts = Shafts(Shaft(), shaft or Shaft(), Shaft())
    return Spring(source, shafts, 1, 1, Befalling(troubles))


@pytest.mark.parametrize("shape", list(SEASONS))
def test_a_season_stays_in_its_swing_and_comes_back_each_year(shape: str) -> None:
    source = Source.model_validate({"discharge_lps": 5, "season": shape, "swing": 0.3})
    year = np.arange(0, 365 * DAY_MS, DAY_MS // 4)
    factor = season_factor(source, year)

    assert factor.min() >= 0.7 - 1e-9
    assert factor.max() <= 1.3 + 1e-9
    assert season_factor(source, year + 1461 * DAY_MS) == pytest.approx(factor)
    assert np.abs(np.diff(factor)).max() < 0.02
    assert shape == "flat" or factor.max() - factor.min() > 0.55


def test_the_season_is_wettest_on_its_peak_day() -> None:
    source = Source(discharge_lps=5, season="recession", swing=0.3, peak_day=135)
    day = np.arange(365)

    assert abs(int(day[np.argmax(season_factor(source, day * DAY_MS))]) - 135) <= 1


def test_a_table_gives_each_month_its_part_of_the_discharge() -> None:
    months = (0.8, 0.9, 1.1, 1.4, 1.5, 1.3, 1.1, 0.9, 0.8, 0.7, 0.7, 0.8)
    source = Source(discharge_lps=5, season="table", months=months)
    middles = (np.arange(12) + 0.5) * YEAR_DAYS / 12 * DAY_MS

    assert season_factor(source, middles.astype(np.int64)) == pytest.approx(months, abs=1e-3)


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ({"season": "table", "months": (1, 1)}, "12 parts"),
        ({"months": (1,) * 12}, "months are for season 'table'"),
        ({"season": "table", "months": (0,) * 12}, "not all above 0"),
    ],
)
def test_a_season_by_months_has_twelve_of_them(told: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        Source.model_validate({"discharge_lps": 5} | told)


@pytest.mark.parametrize(
    ("form", "after"),
    [("maillet", lambda part: np.exp(-part)), ("boussinesq", lambda part: (1 + part / 2) ** -2)],
)
def test_without_recharge_the_aquifer_runs_dry_as_its_form_says(
    form: str, after: Callable[[float], float]
) -> None:
    source = Source.model_validate(
        {"discharge_lps": 5, "season": "flat", "recession": form, "recession_d": 100}
        | {"rains_per_year": 0, "noise": 0}
    )
    start = LIVE // DAY_MS * DAY_MS
    dry = Drought(kind="drought", at_h=0, duration_h=2400, severity=1 - 1e-9, live_start_ms=start)
    lps = spring(source, None, dry).water(start + np.array([0, 50, 100]) * DAY_MS).outlet_lps

    assert lps == pytest.approx([5, 5 * after(0.5), 5 * after(1.0)], rel=0.02)


def test_the_aquifer_falls_no_faster_than_its_recession_whatever_the_season_asks_for() -> None:
    steep = (0.2, 0.2, 0.2, 0.2, 3.0, 3.0, 0.2, 0.2, 0.2, 0.2, 0.2, 0.2)
    source = Source(
        discharge_lps=5, season="table", months=steep, recession_d=100, rains_per_year=0, noise=0
    )
    days = LIVE // DAY_MS * DAY_MS + np.arange(-365, 0) * DAY_MS
    falls = np.diff(np.log(spring(source).water(days).outlet_lps))

    assert falls.min() == pytest.approx(-0.01, rel=0.01)
    assert falls.max() > 0.05


def test_neighbours_under_one_climate_have_their_rains_at_the_same_instants() -> None:
    one = Source(discharge_lps=5, season="flat", climate="hills", rain_lps=0.5, noise=0)
    other = one.model_copy(update={"discharge_lps": 20.0, "rain_lps": 2.0})
    month = hours(-60 * 24, 0)
    here, there = (
        Spring(source, Shafts(Shaft(), Shaft(), Shaft()), own, 7, Befalling([])).water(month)
        for own, source in enumerate((one, other))
    )

    assert there.outlet_lps - 20 == pytest.approx(4 * (here.outlet_lps - 5))
    assert here.outlet_lps.max() > 5.3


def test_rain_comes_in_its_season_and_snow_melts_in_spring() -> None:
    source = Source(
        discharge_lps=5, season="flat", rains_per_year=60, rain_swing=1, rain_day=105,
        rain_lps=1, melt_lps=3, melt_day=100, noise=0,
    )  # fmt: skip
    days = LIVE - np.arange(5 * 365) * DAY_MS
    lps = spring(source).water(days).outlet_lps
    month = (days / DAY_MS % YEAR_DAYS // (YEAR_DAYS / 12)).astype(int)
    by_month = [lps[month == m].mean() for m in range(12)]

    assert int(np.argmax(by_month)) == 3
    assert by_month[3] > 7
    assert min(by_month[8:11]) < 5.3


def test_trees_drink_on_summer_afternoons_and_neither_by_night_nor_in_winter() -> None:
    source = Source(discharge_lps=5, season="flat", rains_per_year=0, noise=0, trees=0.08)
    hours_of_year = LIVE // DAY_MS * DAY_MS + np.arange(365 * 24) * HOUR_MS
    water = spring(source).water(hours_of_year)
    lps = water.outlet_lps.reshape(365, 24)
    month = (hours_of_year[::24] / DAY_MS % YEAR_DAYS // (YEAR_DAYS / 12)).astype(int)

    assert lps[month == 6].min() == pytest.approx(5 * 0.92, rel=0.01)
    assert set(lps[month == 6].argmin(axis=1).tolist()) == {11}
    assert lps[month == 6].max() == pytest.approx(5)
    assert lps[month == 0] == pytest.approx(5)
    assert water.outlet_lps + water.elsewhere_lps == pytest.approx(5)


def test_years_that_were_forgotten_are_the_same_when_they_are_asked_for_again() -> None:
    source = Source(discharge_lps=5, rain_lps=0.3, melt_lps=1)
    collapse = Blockage(kind="blockage", at_h=-24 * 3000, duration_h=500, live_start_ms=LIVE)
    one = spring(source, None, collapse)
    long_ago = LIVE - 3000 * DAY_MS + np.arange(0, 40 * DAY_MS, DAY_MS // 4)
    first = one.water(long_ago)
    one.water(hours(0, 5))
    again = one.water(long_ago)

    for name in Water.__slots__:
        assert (getattr(first, name) == getattr(again, name)).all(), name


def test_no_water_is_known_before_the_year_2000() -> None:
    with pytest.raises(ValueError, match="no water before 2000"):
        spring(Source(discharge_lps=5)).water(np.array([0], dtype=np.int64))


def test_chance_is_uniform_normal_and_smooth_where_it_says_so() -> None:
    index = np.arange(20_000, dtype=np.int64)
    even, bell = uniform(3, index), normal(3, index)
    slow = smooth(3, index * STEP, 6 * HOUR_MS)

    assert (even.min() > 0, even.max() < 1) == (True, True)
    assert even.mean() == pytest.approx(0.5, abs=0.01)
    assert (bell.mean(), bell.std()) == (pytest.approx(0, abs=0.03), pytest.approx(1, abs=0.03))
    assert slow.std() == pytest.approx(1, abs=0.15)
    assert np.abs(np.diff(slow)).max() < 0.3


def test_a_breath_gives_back_in_each_period_what_it_took() -> None:
    period = 8 * HOUR_MS
    times = np.arange(0, 300 * period, period // 96, dtype=np.int64)
    taken = breath(3, times, period)

    assert np.abs(taken.reshape(300, 96).sum(axis=1)).max() < 1e-9
    assert taken.std() == pytest.approx(1, abs=0.1)
