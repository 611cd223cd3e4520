"""What a device lives on: a lead battery, a solar panel, and the day it does not suffice.

The charge is counted in steps of half an hour from the beginning of the history, so it is the same
whoever asks, whenever. Where it falls below the cut-off the device dies; the sun charges on, and at
the restart voltage it starts anew.

Limits: the load is a mean (what a reading or a payload costs is in it, and does not follow the
interval or the signal); no temperature, no ageing; the battery is full when the history begins.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

from firmware_sim.chance import Floats, TimesMs, smooth
from firmware_sim.hydrology import DAY_MS, HOUR_MS, YEAR_DAYS

_STEP_MS = HOUR_MS // 2
_CHUNK = 48 * 7
_NOON_MS = round((12.0 - 46.5 / 15.0) * HOUR_MS)  # of the sun at 46.5 E, after UTC midnight
_EFFICIENCY = 0.85
_EMPTY_V, _FULL_V, _CHARGING_V = 11.4, 12.75, 0.9

Shade = Callable[[TimesMs], Floats]
"""``shade(time_ms)``: the part (n,) of the sun that reaches the panel."""


class Battery(BaseModel):
    """The battery and the panel of one device."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    capacity_wh: float = Field(84.0, gt=0, le=10_000)
    """84 is 12 V and 7 Ah."""
    panel_w: float = Field(5.0, ge=0, le=1000)
    """In full sun."""
    load_w: float = Field(0.2, gt=0, le=100)
    """What the device takes on the mean, its modem included."""
    clearness: float = Field(0.55, ge=0, le=1)
    """Part of the sun that comes through the clouds, on the mean."""
    clouds: float = Field(0.3, ge=0, le=1)
    """How much that wanders from day to day, standard deviation."""
    latitude_deg: float = Field(40.0, ge=-66, le=66)
    cutoff_v: float = Field(11.6, ge=_EMPTY_V, le=_FULL_V)
    """Below it the device dies."""
    restart_v: float = Field(12.1, ge=_EMPTY_V, le=_FULL_V)
    """At it the device starts again."""

    @model_validator(mode="after")
    def _starts_above_where_it_dies(self) -> Battery:
        if self.restart_v <= self.cutoff_v:
            raise ValueError(f"restart_v {self.restart_v} is not above cutoff_v {self.cutoff_v}")
        return self


def sun_height(time_ms: TimesMs, latitude_deg: float) -> Floats:
    """Return the sine (n,) of the sun's height, 0 at night."""
    day = (time_ms / DAY_MS) % YEAR_DAYS
    declination = np.radians(23.44) * np.sin(2.0 * np.pi * (day - 80.0) / YEAR_DAYS)
    hour = 2.0 * np.pi * (time_ms - _NOON_MS) / DAY_MS
    latitude = np.radians(latitude_deg)
    height = np.sin(latitude) * np.sin(declination)
    height = height + np.cos(latitude) * np.cos(declination) * np.cos(hour)
    return np.asarray(np.maximum(height, 0.0))


class Supply:
    """The battery of one device over time.

    Parameters
    ----------
    battery
        What it is.
    chance
        The key of its clouds.
    begin_ms
        When it was full.
    shade
        What else takes light.
    """

    def __init__(self, battery: Battery, chance: int, begin_ms: int, shade: Shade) -> None:
        self._battery = battery
        self._chance = chance
        self._begin_ms = begin_ms // _STEP_MS * _STEP_MS
        self._shade = shade
        self._charge = [1.0]  # of the capacity, at the beginning of each step
        self._is_on = [True]
        self._boots_ms: list[int] = []

    def sun_w(self, time_ms: TimesMs) -> Floats:
        """Return what the panel gives (n,) [W]."""
        b = self._battery
        clear = np.clip(b.clearness + b.clouds * smooth(self._chance, time_ms, 2 * DAY_MS), 0.03, 1)
        return b.panel_w * clear * sun_height(time_ms, b.latitude_deg) * self._shade(time_ms)

    def voltage(self, time_ms: TimesMs) -> Floats:
        """Return what the device measures (n,) [V]: by the charge, and higher in the sun."""
        at = self._places(time_ms)
        part = (time_ms - self._begin_ms - at * _STEP_MS) / _STEP_MS
        charge = np.array(self._charge)
        here = charge[at] * (1.0 - part) + charge[at + 1] * part
        sun = self.sun_w(time_ms) / max(self._battery.panel_w, 1e-9)
        return _rest_voltage(here) + _CHARGING_V * sun * (0.3 + 0.7 * here)

    def is_on(self, time_ms: TimesMs) -> NDArray[np.bool_]:
        """Whether it keeps the device running at each instant (n,)."""
        at = self._places(time_ms)
        return np.array(self._is_on, dtype=bool)[at]

    def boots_ms(self, after_ms: int, until_ms: int) -> list[int]:
        """Return when it brought the device back, in (after, until]."""
        self._reach(until_ms)
        first, last = (bisect_right(self._boots_ms, at) for at in (after_ms, until_ms))
        return self._boots_ms[first:last]

    def _places(self, time_ms: TimesMs) -> TimesMs:
        self._reach(int(time_ms.max(initial=self._begin_ms)))
        return np.maximum((time_ms - self._begin_ms) // _STEP_MS, 0)

    def _reach(self, time_ms: int) -> None:
        """Count the charge until after `time_ms`."""
        while self._begin_ms + (len(self._charge) - 1) * _STEP_MS <= time_ms:
            self._count_on()

    def _count_on(self) -> None:
        b, n = self._battery, len(self._charge) - 1
        times = self._begin_ms + _STEP_MS * np.arange(n, n + _CHUNK, dtype=np.int64)
        a_step_h = _STEP_MS / HOUR_MS
        gains = self.sun_w(times + _STEP_MS // 2) * (_EFFICIENCY * a_step_h / b.capacity_wh)
        loss = b.load_w * a_step_h / b.capacity_wh
        cutoff, restart = (_charge_at(v) for v in (b.cutoff_v, b.restart_v))
        charge, is_on = self._charge[-1], self._is_on[-1]
        for at, gain in zip(times.tolist(), gains.tolist(), strict=True):
            charge = min(max(charge + gain - (loss if is_on else 0.0), 0.0), 1.0)
            if is_on and charge < cutoff:
                is_on = False
            elif not is_on and charge >= restart:
                is_on = True
                self._boots_ms.append(at + _STEP_MS)
            self._charge.append(charge)
            self._is_on.append(is_on)


def _rest_voltage(charge: Floats) -> Floats:
    return np.asarray(_EMPTY_V + (_FULL_V - _EMPTY_V) * charge)


def _charge_at(volts: float) -> float:
    return (volts - _EMPTY_V) / (_FULL_V - _EMPTY_V)
