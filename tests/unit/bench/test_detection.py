"""The benchmark of detection judges the readings of a station, all of them, as ingest does."""

from __future__ import annotations

import numpy as np
import pytest

from bench import detection
from bench.detection import Measured
from bench.score import stations
from bench.score.data import Recording
from bench.score.peers import Hampel
from bench.score.rules import Rules
from kahriz.detect.gallery import Gallery, load


@pytest.fixture(scope="module")
def recording() -> Recording:
    return stations.simulated(stations.DEV_SEEDS[0], 1, detection.LEARNED + 4).recordings["s11-00"]


@pytest.fixture(scope="module")
def measured(recording: Recording) -> Measured:
    return detection.of(recording)


def test_a_station_is_a_kahriz_whose_gallery_asks_for_all_that_was_measured(
    recording: Recording, measured: Measured
) -> None:
    assert set(Gallery(measured.kahriz).streams) == set(measured.log)
    for value, series in zip(recording.channels.values(), measured.log.values(), strict=True):
        assert np.array_equal(series.value, value[np.isfinite(value)])


def test_finer_is_three_times_as_many_readings_and_those_that_were_are_among_them(
    measured: Measured,
) -> None:
    finer = detection.finer(measured)

    for name, series in measured.log.items():
        assert len(finer.log[name]) == 3 * len(series)
        assert np.array_equal(finer.log[name].time[2::3], series.time)
        assert np.allclose(finer.log[name].value[2::3], series.value)
    assert finer.first == measured.first


def test_put_away_after_each_quarter_it_has_judged_everything(
    measured: Measured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(detection, "MEASURED", 2)
    learned = detection.learned(measured)
    quarters = list(detection.quarters(measured))
    state = detection.judged(measured, learned, quarters)

    assert len(quarters) == 2 * 96
    assert load(state).at - load(learned).at == 2 * 96
    assert state == detection.at_once(measured, learned) != learned


def test_the_peer_flags_what_the_scoreboards_flags() -> None:
    rng = np.random.default_rng(1)
    value = 12 * np.exp(rng.normal(0, 0.01, 6000))
    value[4000:4003] = 30.0
    time_ms = np.arange(6000, dtype=np.int64) * 300_000
    flags = Hampel()(Recording("s", time_ms, {"value": value}), Rules(step_min=5))

    assert detection.hampel(value.tolist()) == int(flags.sum()) == 3


def test_rows_that_are_not_wanted_cost_nothing() -> None:
    assert detection.rows(pytest.fail, {"rss_mb"}, 3) == []
