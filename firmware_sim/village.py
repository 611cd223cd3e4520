"""From the outlet to the people: canal, tank, line, who draws, and what gets lost on the way."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from firmware_sim.chance import Floats, TimesMs
from firmware_sim.demand import Delivery, Reservoir, asked, local_ms, seeping
from firmware_sim.hydrology import DAY_MS, Water
from firmware_sim.spring import Spring
from firmware_sim.tank import MIDDLES_MS, Tank, quotient
from firmware_sim.trouble.water import Befalling, WaterTrouble


@dataclass(frozen=True, slots=True)
class _Wish:
    """What is to be had and what is asked for at n instants; each array (n,) [L/s]."""

    diverted: Floats
    """Taken before reservoir and line."""
    arriving: Floats
    line: Floats
    """What the line would carry, if there was enough."""
    lost: Floats
    """What leaks and taps would take of it."""


class Village:
    """What happens to one kahriz's water after its outlet; a pure function of time.

    Parameters
    ----------
    spring
        The water down to its outlet.
    delivery
        Who draws it.
    seed
        The kahriz's own chance.
    befalling
        What befalls it.
    """

    def __init__(self, spring: Spring, delivery: Delivery, seed: int, befalling: Befalling) -> None:
        self._spring = spring
        self._delivery = delivery
        self._seed = seed
        self._befalling = befalling
        self._reservoir = delivery.reservoir
        self._tank = None if self._reservoir is None else Tank(self._reservoir, self._flows)

    def water(self, time_ms: TimesMs) -> Water:
        """Return the water at `time_ms` (n,), all the way to the people."""
        water = self._spring.water(time_ms)
        if not len(time_ms):
            return water
        wish = self._wish(time_ms, water.outlet_lps)
        line = self._fill_line(water, wish, time_ms)
        lost = wish.lost * quotient(line, wish.line)
        lost += (line - lost) * seeping(self._delivery, self._seed, time_ms)
        water.delivery_lps = line - lost
        water.loss_lps = wish.diverted + lost
        water.line_lps = line if self._delivery.is_metered_at_start else water.delivery_lps
        return water

    def _fill_line(self, water: Water, wish: _Wish, time_ms: TimesMs) -> Floats:
        """Return what the line carries (n,) [L/s]; what it does not runs over, or is stored."""
        if self._tank is None or self._reservoir is None:
            line = np.minimum(wish.line, wish.arriving)
            water.overflow_lps = wish.arriving - line
            return line
        state = self._tank.state(time_ms)
        water.tank_m3 = state.held_m3
        water.reservoir_stage_m = _level(self._reservoir, state.held_m3)
        water.overflow_lps = wish.arriving * state.over
        return wish.line * state.met

    def _wish(self, time_ms: TimesMs, outlet_lps: Floats) -> _Wish:
        local = local_ms(self._delivery, time_ms)
        diverted = outlet_lps * self._befalling.total(WaterTrouble.diverted, time_ms, local)
        diverted = np.minimum(diverted, outlet_lps)
        arriving = outlet_lps - diverted
        wanted = asked(self._delivery, self._seed, time_ms, local, arriving)
        wanted *= self._befalling.product(WaterTrouble.demanded, time_ms, local)
        lost = self._befalling.total(WaterTrouble.lost, time_ms, local)
        if self._delivery.pattern == "drinking":
            # Taps are opened until everybody has his water: what is lost comes on top.
            lost *= self._delivery.mean_lps
            return _Wish(diverted, arriving, wanted + lost, lost)
        return _Wish(diverted, arriving, wanted, wanted * np.minimum(lost, 1.0))

    def _flows(self, day: int) -> tuple[Floats, Floats]:
        """Return what arrives at the reservoir and what is wanted of it in a day's steps."""
        at = day * DAY_MS + MIDDLES_MS
        wish = self._wish(at, self._spring.water(at).outlet_lps)
        return wish.arriving, wish.line


def _level(reservoir: Reservoir, held_m3: Floats) -> Floats:
    return reservoir.depth_m * held_m3 / reservoir.volume_m3
