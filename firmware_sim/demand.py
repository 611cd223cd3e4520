"""Who draws the water, and when: a village by the hour of its day, or gardens by turns.

What they get of it is a matter of the water there is: `firmware_sim.village`.
"""

from __future__ import annotations

from typing import Literal
from zoneinfo import ZoneInfo

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from firmware_sim.chance import Floats, TimesMs, key, smooth
from firmware_sim.hydrology import DAY_MS, HOUR_MS, YEAR_DAYS, year_part
from kahriz.clock import from_ms

# Drawn at each hour of the local day as a part of the mean: little at night, a peak in the
# morning, a second one at dusk. Mean 1.
_VILLAGE_DAY = np.array(
    [
        *(0.35, 0.30, 0.30, 0.30, 0.40, 0.75, 1.40, 1.85, 1.75, 1.40, 1.15, 1.05),
        *(1.10, 1.05, 0.95, 0.95, 1.05, 1.25, 1.55, 1.60, 1.30, 1.00, 0.70, 0.50),
    ]
)
_VILLAGE_DAY /= _VILLAGE_DAY.mean()
_GATE_MS = 10 * 60_000
"""Opening or closing the gate of a turn takes this long."""


class Reservoir(BaseModel):
    """A tank, or the pool of a garden, between outlet and line: full by night, drawn by day."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    volume_m3: float = Field(gt=0, le=100_000)
    depth_m: float = Field(2.5, gt=0, le=20)
    """Level when it is full [m]."""


class Delivery(BaseModel):
    """What the delivery line, or the canal, takes from the outlet."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    pattern: Literal["drinking", "turns"] = "drinking"
    mean_lps: float = Field(1.0, ge=0)
    """Mean demand of a day [L/s]; of turns, where a reservoir is: what a whole share draws."""
    swing: float = Field(1.0, ge=0, le=1)
    """Drinking: how much the hour of the day matters; 0 for taps that always run."""
    summer: float = Field(0.0, ge=0, le=1)
    """How much more than the mean is drawn around `summer_day`, and less half a year later."""
    summer_day: float = Field(200.0, ge=0, le=366)
    noise: float = Field(0.03, ge=0, le=0.5)
    """Drinking: smooth variation, standard deviation as a part. Turns: what seeps away, at most."""
    turns_h: tuple[tuple[float, float, float], ...] = ()
    """Turns: (from, to, share of the outlet), local hours of the day."""
    turn_days: tuple[float, ...] = ()
    """Turns of whole days (birgunluk su): each day's part of the shares, over and over."""
    meter: Literal["start", "end"] | None = None
    """Where the line's meter stands; by default a pipe's at its start, a canal's at its end."""
    reservoir: Reservoir | None = None
    timezone: str = "Asia/Baku"

    @property
    def is_metered_at_start(self) -> bool:
        """Whether what is lost on the way has passed the meter."""
        return self.meter == "start" or (self.meter is None and self.pattern == "drinking")

    @field_validator("timezone")
    @classmethod
    def _zone_exists(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (KeyError, ValueError, OSError) as error:
            raise ValueError(f"{name!r} is no IANA time zone") from error
        return name

    @model_validator(mode="after")
    def _turns_are_in_a_day(self) -> Delivery:
        if self.pattern == "turns" and not self.turns_h:
            raise ValueError("pattern 'turns' needs turns_h = [[from, to, share], ...]")
        for start, end, share in self.turns_h:
            if not (0 <= start < end <= 24 and 0 <= share <= 1):
                raise ValueError(
                    f"turn {[start, end, share]}: not 0 <= from < to <= 24, share 0..1"
                )
        if self.turn_days and self.pattern != "turns":
            raise ValueError(f"turn_days are for pattern 'turns', not {self.pattern!r}")
        for part in self.turn_days:
            if not 0 <= part <= 1:
                raise ValueError(f"turn_days {list(self.turn_days)}: not all 0..1")
        return self


def local_ms(delivery: Delivery, time_ms: TimesMs) -> TimesMs:
    """Return milliseconds (n,) since 1970 as the village's wall clock shows them."""
    zone = ZoneInfo(delivery.timezone)
    hours, at = np.unique(time_ms // HOUR_MS, return_inverse=True)
    offsets = [from_ms(int(h) * HOUR_MS).astimezone(zone).utcoffset() for h in hours]
    offset_ms = np.array([o.total_seconds() * 1000 if o else 0 for o in offsets])
    return time_ms + offset_ms.astype(np.int64)[at]


def asked(
    delivery: Delivery, seed: int, time_ms: TimesMs, local: TimesMs, outlet_lps: Floats
) -> Floats:
    """Return what people would draw (n,) [L/s] at `local` time (n,) if there was enough."""
    season = 1.0 + delivery.summer * np.cos(
        2.0 * np.pi * year_part(time_ms, delivery.summer_day) / YEAR_DAYS
    )
    if delivery.pattern == "drinking":
        return _drinking(delivery, seed, time_ms, local) * season
    share = _turns(delivery, local)
    return share * (outlet_lps if delivery.reservoir is None else delivery.mean_lps) * season


def seeping(delivery: Delivery, seed: int, time_ms: TimesMs) -> Floats:
    """Return the part (n,) of a canal's water that seeps away; a pipe's is none."""
    if delivery.pattern == "drinking":
        return np.zeros(len(time_ms))
    part = delivery.noise * np.abs(smooth(key(seed, "demand"), time_ms, HOUR_MS))
    return np.clip(part, 0.0, 1.0)


def _drinking(delivery: Delivery, seed: int, time_ms: TimesMs, local: TimesMs) -> Floats:
    hour = (local % DAY_MS) / HOUR_MS
    # The table's figures stand at the middle of their hours.
    day = np.interp(hour, np.arange(24) + 0.5, _VILLAGE_DAY, period=24)
    friday = np.where((local // DAY_MS + 3) % 7 == 4, 1.05, 1.0)
    wandering = smooth(key(seed, "demand"), time_ms, 20 * 60_000)
    factor = (1.0 + delivery.swing * (day - 1.0)) * friday
    return np.asarray(delivery.mean_lps * factor * (1.0 + delivery.noise * wandering))


def _turns(delivery: Delivery, local: TimesMs) -> Floats:
    """Return the share (n,) of the water that the turn of the hour and day may take."""
    of_day = local % DAY_MS
    share = np.zeros(len(local))
    for start, end, part in delivery.turns_h:
        opening = np.clip((of_day - start * HOUR_MS) / _GATE_MS, 0.0, 1.0)
        closing = np.clip((end * HOUR_MS - of_day) / _GATE_MS, 0.0, 1.0)
        whole_day = start == 0 and end == 24
        share = np.maximum(share, part if whole_day else part * np.minimum(opening, closing))
    if delivery.turn_days:
        share *= np.array(delivery.turn_days)[local // DAY_MS % len(delivery.turn_days)]
    return share
