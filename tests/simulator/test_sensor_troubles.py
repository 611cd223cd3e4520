"""Sensors that go wrong alone: what they say, and that nothing else changes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from firmware_sim.chance import Floats, TimesMs
from firmware_sim.hydrology import HOUR_MS
from firmware_sim.scenario import find_scenario, load_scenario
from firmware_sim.trouble import TROUBLES
from firmware_sim.trouble.sensors import SensorTrouble
from firmware_sim.world import World
from kahriz import plugins

LIVE = 1_795_348_800_000
DEVICE, CHANNEL = "agh-dere-shaft", "stage_m"
KINDS = [
    kind for kind in TROUBLES if issubclass(plugins.load("trouble", kind, TROUBLES), SensorTrouble)
]


def at(*hours: float) -> TimesMs:
    return np.array([LIVE + round(h * HOUR_MS) for h in hours], dtype=np.int64)


def world_with(*troubles: dict[str, Any]) -> World:
    calm = load_scenario(find_scenario("three_kahrizes"))
    made = tuple(plugins.load("trouble", t["kind"], TROUBLES)(**t) for t in troubles)
    return World(calm.model_copy(update={"trouble": made}), 1, LIVE)


def wrong(kind: str, hours: Floats, duration_h: float = 100, **more: Any) -> Floats:
    """Return by how much the sensor is wrong (n,) [m] at `hours` (n,) after the onset."""
    trouble = {
        "kind": kind, "device": DEVICE, "channel": CHANNEL, "at_h": 0, "duration_h": duration_h
    }  # fmt: skip
    struck, calm = world_with(trouble | more), world_with()
    times = at(*hours)
    return struck.measure(DEVICE, times)[CHANNEL] - calm.measure(DEVICE, times)[CHANNEL]


@pytest.mark.parametrize("kind", KINDS)
def test_a_sensors_trouble_begins_and_ends_with_its_hours_and_leaves_the_rest_alone(
    kind: str,
) -> None:
    trouble = {
        "kind": kind, "device": DEVICE, "channel": CHANNEL, "at_h": 0, "duration_h": 100,
        "severity": 0.5,
    }  # fmt: skip
    struck, calm = world_with(trouble), world_with()
    within = at(*np.arange(0, 100, 0.5))

    for times in (at(-1, -0.1), at(100, 101)):
        assert _differing(struck, calm, times) == set()
    assert _differing(struck, calm, within) == {(DEVICE, CHANNEL)}


def _differing(one: World, other: World, times: TimesMs) -> set[tuple[str, str]]:
    """Return the device and channel of every series that is not the same."""
    return {
        (device, channel)
        for device in one.scenario.devices()
        for channel, values in one.measure(device, times).items()
        if (values != other.measure(device, times)[channel]).any()
    }


def test_a_drift_grows_evenly_to_its_severity() -> None:
    off = wrong("drift", np.array([10.0, 50, 99.99]), severity=0.4, towards="down")

    assert off.tolist() == pytest.approx([-0.04, -0.2, -0.4], abs=1e-3)


def test_an_offset_is_the_same_all_the_time() -> None:
    off = wrong("offset", np.arange(0, 100.0), severity=0.123, towards="up")

    assert off == pytest.approx(0.123, abs=1e-3)


def test_noise_has_its_severity_as_its_spread_and_no_bias() -> None:
    off = wrong("noise", np.arange(0, 1000, 0.25), duration_h=1000, severity=0.05)

    assert off.std() == pytest.approx(0.05, rel=0.05)
    assert abs(off.mean()) < 0.005


def test_fouling_grows_faster_and_faster_and_wavers() -> None:
    off = wrong("fouling", np.arange(0, 800.0), duration_h=800, severity=0.3, towards="up")

    assert off[400] < 0.14
    assert off[790] == pytest.approx(0.3, rel=0.3)
    assert np.diff(off).min() < -0.001


def test_ice_climbs_before_dawn_and_thaws_away() -> None:
    off = wrong("ice", np.arange(0, 96.0), duration_h=96, severity=0.3)
    hour = (at(*np.arange(0, 96.0)) / HOUR_MS) % 24

    assert off[(hour > 0) & (hour < 4)].mean() > off[(hour > 12) & (hour < 16)].mean() + 0.05
    assert off.max() == pytest.approx(0.3, abs=0.01)
    assert off[0] < 0.05
    assert off[95] < 0.05


def test_out_of_range_is_one_figure_that_cannot_be() -> None:
    trouble = {
        "kind": "out_of_range", "device": DEVICE, "channel": CHANNEL, "at_h": 0, "duration_h": 9,
        "severity": 20.0, "towards": "down",
    }  # fmt: skip
    said = world_with(trouble).measure(DEVICE, at(*np.arange(0, 9, 0.25)))[CHANNEL]

    assert set(said.tolist()) == {-20.0}


def test_a_side_that_is_not_given_is_left_to_chance() -> None:
    sides = {float(np.sign(wrong("offset", np.array([h + 1.0]), at_h=h)[0])) for h in range(12)}

    assert sides == {-1.0, 1.0}


def test_a_troubled_sensor_says_whole_steps_of_its_resolution() -> None:
    trouble = {
        "kind": "drift", "device": DEVICE, "channel": CHANNEL, "at_h": 0, "duration_h": 100
    }  # fmt: skip
    said = world_with(trouble).measure(DEVICE, at(*np.arange(0, 100, 0.25)))[CHANNEL]

    assert np.round(said * 1000, 6).tolist() == np.rint(said * 1000).tolist()
