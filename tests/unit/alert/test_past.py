"""What is on record of alerts is put right by the life they would have had."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from kahriz.alert.lifecycle import Standing, State
from kahriz.alert.past import Known, Past, known_better
from kahriz.detect import Detection, Kind
from tests.unit.alert.test_lifecycle import Life, at, blockage

HOUR = 60


def on_record(life: Life, *, but: timedelta = timedelta(0)) -> list[Standing]:
    """Return the alerts of a life as rows, everything in them shifted by `but`."""
    found = {(t.standing.place, t.standing.pending_at): t.standing for t in life.moved}
    found |= {(a.place, a.pending_at): a for a in life.alerts.values()}
    return [shifted(alert, i + 1, but) for i, alert in enumerate(found.values())]


def shifted(alert: Standing, row: int, by: timedelta) -> Standing:
    return replace(
        alert,
        row=row,
        since=alert.since + by,
        pending_at=alert.pending_at + by,
        fired_at=None if alert.fired_at is None else alert.fired_at + by,
        last_seen=alert.last_seen + by,
        resolved_at=None if alert.resolved_at is None else alert.resolved_at + by,
    )


def led(
    rows: Sequence[Standing], since: int, seen: tuple[int, int], until: int, said: Detection
) -> Known:
    """Return what is known better where `said` was said in [seen) minutes after `since`."""
    past = Past(rows, at(since))
    for minute in range(since + 15, until + 1, 15):
        past.judge([said] if seen[0] <= minute < seen[1] else [], at(minute))
    return known_better(rows, past)


def test_where_nothing_came_late_nothing_is_known_better() -> None:
    life = Life().held(15, 300, blockage(), 15).quiet(315, 600, 15)
    rows = on_record(life)
    known = led(rows, 0, (15, 301), 600, blockage())

    assert len(rows) == 1
    assert known == Known([], [], [])


def test_a_trouble_that_began_in_the_gap_is_dated_back_to_where_it_began() -> None:
    life = Life().held(120, 300, blockage(), 15).quiet(315, 600, 15)
    known = led(on_record(life), 0, (30, 301), 600, blockage())
    ((better, _),) = known.corrected

    assert (better.pending_at, better.fired_at) == (at(30), at(45))
    assert better.resolved_at == life.moved[-1].standing.resolved_at
    assert (known.missing, known.unconfirmed) == ([], [])


def test_one_that_was_over_within_the_gap_is_closed_when_it_was_over() -> None:
    life = Life().held(15, 300, blockage(), 15)
    (row,) = on_record(life)
    known = led([row], 60, (75, 121), 400, blockage())
    ((better, _),) = known.corrected

    assert row.is_open
    assert better.state is State.RESOLVED
    assert better.last_seen == at(120)
    assert better.resolved_at == at(240)
    assert better.row == row.row


def test_one_that_still_is_keeps_the_instant_it_was_last_seen() -> None:
    life = Life().held(15, 300, blockage(), 15).see(302, blockage())
    (row,) = on_record(life)

    assert led([row], 60, (60, 999), 300, blockage()) == Known([], [], [])
    assert row.last_seen == at(302)


def test_figures_that_were_graver_in_the_gap_are_kept() -> None:
    life = Life().held(15, 300, blockage(), 15).quiet(315, 600, 15)
    known = led(on_record(life), 0, (15, 301), 600, blockage(-0.9))
    ((better, _),) = known.corrected

    assert better.evidence["deviation"] == -0.9
    assert better.explanation == "Down -0.9."


def test_a_trouble_within_the_gap_is_missing_and_one_nobody_saw_is_unconfirmed() -> None:
    rows = on_record(Life().held(600, 720, blockage(kind=Kind.DECLINE), 15).quiet(735, 999, 15))
    known = led(rows, 0, (60, 180), 999, blockage())

    assert [one.standing.kind for one in known.missing] == [Kind.BLOCKAGE]
    assert known.missing[0].standing.resolved_at == at(165 + 120)
    assert known.unconfirmed == rows
    assert known.corrected == []


def test_what_goes_on_and_has_no_record_is_left_to_the_present() -> None:
    assert led([], 0, (60, 999), 600, blockage()) == Known([], [], [])


def test_of_two_on_record_that_were_one_the_open_one_is_it() -> None:
    first = on_record(Life().held(15, 60, blockage(), 15).quiet(75, 240, 15))[0]
    second = replace(on_record(Life().held(300, 600, blockage(), 15))[0], row=2)
    known = led([first, second], 0, (15, 999), 600, blockage())
    ((better, _),) = known.corrected

    assert better.row == 2
    assert better.pending_at == at(15)
    assert known.unconfirmed == [first]


def test_another_place_is_another_alert() -> None:
    rows = on_record(Life().held(15, 300, blockage(key="line"), 15).quiet(315, 600, 15))
    known = led(rows, 0, (15, 301), 600, blockage(key="shaft"))

    assert known.unconfirmed == rows
    assert [one.standing.key for one in known.missing] == ["shaft"]


def test_what_is_pending_is_not_touched() -> None:
    (row,) = on_record(Life().see(15, blockage()))

    assert row.state is State.PENDING
    assert led([row], 0, (15, 301), 600, blockage()).corrected == []


def test_a_decline_that_was_a_blockage_all_along_is_superseded_in_its_past_too() -> None:
    decline = blockage(kind=Kind.DECLINE)
    row = on_record(Life().held(15, 300, decline, 15))[0]
    past = Past([row], at(120))
    for minute in range(135, 601, 15):
        past.judge([blockage()], at(minute))
    known = known_better([row], past)
    ((better, one),) = known.corrected

    assert one.is_superseded
    assert better.state is State.RESOLVED
    assert better.resolved_at == at(150)


def test_while_somebody_works_there_the_past_stands_as_well() -> None:
    (row,) = on_record(Life().held(15, 300, blockage(), 15))
    past = Past([row], at(60))
    for minute in range(75, 601, 15):
        past.stand(at(minute))

    assert [one.end for one in past.episodes()] == [None]


def test_of_an_alert_that_ended_before_nothing_is_said() -> None:
    rows = on_record(Life().held(15, 60, blockage(), 15).quiet(75, 240, 15))

    assert led(rows, 300, (0, 0), 600, blockage()) == Known([], [], [])
    assert led(rows, 300, (400, 500), 460, blockage()) == Known([], [], [])


def test_instants_are_not_known_better_than_somebody_looked() -> None:
    life = Life().held(15, 300, blockage(), 15).quiet(315, 600, 15)
    (near,) = on_record(life, but=timedelta(minutes=20))
    (far,) = on_record(life, but=timedelta(minutes=21))

    assert led([near], 0, (15, 301), 600, blockage()).corrected == []
    assert [
        better.resolved_at for better, _ in led([far], 0, (15, 301), 600, blockage()).corrected
    ] == [life.moved[-1].standing.resolved_at]


def test_one_that_ended_shortly_before_and_comes_again_is_the_same_one() -> None:
    life = Life().held(15, 60, blockage(), 15).quiet(75, 240, 15)
    (row,) = on_record(life)
    again = life.held(600, 700, blockage(), 15)
    (reopened,) = on_record(again)
    past = Past([row], at(300))
    for minute in range(315, 701, 15):
        past.judge([blockage()] if minute >= 600 else [], at(minute))

    assert again.steps[-1][1] == "reopened"
    assert [one.standing.fired_at for one in past.episodes()] == [row.fired_at]
    assert known_better([reopened], past).missing == []
    assert [better.fired_at for better, _ in known_better([reopened], past).corrected] in (
        [],
        [row.fired_at],
    )
