"""What a kahriz's water is: its source, the shape of its year, its shafts, and what it does.

The words and parameters; `firmware_sim.climate` has rain and snow, `firmware_sim.aquifer` the
body of water they feed, `firmware_sim.spring` puts them together down to the outlet,
`firmware_sim.demand` says what people ask for, `firmware_sim.village` what they get of it. All of
it is a pure function of (seed, time): a restart resumes anywhere.

Limits: no public hydrograph of an Azerbaijani kahriz's year was found, so the season's shape is a
parameter.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from firmware_sim.chance import Floats, TimesMs

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
YEAR_DAYS = 365.25
ORIGIN_MS = 946_684_800_000
"""2000-01-01T00:00:00Z: no water is known before."""

_CONFIG = ConfigDict(frozen=True, extra="forbid")


class Source(BaseModel):
    """Where the water comes from."""

    model_config = _CONFIG
    discharge_lps: float = Field(gt=0, le=500)
    """Middle of the year's range [L/s]."""
    season: Literal["flat", "sinusoid", "recession", "table"] = "recession"
    """Shape of the year: none, a sine, a rise in spring and a recession after it, or `months`."""
    swing: float = Field(0.1, ge=0, lt=1)
    """Half the season's range, as a part of `discharge_lps`."""
    peak_day: float = Field(135.0, ge=0, le=366)
    """Day of the year with the most water; 135 is mid May."""
    months: tuple[float, ...] = ()
    """Season ``table``: each month's discharge from January on, as a part of `discharge_lps`."""
    recession: Literal["maillet", "boussinesq"] = "maillet"
    """How the aquifer runs dry: Q0 exp(-t/T), or the quadratic Q0 / (1 + t/2T)^2."""
    recession_d: float = Field(90.0, ge=10, le=3000)
    """T: days in which it would run dry at the rate it falls at first, when nothing recharges."""
    climate: str = Field("", pattern=r"^[a-z0-9-]{0,40}$")
    """Kahrizes with the same one have the same rains and snow; empty: its own."""
    rains_per_year: float = Field(40.0, ge=0, le=365)
    rain_swing: float = Field(0.0, ge=0, le=1)
    """How much likelier a rain is around `rain_day` than half a year later."""
    rain_day: float = Field(120.0, ge=0, le=366)
    rain_lps: float = Field(0.05, ge=0)
    """Mean height of what one rain adds [L/s]."""
    rain_rise_h: float = Field(18.0, gt=0, le=240)
    rain_recession_d: float = Field(6.0, gt=0, le=9)
    melt_lps: float = Field(0.0, ge=0)
    """Snowmelt at its height in a usual year [L/s]."""
    melt_day: float = Field(100.0, ge=0, le=366)
    melt_days: float = Field(15.0, gt=0, le=45)
    trees: float = Field(0.0, ge=0, le=0.5)
    """Part of the discharge that roots drink on an afternoon at the height of summer."""
    trees_h: float = Field(11.0, ge=0, lt=24)
    """Hour (UTC) at which they drink most; 11 is 15 local time in Baku."""
    noise: float = Field(0.006, ge=0, le=0.2)
    """Natural variation within hours, standard deviation as a part of the discharge."""

    @model_validator(mode="after")
    def _table_has_twelve(self) -> Source:
        if self.season == "table" and len(self.months) != 12:
            raise ValueError(f"season 'table' needs months = [12 parts], not {len(self.months)}")
        if self.months and self.season != "table":
            raise ValueError(f"months are for season 'table', not {self.season!r}")
        if any(not 0 < part <= 10 for part in self.months):
            raise ValueError(f"months {list(self.months)}: not all above 0 and at most 10")
        return self


class Shaft(BaseModel):
    """The water level in a shaft."""

    model_config = _CONFIG
    stage_m: float = Field(1.2, ge=0, le=60)
    """Level at the source's `discharge_lps` [m]."""
    gain_m: float = Field(0.4, ge=0, le=10)
    """How much higher it stands at twice that discharge [m]."""
    noise_m: float = Field(0.002, ge=0, le=1)


class Shafts(NamedTuple):
    """The shafts of one kahriz that a level may be measured in, from the upper end down."""

    mother_well: Shaft
    """Bas quyu, the first one."""
    shaft: Shaft
    """Upstream of where a gallery usually falls in."""
    lower_shaft: Shaft
    """Downstream of it."""


@dataclass(slots=True)
class Water:
    """What the water of one kahriz does at n instants; each array (n,).

    Two budgets close: what recharges the aquifer = `outlet_lps` + `elsewhere_lps` + change of
    `storage_m3`; and `outlet_lps` = `delivery_lps` + `loss_lps` + `overflow_lps` + change of
    `tank_m3`.
    """

    recharge_lps: Floats
    """Season, rain, snow and floods; rain spread over its day."""
    storage_m3: Floats
    """Water in the ground above the outlet."""
    source_lps: Floats
    """What the gallery would give if it were free."""
    elsewhere_lps: Floats
    """What the ground gives to tube wells, roots, or other ways."""
    outlet_lps: Floats
    mother_well_stage_m: Floats
    shaft_stage_m: Floats
    lower_shaft_stage_m: Floats
    turbidity_ntu: Floats
    water_temperature_degc: Floats
    line_lps: Floats
    """What a meter on the delivery line says."""
    delivery_lps: Floats
    """What people get."""
    loss_lps: Floats
    """Seepage, leaks, and what is taken without right."""
    overflow_lps: Floats
    """What nobody takes: it runs on."""
    tank_m3: Floats
    reservoir_stage_m: Floats

    @classmethod
    def still(cls, n: int) -> Water:
        """Return no water at all at n instants."""
        return cls(**{name: np.zeros(n) for name in cls.__slots__})


def year_part(time_ms: TimesMs, day: float) -> Floats:
    """Return days (n,) since the last `day` of the year, in [0, 365.25)."""
    return np.asarray((time_ms / DAY_MS - day) % YEAR_DAYS)


def _flat(time_ms: TimesMs, peak_day: float) -> Floats:
    return np.zeros(len(time_ms))


def _sinusoid(time_ms: TimesMs, peak_day: float) -> Floats:
    return np.asarray(np.cos(2.0 * np.pi * year_part(time_ms, peak_day) / YEAR_DAYS))


def _recession(time_ms: TimesMs, peak_day: float, rise_days: float = 50.0) -> Floats:
    """Fall as exp(-at) to the year's least, then rise in `rise_days` before the next peak."""
    since = year_part(time_ms, peak_day)
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
    if source.season == "table":
        month = year_part(time_ms, 0.0) / YEAR_DAYS * 12.0
        return np.asarray(np.interp(month, np.arange(12) + 0.5, source.months, period=12.0))
    return 1.0 + source.swing * SEASONS[source.season](time_ms, source.peak_day)


def warmth(time_ms: TimesMs) -> Floats:
    """Return the water's temperature (n,) [degC]: the ground's, a breath of the year in it."""
    return 13.5 + 0.5 * _sinusoid(time_ms, 240.0)
