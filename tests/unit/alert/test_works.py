"""While somebody works at a kahriz nobody is called for it, and what he does is not learned."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from kahriz.alert.lifecycle import Alerts, Place, State, Step, Transition
from kahriz.alert.walk import Silences, walk
from kahriz.alert.works import Calendar
from kahriz.book.maintenance import Works
from kahriz.detect import Detection, Kind
from kahriz.detect.gallery import Gallery, dump
from kahriz.detect.station.channel import DAY
from kahriz.detect.ticks import QUARTER
from tests.unit.detect.station.days import (
    FIRST,
    LEARNED,
    LINE,
    OUTLET,
    SHAFT,
    Days,
    learned,
    log,
)

SINCE = 62.3
BLOCKED: Place = (Kind.BLOCKAGE, "")


def nobody(now: datetime, alerts: Alerts) -> tuple[Detection, ...]:
    return ()


def instant(day: float) -> datetime:
    return learned().quarters.end(FIRST + round(day * DAY))


def works(first: float, last: float | None, *, is_new_normal: bool = False) -> Works:
    end = None if last is None else instant(last)
    return Works(1, "k", instant(first), end, is_new_normal, "", "test")


def went(water: Days, last: float, *spans: Works) -> tuple[Gallery, Alerts, list[Transition]]:
    """Return how it ended and what moved, of a gallery that knows the place."""
    gallery = learned()
    alerts: Alerts = {}
    moved: list[Transition] = []
    said = log(gallery.kahriz, water, LEARNED, last)
    until = FIRST + round(last * DAY) - 1
    for _, became, now_moved in walk(gallery, said, until, {}, nobody, works=spans):
        alerts = became
        moved += now_moved
    return gallery, alerts, moved


def steps(moved: list[Transition]) -> list[tuple[Kind, Step]]:
    return [(t.standing.kind, t.step) for t in moved]


def lowered(since: float) -> Days:
    """Return the water of an outlet that gives more from under a lower level, from then on."""
    water = Days().shifted(SHAFT, since, -0.12)
    for name in (OUTLET, LINE):
        water.shifted(name, since, -0.25)
    return water


# ---- a quarter of an hour


def test_a_quarter_of_which_any_part_is_worked_in_is_under_works() -> None:
    quarters = learned().quarters
    at = FIRST + 60 * DAY
    end = quarters.end(at)
    calendar = Calendar(
        [Works(1, "k", end, end + QUARTER + timedelta(milliseconds=1), False, "", "")], quarters
    )

    assert [calendar.is_on(at + i) for i in range(-1, 4)] == [False, True, True, True, False]
    assert calendar.normal_since(at + 3) == -1


def test_works_without_an_end_go_on() -> None:
    calendar = Calendar([works(60, None)], learned().quarters)

    assert not calendar.is_on(FIRST + 60 * DAY - 1)
    assert calendar.is_on(FIRST + 6000 * DAY)


def test_a_new_normal_begins_when_the_last_quarter_of_its_works_is_over() -> None:
    spans = [works(50, 51, is_new_normal=True), works(60, 61, is_new_normal=True), works(70, 71)]
    calendar = Calendar(spans, learned().quarters)
    ends = [FIRST + 51 * DAY, FIRST + 61 * DAY]

    assert calendar.normal_since(ends[0]) == -1
    assert calendar.normal_since(ends[0] + 1) == ends[0]
    assert calendar.normal_since(ends[1]) == ends[0]
    assert calendar.normal_since(FIRST + 90 * DAY) == ends[1]


# ---- what is told


def test_what_the_workers_do_to_the_water_is_not_told() -> None:
    water = Days().blocked(SINCE, until=SINCE + 1)

    assert steps(went(water, 65)[2]) != []
    assert went(water, 65, works(SINCE - 0.1, SINCE + 1.1))[1:] == ({}, [])


def test_other_detectors_are_not_heard_meanwhile_either() -> None:
    gallery = learned()
    water = Days().says(LINE, float("nan"), 62.0, 63.0)
    said = log(gallery.kahriz, water, LEARNED, 65)
    last = FIRST + 65 * DAY - 1

    def kinds(*spans: Works) -> set[Kind]:
        walked = learned()
        moves = walk(walked, said, last, {}, Silences(walked, said), works=spans)
        return {t.standing.kind for _, _, moved in moves for t in moved}

    assert kinds() == {Kind.OFFLINE}
    assert kinds(works(62.0, 63.1)) == set()


def test_an_open_alert_stands_while_somebody_works_and_ends_when_its_trouble_has() -> None:
    # The kankan takes half a day to clear the way.
    water = Days().blocked(SINCE, until=SINCE + 1.3)
    span = works(SINCE + 1, SINCE + 1.5)
    during, _, moved = went(water, SINCE + 1.4, span)
    alert = went(water, SINCE + 1.4, span)[1][BLOCKED]
    after = went(water, SINCE + 3, span)[2]

    assert steps(moved) == [(Kind.BLOCKAGE, Step.PENDING), (Kind.BLOCKAGE, Step.FIRING)]
    assert (alert.state, alert.last_seen) == (
        State.FIRING,
        during.quarters.end(during.state.at),
    )
    assert steps(after)[2:] == [(Kind.BLOCKAGE, Step.RESOLVED)]
    assert after[2].at > instant(SINCE + 1.5)


def test_an_open_alert_goes_on_after_works_that_did_not_help() -> None:
    _, alerts, moved = went(Days().blocked(SINCE), SINCE + 4, works(SINCE + 1, SINCE + 1.5))

    assert steps(moved) == [(Kind.BLOCKAGE, Step.PENDING), (Kind.BLOCKAGE, Step.FIRING)]
    assert alerts[BLOCKED].state is State.FIRING


def test_what_was_about_to_be_told_when_works_began_was_nothing() -> None:
    def others(now: datetime, alerts: Alerts) -> list[Detection]:
        is_seen = instant(61) <= now < instant(61.03) or now >= instant(61.05)
        return [Detection(Kind.SENSOR, "test", now, {}, "", "k-line")] if is_seen else []

    gallery = learned()
    said = log(gallery.kahriz, Days(), LEARNED, 61.2)
    span = works(61.03, 61.04)
    moves = walk(gallery, said, FIRST + round(61.08 * DAY), {}, others, works=[span])
    moved = [transition for _, _, all_moved in moves for transition in all_moved]

    # What is seen after them has to be held for an hour again.
    assert [t.step for t in moved] == [Step.PENDING, Step.DROPPED, Step.PENDING]
    assert moved[1].at == instant(61.03)
    assert moved[1].detail == "somebody works there"


# ---- what is learned


@pytest.mark.parametrize("days", [0.02, 0.5, 9])
def test_nothing_is_learned_from_what_the_workers_do(days: float) -> None:
    span = works(SINCE, SINCE + days)
    wild = Days().noisy(OUTLET, SINCE, 0.5, SINCE + days).noisy(SHAFT, SINCE, 0.3, SINCE + days)
    wild.says(LINE, 0.0, SINCE, SINCE + days)

    assert dump(went(wild, 73, span)[0].state) == dump(went(Days(), 73, span)[0].state)
    assert went(wild, 73, span)[2] == []


def test_an_outlet_lowered_by_works_with_a_new_normal_is_no_trouble_afterwards() -> None:
    span = works(SINCE, SINCE + 0.5, is_new_normal=True)

    gallery, alerts, moved = went(lowered(SINCE + 0.2), SINCE + 20, span)
    assert (alerts, moved) == ({}, [])
    assert gallery.state.anew == gallery.quarters.of(instant(SINCE + 0.5))


def test_without_a_new_normal_it_is_judged_by_what_was_usual_before() -> None:
    _, alerts, _ = went(lowered(SINCE + 0.2), SINCE + 3, works(SINCE, SINCE + 0.5))

    (alert,) = alerts.values()
    assert (alert.kind, alert.state) == (Kind.DECLINE, State.FIRING)
    assert alert.fired_at is not None
    assert alert.fired_at > instant(SINCE + 0.5)


def test_a_new_normal_ends_what_stood_before_the_works() -> None:
    span = works(SINCE + 1, SINCE + 1.5, is_new_normal=True)
    _, alerts, moved = went(Days().blocked(SINCE), SINCE + 10, span)

    assert steps(moved)[2:] == [(Kind.BLOCKAGE, Step.RESOLVED)]
    assert instant(SINCE + 1.5) < moved[2].at <= instant(SINCE + 1.5) + timedelta(hours=2.5)
    assert [a.state for a in alerts.values()] == [State.RESOLVED]


def test_new_trouble_after_a_new_normal_is_found_again() -> None:
    water = lowered(SINCE + 0.2).blocked(SINCE + 20)
    span = works(SINCE, SINCE + 0.5, is_new_normal=True)
    _, alerts, _ = went(water, SINCE + 21, span)

    assert [(a.kind, a.state) for a in alerts.values()] == [(Kind.BLOCKAGE, State.FIRING)]


def test_a_new_normal_announced_late_is_taken_at_the_next_quarter_and_once() -> None:
    gallery = learned()
    water = lowered(SINCE)
    said = log(gallery.kahriz, water, LEARNED, SINCE + 12)
    quarter = FIRST + round((SINCE + 1) * DAY)
    alerts: Alerts = {}
    for _, became, _ in walk(gallery, said, quarter, {}, nobody):
        alerts = became
    span = works(SINCE - 0.1, SINCE + 0.1, is_new_normal=True)
    later = FIRST + round((SINCE + 11) * DAY)
    moved: list[Transition] = []
    for _, became, now_moved in walk(gallery, said, later, alerts, nobody, works=[span]):
        alerts = became
        moved += now_moved

    assert steps(moved) == [(Kind.DECLINE, Step.RESOLVED)]
    assert gallery.state.station["outlet"].water.curve.is_known
