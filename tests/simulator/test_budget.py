"""Water is neither made nor lost, whatever the year and whatever befalls it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_sim.demand import Delivery, Reservoir
from firmware_sim.hydrology import DAY_MS, Source, Water
from firmware_sim.scenario import DeviceSpec, KahrizSpec, Scenario
from firmware_sim.trouble import TROUBLES
from firmware_sim.trouble.water import WaterTrouble
from firmware_sim.world import World
from kahriz import plugins

LIVE = 1_795_305_600_000  # 2026-11-22T00:00:00Z
STEP_MS = 5 * 60_000
DAYS = 90
WATER_TROUBLES = [
    kind for kind in TROUBLES if issubclass(plugins.load("trouble", kind, TROUBLES), WaterTrouble)
]
# The middles of the steps: a mean of them is the mean of the step.
MIDDLES = LIVE + np.arange(STEP_MS // 2, DAYS * DAY_MS, STEP_MS, dtype=np.int64)
ENDS = np.array([LIVE, LIVE + DAYS * DAY_MS], dtype=np.int64)


def parts(low: float, high: float) -> st.SearchStrategy[float]:
    return st.floats(low, high, allow_nan=False, allow_infinity=False)


@st.composite
def sources(draw: st.DrawFn) -> Source:
    lps = draw(parts(0.1, 70))
    return Source(
        discharge_lps=lps,
        season=draw(st.sampled_from(["flat", "sinusoid", "recession"])),
        swing=draw(parts(0, 0.6)),
        peak_day=draw(parts(0, 366)),
        recession=draw(st.sampled_from(["maillet", "boussinesq"])),
        recession_d=draw(parts(20, 1000)),
        rains_per_year=draw(parts(0, 200)),
        rain_lps=lps * draw(parts(0, 0.3)),
        rain_rise_h=draw(parts(1, 100)),
        melt_lps=lps * draw(parts(0, 0.5)),
        melt_day=draw(parts(0, 366)),
        trees=draw(parts(0, 0.3)),
        noise=draw(parts(0, 0.02)),
    )


@st.composite
def deliveries(draw: st.DrawFn, lps: float) -> Delivery:
    volume = lps * draw(parts(1, 100))
    pattern = draw(st.sampled_from(["drinking", "turns"]))
    return Delivery(
        pattern=pattern,
        mean_lps=lps * draw(parts(0, 1.5)),
        turns_h=((4.5, 11, 0.9), (11, 19.25, 0.7)),
        turn_days=draw(st.sampled_from([(), (1.0, 0.0, 0.5)])) if pattern == "turns" else (),
        noise=draw(parts(0, 0.1)),
        reservoir=draw(st.sampled_from([None, Reservoir(volume_m3=volume)])),
        summer=draw(parts(0, 0.5)),
    )


@st.composite
def troubles(draw: st.DrawFn) -> WaterTrouble:
    kind = draw(st.sampled_from(WATER_TROUBLES))
    what: dict[str, Any] = {
        "kind": kind,
        "kahriz": "k",
        "at_h": draw(parts(-1000, DAYS * 24)),
        "duration_h": draw(parts(3, 1500)),
        "severity": draw(parts(0.05, 0.95)),
    }
    made: WaterTrouble = plugins.load("trouble", kind, TROUBLES).model_validate(what)
    return made


@st.composite
def worlds(draw: st.DrawFn) -> World:
    source = draw(sources())
    device = DeviceSpec(id="d", at="outlet", channels=("stage_m",))
    kahriz = KahrizSpec(
        id="k", source=source, delivery=draw(deliveries(source.discharge_lps)), device=(device,)
    )
    befalling = tuple(draw(st.lists(troubles(), max_size=3)))
    scenario = Scenario(name="s", kahriz=(kahriz,), trouble=befalling)
    return World(scenario, draw(st.integers(0, 2**31)), LIVE)


def volume(*lps: np.ndarray) -> float:
    """Return cubic metres of what flows in the middles of the steps."""
    return float(sum(each.sum() for each in lps)) * STEP_MS * 1e-6


def change(m3: np.ndarray) -> float:
    return float(m3[1] - m3[0])


def budget(world: World) -> tuple[Water, Water]:
    kahriz = world.scenario.kahriz[0]
    return world.water(kahriz, MIDDLES), world.water(kahriz, ENDS)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(worlds())
def test_what_falls_and_flows_in_comes_out_or_is_still_in_the_ground(world: World) -> None:
    flow, at = budget(world)
    gone = volume(flow.outlet_lps, flow.elsewhere_lps) + change(at.storage_m3)

    assert gone == pytest.approx(volume(flow.recharge_lps), rel=1e-3, abs=1e-3 * gross(flow))


def gross(flow: Water) -> float:
    """Return all the water that came (m3): what a thousandth is a thousandth of."""
    return volume(flow.outlet_lps, flow.elsewhere_lps)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(worlds())
def test_what_leaves_the_gallery_is_drawn_lost_runs_on_or_is_in_the_tank(world: World) -> None:
    flow, at = budget(world)
    used = volume(flow.delivery_lps, flow.loss_lps, flow.overflow_lps) + change(at.tank_m3)

    assert used == pytest.approx(volume(flow.outlet_lps), rel=1e-3, abs=1e-9)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(worlds())
def test_no_flow_volume_or_level_is_below_nothing(world: World) -> None:
    flow, _ = budget(world)

    for name in Water.__slots__:
        assert getattr(flow, name).min() >= -1e-12, name
        assert np.isfinite(getattr(flow, name)).all(), name


@settings(max_examples=15, deadline=None, derandomize=True)
@given(worlds(), st.data())
def test_whoever_asks_and_in_whatever_order_sees_the_same_water(
    world: World, data: st.DataObject
) -> None:
    kahriz = world.scenario.kahriz[0]
    at_once = world.water(kahriz, MIDDLES[:4000])
    other = World(world.scenario, world.seed, LIVE)

    for _ in range(4):
        i = data.draw(st.integers(0, 3999))
        alone = other.water(kahriz, MIDDLES[i : i + 1])
        for name in Water.__slots__:
            assert getattr(alone, name)[0] == getattr(at_once, name)[i], name
