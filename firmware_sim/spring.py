"""From the sky to the outlet of one kahriz: rain, snow, aquifer, gallery, and what befalls them."""

from __future__ import annotations

import numpy as np

from firmware_sim.aquifer import Aquifer, Outlet
from firmware_sim.chance import Floats, TimesMs, breath, key, normal, smooth
from firmware_sim.climate import Rain, melt_discharge, thirst_of_trees
from firmware_sim.hydrology import DAY_MS, HOUR_MS, Shaft, Shafts, Source, Water, warmth
from firmware_sim.trouble.water import Befalling, WaterTrouble

_WELL_FOLLOWS = 0.6
"""Part of what a blockage raises the shaft's level by that is seen at the mother well."""
_CHANNEL = 0.6
"""Depth grows with this power of the discharge in a wide channel (Manning)."""
_TWICE = 2.0**_CHANNEL - 1.0


class Spring:
    """The water of one kahriz down to its outlet; a pure function of time.

    Parameters
    ----------
    source, shafts
        Its figures.
    seed
        The kahriz's own chance.
    climate_seed
        The chance of rain and snow, which neighbours may share.
    befalling
        What befalls it.
    """

    def __init__(
        self, source: Source, shafts: Shafts, seed: int, climate_seed: int, befalling: Befalling
    ) -> None:
        self._source = source
        self._shafts = shafts
        self._seed = seed
        self._climate_seed = climate_seed
        self._befalling = befalling
        self._rain = Rain(
            source,
            key(climate_seed, "rain"),
            lambda at: befalling.product(WaterTrouble.recharged, at),
        )
        outlet = Outlet(
            sustained=lambda at: befalling.product(WaterTrouble.sustained, at),
            kept=self._kept,
            kept_spans=befalling.spans(WaterTrouble.passing),
            quick_lps=self._quick,
        )
        self._aquifer = Aquifer(source, outlet)

    def water(self, time_ms: TimesMs) -> Water:
        """Return the water at `time_ms` (n,); nobody has drawn any yet."""
        water = Water.still(len(time_ms))
        if not len(time_ms):
            return water
        base = self._aquifer.discharge(time_ms)
        rain = self._rain.discharge(time_ms)
        melt = self._melt(time_ms)
        natural = (base + rain + melt) * self._breathing(time_ms)
        flood = natural * self._befalling.total(WaterTrouble.flooded, time_ms)
        water.recharge_lps = self._aquifer.recharge(time_ms) + melt + flood
        water.recharge_lps += self._rain.recharge(time_ms)
        water.storage_m3 = self._aquifer.storage(time_ms)
        water.storage_m3 += self._rain.storage(time_ms)
        given = natural + flood
        water.source_lps = given * self._captured(time_ms)
        water.elsewhere_lps = given - water.source_lps
        passing = self._befalling.product(WaterTrouble.passing, time_ms)
        water.outlet_lps = water.source_lps * passing
        self._set_levels(water, time_ms)
        clear = 0.8 + 0.15 * np.abs(normal(key(self._seed, "turbidity"), time_ms))
        water.turbidity_ntu = clear + 8.0 * rain / self._source.discharge_lps
        water.turbidity_ntu += self._befalling.total(WaterTrouble.stirred_ntu, time_ms)
        water.water_temperature_degc = warmth(time_ms)
        return water

    def _set_levels(self, water: Water, time_ms: TimesMs) -> None:
        """Let the shafts upstream follow the source and what is dammed up, the lower the outlet."""
        dammed = self._befalling.total(WaterTrouble.raised_m, time_ms)
        upper = self._stage("shaft", self._shafts.shaft, time_ms, water.source_lps)
        water.shaft_stage_m = np.maximum(upper + dammed, 0.0)
        well = self._stage("mother well", self._shafts.mother_well, time_ms, water.source_lps)
        water.mother_well_stage_m = np.maximum(well + _WELL_FOLLOWS * dammed, 0.0)
        lower = self._stage("lower shaft", self._shafts.lower_shaft, time_ms, water.outlet_lps)
        water.lower_shaft_stage_m = np.maximum(lower, 0.0)

    def _stage(self, name: str, shaft: Shaft, time_ms: TimesMs, lps: Floats) -> Floats:
        """Return the level (n,) [m] in a shaft while `lps` (n,) comes past it."""
        ratio = np.maximum(lps, 0.0) / self._source.discharge_lps
        deeper = (ratio**_CHANNEL - 1.0) / _TWICE
        wandering = smooth(key(self._seed, name), time_ms, 2 * HOUR_MS)
        return np.asarray(shaft.stage_m + shaft.gain_m * deeper + shaft.noise_m * wandering)

    def _breathing(self, time_ms: TimesMs) -> Floats:
        """Return the factor (n,) by which the gallery gives now more, now less, and none in all."""
        slow = breath(key(self._seed, "breath", "8 h"), time_ms, DAY_MS // 3)
        fast = breath(key(self._seed, "breath", "3 h"), time_ms, DAY_MS // 8)
        return np.maximum(1.0 + self._source.noise * (0.8 * slow + 0.6 * fast), 0.0)

    def _kept(self, time_ms: TimesMs) -> Floats:
        """Return the part (n,) of what the ground gives that stays behind in the gallery."""
        passing = self._befalling.product(WaterTrouble.passing, time_ms)
        flooded = self._befalling.total(WaterTrouble.flooded, time_ms)
        return (1.0 + flooded) * self._captured(time_ms) * (1.0 - passing)

    def _captured(self, time_ms: TimesMs) -> Floats:
        """Return the part (n,) of what the ground gives that the gallery gets."""
        captured = self._befalling.product(WaterTrouble.captured, time_ms)
        if self._source.trees:
            captured *= 1.0 - self._source.trees * thirst_of_trees(self._source, time_ms)
        return captured

    def _melt(self, time_ms: TimesMs) -> Floats:
        if not self._source.melt_lps:
            return np.zeros(len(time_ms))
        melt = melt_discharge(self._source, self._climate_seed, time_ms)
        return melt * self._befalling.product(WaterTrouble.recharged, time_ms)

    def _quick(self, time_ms: TimesMs) -> Floats:
        """Return what rain and melt add (n,) [L/s]."""
        return self._rain.discharge(time_ms) + self._melt(time_ms)
