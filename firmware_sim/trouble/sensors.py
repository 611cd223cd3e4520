"""Troubles of one sensor alone: the water is well, and the other sensors say so."""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from firmware_sim.chance import Floats, TimesMs, key, normal, smooth, uniform
from firmware_sim.hydrology import DAY_MS, HOUR_MS
from firmware_sim.trouble import Measure, Trouble


class SensorTrouble(Trouble):
    """A trouble of one channel of a device."""

    needs: ClassVar[str] = "channel"

    @property
    def chance(self) -> int:
        """The key of its own chance."""
        return key(0, self.device, self.channel, str(self.at_h))


class Spike(SensorTrouble):
    """Single values far off: a bubble, a frog, a loose plug.

    `severity` is the height in the channel's unit; `share` of the values is hit, either way.
    """

    severity: float = Field(1.0, gt=0)
    share: float = Field(0.1, gt=0, le=1)

    def change_values(self, values: Floats, time_ms: TimesMs, measure: Measure) -> Floats:
        """Throw some values up or down."""
        is_hit = self.is_on(time_ms) & (uniform(self.chance, time_ms) < self.share)
        sign = np.where(uniform(self.chance, time_ms, 1) < 0.5, -1.0, 1.0)
        return np.where(is_hit, values + sign * self.severity, values)


class FlatLine(SensorTrouble):
    """The sensor hangs: it repeats the value it had at the onset."""

    def change_values(self, values: Floats, time_ms: TimesMs, measure: Measure) -> Floats:
        """Repeat one value while it lasts."""
        is_on = self.is_on(time_ms)
        if not is_on.any():
            return values
        held = measure(np.array([self.start_ms], dtype=np.int64))[0]
        return np.where(is_on, held, values)


class Noise(SensorTrouble):
    """A wet plug, a bad earth: every value is off by chance.

    `severity` is the standard deviation in the channel's unit.
    """

    severity: float = Field(0.1, gt=0)

    def change_values(self, values: Floats, time_ms: TimesMs, measure: Measure) -> Floats:
        """Add noise."""
        added = self.severity * normal(self.chance, time_ms)
        return np.where(self.is_on(time_ms), values + added, values)


class Bias(SensorTrouble):
    """What makes a sensor wrong by `severity`, in its unit, to one side."""

    severity: float = Field(0.1, gt=0)
    towards: Literal["up", "down"] | None = None
    """Which side; None: by chance."""

    @property
    def sign(self) -> float:
        """Which side it is, 1 or -1."""
        if self.towards is None:
            return -1.0 if self.luck() < 0.5 else 1.0
        return 1.0 if self.towards == "up" else -1.0

    def amount(self, time_ms: TimesMs) -> Floats:
        """Return the part (n,) of `severity` it is wrong by while it lasts."""
        return np.ones(len(time_ms))

    def change_values(self, values: Floats, time_ms: TimesMs, measure: Measure) -> Floats:
        """Shift the values; who repairs it at the end sets it right."""
        wrong = values + self.sign * self.severity * self.amount(time_ms)
        return np.where(self.is_on(time_ms), wrong, values)


class Offset(Bias):
    """Somebody moved the sensor: from the onset every value is off by the same."""


class Drift(Bias):
    """The sensor ages: it is wrong by more and more, by `severity` at the end."""

    @property
    def peak_ms(self) -> int:
        """Its end."""
        return self.end_ms

    def amount(self, time_ms: TimesMs) -> Floats:
        """Grow evenly."""
        return self.part(time_ms)


class Fouling(Drift):
    """Lime and algae grow on the sensor: slowly, then faster, and every day a little differently.

    The values waver by a tenth of what they are wrong by. Cleaning ends it.
    """

    def amount(self, time_ms: TimesMs) -> Floats:
        """Grow like what lives, and waver."""
        grown = self.part(time_ms) ** 1.5
        return np.asarray(grown * (1.0 + 0.1 * smooth(self.chance, time_ms, DAY_MS // 4)))


class Ice(Bias):
    """Ice backs up on the weir, or in the tube: the value climbs, most before dawn, and thaws away.

    `severity` is the most it is wrong by.
    """

    towards: Literal["up", "down"] | None = "up"
    dawn_h: float = Field(2.0, ge=0, lt=24)
    """Hour (UTC) of the thickest ice."""

    @property
    def peak_ms(self) -> int:
        """Half-way through."""
        return (self.start_ms + self.end_ms) // 2

    def amount(self, time_ms: TimesMs) -> Floats:
        """Freeze by night, thaw a little by day."""
        spell = np.minimum(4.0 * np.sin(np.pi * self.part(time_ms)), 1.0)
        night = np.cos(2.0 * np.pi * (time_ms - self.dawn_h * HOUR_MS) / DAY_MS)
        return np.asarray(spell * (0.7 + 0.3 * night))


class OutOfRange(Bias):
    """A broken wire: the sensor says what cannot be, `severity` in its unit, below or above 0."""

    severity: float = Field(10.0, gt=0)

    def change_values(self, values: Floats, time_ms: TimesMs, measure: Measure) -> Floats:
        """Say the same nonsense each time."""
        return np.where(self.is_on(time_ms), self.sign * self.severity, values)


class BatterySag(Trouble):
    """The panel no longer charges: the voltage falls by `severity` [V] until the end."""

    needs: ClassVar[str] = "device"
    channel: str = "battery_v"
    severity: float = Field(1.5, gt=0, le=12)

    @property
    def peak_ms(self) -> int:
        """Its end."""
        return self.end_ms

    def change_values(self, values: Floats, time_ms: TimesMs, measure: Measure) -> Floats:
        """Take more and more voltage; a new battery ends it at once."""
        sagged = np.maximum(values - self.severity * self.part(time_ms), 0.0)
        return np.where(self.is_on(time_ms), sagged, values)
