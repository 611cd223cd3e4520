"""Troubles of the gallery: what does not come out stays behind, and stands up in the shafts.

They do not change what the ground gives: held back, the water waits in gallery and aquifer, and
comes once the way is free.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from pydantic import Field

from firmware_sim.chance import Floats, TimesMs
from firmware_sim.hydrology import HOUR_MS
from firmware_sim.trouble.water import WaterTrouble

_FORGOTTEN = 8.0
"""Time constants after which what was stored has run off: 3e-4 is left."""


class Blockage(WaterTrouble):
    """A gallery falls in: the outlet starves, the water stands up behind it, then breaks through.

    `severity` is the part of the outlet's discharge that is lost. While it lasts the shaft upstream
    fills towards `rise_m` (95 % of it after `rise_h`). When it is cleared the discharge comes back
    within `clear_min`, the stored water runs off as a turbid surge and the shaft empties.
    """

    dammed_m: ClassVar[tuple[float, float]] = (0.1, 1.0)
    """Between what chance chooses `rise_m` where nobody says it, times the severity."""

    severity: float = Field(0.6, gt=0, le=1)
    onset_min: float = Field(10.0, gt=0)
    rise_m: float | None = Field(None, ge=0)
    rise_h: float = Field(1.5, gt=0)
    clear_min: float = Field(20.0, gt=0)
    surge: float = Field(0.25, ge=0, le=5)
    """Height of the surge when it clears, as a part of the discharge."""
    surge_h: float = Field(1.0, gt=0)

    @property
    def until_ms(self) -> int:
        """When the surge is over."""
        hours = self.clear_min / 60 + _FORGOTTEN * self.surge_h
        return self.end_ms + round(hours * HOUR_MS)

    @property
    def peak_ms(self) -> int:
        """When it is shut."""
        return min(self.start_ms + round(self.onset_min / 60 * HOUR_MS), self.end_ms)

    @property
    def height_m(self) -> float:
        """How high the water comes to stand behind it."""
        if self.rise_m is not None:
            return self.rise_m
        low, high = self.dammed_m
        return self.severity * (low + (high - low) * self.luck())

    def closed(self, time_ms: TimesMs) -> Floats:
        """Return how far it has shut (n,), 0 to 1, as if nobody ever cleared it."""
        return np.clip(self.hours_since_start(time_ms) * 60 / self.onset_min, 0.0, 1.0)

    def opened(self, time_ms: TimesMs) -> Floats:
        """Return how far it has been cleared (n,), 0 to 1."""
        return np.clip(self.hours_since_end(time_ms) * 60 / self.clear_min, 0.0, 1.0)

    def release(self, time_ms: TimesMs) -> Floats:
        """Return how hard what was stored runs off (n,), 0 to 1."""
        return self.opened(time_ms) * np.exp(-self.hours_since_end(time_ms) / self.surge_h)

    def passing(self, time_ms: TimesMs) -> Floats:
        """Take from the outlet; afterwards let the stored water go."""
        shut = self.severity * self.closed(time_ms) * (1.0 - self.opened(time_ms))
        return np.asarray((1.0 - shut) * (1.0 + self.surge * self.release(time_ms)))

    def raised_m(self, time_ms: TimesMs) -> Floats:
        """Fill the shaft, then empty it."""
        since = np.minimum(self.hours_since_start(time_ms), self.duration_h)
        stored = 1.0 - np.exp(-3.0 * since / self.rise_h)
        emptied = np.exp(-2.0 * self.hours_since_end(time_ms) / self.surge_h)
        return np.asarray(self.height_m * stored * emptied)

    def stirred_ntu(self, time_ms: TimesMs) -> Floats:
        """Cloud the water when it falls in, and more when it breaks through."""
        falling = self.closed(time_ms) * np.exp(-self.hours_since_start(time_ms))
        return np.asarray(150.0 * self.severity * (falling + 3.0 * self.release(time_ms)))


class GradualBlockage(Blockage):
    """Stones and roots close the gallery in days; the water rises behind them as they do.

    It is as shut as it gets after `ramp` of its duration.
    """

    severity: float = Field(0.4, gt=0, le=1)
    ramp: float = Field(0.7, gt=0, le=1)
    surge: float = Field(0.15, ge=0, le=5)
    surge_h: float = Field(2.0, gt=0)

    @property
    def peak_ms(self) -> int:
        """When it is shut."""
        return self.start_ms + round((self.end_ms - self.start_ms) * self.ramp)

    def closed(self, time_ms: TimesMs) -> Floats:
        """Close bit by bit."""
        return np.minimum(self.part(time_ms) / self.ramp, 1.0)

    def raised_m(self, time_ms: TimesMs) -> Floats:
        """Rise as it closes."""
        emptied = np.exp(-2.0 * self.hours_since_end(time_ms) / self.surge_h)
        return np.asarray(self.height_m * self.closed(time_ms) * emptied)

    def stirred_ntu(self, time_ms: TimesMs) -> Floats:
        """Cloud the water a little while it closes, and when it is cleared."""
        part = self.part(time_ms)
        closing = 0.02 * ((part > 0.0) & (part < 1.0))
        return np.asarray(150.0 * self.severity * (closing + self.release(time_ms)))


class Silting(GradualBlockage):
    """Mud settles in the gallery for months, until the crew cleans it within `clear_min`.

    `severity` is the part of the discharge lost at the end.
    """

    severity: float = Field(0.25, gt=0, le=1)
    ramp: float = Field(1.0, gt=0, le=1)
    dammed_m: ClassVar[tuple[float, float]] = (0.1, 0.5)
    clear_min: float = Field(1440.0, gt=0)
    surge: float = Field(0.0, ge=0, le=5)
    surge_h: float = Field(24.0, gt=0)


class Debris(Blockage):
    """Aval: a cloudburst comes down the shafts, and leaves stones and mud in the gallery.

    From the onset the water rises by `flood`, within `flood_h`, brown; at half of that time the
    gallery shuts within `onset_min`. `severity` is what is lost until the crew has cleared it.
    """

    severity: float = Field(0.5, gt=0, le=1)
    onset_min: float = Field(60.0, gt=0)
    flood: float = Field(0.6, ge=0, le=20)
    flood_h: float = Field(8.0, gt=0)

    @property
    def peak_ms(self) -> int:
        """When it is shut."""
        hours = self.flood_h / 2 + self.onset_min / 60
        return min(self.start_ms + round(hours * HOUR_MS), self.end_ms)

    def hours_since_start(self, time_ms: TimesMs) -> Floats:
        """Return hours (n,) since the stones came."""
        return np.maximum(super().hours_since_start(time_ms) - self.flood_h / 2, 0.0)

    def flooded(self, time_ms: TimesMs) -> Floats:
        """Bring the flood."""
        part = np.clip((time_ms - self.start_ms) / (self.flood_h * HOUR_MS), 0.0, 1.0)
        return np.asarray(self.flood * np.sin(np.pi * part) ** 2)

    def stirred_ntu(self, time_ms: TimesMs) -> Floats:
        """Cloud the water with the flood, and again when the way is free."""
        return super().stirred_ntu(time_ms) + 400.0 * self.flooded(time_ms)
