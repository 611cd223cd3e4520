"""Columns become observations: each value with its flag, and discharge where a curve is."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from ingest.gathered import Gathered
from ingest.judge import Assessor, Judged
from ingest.parts import Parts
from kahriz.clock import to_ms
from kahriz.errors import ConfigError, StoreUnavailable
from kahriz.observations import DatastreamId, Quality, Values
from kahriz.quality.flagger import Flagger, no_history
from kahriz.quality.limits import limits_of
from kahriz.sites import Registry, load_registry

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
NO = np.empty(0, np.int64)
NO_PARTS = Parts(NO, NO, NO, NO, NO, NO, NO, [])
STAGE = DatastreamId("agh-dere.outlet.stage")
DISCHARGE = DatastreamId("agh-dere.outlet.discharge")
SHAFT = DatastreamId("agh-dere.shaft.stage")


@pytest.fixture(scope="module")
def registry() -> Registry:
    return load_registry(Path("sites.example.toml"))


@dataclass
class Batch:
    """Rows to be judged: datastream, minutes after noon, value; each from its own message."""

    registry: Registry
    rows: list[tuple[DatastreamId, float, float]] = field(default_factory=list)

    def gathered(self) -> Gathered:
        return Gathered(
            NOON,
            np.array([self.registry.index[id] for id, _, _ in self.rows], np.int32),
            np.array([to_ms(NOON + timedelta(minutes=m)) for _, m, _ in self.rows], np.int64),
            np.array([value for _, _, value in self.rows], np.float64),
            np.arange(len(self.rows), dtype=np.int32),
            NO_PARTS,
        )


def assessor(registry: Registry) -> Assessor:
    return Assessor(registry, Flagger(limits_of(registry)))


def assess(registry: Registry, *rows: tuple[DatastreamId, float, float]) -> Judged:
    return assessor(registry).assess(Batch(registry, list(rows)).gathered())


def of(judged: Judged, datastream: DatastreamId) -> list[tuple[float, int, int]]:
    """Return (value, flag, message) of the rows of one datastream."""
    batch = judged.observations
    mine = [i for i, s in enumerate(batch.stream.tolist()) if batch.datastreams[s] == datastream]
    return [(float(batch.value[i]), int(batch.quality[i]), int(judged.source[i])) for i in mine]


def test_a_stage_gives_a_discharge_of_the_same_time_and_message(registry: Registry) -> None:
    judged = assess(registry, (SHAFT, 0, 1.0), (STAGE, 5, 0.127))

    assert of(judged, STAGE) == [(0.127, Quality.GOOD, 1)]
    ((discharge, flag, source),) = of(judged, DISCHARGE)
    assert discharge == pytest.approx(7.93, abs=0.05)
    assert (flag, source) == (Quality.GOOD, 1)
    parts = judged.observations.by_datastream()
    assert parts[DISCHARGE].time.tolist() == parts[STAGE].time.tolist()
    assert len(judged.observations) == 3, "no curve, no discharge from the shaft"


def test_a_discharge_is_no_better_than_its_stage(registry: Registry) -> None:
    judged = assess(registry, (STAGE, 0, -0.003))

    assert of(judged, STAGE) == [(-0.003, Quality.SUSPECT, 0)], "below range_suspect"
    assert of(judged, DISCHARGE) == [(0.0, Quality.SUSPECT, 0)], "no flow is good by the curve"


def test_a_stage_the_curve_does_not_hold_for_gives_none_and_is_counted(registry: Registry) -> None:
    judged = assess(registry, (STAGE, 0, 9.0), (STAGE, 5, 0.1))

    assert of(judged, STAGE)[0][:2] == (9.0, Quality.FAIL)
    assert [source for _, _, source in of(judged, DISCHARGE)] == [1]
    assert judged.n_unratable == 1


def test_a_sensor_that_said_nothing_is_missing_and_rates_to_nothing(registry: Registry) -> None:
    judged = assess(registry, (STAGE, 0, float("nan")))

    assert [flag for _, flag, _ in of(judged, STAGE)] == [Quality.MISSING]
    assert of(judged, DISCHARGE) == []
    assert judged.n_unratable == 0


def test_an_empty_batch_is_no_observations(registry: Registry) -> None:
    assert len(assess(registry).observations) == 0


def test_judged_again_after_the_store_was_away_the_flags_are_the_same(registry: Registry) -> None:
    rows = [(STAGE, 5.0 * i, 0.1 + 0.001 * (i % 3)) for i in range(12)] + [(STAGE, 60.0, 0.19)]
    expected = assess(registry, *rows)
    away = [True, True]

    def history(stream: int, before_ms: int | None) -> tuple[NDArray[np.int64], Values]:
        if away:
            away.pop()
            raise StoreUnavailable("away")
        return no_history(stream, before_ms)

    patient = Assessor(registry, Flagger(limits_of(registry), history))
    batch = Batch(registry, rows).gathered()
    for _ in range(2):
        with pytest.raises(StoreUnavailable):
            patient.assess(batch)

    assert of(patient.assess(batch), STAGE) == of(expected, STAGE)
    assert Quality.SUSPECT in [flag for _, flag, _ in of(expected, STAGE)], "a spike among them"


def test_a_curve_without_a_stage_to_rate_is_refused_at_the_start(registry: Registry) -> None:
    said = registry.model_dump(mode="json")
    outlet = said["kahriz"][0]["site"][0]
    outlet["sensor"] = [s for s in outlet["sensor"] if s["channel"] != "stage_m"]
    blind = Registry.model_validate(said)

    with pytest.raises(ConfigError, match="has a rating but no sensor for stage"):
        assessor(blind)
