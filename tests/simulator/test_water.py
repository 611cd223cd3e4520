"""The water of the simulator: plausible, and the same whoever asks."""

from __future__ import annotations

import numpy as np
import pytest

from firmware_sim.chance import TimesMs, normal, smooth, uniform
from firmware_sim.hydrology import DAY_MS, HOUR_MS, SEASONS, Source, season_factor
from firmware_sim.scenario import Scenario, find_scenario, load_scenario
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


def test_the_shafts_level_follows_the_source(world: World) -> None:
    water = world.water(world.scenario.kahriz[2], hours(-300 * 24, 0)[::12])

    assert np.corrcoef(water.source_lps, water.shaft_stage_m)[0, 1] > 0.9


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


def test_chance_is_uniform_normal_and_smooth_where_it_says_so() -> None:
    index = np.arange(20_000, dtype=np.int64)
    even, bell = uniform(3, index), normal(3, index)
    slow = smooth(3, index * STEP, 6 * HOUR_MS)

    assert (even.min() > 0, even.max() < 1) == (True, True)
    assert even.mean() == pytest.approx(0.5, abs=0.01)
    assert (bell.mean(), bell.std()) == (pytest.approx(0, abs=0.03), pytest.approx(1, abs=0.03))
    assert slow.std() == pytest.approx(1, abs=0.15)
    assert np.abs(np.diff(slow)).max() < 0.3
