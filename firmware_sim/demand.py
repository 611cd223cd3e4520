"""Who draws the water, and when: a village by the hour of its day, or gardens by turns."""

from __future__ import annotations

from typing import Literal
from zoneinfo import ZoneInfo

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from firmware_sim.chance import Floats, TimesMs, key, smooth
from firmware_sim.hydrology import DAY_MS, HOUR_MS
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


class Delivery(BaseModel):
    """What the delivery line, or the canal, takes from the outlet."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    pattern: Literal["drinking", "turns"] = "drinking"
    mean_lps: float = Field(1.0, ge=0)
    """Drinking: mean demand of a day [L/s]."""
    swing: float = Field(1.0, ge=0, le=1)
    """Drinking: how much the hour of the day matters; 0 for taps that always run."""
    noise: float = Field(0.03, ge=0, le=0.5)
    """Smooth variation, standard deviation as a part of the demand."""
    turns_h: tuple[tuple[float, float, float], ...] = ()
    """Turns: (from, to, share of the outlet), local hours of the day."""
    timezone: str = "Asia/Baku"

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
        return self


def _local_ms(time_ms: TimesMs, zone: ZoneInfo) -> TimesMs:
    """Return milliseconds (n,) since 1970 as the local wall clock shows them."""
    hours, at = np.unique(time_ms // HOUR_MS, return_inverse=True)
    offsets = [from_ms(int(h) * HOUR_MS).astimezone(zone).utcoffset() for h in hours]
    offset_ms = np.array([o.total_seconds() * 1000 if o else 0 for o in offsets])
    return time_ms + offset_ms.astype(np.int64)[at]


def _drinking(delivery: Delivery, seed: int, time_ms: TimesMs) -> Floats:
    local = _local_ms(time_ms, ZoneInfo(delivery.timezone))
    hour = (local % DAY_MS) / HOUR_MS
    # The table's figures stand at the middle of their hours.
    day = np.interp(hour, np.arange(24) + 0.5, _VILLAGE_DAY, period=24)
    friday = np.where((local // DAY_MS + 3) % 7 == 4, 1.05, 1.0)
    wandering = smooth(key(seed, "demand"), time_ms, 20 * 60_000)
    factor = (1.0 + delivery.swing * (day - 1.0)) * friday
    return np.asarray(delivery.mean_lps * factor * (1.0 + delivery.noise * wandering))


def _turns(delivery: Delivery, time_ms: TimesMs) -> Floats:
    """Return the share (n,) of the outlet that the turn of the hour may take."""
    of_day = _local_ms(time_ms, ZoneInfo(delivery.timezone)) % DAY_MS
    share = np.zeros(len(time_ms))
    for start, end, part in delivery.turns_h:
        opening = np.clip((of_day - start * HOUR_MS) / _GATE_MS, 0.0, 1.0)
        closing = np.clip((end * HOUR_MS - of_day) / _GATE_MS, 0.0, 1.0)
        whole_day = start == 0 and end == 24
        share = np.maximum(share, part if whole_day else part * np.minimum(opening, closing))
    return share


def delivered(delivery: Delivery, seed: int, time_ms: TimesMs, outlet_lps: Floats) -> Floats:
    """Return what the line carries (n,) [L/s]: the demand, never more than the outlet gives."""
    if delivery.pattern == "turns":
        loss = 1.0 - delivery.noise * np.abs(smooth(key(seed, "demand"), time_ms, HOUR_MS))
        return np.asarray(outlet_lps * _turns(delivery, time_ms) * np.clip(loss, 0.0, 1.0))
    return np.minimum(_drinking(delivery, seed, time_ms), outlet_lps)
