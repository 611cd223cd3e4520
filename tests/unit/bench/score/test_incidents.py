from __future__ import annotations

from bench.score.incidents import FOREVER_MS, incidents
from tests.unit.bench.score.build import at, event, rules


def test_events_as_far_apart_as_they_may_be_are_one_incident() -> None:
    near = incidents([event(0, 1), event(25, 26)], rules(merge_h=24))
    far = incidents([event(0, 1), event(25.25, 26)], rules(merge_h=24))

    assert [(i.start_ms, i.end_ms) for i in near] == [(at(0), at(26))]
    assert len(far) == 2


def test_without_a_distance_even_events_that_overlap_stay_apart() -> None:
    found = incidents([event(0, 10), event(2, 3)], rules(merge_h=None))

    assert [i.start_ms for i in found] == [at(0), at(2)]


def test_the_distance_counts_from_the_latest_end_so_far() -> None:
    found = incidents([event(0, 50), event(1, 2), event(60, 61)], rules(merge_h=24))

    assert [(i.start_ms, i.end_ms) for i in found] == [(at(0), at(61))]


def test_an_incident_is_called_by_what_lasted_longest_and_lasts_what_its_events_do() -> None:
    events = [event(0, 1, "spike"), event(5, 9, "ice"), event(12, 13, "spike")]
    (found,) = incidents(events, rules(merge_h=24))

    assert found.kind == "ice"
    assert found.duration_min == (60 + 15) + (240 + 15) + (60 + 15)


def test_one_reading_alone_lasts_a_step() -> None:
    assert incidents([event(3, 3)], rules())[0].duration_min == 15


def test_the_horizon_is_the_types_own_or_that_of_all_others_or_none() -> None:
    its = rules(merge_h=24, horizon_h={"leak": 10, "*": 2})
    assert incidents([event(0, 50, "leak")], its)[0].limit_ms == at(10)
    assert incidents([event(0, 50, "surge")], its)[0].limit_ms == at(2)
    assert incidents([event(0, 50, "leak"), event(51, 52)], its)[0].limit_ms == at(53)

    assert incidents([event(0, 50)], rules())[0].limit_ms == FOREVER_MS
