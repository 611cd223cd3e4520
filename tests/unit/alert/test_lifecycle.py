from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kahriz.alert.lifecycle import (
    RULES,
    Alerts,
    Place,
    Standing,
    State,
    Step,
    Transition,
    episodes,
    judge,
)
from kahriz.detect import Detection, Kind

START = datetime(2026, 11, 22, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def at(minutes: float) -> datetime:
    return START + minutes * MINUTE


def blockage(deviation: float = -0.4, kind: Kind = Kind.BLOCKAGE, key: str = "") -> Detection:
    evidence = {"deviation": deviation, "expected_lps": 14.8}
    return Detection(kind, "station", START, evidence, f"Down {deviation}.", key)


class Life:
    """Alerts as they go, judged at chosen minutes."""

    def __init__(self) -> None:
        self.alerts: Alerts = {}
        self.moved: list[Transition] = []

    def see(self, minute: float, *detections: Detection) -> Life:
        self.alerts, moved = judge(self.alerts, detections, at(minute))
        self.moved += moved
        return self

    def held(self, first: int, last: int, detection: Detection, step: int = 5) -> Life:
        for minute in range(first, last + 1, step):
            self.see(minute, detection)
        return self

    def quiet(self, first: int, last: int, step: int = 5) -> Life:
        for minute in range(first, last + 1, step):
            self.see(minute)
        return self

    @property
    def steps(self) -> list[tuple[str, str]]:
        return [(t.standing.kind.value, t.step.value) for t in self.moved]

    def state(self, kind: Kind = Kind.BLOCKAGE, key: str = "") -> State:
        return self.alerts[(kind, key)].state


def test_a_detection_is_pending_until_it_was_held_long_enough() -> None:
    life = Life().see(0, blockage()).see(10, blockage())

    assert life.state() is State.PENDING
    assert life.see(15, blockage()).state() is State.FIRING
    assert life.alerts[(Kind.BLOCKAGE, "")].fired_at == at(15)


def test_a_detector_that_has_waited_itself_is_believed_at_once() -> None:
    life = Life().see(0, replace(blockage(), is_held=True))

    assert life.steps == [("blockage", "pending"), ("blockage", "firing")]
    assert life.alerts[(Kind.BLOCKAGE, "")].fired_at == START


def test_what_is_pending_is_believed_as_soon_as_a_detector_is_sure() -> None:
    life = Life().see(0, blockage()).see(5, replace(blockage(), is_held=True))

    assert life.alerts[(Kind.BLOCKAGE, "")].fired_at == at(5)


def test_what_is_seen_once_and_never_again_is_dropped_without_firing() -> None:
    life = Life().see(0, blockage()).quiet(5, 30)

    assert life.steps == [("blockage", "pending"), ("blockage", "dropped")]
    assert episodes(life.alerts, START) == ()


def test_an_alert_ends_when_it_was_absent_long_enough() -> None:
    life = Life().held(0, 60, blockage()).quiet(65, 175)

    assert life.state() is State.FIRING
    assert life.see(180).state() is State.RESOLVED
    assert life.alerts[(Kind.BLOCKAGE, "")].resolved_at == at(180)


def test_what_comes_and_goes_is_one_alert_that_neither_ends_nor_begins_again() -> None:
    life = Life()
    for minute in range(0, 600, 5):
        life.see(minute, *([blockage()] if minute % 60 < 30 else []))

    assert life.steps == [("blockage", "pending"), ("blockage", "firing")]


def test_the_same_trouble_within_a_day_reopens_the_same_alert() -> None:
    life = Life().held(0, 60, blockage()).quiet(65, 200).see(600, blockage())

    assert life.steps[-2:] == [("blockage", "resolved"), ("blockage", "reopened")]
    assert life.alerts[(Kind.BLOCKAGE, "")].pending_at == START


def test_the_same_trouble_after_a_day_is_a_new_alert() -> None:
    life = Life().held(0, 60, blockage()).quiet(65, 200).see(60 * 40, blockage())

    assert life.steps[-1] == ("blockage", "pending")
    assert life.alerts[(Kind.BLOCKAGE, "")].pending_at == at(60 * 40)


def test_a_dropped_alert_is_never_reopened() -> None:
    life = Life().see(0, blockage()).quiet(5, 60).see(90, blockage())

    assert life.steps[-1] == ("blockage", "pending")


def test_a_decline_that_turns_out_a_blockage_gives_way_when_the_blockage_fires() -> None:
    decline = blockage(kind=Kind.DECLINE)
    life = Life().held(0, 120, decline).held(125, 140, blockage())

    assert life.steps == [
        ("decline", "pending"),
        ("decline", "firing"),
        ("blockage", "pending"),
        ("blockage", "firing"),
        ("decline", "superseded"),
    ]


def test_a_firing_alert_waits_while_another_kind_is_not_believed_yet() -> None:
    life = Life().held(0, 120, blockage(kind=Kind.DECLINE)).see(500, blockage())

    assert life.state(Kind.DECLINE) is State.FIRING


def test_a_silent_device_is_told_at_once_and_its_alert_does_not_touch_the_water() -> None:
    offline = Detection(Kind.OFFLINE, "no_data", START, {"silent_h": 2.0}, "Silent.", "k-outlet")
    life = Life().held(0, 60, blockage()).see(65, offline, blockage())

    assert life.state(Kind.OFFLINE, "k-outlet") is State.FIRING
    assert life.state() is State.FIRING


def test_two_devices_are_two_alerts() -> None:
    one, two = (
        Detection(Kind.OFFLINE, "no_data", START, {}, "Silent.", device) for device in ("a", "b")
    )
    life = Life().see(0, one, two).see(40, one)

    assert life.state(Kind.OFFLINE, "a") is State.FIRING
    assert life.state(Kind.OFFLINE, "b") is State.RESOLVED


def test_the_gravest_figures_stay_not_the_last_before_the_end() -> None:
    life = Life().held(0, 30, blockage(-0.6)).held(35, 60, blockage(-0.1))

    assert life.alerts[(Kind.BLOCKAGE, "")].evidence["deviation"] == -0.6


@pytest.mark.parametrize(
    ("kind", "figure"), [(Kind.TAP_LEAK, "loss"), (Kind.DROUGHT, "below_season")]
)
def test_what_was_lost_at_the_worst_stays_where_no_deviation_says_it(
    kind: Kind, figure: str
) -> None:
    worst, last = (
        Detection(kind, "station", START, {figure: share}, "Lost.") for share in (0.3, 0.05)
    )
    life = Life().held(0, 90, worst).held(95, 120, last)

    assert life.alerts[(kind, "")].evidence[figure] == 0.3


def test_an_instant_in_the_past_changes_nothing_that_is_known_later() -> None:
    life = Life().held(0, 60, blockage())
    before = dict(life.alerts)

    assert life.see(-500, blockage()).see(-400).see(30).alerts == before


def test_a_past_detection_before_a_resolved_alert_does_not_reopen_it() -> None:
    life = Life().held(0, 60, blockage()).quiet(65, 200)
    before = dict(life.alerts)

    assert life.see(30, blockage()).alerts == before


def test_an_open_alert_is_an_episode_without_an_end() -> None:
    life = Life().held(0, 60, blockage())
    (open_one,) = episodes(life.alerts, START)
    (ended,) = episodes(life.quiet(65, 200).alerts, START)

    assert (open_one.since, open_one.until) == (START, None)
    assert ended.until == at(60)
    assert episodes(life.alerts, at(70)) == ()


def test_every_kind_has_its_rule() -> None:
    assert set(RULES) == set(Kind)


KINDS = st.sampled_from([Kind.BLOCKAGE, Kind.DECLINE, Kind.SURGE, Kind.OFFLINE])


@given(st.lists(st.tuples(st.integers(1, 200), st.sets(KINDS, max_size=2)), max_size=60))
def test_whatever_comes_every_alert_moves_along_its_life_only(
    story: list[tuple[int, set[Kind]]],
) -> None:
    life, minute = Life(), 0
    for gap, kinds in story:
        minute += gap
        life.see(minute, *(blockage(kind=kind) for kind in kinds))
    follows = {
        None: {Step.PENDING},
        Step.PENDING: {Step.FIRING, Step.DROPPED, Step.SUPERSEDED},
        Step.FIRING: {Step.RESOLVED, Step.SUPERSEDED},
        Step.REOPENED: {Step.RESOLVED, Step.SUPERSEDED},
        Step.RESOLVED: {Step.REOPENED},
        Step.SUPERSEDED: {Step.REOPENED},
        Step.DROPPED: set(),
    }
    last: dict[tuple[Place, datetime], Step | None] = {}
    for moved in life.moved:
        alert = (moved.standing.place, moved.standing.pending_at)

        assert moved.step in follows[last.get(alert)]
        last[alert] = moved.step
    assert _one_open_a_place(life.alerts)


def _one_open_a_place(alerts: Mapping[Place, Standing]) -> bool:
    return all(place == alert.place for place, alert in alerts.items())
