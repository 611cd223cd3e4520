"""Limits learned from the past: what is usual, what is left out, and what a person has said."""

from __future__ import annotations

import csv
import gzip
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from kahriz.observations import Flags, Quality, Values
from kahriz.quality.learned import Learned, LearnedLimits, learn, learnable
from kahriz.quality.limits import limits_of, possible
from kahriz.quality.recorded import flag_recorded
from kahriz.sites import load_registry
from kahriz.units import Property

ROOT = Path(__file__).parents[3]
QUARTER_MS = 900_000
DAY = 96
NAN = float("nan")
START_MS = 1_700_006_400_000  # midnight


def level(days: int, noise_m: float = 0.002, seed: int = 1) -> tuple[NDArray[np.int64], Values]:
    """Return a calm level read every quarter of an hour, to the millimetre."""
    time_ms = START_MS + np.arange(days * DAY, dtype=np.int64) * QUARTER_MS
    noise = np.random.default_rng(seed).normal(0, noise_m, len(time_ms))
    return time_ms, np.round(0.4 + noise, 3)


def learned(time_ms: NDArray[np.int64], value: Values, flags: Flags | None = None) -> Learned:
    good = np.full(len(value), Quality.GOOD, np.uint8)
    return learn(time_ms, value, good if flags is None else flags)


def test_a_limit_is_a_measure_of_what_is_usual_here() -> None:
    calm, rough = learned(*level(30)), learned(*level(30, noise_m=0.02))

    assert 0.02 < calm.spike < 0.08
    assert 0.02 < calm.noise < 0.08
    assert rough.spike == pytest.approx(10 * calm.spike, rel=0.2)
    assert rough.noise == pytest.approx(10 * calm.noise, rel=0.2)


def test_some_wild_days_do_not_make_a_limit_wide() -> None:
    time_ms, value = level(30)
    value[5 * DAY : 15 * DAY : 7] += 0.5

    assert learned(time_ms, value).spike < 1.3 * learned(*level(30)).spike


def test_days_in_which_anything_was_suspect_teach_nothing() -> None:
    time_ms, value = level(30)
    flags: Flags = np.full(len(value), Quality.GOOD, np.uint8)
    rough = slice(3 * DAY, 24 * DAY)
    value[rough] = level(30, noise_m=0.05)[1][rough]
    flags[3 * DAY : 24 * DAY : 50] = Quality.SUSPECT

    assert learned(time_ms, value).spike > 0.3
    assert learned(time_ms, value, flags).spike < 0.08


def test_a_place_that_has_become_rougher_for_good_is_believed() -> None:
    time_ms, value = level(30, noise_m=0.05)
    flags = np.full(len(value), Quality.SUSPECT, np.uint8)

    assert learned(time_ms, value, flags).spike > 0.3


def test_the_longest_natural_rest_is_a_third_of_the_flat_line() -> None:
    time_ms, value = level(10)
    value[400:421] = 0.395  # five hours

    assert learned(time_ms, value).flat_line_h == 15.0


def test_a_flat_line_of_less_than_three_hours_is_never_a_limit() -> None:
    assert learned(*level(10)).flat_line_h == 3.0


def test_a_sensor_that_shows_centimetres_is_allowed_four_of_them() -> None:
    time_ms, value = level(30)
    # One step up or down in a day.
    value[:] = 0.40 + 0.01 * (np.arange(len(value)) // DAY % 2)

    assert learned(time_ms, value).spike >= 0.04


def test_nothing_is_learned_from_four_days_or_of_a_stream_that_rests() -> None:
    assert np.isnan(learned(*level(4))).all()
    time_ms, value = level(30)
    assert np.isnan(learned(time_ms, np.zeros(len(value)))[:2]).all()
    assert np.isnan(learned(time_ms[:0], value[:0])).all()
    assert np.isnan(learned(time_ms, np.full(len(value), NAN))).all()


def test_impossible_values_teach_nothing() -> None:
    time_ms, value = level(30)
    flags: Flags = np.full(len(value), Quality.GOOD, np.uint8)
    value[::40], flags[::40] = 9999.0, Quality.FAIL

    assert learned(time_ms, value, flags).spike < 0.08


def test_what_a_person_has_said_stays_and_the_rest_is_filled_in() -> None:
    registry = load_registry(ROOT / "sites.example.toml")
    given = limits_of(registry)
    limits = LearnedLimits(given, learnable(registry))
    outlet, shaft_battery, derived = (
        next(i for i, d in enumerate(registry.datastreams) if d.id == f"agh-dere.{name}")
        for name in ("outlet.stage", "shaft.battery_voltage", "outlet.discharge")
    )
    for stream in (outlet, shaft_battery, derived):
        limits.put(stream, Learned(spike=0.5, noise=0.25, flat_line_h=3.0), 20_000)

    assert limits.table.spike[outlet] == given.spike[outlet] == 0.02
    assert limits.table.flat_line_h[outlet] == 12
    assert limits.table.noise[outlet] == 0.25
    assert np.isnan(given.noise[outlet])
    assert np.isnan(limits.table.noise[[shaft_battery, derived]]).all()
    assert outlet in limits.open_streams
    assert derived not in limits.open_streams


def test_a_recorded_series_is_judged_by_its_own_past_and_only_by_that() -> None:
    time_ms, value = level(20)
    value[15 * DAY + 10] += 0.3
    value[17 * DAY : 17 * DAY + 40] = 0.41
    value[18 * DAY + 30] = NAN
    value[19 * DAY + 30] = 99.0
    flags = flag_recorded(Property.STAGE, time_ms, value)

    found = {int(i): int(flags[i]) for i in np.flatnonzero(flags != Quality.GOOD) if i >= 5 * DAY}
    frozen = {i for i in found if 17 * DAY <= i < 17 * DAY + 40}
    assert found[15 * DAY + 10] == Quality.SUSPECT
    assert 12 <= min(frozen) - 17 * DAY < 24
    assert found[18 * DAY + 30] == Quality.MISSING
    assert found[19 * DAY + 30] == Quality.FAIL
    # Of the spikes the way back is suspect too.
    assert set(found) - frozen <= {
        at + more
        for at in (15 * DAY + 10, 18 * DAY + 30, 19 * DAY + 30, 17 * DAY)
        for more in (0, 1)
    }
    cut = 16 * DAY + 7
    early = flag_recorded(Property.STAGE, time_ms[:cut], value[:cut])
    assert early.tolist() == flags[:cut].tolist()


def test_limits_given_hold_from_the_first_value() -> None:
    time_ms, value = level(1)
    value[50] += 0.05
    given = possible(Property.STAGE)
    given.spike[0] = 0.03

    assert flag_recorded(Property.STAGE, time_ms, value)[50] == Quality.GOOD
    assert flag_recorded(Property.STAGE, time_ms, value, given)[50] == Quality.SUSPECT


def test_a_winter_s_ice_and_a_lifted_sensor_are_suspect() -> None:
    path = ROOT / "tests" / "data" / "franklin_basin_2019_winter.csv.gz"
    with gzip.open(path, "rt") as file:
        rows = list(csv.DictReader(line for line in file if not line.startswith("#")))
    time = np.array([datetime.fromisoformat(row["time"]) for row in rows], "datetime64[ms]")
    value = np.array([float(row["stage_m"]) for row in rows])
    flags = flag_recorded(Property.STAGE, time.astype(np.int64), value)

    suspect = time[flags == Quality.SUSPECT].astype("datetime64[D]")
    days, counts = np.unique(suspect, return_counts=True)
    assert days.astype(str).tolist() == [
        "2019-01-24", "2019-01-30", "2019-02-07", "2019-02-08", "2019-03-04",
    ]  # fmt: skip
    assert counts.sum() < 0.03 * len(flags)
