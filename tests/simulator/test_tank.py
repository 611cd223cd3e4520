"""A tank forgets what was before it was full or empty last, so its state needs no beginning."""

from __future__ import annotations

import numpy as np
import pytest

from firmware_sim.chance import Floats
from firmware_sim.demand import Reservoir
from firmware_sim.hydrology import DAY_MS
from firmware_sim.tank import MIDDLES_MS, Flows, Tank

DAY = 20_000
NIGHT = MIDDLES_MS < DAY_MS // 2


def flows(by_night: float, by_day: float) -> Flows:
    """Return 1 L/s that arrives, and so much that is wanted."""

    def of(day: int) -> tuple[Floats, Floats]:
        return np.ones(144), np.where(NIGHT, by_night, by_day)

    return of


def at(*hours: float) -> np.ndarray:
    return (DAY * DAY_MS + np.array(hours) * 3_600_000).astype(np.int64)


def test_a_tank_fills_runs_over_is_drawn_and_runs_dry() -> None:
    # 0.8 L/s too much for 12 h is 34.6 m3; 1 L/s too little takes 20 m3 in 5.6 h.
    tank = Tank(Reservoir(volume_m3=20), flows(0.2, 2.0))
    state = tank.state(at(0, 5, 11, 14, 17, 18, 24))

    assert state.held_m3.tolist() == pytest.approx([0, 14.4, 20, 12.8, 2, 0, 0], abs=0.3)
    assert state.over.tolist() == pytest.approx([0, 0, 0.8, 0, 0, 0, 0], abs=1e-9)
    assert state.met.tolist() == pytest.approx([1, 1, 1, 1, 1, 0.5, 1], abs=1e-9)


def test_its_state_is_the_same_to_the_bit_from_wherever_it_was_first_asked() -> None:
    def drifting(day: int) -> tuple[Floats, Floats]:
        # Full in wet weeks, empty in dry ones, neither for days on end in between.
        return np.full(144, 1.0 + 0.3 * np.sin(day / 9.0)), np.where(NIGHT, 0.5, 1.5)

    long = Tank(Reservoir(volume_m3=100), drifting)
    for day in range(DAY - 300, DAY):
        long.state(np.array([day * DAY_MS]))

    for hour in range(0, 720, 7):
        fresh = Tank(Reservoir(volume_m3=100), drifting)
        assert fresh.state(at(hour)).held_m3[0] == long.state(at(hour)).held_m3[0]


def test_one_that_was_never_full_nor_empty_is_taken_as_full_256_days_ago() -> None:
    # It loses 0.0864 m3 a day: 22 of 100 in 256 days.
    losing = Tank(Reservoir(volume_m3=100), lambda day: (np.full(144, 1.0), np.full(144, 1.001)))

    assert losing.state(at(0)).held_m3[0] == pytest.approx(100 - 256 * 0.0864)


def test_a_tank_that_remembers_too_many_days_forgets_them_and_goes_on_alike() -> None:
    tank = Tank(Reservoir(volume_m3=20), flows(0.2, 2.0))
    first = tank.state(at(30)).held_m3[0]
    for day in range(1100):
        tank.state(np.array([(DAY + 10 + day) * DAY_MS]))

    assert tank.state(at(30)).held_m3[0] == first
