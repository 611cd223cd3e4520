"""Troubles between outlet and people: the source is well, and the water does not arrive."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from firmware_sim.chance import Floats, TimesMs
from firmware_sim.hydrology import DAY_MS, HOUR_MS
from firmware_sim.trouble.water import WaterTrouble


def _within(local_ms: TimesMs, from_h: float, to_h: float) -> NDArray[np.bool_]:
    """Whether the local hour of each instant (n,) lies in [from, to), over midnight if need be."""
    hour = (local_ms % DAY_MS) / HOUR_MS
    if from_h < to_h:
        return np.asarray((hour >= from_h) & (hour < to_h))
    return np.asarray((hour >= from_h) | (hour < to_h))


class Leak(WaterTrouble):
    """A pipe breaks: water leaves the line day and night, more with every hour until it is found.

    `severity` is the part of the line's usual flow that is lost once it has opened, in `onset_h`.
    """

    severity: float = Field(0.2, gt=0, le=5)
    onset_h: float = Field(3.0, gt=0)

    @property
    def peak_ms(self) -> int:
        """When it is open."""
        return min(self.start_ms + round(self.onset_h * HOUR_MS), self.end_ms)

    def lost(self, time_ms: TimesMs, local_ms: TimesMs) -> Floats:
        """Lose it, until it is mended at the end."""
        opened = np.minimum(self.hours_since_start(time_ms) / self.onset_h, 1.0)
        return np.asarray(self.severity * opened * self.is_on(time_ms))


class IllegalTap(WaterTrouble):
    """Somebody takes water from the line without right, in the same hours every day.

    `severity` is the part of the line's usual flow; the hours are local, `from_h` to `to_h`, over
    midnight if they are so. None, by chance: all day (half of them), by night, or by day.
    """

    severity: float = Field(0.15, gt=0, le=5)
    from_h: float | None = Field(None, ge=0, lt=24)
    to_h: float | None = Field(None, gt=0, le=24)

    @model_validator(mode="after")
    def _both_hours_or_none(self) -> IllegalTap:
        if (self.from_h is None) != (self.to_h is None):
            raise ValueError("give from_h and to_h, or neither")
        return self

    def lost(self, time_ms: TimesMs, local_ms: TimesMs) -> Floats:
        """Take it in its hours."""
        is_taken = self.is_on(time_ms) & _within(local_ms, *self._hours())
        return np.where(is_taken, self.severity, 0.0)

    def _hours(self) -> tuple[float, float]:
        if self.from_h is not None and self.to_h is not None:
            return self.from_h, self.to_h
        luck = self.luck()
        if luck < 0.5:
            return 0.0, 24.0
        return (20.0, 6.0) if luck < 0.8 else (6.0, 20.0)


class OverUse(WaterTrouble):
    """People draw more by day than there is: gardens, a feast. Nights are as ever.

    `severity` is the rise of the demand as a part of it, from `from_h` to `to_h` local time.
    """

    severity: float = Field(0.6, gt=0, le=20)
    from_h: float = Field(6.0, ge=0, lt=24)
    to_h: float = Field(22.0, gt=0, le=24)

    def demanded(self, time_ms: TimesMs, local_ms: TimesMs) -> Floats:
        """Ask for more by day."""
        is_more = self.is_on(time_ms) & _within(local_ms, self.from_h, self.to_h)
        return np.where(is_more, 1.0 + self.severity, 1.0)


class TurnViolation(WaterTrouble):
    """Somebody opens a gate when it is not his turn: those whose turn it is get less.

    `severity` is the part of the canal's water, taken from `from_h` to `to_h` local time.
    """

    severity: float = Field(0.4, gt=0, le=1)
    from_h: float = Field(8.0, ge=0, lt=24)
    to_h: float = Field(14.0, gt=0, le=24)

    def diverted(self, time_ms: TimesMs, local_ms: TimesMs) -> Floats:
        """Take it before the line's meter."""
        is_taken = self.is_on(time_ms) & _within(local_ms, self.from_h, self.to_h)
        return np.where(is_taken, self.severity, 0.0)
