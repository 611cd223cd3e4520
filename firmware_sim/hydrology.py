"""The water of one kahriz: a small but honest model of its source, gallery and outlet.

The source's discharge is a season's shape, plus what rain and snowmelt add and the aquifer gives
back slowly (linear reservoir: a rise of hours, a recession of days), plus smooth noise of a few
hours. The water level in a shaft upstream follows the discharge. All of it is a pure function of
(seed, time): nothing is integrated, so a restart resumes anywhere.

Limits: no public hydrograph of an Azerbaijani kahriz's year was found, so the season's shape is a
parameter; rain falls alike in all months; storage in the gallery exists only where a trouble
(see `firmware_sim.trouble`) speaks of it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from firmware_sim.chance import Floats, TimesMs, key, normal, smooth, uniform

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
YEAR_DAYS = 365.25
_MEMORY_DAYS = 90
"""Days after which a rain is forgotten: 10 recession times at the longest allowed one."""

_CONFIG = ConfigDict(frozen=True, extra="forbid")


class Source(BaseModel):
    """Where the water comes from."""

    model_config = _CONFIG
    discharge_lps: float = Field(gt=0, le=500)
    """Middle of the year's range [L/s]."""
    season: Literal["flat", "sinusoid", "recession"] = "recession"
    """Shape of the year: none, a sine, or a rise in spring and a Maillet recession after it."""
    swing: float = Field(0.1, ge=0, lt=1)
    """Half the season's range, as a part of `discharge_lps`."""
    peak_day: float = Field(135.0, ge=0, le=366)
    """Day of the year with the most water; 135 is mid May."""
    rains_per_year: float = Field(40.0, ge=0, le=365)
    rain_lps: float = Field(0.05, ge=0)
    """Mean height of what one rain adds [L/s]."""
    rain_rise_h: float = Field(18.0, gt=0, le=240)
    rain_recession_d: float = Field(6.0, gt=0, le=9)
    melt_lps: float = Field(0.0, ge=0)
    """Snowmelt at its height [L/s]."""
    melt_day: float = Field(100.0, ge=0, le=366)
    melt_days: float = Field(15.0, gt=0, le=90)
    noise: float = Field(0.006, ge=0, le=0.2)
    """Smooth natural variation, standard deviation as a part of the discharge."""


class Shaft(BaseModel):
    """The water level in a shaft upstream of the outlet."""

    model_config = _CONFIG
    stage_m: float = Field(1.2, ge=0, le=60)
    """Level at the source's `discharge_lps` [m]."""
    gain_m: float = Field(0.4, ge=0, le=10)
    """How much higher it stands at twice that discharge [m]."""
    noise_m: float = Field(0.002, ge=0, le=1)


@dataclass(slots=True)
class Water:
    """What the water of one kahriz does at n instants; each array (n,)."""

    source_lps: Floats
    outlet_lps: Floats
    shaft_stage_m: Floats
    delivery_lps: Floats
    turbidity_ntu: Floats
    water_temperature_degc: Floats


def _year_part(time_ms: TimesMs, day: float) -> Floats:
    """Return days (n,) since the last `day` of the year, in [0, 365.25)."""
    return np.asarray((time_ms / DAY_MS - day) % YEAR_DAYS)


def _flat(time_ms: TimesMs, peak_day: float) -> Floats:
    return np.zeros(len(time_ms))


def _sinusoid(time_ms: TimesMs, peak_day: float) -> Floats:
    return np.asarray(np.cos(2.0 * np.pi * _year_part(time_ms, peak_day) / YEAR_DAYS))


def _recession(time_ms: TimesMs, peak_day: float, rise_days: float = 50.0) -> Floats:
    """Fall as exp(-at) to the year's least, then rise in `rise_days` before the next peak."""
    since = _year_part(time_ms, peak_day)
    fall_days = YEAR_DAYS - rise_days
    least = np.exp(-3.0)
    falling = (np.exp(-3.0 * since / fall_days) - least) / (1.0 - least)
    rising = 0.5 - 0.5 * np.cos(np.pi * (since - fall_days) / rise_days)
    return np.asarray(2.0 * np.where(since < fall_days, falling, rising) - 1.0)


SEASONS: dict[str, Callable[[TimesMs, float], Floats]] = {
    "flat": _flat,
    "sinusoid": _sinusoid,
    "recession": _recession,
}
"""Shape of a year in [-1, 1], highest on the peak day."""


def season_factor(source: Source, time_ms: TimesMs) -> Floats:
    """Return what the season multiplies the discharge by (n,)."""
    return 1.0 + source.swing * SEASONS[source.season](time_ms, source.peak_day)


def rain_discharge(source: Source, seed: int, time_ms: TimesMs) -> Floats:
    """Return what earlier rains add (n,) [L/s]: at most one rain a day, each a slow pulse."""
    added = np.zeros(len(time_ms))
    if not len(time_ms):
        return added
    days = np.arange(time_ms.min() // DAY_MS - _MEMORY_DAYS, time_ms.max() // DAY_MS + 1)
    days = days[uniform(seed, days) < source.rains_per_year / YEAR_DAYS]
    starts = days * DAY_MS + (uniform(seed, days, 1) * DAY_MS).astype(np.int64)
    heights = -np.log(uniform(seed, days, 2)) * source.rain_lps
    rise_ms, fall_ms = source.rain_rise_h * HOUR_MS, source.rain_recession_d * DAY_MS
    since = time_ms[np.newaxis, :] - starts[:, np.newaxis]
    since = np.where(since < _MEMORY_DAYS * DAY_MS, np.maximum(since, 0), 0)
    pulses = (1.0 - np.exp(-since / rise_ms)) * np.exp(-since / fall_ms)
    # One after the other: the sum must not depend on how many instants were asked for at once.
    for pulse, height in zip(pulses, heights, strict=True):
        added += height * pulse
    return added


def melt_discharge(source: Source, time_ms: TimesMs) -> Floats:
    """Return what snowmelt adds (n,) [L/s]: a bump in spring with a breath of day and night."""
    half = YEAR_DAYS / 2
    away = (_year_part(time_ms, source.melt_day) + half) % YEAR_DAYS - half
    bump = np.exp(-0.5 * (away / source.melt_days) ** 2)
    daily = 1.0 + 0.1 * np.sin(2.0 * np.pi * (time_ms % DAY_MS) / DAY_MS)
    return np.asarray(source.melt_lps * bump * daily)


def source_discharge(source: Source, seed: int, time_ms: TimesMs, rain_lps: Floats) -> Floats:
    """Return the source's discharge (n,) [L/s], never below 0, `rain_lps` (n,) included."""
    wandering = smooth(key(seed, "source"), time_ms, 6 * HOUR_MS)
    discharge = source.discharge_lps * season_factor(source, time_ms)
    discharge += rain_lps
    discharge += melt_discharge(source, time_ms)
    return np.maximum(discharge * (1.0 + source.noise * wandering), 0.0)


def shaft_stage(shaft: Shaft, source: Source, seed: int, time_ms: TimesMs, lps: Floats) -> Floats:
    """Return the level (n,) [m] in the shaft at the source's discharge `lps` (n,)."""
    excess = lps / source.discharge_lps - 1.0
    wandering = smooth(key(seed, "shaft"), time_ms, 2 * HOUR_MS)
    return np.asarray(shaft.stage_m + shaft.gain_m * excess + shaft.noise_m * wandering)


def natural_water(source: Source, shaft: Shaft, seed: int, time_ms: TimesMs) -> Water:
    """Return the water at `time_ms` (n,) as nature alone would have it, nobody drawing any."""
    rain = rain_discharge(source, key(seed, "rain"), time_ms)
    lps = source_discharge(source, seed, time_ms, rain)
    clear = 0.8 + 0.15 * np.abs(normal(key(seed, "turbidity"), time_ms))
    warmth = 13.5 + 0.5 * _sinusoid(time_ms, 240.0)
    return Water(
        source_lps=lps,
        outlet_lps=lps.copy(),
        shaft_stage_m=shaft_stage(shaft, source, seed, time_ms, lps),
        delivery_lps=np.zeros(len(time_ms)),
        turbidity_ntu=clear + 8.0 * rain / source.discharge_lps,
        water_temperature_degc=warmth,
    )
