"""What goes wrong, seen from every sensor that can see it."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from firmware_sim.chance import TimesMs
from firmware_sim.conditions import Conditions
from firmware_sim.hydrology import HOUR_MS, Water
from firmware_sim.scenario import Scenario, find_scenario, load_scenario
from firmware_sim.trouble import TROUBLES, Trouble
from firmware_sim.trouble.sensors import BatterySag, Spike
from firmware_sim.world import World, write_truth
from kahriz import plugins

LIVE = 1_795_348_800_000


def at(*hours: float) -> TimesMs:
    return np.array([LIVE + round(h * HOUR_MS) for h in hours], dtype=np.int64)


def world_with(*troubles: dict[str, Any]) -> World:
    calm = load_scenario(find_scenario("three_kahrizes"))
    made = tuple(plugins.load("trouble", t["kind"], TROUBLES)(**t) for t in troubles)
    return World(calm.model_copy(update={"trouble": made}), 1, LIVE)


def water(world: World, *hours: float) -> Water:
    return world.water(world.scenario.kahriz[0], at(*hours))


@pytest.fixture(scope="module")
def shipped() -> Scenario:
    return load_scenario(find_scenario("three_kahrizes"))


def test_a_blockage_starves_the_outlet_within_minutes_and_fills_the_shaft_over_hours(
    shipped: Scenario,
) -> None:
    seen = water(World(shipped, 1, LIVE), 0.7, 0.75 + 10 / 60, 2.25, 10)

    assert seen.outlet_lps[1] == pytest.approx(0.4 * seen.outlet_lps[0], rel=0.03)
    assert seen.shaft_stage_m[1] - seen.shaft_stage_m[0] < 0.15
    assert seen.shaft_stage_m[2] - seen.shaft_stage_m[0] == pytest.approx(0.333, abs=0.02)
    assert seen.shaft_stage_m[3] - seen.shaft_stage_m[0] == pytest.approx(0.35, abs=0.02)
    assert seen.delivery_lps[3] == pytest.approx(seen.outlet_lps[3])


def test_a_cleared_blockage_surges_turbid_and_then_all_is_as_before(shipped: Scenario) -> None:
    seen = water(World(shipped, 1, LIVE), 0.7, 15.3, 24)

    assert seen.outlet_lps[1] > 1.05 * seen.outlet_lps[0]
    assert seen.turbidity_ntu[1] > 50
    assert seen.outlet_lps[2] == pytest.approx(seen.outlet_lps[0], rel=0.05)
    assert seen.shaft_stage_m[2] == pytest.approx(seen.shaft_stage_m[0], abs=0.03)


def test_the_water_a_blockage_costs_is_its_severity_times_its_hours(shipped: Scenario) -> None:
    times = np.arange(LIVE + int(0.75 * HOUR_MS), LIVE + int(14.75 * HOUR_MS), 60_000)
    struck = World(shipped, 1, LIVE)
    calm = world_with()
    lost_lps = (
        calm.water(calm.scenario.kahriz[0], times).outlet_lps
        - struck.water(struck.scenario.kahriz[0], times).outlet_lps
    )

    assert lost_lps.sum() * 60 / 1000 == pytest.approx(0.6 * 3.02 * 14 * 3.6, rel=0.03)


def test_a_surge_raises_discharge_level_and_turbidity_together_and_ends() -> None:
    surge = {"kind": "surge", "kahriz": "agh-dere", "at_h": 0, "duration_h": 10, "severity": 2.0}
    seen = water(world_with(surge), -0.1, 1.5, 10)

    assert seen.outlet_lps[1] == pytest.approx(3 * seen.outlet_lps[0], rel=0.02)
    assert seen.outlet_lps[2] == pytest.approx(seen.outlet_lps[0], rel=0.02)
    assert seen.shaft_stage_m[1] - seen.shaft_stage_m[0] > 0.4
    assert seen.turbidity_ntu[1] > 300


def test_a_decline_takes_source_outlet_and_level_down_for_good() -> None:
    decline = {
        "kind": "decline", "kahriz": "agh-dere", "at_h": 0, "duration_h": 100, "severity": 0.4
    }  # fmt: skip
    struck, calm = (water(w, -5, 50, 100, 8000) for w in (world_with(decline), world_with()))

    assert struck.outlet_lps / calm.outlet_lps == pytest.approx([1, 0.8, 0.6, 0.6])
    assert struck.source_lps / calm.source_lps == pytest.approx([1, 0.8, 0.6, 0.6])
    assert (calm.shaft_stage_m - struck.shaft_stage_m).tolist() == pytest.approx(
        [0, 0.12, 0.26, 0.26], abs=0.03
    )


def test_a_blockage_changes_nothing_before_its_onset() -> None:
    blockage = {"kind": "blockage", "kahriz": "agh-dere", "at_h": 3, "duration_h": 2}
    struck, calm = (water(w, 0, 2.99) for w in (world_with(blockage), world_with()))

    for name in Water.__slots__:
        # Within the onset's day the aquifer feels it evenly.
        assert getattr(struck, name) == pytest.approx(getattr(calm, name), rel=3e-3), name


def test_water_a_blockage_held_back_comes_once_the_way_is_free() -> None:
    blockage = {
        "kind": "blockage", "kahriz": "agh-dere", "at_h": 0, "duration_h": 480, "severity": 0.9
    }  # fmt: skip
    struck, calm = (water(w, -1, 479, 500, 4000) for w in (world_with(blockage), world_with()))

    assert struck.storage_m3[1] - calm.storage_m3[1] == pytest.approx(0.9 * 3 * 480 * 3.6, rel=0.2)
    assert struck.outlet_lps[2] > 1.1 * calm.outlet_lps[2]
    assert struck.outlet_lps[3] == pytest.approx(calm.outlet_lps[3], rel=0.05)


def test_a_hung_sensor_repeats_one_value_while_the_water_goes_on(shipped: Scenario) -> None:
    world = World(shipped, 1, LIVE)
    hung = world.measure("velibey-outlet", at(*np.arange(40, 60, 0.5)))["stage_m"]
    after = world.measure("velibey-outlet", at(*np.arange(60, 70, 0.5)))["stage_m"]
    shaft = world.measure("velibey-shaft", at(*np.arange(40, 60, 0.5)))["stage_m"]

    assert len(set(hung.tolist())) == 1
    assert len(set(after.tolist())) > 1
    assert len(set(shaft.tolist())) > 1


def test_spikes_hit_their_share_of_the_values_and_no_other_channel() -> None:
    spike = {
        "kind": "spike", "device": "agh-dere-shaft", "channel": "stage_m",
        "at_h": 0, "duration_h": 1000, "severity": 2, "share": 0.2,
    }  # fmt: skip
    times = at(*np.arange(0, 1000, 0.5))
    hit, calm = (w.measure("agh-dere-shaft", times) for w in (world_with(spike), world_with()))
    away = np.abs(hit["stage_m"] - calm["stage_m"])

    assert set(np.round(away, 6).tolist()) == {0.0, 2.0}
    assert (away > 0).mean() == pytest.approx(0.2, abs=0.03)
    assert (hit["battery_v"] == calm["battery_v"]).all()


def test_a_sagging_battery_loses_its_volts_by_the_end() -> None:
    sag = BatterySag(
        kind="battery_sag", device="d", at_h=0, duration_h=10, severity=2, live_start_ms=LIVE
    )
    volts = sag.change_values(np.full(4, 12.6), at(-1, 5, 9.99, 10), lambda t: np.zeros(len(t)))

    assert volts.tolist() == pytest.approx([12.6, 11.6, 10.6, 12.6], abs=0.01)


def test_a_silent_device_has_no_power_and_one_without_signal_measures_on() -> None:
    world = Conditions(
        world_with(
            {"kind": "silent", "device": "barana-line", "at_h": 1, "duration_h": 2},
            {"kind": "no_signal", "device": "barana-shaft", "at_h": 1, "duration_h": 2},
        )
    )

    assert world.is_powered("barana-line", at(0.9, 1, 2.9, 3)).tolist() == [
        True,
        False,
        False,
        True,
    ]
    assert world.is_powered("barana-shaft", at(2)).all()
    for device in ("barana-line", "barana-shaft"):
        signal = [world.has_signal(device, int(t)) for t in at(0.9, 1, 2.9, 3)]
        assert signal == [True, False, False, True]
    assert world.has_signal("barana-outlet", int(at(2)[0]))


@pytest.mark.parametrize("kind", list(TROUBLES))
def test_every_trouble_says_what_it_happens_to_and_loads_by_its_name(kind: str) -> None:
    model = plugins.load("trouble", kind, TROUBLES)

    assert issubclass(model, Trouble)
    assert model.needs in ("kahriz", "device", "channel")
    assert model.__doc__


def test_the_truth_file_holds_every_trouble_with_its_instants(
    shipped: Scenario, tmp_path: Path
) -> None:
    write_truth(tmp_path / "truth.csv", World(shipped, 1, LIVE))
    with (tmp_path / "truth.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))

    assert [row["type"] for row in rows] == ["blockage", "silent", "flat_line"]
    assert [row["series"] for row in rows] == ["agh-dere", "barana", "velibey"]
    assert rows[0]["start"] == "2026-11-22T12:45:00"
    assert rows[0]["peak"] == "2026-11-22T12:55:00"
    assert rows[0]["end"] == "2026-11-23T02:45:00"
    assert rows[2]["device"] == "velibey-outlet"


def test_a_spike_is_thrown_at_the_same_instants_each_time() -> None:
    spike = Spike(kind="spike", device="d", channel="c", at_h=0, duration_h=50, live_start_ms=LIVE)
    times, values = at(*np.arange(0, 50, 0.25)), np.zeros(200)
    first = spike.change_values(values, times, lambda t: values)

    assert (first[100:] == spike.change_values(values[100:], times[100:], lambda t: values)).all()
