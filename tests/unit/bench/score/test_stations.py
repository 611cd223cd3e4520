from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from bench.score.data import Collection, Recording, read_collection, write_collection
from bench.score.incidents import incidents
from bench.score.plans import NOT_JUDGED, PLANS, Plan, station_rules
from bench.score.rules import DAY_MS
from bench.score.stations import (
    DEV_SEEDS,
    LEARNING_DAYS,
    REPORT_SEEDS,
    START_MS,
    STEP_MS,
    drawn,
    random_kahriz,
    simulated,
)


@pytest.fixture(scope="module")
def fresh() -> Collection:
    return simulated(DEV_SEEDS[0], stations=4)


@pytest.fixture(scope="module")
def recordings() -> list[Recording]:
    return [r for seed in DEV_SEEDS[:3] for r in simulated(seed, stations=4).recordings.values()]


def test_what_is_reported_is_never_tuned_on() -> None:
    assert not set(DEV_SEEDS) & set(REPORT_SEEDS)


def test_the_same_seed_gives_the_same_stations_however_many(fresh: Collection) -> None:
    again = simulated(DEV_SEEDS[0], stations=2)

    for name, its in again.recordings.items():
        assert again.events[name] == fresh.events[name]
        for column, values in its.channels.items():
            np.testing.assert_array_equal(values, fresh.recordings[name].channels[column])


def test_another_seed_gives_other_stations(fresh: Collection) -> None:
    other = simulated(DEV_SEEDS[1], stations=1)

    assert next(iter(other.events.values())) != next(iter(fresh.events.values()))


def test_stations_are_kahrizes_of_2_to_30_lps_and_some_have_no_line(
    recordings: list[Recording],
) -> None:
    flows = [float(np.nanmedian(r.channels["flow_out"])) for r in recordings]

    assert all(1.0 < flow < 45.0 for flow in flows)
    assert {"flow_dist" in r.channels for r in recordings} == {True, False}


def test_nothing_goes_wrong_while_a_station_learns_and_never_two_things_at_once(
    fresh: Collection,
) -> None:
    for events in fresh.events.values():
        assert events[0].start_ms >= START_MS + LEARNING_DAYS * DAY_MS
        for one, next_one in pairwise(events):
            assert next_one.start_ms - one.end_ms >= 7 * DAY_MS


def test_the_truth_lies_on_readings_and_the_labels_say_the_same(fresh: Collection) -> None:
    for name, recording in fresh.recordings.items():
        assert recording.is_labelled is not None
        for event in fresh.events_of(name):
            inside = (recording.time_ms >= event.start_ms) & (recording.time_ms <= event.end_ms)
            assert event.start_ms in recording.time_ms
            assert event.end_ms in recording.time_ms
            if event.kind not in fresh.rules.neutral:
                assert recording.is_labelled[inside].all()


def test_a_gap_is_where_the_truth_says_it_is() -> None:
    gaps = 0
    for seed in DEV_SEEDS[:3]:
        collection = simulated(seed, stations=6)
        for name, recording in collection.recordings.items():
            silent = np.isnan(recording.channels["flow_out"])
            said = np.zeros_like(silent)
            for event in collection.events_of(name):
                if event.kind == "gap":
                    gaps += 1
                    said |= (recording.time_ms >= event.start_ms) & (
                        recording.time_ms <= event.end_ms
                    )
            np.testing.assert_array_equal(silent, said)
    assert gaps > 3


def test_every_plan_is_one_of_the_simulators_and_is_judged_or_spared() -> None:
    rules = station_rules()
    told = {kind for audience in rules.audience.values() for kind in audience.types}
    spared = set(rules.neutral) | set(NOT_JUDGED)

    assert {plan.type for plan in PLANS} <= told | spared
    assert not told & spared
    assert told == set(rules.kinds)


def test_a_folder_written_is_the_collection_read(fresh: Collection, tmp_path: Path) -> None:
    write_collection(tmp_path, fresh)
    read = read_collection(tmp_path)

    assert read.rules == fresh.rules
    assert read.events == {name: its for name, its in fresh.events.items() if its}
    for name, its in fresh.recordings.items():
        np.testing.assert_array_equal(read.recordings[name].time_ms, its.time_ms)
        np.testing.assert_array_equal(read.recordings[name].is_labelled, its.is_labelled)
        for column, values in its.channels.items():
            np.testing.assert_allclose(read.recordings[name].channels[column], values, rtol=1e-5)


def test_every_event_is_an_incident_of_its_own(fresh: Collection) -> None:
    for events in fresh.events.values():
        judged = [event for event in events if event.kind not in fresh.rules.ignored]

        assert len(incidents(judged, fresh.rules)) == len(judged)


def test_readings_come_every_quarter_of_an_hour(fresh: Collection) -> None:
    for recording in fresh.recordings.values():
        assert set(np.diff(recording.time_ms).tolist()) == {STEP_MS}


@pytest.mark.parametrize("plan", PLANS, ids=lambda plan: plan.kind)
def test_whatever_is_drawn_of_a_plan_the_simulator_can_play(plan: Plan) -> None:
    for seed in range(20):
        chance = np.random.default_rng(seed)
        kahriz = random_kahriz("k", chance)
        for trouble in drawn(plan, kahriz, chance, 100.0, plan.hours[1]):
            assert trouble.kind == plan.kind
            assert trouble.kahriz == "k" or trouble.device in {d.id for d in kahriz.device}
            assert trouble.start_ms == START_MS + 100 * 3_600_000
