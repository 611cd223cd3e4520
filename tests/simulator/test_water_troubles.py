"""Each trouble of the water, as the places that see it see it; the others see nothing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from firmware_sim.chance import Floats, TimesMs
from firmware_sim.demand import Delivery, Reservoir
from firmware_sim.hydrology import DAY_MS, HOUR_MS, Shaft, Source, Water
from firmware_sim.scenario import DeviceSpec, KahrizSpec, Scenario
from firmware_sim.trouble import TROUBLES
from firmware_sim.world import World
from kahriz import plugins

LIVE = 1_795_305_600_000  # 2026-11-22T00:00:00Z
BAKU_H = 4
CALM = Source(discharge_lps=10, season="flat", rains_per_year=0, noise=0)
STILL = Shaft(stage_m=1, gain_m=0.5, noise_m=0)
PIPE = Delivery(mean_lps=4, swing=0, noise=0)
CANAL = Delivery(pattern="turns", turns_h=((0, 24, 0.9),), noise=0)


def at(*hours: float) -> TimesMs:
    return np.array([LIVE + round(h * HOUR_MS) for h in hours], dtype=np.int64)


def world(delivery: Delivery = PIPE, source: Source = CALM, *troubles: dict[str, Any]) -> World:
    made = tuple(
        plugins.load("trouble", t["kind"], TROUBLES).model_validate({"kahriz": "k"} | t)
        for t in troubles
    )
    device = DeviceSpec(id="d", at="outlet", channels=("stage_m",))
    kahriz = KahrizSpec(
        id="k",
        source=source,
        mother_well=STILL,
        shaft=STILL,
        lower_shaft=STILL,
        delivery=delivery,
        device=(device,),
    )
    return World(Scenario(name="s", kahriz=(kahriz,), trouble=made), 1, LIVE)


def water(of: World, *hours: float) -> Water:
    return of.water(of.scenario.kahriz[0], at(*hours))


def befallen(kind: str, duration_h: float, severity: float, **more: Any) -> World:
    trouble: dict[str, Any] = {"kind": kind, "at_h": 0, "duration_h": duration_h}
    trouble |= {"severity": severity} | more
    return world(PIPE, CALM, trouble)


def near(figures: list[float], within: float = 0.02) -> Any:
    return pytest.approx(figures, rel=within, abs=1e-9)


def test_a_collapse_raises_the_water_upstream_and_lowers_it_downstream() -> None:
    seen = water(befallen("blockage", 10, 0.5, rise_m=0.35), -1, 5)

    assert seen.outlet_lps.tolist() == near([10, 5])
    assert seen.shaft_stage_m.tolist() == near([1, 1.35])
    assert seen.mother_well_stage_m.tolist() == near([1, 1.21])
    assert seen.lower_shaft_stage_m[1] < 0.8
    assert seen.source_lps.tolist() == near([10, 10])


def test_how_high_a_collapse_dams_the_water_is_left_to_chance_where_nobody_says_it() -> None:
    rises = [
        water(befallen("blockage", 10, 0.5, at_h=day * 24), day * 24 + 9).shaft_stage_m[0] - 1
        for day in range(30)
    ]

    assert min(rises) > 0.04
    assert max(rises) < 0.51
    assert max(rises) > 3 * min(rises)


def test_a_gallery_that_closes_bit_by_bit_is_shut_after_its_ramp_and_surges_when_cleared() -> None:
    gradual = befallen("gradual_blockage", 400, 0.4, ramp=0.5, rise_m=0.2)
    seen = water(gradual, -1, 100, 200, 399, 401)

    assert seen.outlet_lps.tolist() == near([10, 8.1, 6.2, 6.5, 11.6], 0.04)
    assert seen.shaft_stage_m[:3].tolist() == near([1, 1.1, 1.2], 0.03)
    assert np.diff(seen.turbidity_ntu)[-1] > 10


def test_silting_is_a_slow_loss_with_a_slow_rise_and_cleaning_brings_the_water_back() -> None:
    seen = water(befallen("silting", 1500, 0.3, rise_m=0.1), -1, 750, 1499, 1600)
    loss = 1 - seen.outlet_lps / seen.source_lps

    assert loss.tolist() == near([0, 0.15, 0.3, 0])
    assert seen.shaft_stage_m[2] > 1.1
    assert seen.outlet_lps[3] > 10


def test_debris_comes_as_a_brown_flood_and_leaves_the_gallery_shut_within_hours() -> None:
    seen = water(befallen("debris", 60, 0.5, rise_m=0.35), -1, 3, 12, 50)

    assert seen.outlet_lps[1] > 13
    assert seen.turbidity_ntu[1] > 100
    assert seen.outlet_lps[2:].tolist() == near([5, 5])
    assert seen.shaft_stage_m[3] > 1.3


def test_a_drought_lowers_source_and_levels_together_at_every_neighbour() -> None:
    dry = {"kind": "drought", "climate": "hills", "at_h": 0, "duration_h": 2160, "severity": 0.45}
    sources = [CALM.model_copy(update={"climate": "hills"}), CALM]
    under, elsewhere = (
        water(world(PIPE, source, dry | {"kahriz": ""}), -1, 1080, 2160, 3000) for source in sources
    )

    assert under.outlet_lps.tolist() == near([10, 7.4, 5.5, 10])
    assert under.shaft_stage_m[2] < 0.75
    assert elsewhere.outlet_lps.tolist() == near([10, 10, 10, 10])


def test_a_drought_cannot_be_faster_than_the_aquifer_runs_dry() -> None:
    seen = water(befallen("drought", 720, 0.9), 0, 720)

    assert seen.outlet_lps[1] == pytest.approx(10 * np.exp(-30 / 90), rel=0.01)


def test_a_tube_well_draws_a_comb_of_pumping_days_and_the_rest_wears_on() -> None:
    pumping = befallen("overabstraction", 480, 0.4, pump_h=10)
    days = water(pumping, *(24 * day + hour for day in (0, 1, 15) for hour in (9.9, 23.9)))
    troughs, crests = days.outlet_lps[::2], days.outlet_lps[1::2]

    assert (crests - troughs > 2.5).all()
    assert crests[0] > 9.8
    assert crests[2] == pytest.approx(10 * (1 - 0.4 * 0.25), rel=0.03)
    assert (np.diff(days.shaft_stage_m) * np.diff(days.outlet_lps) > 0).all()
    assert (days.outlet_lps + days.elsewhere_lps).tolist() == near([10] * 6)
    assert water(pumping, 480 + 50 * 24).outlet_lps.tolist() == near([10])


def test_natural_floods_and_lows_come_back_by_themselves_with_flow_and_level_agreeing() -> None:
    flood = water(befallen("natural_flood", 96, 0.4), 0, 48, 96)
    low = water(befallen("natural_low", 1400, 0.15), 0, 980, 1400 + 240)

    assert flood.outlet_lps.tolist() == near([10, 14, 10])
    assert flood.shaft_stage_m[1] > 1.15
    assert flood.turbidity_ntu[1] < 5
    assert low.outlet_lps.tolist() == near([10, 8.5, 10], 0.03)
    assert low.shaft_stage_m[1] < 0.95


def test_a_leak_is_in_the_night_flow_of_a_pipe_and_missing_at_the_end_of_a_canal() -> None:
    leak = {"kind": "leak", "at_h": 0, "duration_h": 100, "severity": 0.25}
    pipe, canal = (water(world(d, CALM, leak), -1, 50, 101) for d in (PIPE, CANAL))

    assert pipe.line_lps.tolist() == near([4, 5, 4], 0.06)
    assert pipe.delivery_lps.tolist() == near([4, 4, 4], 0.06)
    assert canal.line_lps.tolist() == near([9, 6.75, 9])
    for seen in (pipe, canal):
        assert seen.outlet_lps.tolist() == near([10, 10, 10])
        assert seen.loss_lps[1] > 0.9


def test_a_line_that_is_metered_at_the_other_end_sees_the_other_side_of_a_leak() -> None:
    leak = {"kind": "leak", "at_h": 0, "duration_h": 100, "severity": 0.25}
    end = PIPE.model_copy(update={"meter": "end"})
    start = CANAL.model_copy(update={"meter": "start"})

    assert water(world(end, CALM, leak), 50).line_lps.tolist() == near([4], 0.06)
    assert water(world(start, CALM, leak), 50).line_lps.tolist() == near([9])


@pytest.mark.parametrize(
    ("hours", "by_night", "by_day"), [((22, 5), 5, 4), ((6, 20), 4, 5), ((0, 24), 5, 5)]
)
def test_an_illegal_tap_runs_in_its_local_hours(
    hours: tuple[int, int], by_night: float, by_day: float
) -> None:
    tap = {"kind": "illegal_tap", "at_h": 0, "duration_h": 240, "severity": 0.25}
    tap |= {"from_h": hours[0], "to_h": hours[1]}
    seen = water(world(PIPE, CALM, tap), 48 + 1 - BAKU_H, 48 + 12 - BAKU_H)

    assert seen.line_lps.tolist() == near([by_night, by_day], 0.06)


def test_taps_without_hours_differ_from_one_another() -> None:
    nights = set()
    for day in range(20):
        tap = {"kind": "illegal_tap", "at_h": day * 24, "duration_h": 48, "severity": 0.5}
        seen = water(world(PIPE, CALM, tap), (day + 1) * 24 + 1 - BAKU_H)
        nights.add(bool(seen.loss_lps[0] > 0))

    assert nights == {True, False}


def test_a_tap_with_half_of_its_hours_is_refused() -> None:
    with pytest.raises(ValidationError, match="from_h and to_h, or neither"):
        befallen("illegal_tap", 10, 0.2, from_h=20)


def test_over_use_empties_the_tank_by_day_and_leaves_the_nights_as_they_were() -> None:
    tank = PIPE.model_copy(
        update={"mean_lps": 8.0, "swing": 0.8, "reservoir": Reservoir(volume_m3=100)}
    )
    over = {"kind": "over_use", "at_h": 0, "duration_h": 240, "severity": 0.6}
    hours = np.arange(72, 96, 0.25)
    struck, calm = (water(w, *hours) for w in (world(tank, CALM, over), world(tank, CALM)))
    night = (hours + BAKU_H) % 24 < 6

    assert calm.tank_m3.min() > 20
    assert struck.tank_m3.min() == 0
    assert struck.line_lps[night] == pytest.approx(calm.line_lps[night])
    assert struck.outlet_lps == pytest.approx(calm.outlet_lps)


def test_a_violated_turn_is_missing_from_the_line_in_its_hours_and_from_nothing_else() -> None:
    violation = {"kind": "turn_violation", "at_h": 0, "duration_h": 240, "severity": 0.4}
    seen = water(world(CANAL, CALM, violation), 24 + 11 - BAKU_H, 24 + 18 - BAKU_H)

    assert seen.line_lps.tolist() == near([5.4, 9])
    assert seen.loss_lps.tolist() == near([4, 0])
    assert seen.outlet_lps.tolist() == near([10, 10])


def test_a_tank_fills_by_night_runs_over_and_is_drawn_by_day() -> None:
    tank = Delivery(mean_lps=9.5, swing=1, noise=0, reservoir=Reservoir(volume_m3=80, depth_m=2))
    hours = np.arange(24, 72, 0.25)
    seen = water(world(tank), *hours)
    local = (hours + BAKU_H) % 24

    assert seen.tank_m3[(local > 4) & (local < 5)].min() == 80
    assert seen.reservoir_stage_m.max() == pytest.approx(2)
    assert seen.overflow_lps[(local > 3) & (local < 5)].min() > 3
    assert seen.overflow_lps[(local > 9) & (local < 20)].max() < 1e-9
    assert seen.tank_m3.min() < 20
    assert (seen.line_lps > seen.outlet_lps + 1).any()


def test_gardens_have_their_turns_by_days_too() -> None:
    days = CANAL.model_copy(update={"turn_days": (1.0, 0.0, 0.5)})
    noons = water(world(days), *(24 * day + 8 for day in range(6))).line_lps.tolist()

    assert noons[:3] == noons[3:]
    assert sorted(noons[:3]) == near([0, 4.5, 9])


def test_people_draw_more_in_summer() -> None:
    thirsty = PIPE.model_copy(update={"summer": 0.3, "summer_day": 200.0})
    days = np.arange(-365, 0)
    drawn: Floats = water(world(thirsty), *(24.0 * days + 8)).line_lps
    day = (LIVE / DAY_MS + days) % 365.25

    assert abs(day[int(np.argmax(drawn))] - 200) < 15
    assert drawn.max() / drawn.min() == pytest.approx(1.3 / 0.7, rel=0.1)
