"""A kahriz's past is walked through in event time, and who was silent is seen in what is stored."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

import numpy as np

from kahriz.alert.lifecycle import Alerts, State, Step, Transition
from kahriz.alert.walk import Silences, first_of, walk
from kahriz.detect import Detection, Kind
from kahriz.detect.gallery import Gallery, dump
from kahriz.detect.station.channel import DAY
from kahriz.observations import DatastreamId, Series
from tests.unit.detect.station.days import (
    BATTERY,
    FIRST,
    LEARNED,
    LINE,
    OUTLET,
    SHAFT,
    Days,
    kahriz,
    learned,
    log,
)

SINCE = 62.3
Log = Mapping[DatastreamId, Series]


def nobody(now: datetime, alerts: Alerts) -> tuple[Detection, ...]:
    return ()


def instant(day: float) -> datetime:
    return learned().quarters.end(FIRST + round(day * DAY))


def went(
    water: Days, last: float, told_until: datetime | None = None
) -> tuple[Gallery, Alerts, list[Transition]]:
    """Return how it ended and what moved, of a gallery that knows the place."""
    gallery = learned()
    alerts: Alerts = {}
    moved: list[Transition] = []
    said = log(gallery.kahriz, water, LEARNED, last)
    until = FIRST + round(last * DAY) - 1
    for _, became, now_moved in walk(gallery, said, until, {}, nobody, told_until):
        alerts = became
        moved += now_moved
    return gallery, alerts, moved


def test_every_quarter_up_to_the_last_is_judged_once_and_in_order() -> None:
    gallery = learned()
    said = log(gallery.kahriz, Days(), LEARNED, 61)
    instants = [now for now, _, _ in walk(gallery, said, FIRST + 61 * DAY - 1, {}, nobody)]

    assert instants == [instant(LEARNED) + i * timedelta(minutes=15) for i in range(DAY)]
    assert gallery.state.at == FIRST + 61 * DAY - 1
    assert list(walk(gallery, said, gallery.state.at, {}, nobody)) == []


def test_it_comes_to_what_the_gallery_finds_by_itself() -> None:
    walked, _, _ = went(Days().blocked(SINCE), 63)
    alone = learned()
    for at, values in Days().blocked(SINCE).steps(LEARNED, 63):
        alone.step(at, values)

    assert dump(walked.state) == dump(alone.state)
    assert walked.detections() == alone.detections() != []


def test_trouble_becomes_an_alert_in_event_time_and_ends_when_it_was_absent_long_enough() -> None:
    _, alerts, moved = went(Days().blocked(SINCE, until=SINCE + 1), 66)

    assert [(t.standing.kind, t.step) for t in moved] == [
        (Kind.BLOCKAGE, Step.PENDING),
        (Kind.BLOCKAGE, Step.FIRING),
        (Kind.BLOCKAGE, Step.RESOLVED),
    ]
    fired, resolved = moved[1].at, moved[2].at
    assert instant(SINCE) < fired <= instant(SINCE) + timedelta(hours=1)
    assert instant(SINCE + 1) < resolved < instant(SINCE + 1.3)
    assert [alert.state for alert in alerts.values()] == [State.RESOLVED]


def test_what_was_told_already_is_walked_through_to_learn_and_moves_nothing() -> None:
    until = instant(SINCE + 0.5)
    gallery, _, moved = went(Days().blocked(SINCE), 63, until)

    assert min(t.at for t in moved) == until + timedelta(minutes=15)
    assert [t.step for t in moved] == [Step.PENDING, Step.FIRING]
    assert dump(gallery.state) == dump(went(Days().blocked(SINCE), 63)[0].state)
    assert went(Days().blocked(SINCE), 63, instant(70))[1:] == ({}, [])


def test_other_detectors_are_asked_at_each_quarter_with_the_alerts_as_they_are() -> None:
    asked: list[tuple[datetime, int]] = []

    def others(now: datetime, alerts: Alerts) -> tuple[Detection, ...]:
        asked.append((now, len(alerts)))
        return (Detection(Kind.OFFLINE, "test", now, {}, "Silent.", "k-line"),)

    gallery = learned()
    said = log(gallery.kahriz, Days(), LEARNED, 61)
    steps = list(walk(gallery, said, FIRST + LEARNED * DAY + 1, {}, others))

    assert asked == [(instant(LEARNED), 0), (instant(LEARNED) + timedelta(minutes=15), 1)]
    assert [t.step for t in steps[0][2]] == [Step.PENDING, Step.FIRING]


def silent(said: Log, day: float, *sites: str, rated: bool = False) -> dict[str, float]:
    """Return the hours of silence by device at an instant."""
    gallery = Gallery(kahriz(*sites, battery=True, rated=rated))
    found = Silences(gallery, said)(instant(day), {})
    assert {d.kind for d in found} <= {Kind.OFFLINE}
    return {d.key: float(d.evidence["silent_h"]) for d in found}


def hushed(name: DatastreamId, first: float, last: float = np.inf) -> Log:
    water = Days().says(name, np.nan, first, last)
    return log(kahriz(battery=True), water, LEARNED, 66)


def test_a_device_is_silent_from_two_hours_after_its_last_reading() -> None:
    said = hushed(SHAFT, 62.0)
    two_hours = 62.0 - 1 / DAY + 2 / 24

    assert silent(said, two_hours - 1 / DAY) == {}
    assert silent(said, two_hours) == {"k-shaft": 2.0}
    assert silent(said, 63.0)["k-shaft"] == 24.25


def test_a_device_that_came_back_later_was_silent_all_the_same() -> None:
    said = hushed(SHAFT, 62.0, 62.5)

    assert list(silent(said, 62.4)) == ["k-shaft"]
    assert silent(said, 62.5) == {}


def test_a_device_with_two_sensors_is_heard_as_long_as_one_of_them_speaks() -> None:
    assert silent(hushed(OUTLET, 62.0), 63.0) == {}
    assert silent(hushed(BATTERY, 62.0), 63.0) == {}


def test_values_that_failed_are_a_device_that_speaks() -> None:
    water = Days().says(SHAFT, np.inf, 62.0)

    assert silent(log(kahriz(battery=True), water, LEARNED, 66), 63.0) == {}


def test_all_that_are_silent_are_named() -> None:
    water = Days()
    for name in (OUTLET, SHAFT, LINE, BATTERY):
        water.says(name, np.nan, 62.0)

    said = log(kahriz(battery=True), water, LEARNED, 66)
    assert sorted(silent(said, 63.0)) == ["k-line", "k-outlet", "k-shaft"]


def test_a_device_never_heard_so_far_is_not_silent() -> None:
    said = hushed(SHAFT, 0.0, 64.0)

    assert silent(said, 63.0) == {}
    assert silent({}, 63.0) == {}


def test_a_stage_that_a_rating_turns_into_flow_is_its_device_speaking() -> None:
    def heard(last: float) -> Log:
        return log(kahriz("outlet", rated=True), Days().says(OUTLET, np.nan, last), LEARNED, 66)

    assert silent(heard(66), 63.0, "outlet", rated=True) == {}
    assert silent(heard(62), 63.0, "outlet", rated=True) == {"k-outlet": 24.25}


def test_the_first_instant_of_a_log_is_the_oldest_of_all_its_series() -> None:
    assert first_of({}) is None
    assert first_of({SHAFT: Series.empty(SHAFT)}) is None
    assert first_of(hushed(OUTLET, 0, 62.0)) == instant(LEARNED)
    assert first_of({OUTLET: hushed(OUTLET, 0, 62.0)[OUTLET]}) == instant(62.0)
