"""Troubles of the water itself: every sensor that looks at it sees its own side of them."""

from __future__ import annotations

import numpy as np
from pydantic import Field

from firmware_sim.chance import TimesMs
from firmware_sim.hydrology import Water
from firmware_sim.trouble import Trouble


class Blockage(Trouble):
    """A gallery falls in: the outlet starves, the water stands up behind it, then breaks through.

    `severity` is the part of the outlet's discharge that is lost. While it lasts the shaft upstream
    fills towards `rise_m` (95 % of it after `rise_h`). When it is cleared the discharge comes back
    within `clear_min`, the stored water runs off as a turbid surge and the shaft empties.
    """

    severity: float = Field(0.6, gt=0, le=1)
    onset_min: float = Field(10.0, gt=0)
    rise_m: float = Field(0.35, ge=0)
    rise_h: float = Field(1.5, gt=0)
    clear_min: float = Field(20.0, gt=0)
    surge: float = Field(0.25, ge=0)
    """Height of the surge when it clears, as a part of the discharge."""
    surge_h: float = Field(1.0, gt=0)

    def change_water(self, water: Water, time_ms: TimesMs) -> None:
        """Take from the outlet, raise the shaft; afterwards let the stored water go."""
        since, after = self.hours_since_start(time_ms), self.hours_since_end(time_ms)
        closed = np.clip(since * 60 / self.onset_min, 0.0, 1.0)
        opened = np.clip(after * 60 / self.clear_min, 0.0, 1.0)
        release = opened * np.exp(-after / self.surge_h)
        water.outlet_lps *= (1.0 - self.severity * closed * (1.0 - opened)) * (
            1.0 + self.surge * release
        )
        stored = 1.0 - np.exp(-3.0 * np.minimum(since, self.duration_h) / self.rise_h)
        water.shaft_stage_m += self.rise_m * stored * np.exp(-2.0 * after / self.surge_h)
        stirred = closed * np.exp(-since) + 3.0 * release
        water.turbidity_ntu += 150.0 * self.severity * stirred


class Surge(Trouble):
    """A flood enters by a shaft: discharge, level and turbidity rise together and fall slowly.

    `severity` is the rise of the discharge as a part of it, reached half-way through.
    """

    severity: float = Field(1.0, gt=0, le=20)
    rise_m: float = Field(0.3, ge=0)

    def change_water(self, water: Water, time_ms: TimesMs) -> None:
        """Add a hump that begins and ends at nothing."""
        part = np.clip(self.hours_since_start(time_ms) / self.duration_h, 0.0, 1.0)
        hump = np.sin(np.pi * part) ** 2
        water.outlet_lps *= 1.0 + self.severity * hump
        water.shaft_stage_m += self.rise_m * hump
        water.turbidity_ntu += 200.0 * self.severity * hump


class Decline(Trouble):
    """The source itself fails: discharge and level fall together, and stay down.

    `severity` is the part of the discharge that is gone at the end; nothing brings it back.
    """

    severity: float = Field(0.3, gt=0, le=1)
    fall_m: float = Field(0.2, ge=0)

    def change_water(self, water: Water, time_ms: TimesMs) -> None:
        """Take more and more until the end, then keep it."""
        part = np.clip(self.hours_since_start(time_ms) / self.duration_h, 0.0, 1.0)
        water.source_lps *= 1.0 - self.severity * part
        water.outlet_lps *= 1.0 - self.severity * part
        water.shaft_stage_m -= self.fall_m * part
