from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from bench.score.data import Collection, Flags
from bench.score.quality_metric import QualityScore, quality_score
from tests.unit.bench.score.build import collection, event, recording, rules


def flags(*hours: float, days: float = 30) -> Flags:
    marked = np.zeros(len(recording(days).time_ms), dtype=bool)
    for hour in hours:
        marked[round(hour * 4)] = True
    return marked


def of(water: Collection, marked: Flags) -> QualityScore:
    return quality_score(water, {"a": marked})


def test_one_flag_finds_an_event_a_step_before_to_a_step_after_it() -> None:
    water = collection([event(100, 110, "noise")])

    assert of(water, flags(99.75)).event_recall == 1.0
    assert of(water, flags(110.25)).event_recall == 1.0
    assert of(water, flags(99.5)).event_recall == 0.0
    assert of(water, flags()).found.total() == 0


def test_a_run_is_false_once_however_long_and_only_far_from_what_is_labelled() -> None:
    water = collection([event(100, 110, "noise")])

    assert of(water, flags(50, 50.25, 50.5, 60)).false_runs == 2
    assert of(water, flags(99, 111)).false_runs == 0
    assert of(water, flags(98.75, 111.25)).false_runs == 2


def test_false_runs_are_told_a_station_and_month() -> None:
    water = collection([], days=30.4375)

    assert of(water, flags(5, 9, 14, days=30.4375)).false_runs_per_month == pytest.approx(3.0, 0.01)


def test_labels_of_the_file_come_before_those_of_the_events() -> None:
    water = collection([event(100, 110, "noise")])
    labelled = replace(water, recordings={"a": recording(30, labelled=flags(50))})

    assert of(labelled, flags(50)).false_runs == 0
    assert of(labelled, flags(105)).false_runs == 1


def test_what_is_natures_own_has_no_flag_to_find_and_none_to_spare() -> None:
    water = collection([event(100, 110, "flood")], rules(neutral=("flood",)))
    found = of(water, flags(105))

    assert math.isnan(found.event_recall)
    assert found.false_runs == 1


def test_flags_while_a_station_learns_do_not_count() -> None:
    water = collection([event(100, 110, "noise")], rules(warmup_d=7))
    found = of(water, flags(50, 105, 200))

    assert (found.flagged, found.events.total(), found.false_runs) == (1, 0, 1)


def test_a_station_without_flags_of_its_own_is_not_judged() -> None:
    assert quality_score(collection([event(1, 2)]), {}).readings == 0


def test_who_flags_everything_has_flagged_all_that_was_good() -> None:
    water = collection([event(100, 110, "noise")], days=30)
    everything = of(water, flags() | True)

    assert everything.good_flagged_share == 1.0
    assert of(water, flags(99, 105)).good_flagged_share == 0.0
