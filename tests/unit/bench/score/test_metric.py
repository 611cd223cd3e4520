"""Cases small enough to be counted by hand; a month is 30.4375 days."""

from __future__ import annotations

import math

import pytest

from bench.score.alarms import Alarm, raised
from bench.score.data import Collection
from bench.score.metric import AlarmScore, quantile, score
from bench.score.rules import Audience
from tests.unit.bench.score.build import alarm, at, collection, event, recording, rules

COMMITTEE = Audience(frozenset({"blockage", "drought"}), frozenset({"blockage", "drought"}))
TECHNICIAN = Audience(frozenset({"gap"}), frozenset({"offline"}))


def of(collected: Collection, *alarms: Alarm) -> AlarmScore:
    return score(collected, {"a": alarms})


def test_found_missed_and_false_are_counted_by_onsets() -> None:
    water = collection([event(100, 110), event(200, 210), event(300, 310)])
    found = of(water, alarm(101), alarm(150), alarm(305))

    assert (found.found, found.incidents, found.false_messages) == (2, 3, 1)
    assert found.precision == pytest.approx(2 / 3)
    assert found.recall == pytest.approx(2 / 3)
    assert found.f1 == pytest.approx(2 / 3)


def test_f1_is_the_harmonic_mean_of_the_two() -> None:
    found = of(collection([event(100, 110), event(200, 210)]), alarm(101), alarm(150), alarm(151))

    assert found.precision == pytest.approx(1 / 3)
    assert found.recall == 0.5
    assert found.f1 == pytest.approx(2 * (1 / 3) * 0.5 / (1 / 3 + 0.5))


@pytest.mark.parametrize(
    ("hour", "is_found"), [(99.49, False), (99.5, True), (112.0, True), (112.01, False)]
)
def test_an_onset_counts_half_an_hour_early_and_two_hours_late_at_most(
    hour: float, is_found: bool
) -> None:
    found = of(collection([event(100, 110)]), alarm(hour))

    assert found.found == is_found
    assert found.false_messages == (not is_found)


def test_an_early_onset_has_no_delay() -> None:
    assert of(collection([event(100, 110)]), alarm(99.75)).delays_h == [0.0]


def test_what_comes_after_the_horizon_is_neither_found_nor_false() -> None:
    water = collection([event(100, 200)], rules(horizon_h={"blockage": 24}))
    just, late = of(water, alarm(124)), of(water, alarm(124.25))

    assert (just.found, just.false_messages, just.ignored) == (1, 0, 0)
    assert (late.found, late.false_messages, late.ignored) == (0, 0, 1)


def test_a_second_onset_is_a_repeat_and_does_not_change_the_delay() -> None:
    found = of(collection([event(100, 110)]), alarm(105), alarm(102), alarm(109))

    assert (found.found, found.repeats, found.false_messages) == (1, 2, 0)
    assert found.delays_h == [2.0]


def test_each_of_two_overlapping_incidents_needs_an_onset_of_its_own() -> None:
    water = collection([event(100, 200), event(120, 140)])
    one = of(water, alarm(125))
    two = of(water, alarm(125), alarm(130))

    assert (one.found, one.incidents) == (1, 2)
    assert one.delays_h == [5.0]
    assert sorted(two.delays_h) == [5.0, 30.0]


def test_nothing_is_judged_while_a_station_learns() -> None:
    water = collection([event(100, 110), event(300, 310)], rules(warmup_d=7), days=37)
    found = of(water, alarm(50), alarm(101), alarm(301))

    assert (found.found, found.incidents, found.false_messages) == (1, 1, 0)
    assert found.months == pytest.approx(30 / 30.4375)


def test_an_alarm_about_trouble_that_began_while_learning_is_not_false() -> None:
    water = collection([event(160, 200)], rules(warmup_d=7))
    found = of(water, alarm(190))

    assert (found.incidents, found.false_messages, found.ignored) == (0, 0, 1)


@pytest.mark.parametrize(("end_h", "incidents"), [(100.5, 0), (100.75, 1)])
def test_what_is_shorter_than_an_hour_nobody_has_to_find(end_h: float, incidents: int) -> None:
    found = of(collection([event(100, end_h)]), alarm(100.25))

    assert (found.incidents, found.ignored) == (incidents, 1 - incidents)
    assert found.false_messages == 0


def test_natures_own_and_excluded_types_are_neither_to_find_nor_false() -> None:
    its = rules(neutral=("natural_flood",), exclude=("spike",))
    water = collection([event(100, 110, "natural_flood"), event(200, 210, "spike")], its)
    found = of(water, alarm(105), alarm(205), alarm(300))

    assert (found.incidents, found.ignored, found.false_messages) == (0, 2, 1)


def test_false_messages_are_told_by_kind_and_a_station_and_month() -> None:
    water = collection([], days=30.4375, stations=2)
    found = score(water, {"a": (alarm(10, "leak"), alarm(20, "leak")), "b": (alarm(30, "gap"),)})

    assert found.false == {"leak": 2, "gap": 1}
    assert found.false_per_month == pytest.approx(1.5)


def test_a_detector_that_never_speaks_scores_nothing() -> None:
    found = of(collection([event(100, 110)]))

    assert (found.f1, found.recall) == (0.0, 0.0)
    assert math.isnan(found.precision)


def test_a_detector_that_is_always_on_scores_nothing() -> None:
    water = collection([event(200, 210), event(300, 310)], rules(warmup_d=7))
    flags = recording(30).time_ms >= 0
    found = of(water, *raised(recording(30).time_ms, flags, water.rules))

    assert (found.f1, found.found, found.false_messages) == (0.0, 0, 0)


def test_the_first_name_is_told_and_any_right_name_counts() -> None:
    its = rules(kinds={"drought": ("drought", "decline")})
    water = collection([event(100, 200, "drought"), event(300, 310, "surge")], its)
    found = of(water, alarm(101, "blockage"), alarm(150, "decline"), alarm(301, "decline"))

    assert found.types["drought"].named == {"blockage": 1}
    assert found.types["drought"].named_right == 1
    assert found.types["surge"].named_right == 0
    assert found.named_right == 0.5


def test_messages_without_a_name_are_not_judged_by_it() -> None:
    assert math.isnan(of(collection([event(100, 110)]), alarm(101)).named_right)


def test_an_audience_hears_its_kinds_and_what_they_say_of_others_trouble_is_false() -> None:
    its = rules(audience={"committee": COMMITTEE, "technician": TECHNICIAN})
    water = collection([event(100, 110), event(200, 210, "gap")], its)
    alarms = {"a": (alarm(101, "blockage"), alarm(201, "blockage"), alarm(202, "offline"))}
    committee = score(water, alarms, "committee")
    technician = score(water, alarms, "technician")

    assert (committee.found, committee.incidents, committee.false_messages) == (1, 1, 1)
    assert (technician.found, technician.incidents, technician.false_messages) == (1, 1, 0)


def test_a_message_without_a_name_reaches_every_audience() -> None:
    its = rules(audience={"committee": COMMITTEE, "technician": TECHNICIAN})
    water = collection([event(100, 110)], its)

    assert score(water, {"a": (alarm(101),)}, "committee").found == 1
    assert score(water, {"a": (alarm(101),)}, "technician").false_messages == 1


def test_natures_own_spares_an_audience_too() -> None:
    its = rules(neutral=("natural_flood",), audience={"committee": COMMITTEE})
    water = collection([event(100, 110, "natural_flood")], its)

    assert score(water, {"a": (alarm(105),)}, "committee").ignored == 1


def test_types_counted_together_know_what_was_found_in_time() -> None:
    water = collection([event(100, 200), event(300, 400, "leak"), event(500, 600, "leak")])
    both = of(water, alarm(112), alarm(330)).of(["blockage", "leak", "unknown"])

    assert (both.incidents, both.found, both.found_within(12), both.found_within(30)) == (
        3, 2, 1, 2,
    )  # fmt: skip


def test_delays_have_a_median_and_a_late_tenth() -> None:
    delays = [float(hour) for hour in range(11)]

    assert (quantile(delays, 0.5), quantile(delays, 0.9)) == (5.0, 9.0)
    assert math.isnan(quantile([], 0.5))


def test_stations_add_up() -> None:
    one, two = of(collection([event(100, 110)]), alarm(101)), of(collection([event(9, 19)]))
    one.add(two)

    assert (one.found, one.incidents) == (1, 2)
    assert one.months == pytest.approx(60 / 30.4375)


def test_an_alarm_of_an_unknown_station_is_nobodys() -> None:
    assert score(collection([]), {"elsewhere": (Alarm(at(1), at(1)),)}).false_messages == 0
