"""Troubles of one sensor alone: the water is well, and the other sensors say so."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from pydantic import Field

from firmware_sim.chance import Floats, TimesMs, key, uniform
from firmware_sim.trouble import Measure, Trouble


class Spike(Trouble):
    """Single values far off: a bubble, a frog, a loose plug.

    `severity` is the height in the channel's unit; `share` of the values is hit, either way.
    """

    needs: ClassVar[str] = "channel"
    severity: float = Field(1.0, gt=0)
    share: float = Field(0.1, gt=0, le=1)

    def change_values(self, values: Floats, time_ms: TimesMs, measure: Measure) -> Floats:
        """Throw some values up or down."""
        chance = key(0, self.device, self.channel, str(self.at_h))
        is_hit = self.is_on(time_ms) & (uniform(chance, time_ms) < self.share)
        sign = np.where(uniform(chance, time_ms, 1) < 0.5, -1.0, 1.0)
        return np.where(is_hit, np.round(values + sign * self.severity, 9), values)


class FlatLine(Trouble):
    """The sensor hangs: it repeats the value it had at the onset."""

    needs: ClassVar[str] = "channel"

    def change_values(self, values: Floats, time_ms: TimesMs, measure: Measure) -> Floats:
        """Repeat one value while it lasts."""
        is_on = self.is_on(time_ms)
        if not is_on.any():
            return values
        held = measure(np.array([self.start_ms], dtype=np.int64))[0]
        return np.where(is_on, held, values)


class BatterySag(Trouble):
    """The panel no longer charges: the voltage falls by `severity` [V] until the end."""

    needs: ClassVar[str] = "device"
    channel: str = "battery_v"
    severity: float = Field(1.5, gt=0, le=12)

    def change_values(self, values: Floats, time_ms: TimesMs, measure: Measure) -> Floats:
        """Take more and more voltage; a new battery ends it at once."""
        part = np.clip(self.hours_since_start(time_ms) / self.duration_h, 0.0, 1.0)
        sagged = np.maximum(np.round(values - self.severity * part, 2), 0.0)
        return np.where(self.is_on(time_ms), sagged, values)
