"""A gallery told what devices say: at any step, with gaps, spikes, impossible values, silences."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import datetime, timedelta

import numpy as np
import pytest

from kahriz.detect import Detection, Kind
from kahriz.detect.gallery import Gallery
from kahriz.detect.ticks import steps
from kahriz.observations import DatastreamId, Quality
from kahriz.sites import Kahriz
from tests.water import LINE, NOW, OUTLET, SHAFT, Water, kahriz

QUARTER = timedelta(minutes=15)
LEARNED = 16.0
"""Days after which the curve is known."""


def story(water: Water, of: Kahriz | None = None) -> Iterator[tuple[datetime, list[Detection]]]:
    """Walk through a water's days; yield what is said at the end of each quarter of an hour."""
    gallery = Gallery(of or kahriz())
    log = {name: series for name, series in water.series().items() if name in gallery.streams}
    quarters = gallery.quarters
    first = quarters.of(NOW - timedelta(days=water.days))
    for at, values in steps(quarters, log, first, quarters.over(NOW)):
        gallery.step(at, values)
        yield quarters.end(at), gallery.detections()


def now(water: Water, of: Kahriz | None = None) -> list[Detection]:
    """Return what is wrong at the end."""
    *_, (_, found) = story(water, of)
    return found


def kinds(water: Water, of: Kahriz | None = None) -> list[Kind]:
    return [d.kind for d in now(water, of)]


def ever(water: Water, of: Kahriz | None = None) -> set[Kind]:
    """Return everything that was said at any time."""
    return {d.kind for _, found in story(water, of) for d in found}


def hours_until(kind: Kind, water: Water, began: float) -> float:
    """Return how long after `began` [hours before NOW] a kind was first said."""
    said = next(at for at, found in story(water) if kind in {d.kind for d in found})
    return (said - NOW) / timedelta(hours=1) - began


# ---- who is to blame


@pytest.mark.parametrize("minutes", [1, 2, 5, 10, 15])
def test_a_blockage_is_named_within_an_hour_and_a_half_whatever_the_step(minutes: int) -> None:
    water = Water(step=timedelta(minutes=minutes), days=LEARNED).blocked(-6.0)

    assert 0 < hours_until(Kind.BLOCKAGE, water, -6.0) <= 1.5


def test_a_silent_shaft_is_no_witness() -> None:
    assert kinds(Water(days=8).blocked(-3.0).silent(-12.0, SHAFT)) == [Kind.DECLINE]


def test_an_outlet_rising_while_the_shaft_falls_is_a_blockage_that_gave_way() -> None:
    water = Water(days=8).falls(-6.0, 1.8, OUTLET, LINE).rises(-6.0, -0.05)

    assert ever(water) == set()


# ---- what is no alarm


def test_the_demand_of_the_day_on_the_line_does_not_alarm() -> None:
    water = Water(days=10)
    water.value[LINE] *= 1 + 0.6 * np.sin(2 * np.pi * water.hours / 24)

    assert ever(water) == set()


def test_a_recession_that_crosses_the_limit_is_no_step() -> None:
    water = Water(days=8)
    for stream in (OUTLET, LINE):
        water.value[stream] *= np.exp(-0.002 * (water.hours + 192))
    water.value[SHAFT] -= 0.0005 * (water.hours + 192)

    assert math.exp(-0.002 * 192) < 0.85
    assert Kind.DECLINE not in ever(water)


@pytest.mark.parametrize("minutes", [1, 5, 15])
def test_a_spike_is_not_a_collapse_whatever_the_step(minutes: int) -> None:
    water = Water(step=timedelta(minutes=minutes))
    water.value[OUTLET][-40] *= 0.1

    assert ever(water) == set()


def test_nothing_is_said_of_a_kahriz_known_for_half_a_day_only() -> None:
    assert ever(Water(days=0.5).blocked(-2.0)) == set()


# ---- while it lasts


def test_a_collapse_stays_detected_at_the_figures_it_began_with_until_the_water_is_back() -> None:
    water = Water(days=20).blocked(-120.0).freed(-12.0)
    said = {
        at: found[0] for at, found in story(water) if [d.kind for d in found] == [Kind.BLOCKAGE]
    }
    first, last = min(said), max(said)

    assert len(said) == (last - first) / QUARTER + 1
    assert (first - NOW) / timedelta(hours=1) < -118.0
    assert -12.0 <= (last - NOW) / timedelta(hours=1) < -9.0
    assert {d.evidence["expected_lps"] for d in said.values()} == {
        said[first].evidence["expected_lps"]
    }


def test_the_water_coming_back_after_days_is_no_surge() -> None:
    assert ever(Water(days=20).blocked(-120.0, 0.4).freed(-12.0, 0.4)) == {Kind.BLOCKAGE}


def test_a_collapse_stands_while_nothing_is_heard() -> None:
    assert kinds(Water(days=8).blocked(-6.0).silent(-4.0, OUTLET)) == [Kind.BLOCKAGE]


def test_a_decline_becomes_a_blockage_when_the_level_rises_after_all() -> None:
    water = Water(days=8).falls(-30.0, 0.6, OUTLET, LINE)
    water.rises(-30.0, -0.03, 0.03).rises(-20.0, 0.04, 0.5)
    told = [found[0].kind for _, found in story(water) if found]

    assert (told[0], told[-1]) == (Kind.DECLINE, Kind.BLOCKAGE)


def test_a_sensors_fault_does_not_become_a_decline_for_want_of_witnesses() -> None:
    water = Water(days=8).falls(-60.0, 0.5, OUTLET).silent(-40.0, LINE).silent(-40.0, SHAFT)

    assert kinds(water) == [Kind.SENSOR]


@pytest.mark.parametrize(
    ("stream", "device", "share"), [(OUTLET, "k-outlet", 0.5), (SHAFT, "k-shaft", 0.7)]
)
def test_a_sensor_that_was_wrong_and_falls_silent_is_not_right_again(
    stream: DatastreamId, device: str, share: float
) -> None:
    water = Water(days=8).falls(-30.0, share, stream).silent(-20.0, stream)

    assert [(d.kind, d.key) for d in now(water)] == [(Kind.SENSOR, device)]


# ---- instruments by themselves


def test_a_line_that_says_the_same_for_longer_than_ever_is_a_sensor() -> None:
    stuck = Water(days=40).since(-13.0, LINE, lambda value: np.full_like(value, 7.0))
    (found,) = now(stuck)

    assert (found.kind, found.key) == (Kind.SENSOR, "k-line")
    assert found.evidence["fault"] == "flat_line"
    assert found.evidence["flat_h"] == pytest.approx(13.0, abs=0.5)
    assert (
        now(stuck.silent(-3.0, LINE))[0].evidence["fault"] == "flat_line"
    )  # silence mends nothing


def test_a_dry_outlet_is_flat_and_true() -> None:
    water = Water().since(-20.0, OUTLET, np.zeros_like).since(-20.0, LINE, np.zeros_like)

    assert kinds(water.rises(-20.0, 0.05)) == [Kind.BLOCKAGE]


def test_an_hour_of_impossible_values_is_a_sensor_and_never_the_water() -> None:
    water = Water().falls(-2.0, 0.01, OUTLET).marked(-2.0, 1.0, OUTLET, Quality.FAIL)
    (found,) = now(water)

    assert (found.kind, found.key) == (Kind.SENSOR, "k-outlet")
    assert found.evidence["fault"] == "out_of_range"


def test_a_collapse_that_the_rate_test_suspects_is_still_seen() -> None:
    water = Water().blocked(-2.0).marked(-2.0, 1.0, OUTLET, Quality.SUSPECT)

    assert kinds(water) == [Kind.BLOCKAGE]
