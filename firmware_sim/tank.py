"""A reservoir: it fills with the outlet's water, runs over when full, and is drawn until empty.

What it holds is integrated in steps of 10 minutes. Within a step the parts that are met and that
run over are constant, so volumes balance.

A pure function of time, for all that it has a memory: a tank that was full or empty once has
forgotten what was before. So the state at any midnight is found by looking back until a tank that
began full and one that began empty are the same, some days at most.

Limit: it looks back 256 days; one neither full nor empty for as long is taken as full then.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from firmware_sim.chance import Floats, TimesMs
from firmware_sim.demand import Reservoir
from firmware_sim.hydrology import DAY_MS

STEP_MS = 10 * 60_000
_STEP_S = STEP_MS / 1000.0
MIDDLES_MS = np.arange(STEP_MS // 2, DAY_MS, STEP_MS, dtype=np.int64)
"""The middles of a day's steps (144,), after its midnight UTC."""
_MAX_LOOK_BACK_DAYS = 256
_DAYS_KEPT = 1000

Flows = Callable[[int], tuple[Floats, Floats]]
"""What arrives and what is wanted (144,) [L/s] in the steps of a UTC day since 1970."""


@dataclass(frozen=True, slots=True)
class TankState:
    """A reservoir at n instants; each array (n,)."""

    held_m3: Floats
    met: Floats
    """Part of what is wanted that there is water for."""
    over: Floats
    """Part of what arrives that runs over."""


class Tank:
    """What a reservoir holds and does; remembers the days it was asked for.

    Parameters
    ----------
    reservoir
        Its figures.
    flows
        What arrives and what is wanted.
    """

    def __init__(self, reservoir: Reservoir, flows: Flows) -> None:
        self._volume_m3 = reservoir.volume_m3
        self._flows = flows
        self._days: dict[int, TankState] = {}

    def state(self, time_ms: TimesMs) -> TankState:
        """Return its state at `time_ms` (n,)."""
        day, of_day = np.divmod(time_ms, DAY_MS)
        step, within = np.divmod(of_day, STEP_MS)
        days, at = np.unique(day, return_inverse=True)
        states = [self._day(int(d)) for d in days]
        held = np.array([state.held_m3 for state in states])
        part = within / STEP_MS
        return TankState(
            held_m3=held[at, step] * (1.0 - part) + held[at, step + 1] * part,
            met=np.array([state.met for state in states])[at, step],
            over=np.array([state.over for state in states])[at, step],
        )

    def _day(self, day: int) -> TankState:
        """Return a day: what it holds at its beginning and the steps' ends (145,), the rest (144,).

        It follows from the day before, or from looking back where that one is not known.
        """
        if day not in self._days:
            if len(self._days) >= _DAYS_KEPT:
                self._days.clear()
            before = self._days.get(day - 1)
            begin = self._held_at(day) if before is None else float(before.held_m3[-1])
            self._days[day] = self._run(day, begin)
        return self._days[day]

    def _held_at(self, day: int) -> float:
        """Return what it holds [m3] at a day's beginning, whatever was long before."""
        back = 1
        while True:
            full, empty = self._volume_m3, 0.0
            for arriving, wanted in [self._flows(d) for d in range(day - back, day)]:
                full = self._integrated(full, arriving, wanted)[-1]
                empty = self._integrated(empty, arriving, wanted)[-1]
            if full == empty or back >= _MAX_LOOK_BACK_DAYS:
                return full
            back *= 4

    def _run(self, day: int, begin_m3: float) -> TankState:
        arriving, wanted = self._flows(day)
        held = np.array(self._integrated(begin_m3, arriving, wanted))
        # What the step asks of the tank beyond what it can do, in L/s: too much below 0, or above.
        beyond = (held[:-1] - held[1:]) * 1000.0 / _STEP_S + arriving - wanted
        return TankState(
            held_m3=held,
            met=np.clip(1.0 + quotient(np.minimum(beyond, 0.0), wanted), 0.0, 1.0),
            over=np.clip(quotient(np.maximum(beyond, 0.0), arriving), 0.0, 1.0),
        )

    def _integrated(self, begin_m3: float, arriving: Floats, wanted: Floats) -> list[float]:
        """Return what it holds (145,) [m3] as it fills and empties, never beyond its bounds."""
        held_m3 = begin_m3
        held = [held_m3]
        for change in ((arriving - wanted) * (_STEP_S / 1000.0)).tolist():
            held_m3 = min(max(held_m3 + change, 0.0), self._volume_m3)
            held.append(held_m3)
        return held


def quotient(part: Floats, whole: Floats) -> Floats:
    """Return part / whole (n,), nothing where there is nothing."""
    return np.divide(part, whole, out=np.zeros(len(whole)), where=whole > 0)
