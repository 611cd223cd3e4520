"""What a sensor makes of the water: noise, resolution, and a battery that breathes with the sun."""

from __future__ import annotations

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from firmware_sim.chance import Floats, TimesMs, normal, smooth
from firmware_sim.hydrology import DAY_MS


class Sensor(BaseModel):
    """One measuring element of a device."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    noise: float = Field(0.0, ge=0)
    """Standard deviation of its noise, in the channel's unit."""
    noise_part: float = Field(0.0, ge=0, le=1)
    """Standard deviation as a part of the value, added to `noise`."""
    resolution: float = Field(0.001, gt=0)
    """Smallest step it can say."""


DEFAULT_SENSORS: dict[str, Sensor] = {
    "stage_m": Sensor(noise=0.0006, resolution=0.0005),
    "discharge_lps": Sensor(noise=0.004, noise_part=0.005, resolution=0.01),
    "turbidity_ntu": Sensor(noise_part=0.03, resolution=0.1),
    "water_temperature_degc": Sensor(noise=0.02, resolution=0.01),
    "battery_v": Sensor(noise=0.01, resolution=0.01),
}
"""What is assumed where a scenario says nothing: one good instrument of each kind."""


def measured(sensor: Sensor, key: int, time_ms: TimesMs, truth: Floats) -> Floats:
    """Return what the sensor says (n,) of `truth` (n,): noisy, in whole steps of its resolution."""
    spread = sensor.noise + sensor.noise_part * np.abs(truth)
    return in_steps(sensor, truth + spread * normal(key, time_ms))


def in_steps(sensor: Sensor, values: Floats) -> Floats:
    """Return `values` (n,) as the sensor can say them: in whole steps of its resolution."""
    steps = np.rint(values / sensor.resolution)
    # Rounded once more: 174 steps of 0.0005 are 0.087, not 0.08700000000000001.
    return np.asarray(np.round(steps * sensor.resolution, 9))


def battery_voltage(key: int, time_ms: TimesMs, noon_ms: int = DAY_MS // 3) -> Floats:
    """Return the voltage (n,) [V] of a lead battery with a panel; `noon_ms` after UTC midnight."""
    sun = np.cos(2.0 * np.pi * (time_ms - noon_ms) / DAY_MS)
    weather = smooth(key, time_ms, 2 * DAY_MS)
    return np.asarray(12.65 + 0.25 * np.maximum(sun, -0.4) + 0.06 * weather)
