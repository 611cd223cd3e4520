"""The registry's limits as columns."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from kahriz.observations import DatastreamId
from kahriz.quality import LimitTable
from kahriz.quality.limits import limits_of, look_back_ms
from kahriz.sites import Registry, load_registry

HOUR_MS = 3_600_000


@pytest.fixture(scope="module")
def registry() -> Registry:
    return load_registry(Path(__file__).parents[3] / "sites.example.toml")


def row(registry: Registry, datastream: str) -> list[float]:
    table, i = limits_of(registry), registry.index[DatastreamId(datastream)]
    return [float(getattr(table, name)[i]) for name in LimitTable.__slots__]


def test_a_sensor_s_limits_stand_in_its_datastream_s_row(registry: Registry) -> None:
    found = row(registry, "agh-dere.outlet.stage")

    assert found[:6] == [-0.05, 0.6, 0.0, 0.45, 0.05, 0.02]
    assert found[7] == 12


def test_a_limit_that_is_not_given_is_nan(registry: Registry) -> None:
    found = row(registry, "agh-dere.line.discharge")

    assert found[:2] == [-0.1, 20.0]
    assert np.isnan(found[2:7]).all()
    assert found[7] == 12


def test_a_derived_datastream_is_judged_by_what_is_possible(registry: Registry) -> None:
    found = row(registry, "agh-dere.outlet.discharge")

    assert found[:2] == [-1.0, 500.0]
    assert np.isnan(found[2:]).all()


def test_every_datastream_has_a_row(registry: Registry) -> None:
    table = limits_of(registry)

    assert {len(getattr(table, name)) for name in LimitTable.__slots__} == {
        len(registry.datastreams)
    }


def test_the_tests_look_back_a_day_or_as_far_as_the_flat_line(registry: Registry) -> None:
    table = limits_of(registry)
    shaft = registry.index[DatastreamId("agh-dere.shaft.stage")]
    battery = registry.index[DatastreamId("agh-dere.shaft.battery_voltage")]
    assert look_back_ms(table, shaft) == 25 * HOUR_MS
    assert look_back_ms(table, battery) == 24 * HOUR_MS
