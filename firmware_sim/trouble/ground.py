"""Troubles of what the ground gives, and floods and lows that are none: flow and level agree."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from pydantic import Field

from firmware_sim.chance import Floats, TimesMs
from firmware_sim.hydrology import DAY_MS
from firmware_sim.trouble.water import WaterTrouble

_FOR_EVER_MS = 1 << 60
_RUN_OFF = 3.0
"""Time constants a flood runs off in."""


def _flood(part: Floats, rise: float) -> Floats:
    """Return a flood's height (n,), 0 to 1: up within `rise` of its time, then running off."""
    risen = 0.5 - 0.5 * np.cos(np.pi * np.minimum(part / rise, 1.0))
    off = np.exp(-_RUN_OFF * np.maximum(part - rise, 0.0) / (1.0 - rise))
    least = np.exp(-_RUN_OFF)
    return np.asarray(risen * (off - least) / (1.0 - least))


class Surge(WaterTrouble):
    """A flood enters by a shaft: discharge, level and turbidity rise together and fall slowly.

    `severity` is the rise of the discharge as a part of it, reached after a seventh of the time.
    """

    severity: float = Field(1.0, gt=0, le=20)
    rise: ClassVar[float] = 0.15
    mud_ntu: ClassVar[float] = 200.0

    @property
    def peak_ms(self) -> int:
        """When it stands highest."""
        return self.start_ms + round((self.end_ms - self.start_ms) * self.rise)

    def flooded(self, time_ms: TimesMs) -> Floats:
        """Bring the flood."""
        return self.severity * _flood(self.part(time_ms), self.rise)

    def stirred_ntu(self, time_ms: TimesMs) -> Floats:
        """Cloud it."""
        return self.mud_ntu * self.flooded(time_ms)


class NaturalFlood(Surge):
    """A wet week: the ground gives more for days, nearly clear. Nobody is to be told.

    `severity` is the rise of the discharge as a part of it, reached half-way through.
    """

    is_natural: ClassVar[bool] = True
    severity: float = Field(0.4, gt=0, le=20)
    rise: ClassVar[float] = 0.5
    mud_ntu: ClassVar[float] = 5.0


class Drought(WaterTrouble):
    """Rain and snow fail: discharge and level fall together, as at the neighbours.

    `severity` is the part of the discharge gone at the end, as far as the aquifer can fall so fast:
    its own recession is the fastest. The next rains bring it back within `recover_d`.
    """

    severity: float = Field(0.4, gt=0, lt=1)
    recover_d: float = Field(30.0, gt=0, le=400)

    @property
    def until_ms(self) -> int:
        """When it has recovered."""
        return self.end_ms + round(self.recover_d * DAY_MS)

    @property
    def peak_ms(self) -> int:
        """Its end."""
        return self.end_ms

    def sustained(self, time_ms: TimesMs) -> Floats:
        """Fall as a recession does, then come back."""
        fallen = (1.0 - self.severity) ** self.part(time_ms)
        back = np.minimum(self.hours_since_end(time_ms) / 24 / self.recover_d, 1.0)
        return np.asarray(fallen + (1.0 - fallen) * (0.5 - 0.5 * np.cos(np.pi * back)))

    def recharged(self, time_ms: TimesMs) -> Floats:
        """Bring so much less rain and snow."""
        return np.where(self.is_on(time_ms), 1.0 - self.severity, 1.0)


class NaturalLow(WaterTrouble):
    """A dry spell as every year has: down, and back again by its end. Nobody is to be told.

    `severity` is the part of the discharge that is missing when it is lowest.
    """

    is_natural: ClassVar[bool] = True
    severity: float = Field(0.15, gt=0, lt=1)
    fall: ClassVar[float] = 0.7
    """Part of its time in which it falls."""

    @property
    def peak_ms(self) -> int:
        """When it is lowest."""
        return self.start_ms + round((self.end_ms - self.start_ms) * self.fall)

    def sustained(self, time_ms: TimesMs) -> Floats:
        """Fall slowly, and come back faster."""
        part = self.part(time_ms)
        phase = np.where(part < self.fall, part / self.fall, (1.0 - part) / (1.0 - self.fall))
        return np.asarray(1.0 - self.severity * (0.5 - 0.5 * np.cos(np.pi * phase)))


class Decline(WaterTrouble):
    """The source itself fails: the water finds another way; discharge and level fall, and stay.

    `severity` is the part of the discharge that is gone at the end; nothing brings it back.
    """

    severity: float = Field(0.3, gt=0, le=1)

    @property
    def until_ms(self) -> int:
        """Never over."""
        return _FOR_EVER_MS

    @property
    def peak_ms(self) -> int:
        """Its end."""
        return self.end_ms

    def captured(self, time_ms: TimesMs) -> Floats:
        """Take more and more until the end, then keep it."""
        return 1.0 - self.severity * self.part(time_ms)


class Overabstraction(WaterTrouble):
    """A tube well nearby drinks the gallery's water: a comb of pumping days, a slow loss below it.

    `severity` is the part of the discharge it takes while it pumps, in the end. The pump starts at
    the onset, and every day at that hour, for `pump_h` (None: 8 to 18, by chance); the gallery
    feels it `lag_h` late. `slow` of the severity stays through the pauses, built up in `slow_d`.
    """

    severity: float = Field(0.3, gt=0, le=1)
    pump_h: float | None = Field(None, gt=0, lt=24)
    lag_h: float = Field(1.5, gt=0, le=12)
    slow: float = Field(0.25, ge=0, le=1)
    slow_d: float = Field(7.0, gt=0)

    @property
    def until_ms(self) -> int:
        """When the ground has filled up again."""
        return self.end_ms + round(8 * self.slow_d * DAY_MS)

    @property
    def peak_ms(self) -> int:
        """Its end."""
        return self.end_ms

    def captured(self, time_ms: TimesMs) -> Floats:
        """Take water by day and, less, by night."""
        rest = np.exp(-self.hours_since_end(time_ms) / 24 / self.slow_d)
        worn = 1.0 - np.exp(-(self._pumped_h(time_ms) / 24) / self.slow_d)
        taken = (1.0 - self.slow) * self._drawdown(time_ms) + self.slow * worn * rest
        return np.asarray(1.0 - self.severity * taken)

    def _pumped_h(self, time_ms: TimesMs) -> Floats:
        return np.minimum(self.hours_since_start(time_ms), self.duration_h)

    def _drawdown(self, time_ms: TimesMs) -> Floats:
        """Return how far the gallery feels the pump (n,), 0 to 1: it lags behind by `lag_h`."""
        pump_h = self.pump_h or 8.0 + 10.0 * self.luck()
        since = self._pumped_h(time_ms)
        day, hour = np.divmod(since, 24.0)
        # What is left of the day before; what is left of two days before is nothing.
        night = (1.0 - np.exp(-pump_h / self.lag_h)) * np.exp((pump_h - 24.0) / self.lag_h)
        left = np.where(day > 0, night, 0.0)
        filled = 1.0 - (1.0 - left) * np.exp(-np.minimum(hour, pump_h) / self.lag_h)
        felt = filled * np.exp(-np.maximum(hour - pump_h, 0.0) / self.lag_h)
        return np.asarray(felt * np.exp(-self.hours_since_end(time_ms) / self.lag_h))
