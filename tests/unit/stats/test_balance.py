from __future__ import annotations

import numpy as np
import pytest

from firmware_sim.demand import Delivery
from firmware_sim.hydrology import DAY_MS, Shaft, Shafts, Source
from firmware_sim.spring import Spring
from firmware_sim.trouble.village import Leak
from firmware_sim.trouble.water import Befalling
from firmware_sim.village import Village
from kahriz.observations import Values
from kahriz.stats.balance import Passed, Storage, balance

STEP_MS = 600_000
DAYS = 20
START_MS = 20_000 * DAY_MS


def passed(volumes: list[float], part: float = 0.05) -> Passed:
    volume = np.array(volumes)
    return Passed(volume, part * volume)


def test_worked_by_hand() -> None:
    # 300 came, 240 arrived, 10 stayed: 50 lost; u^2 = 15^2 + 4.8^2 + 2 * 2^2.
    held = Storage(np.array([20.0, 22.0, 25.0, 30.0]), 2.0)
    found = balance(passed([100.0] * 3), passed([80.0] * 3, 0.02), held)

    assert found is not None
    assert (found.source_m3, found.delivered_m3, found.stored_m3) == (300.0, 240.0, 10.0)
    assert found.loss_m3 == 50.0
    assert found.uncertainty_m3 == pytest.approx((225 + 4.8**2 + 8) ** 0.5)
    assert found.share == pytest.approx(1 / 6)
    assert found.is_certain


def test_a_loss_that_instruments_may_make_up_is_none_to_speak_of() -> None:
    found = balance(passed([100.0]), passed([92.0]))

    assert found is not None
    assert found.loss_m3 == pytest.approx(8.0)
    assert not found.is_certain


def test_only_days_that_every_instrument_knows_are_in_the_balance() -> None:
    held = Storage(np.array([0.0, 1.0, 2.0, np.nan, 4.0, 5.0]), 1.0)
    found = balance(passed([100.0, np.nan, 100.0, 100.0, 100.0]), passed([90.0] * 5, 0.0), held)

    assert found is not None
    assert (found.intervals, found.known) == (5, 2)
    assert (found.source_m3, found.delivered_m3, found.stored_m3) == (200.0, 180.0, 2.0)
    # Two runs: four levels' scatter.
    assert found.uncertainty_m3 == pytest.approx((10.0**2 + 4.0) ** 0.5)


def test_without_a_day_that_both_measured_there_is_no_balance() -> None:
    assert balance(passed([100.0, np.nan]), passed([np.nan, 90.0])) is None


def test_where_nothing_came_out_no_part_of_it_was_lost() -> None:
    found = balance(passed([0.0]), passed([0.0]))

    assert found is not None
    assert (found.share, found.is_certain) == (None, False)


def village(seed: int, *, reservoir: bool) -> Village:
    """Return a village that loses a fifth on the way, the meter at the far end."""
    tank = {"reservoir": {"volume_m3": 60.0}} if reservoir else {}
    delivery = Delivery.model_validate({"mean_lps": 2.2, "meter": "end"} | tank)
    leak = Leak(kind="leak", kahriz="k", at_h=-24.0, duration_h=24.0 * 365, severity=0.2)
    befalling = Befalling([leak.model_copy(update={"live_start_ms": START_MS})])
    shafts = Shafts(Shaft(), Shaft(), Shaft())
    spring = Spring(Source(discharge_lps=3.0), shafts, seed, seed, befalling)
    return Village(spring, delivery, seed, befalling)


def by_day(lps: Values) -> Values:
    """Return the daily volumes (d,) [m3] of discharges in the middle of steps."""
    return np.asarray(lps.reshape(DAYS, -1).sum(axis=1) * (STEP_MS / 1000.0) / 1000.0)


@pytest.mark.parametrize("reservoir", [False, True])
def test_the_simulated_loss_is_found_within_its_uncertainty(reservoir: bool) -> None:
    truth_and_found = []
    for seed in range(25):
        chance = np.random.default_rng(seed)
        middles = START_MS + np.arange(STEP_MS // 2, DAYS * DAY_MS, STEP_MS, dtype=np.int64)
        edges = START_MS + np.arange(DAYS + 1, dtype=np.int64) * DAY_MS
        of = village(seed, reservoir=reservoir)
        water = of.water(middles)
        weir, meter = 1.0 + 0.04 * chance.normal(), 1.0 + 0.02 * chance.normal()
        source, delivered = by_day(water.outlet_lps), by_day(water.delivery_lps)
        held = of.water(edges).tank_m3 + 0.5 * chance.normal(size=DAYS + 1)
        found = balance(
            Passed(source * weir, 0.04 * source * weir),
            Passed(delivered * meter, 0.02 * delivered * meter),
            Storage(held, 0.5) if reservoir else None,
        )
        assert found is not None
        truth_and_found.append((float(by_day(water.loss_lps + water.overflow_lps).sum()), found))

    off = [(f.loss_m3 - truth) / f.uncertainty_m3 for truth, f in truth_and_found]
    assert sum(abs(z) <= 2.0 for z in off) >= 22
    assert 0.5 < float(np.std(off)) < 1.6


def test_perfect_instruments_close_the_balance_on_simulated_truth() -> None:
    middles = START_MS + np.arange(STEP_MS // 2, DAYS * DAY_MS, STEP_MS, dtype=np.int64)
    edges = START_MS + np.arange(DAYS + 1, dtype=np.int64) * DAY_MS
    of = village(1, reservoir=True)
    water = of.water(middles)
    exact = np.zeros(DAYS)
    found = balance(
        Passed(by_day(water.outlet_lps), exact),
        Passed(by_day(water.delivery_lps), exact),
        Storage(of.water(edges).tank_m3, 0.0),
    )

    assert found is not None
    lost = float(by_day(water.loss_lps + water.overflow_lps).sum())
    assert found.loss_m3 == pytest.approx(lost, abs=0.001 * found.source_m3)
