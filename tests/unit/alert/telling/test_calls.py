from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from kahriz.alert.reason import EndedAs
from kahriz.alert.telling.calls import MOST_REPEATS, MOST_WORSE, REPEATS_AFTER
from kahriz.detect import Kind
from tests.unit.alert.telling.village import (
    CHAIR,
    DAY,
    DEPUTY,
    DIGGER,
    ENGINEER,
    HOUR,
    MINUTE,
    Village,
    names,
)


def test_the_chair_is_called_first_and_alone() -> None:
    village = Village()
    village.trouble()

    assert village.go() == ["first to Chair"]
    assert village.go() == []


def test_without_an_answer_deputy_and_digger_follow_after_15_minutes_the_engineer_after_30() -> (
    None
):
    village = Village()
    village.trouble()

    assert village.through(60 * MINUTE) == [
        (0 * MINUTE, "first to Chair"),
        (15 * MINUTE, "escalated to Deputy"),
        (15 * MINUTE, "escalated to Digger"),
        (30 * MINUTE, "escalated to Engineer"),
    ]


@pytest.mark.parametrize("minutes", [1, 14, 16, 29])
def test_an_answer_stops_the_escalation_where_it_is(minutes: int) -> None:
    village = Village()
    alert = village.trouble()
    before = village.through(minutes * MINUTE)
    village.change(alert, answered_at=village.now)

    assert len(before) == (1 if minutes < 15 else 3)
    assert village.through(3 * HOUR) == []


def test_a_false_alarm_stops_it_as_well_and_its_end_is_told_to_nobody() -> None:
    village = Village()
    alert = village.trouble()
    village.go()
    village.change(alert, is_false_alarm=True)
    quiet = village.through(2 * HOUR)
    village.end(alert)

    assert quiet + [(HOUR, said) for said in village.go()] == []


@pytest.mark.parametrize(
    "missing",
    [{"people": [DEPUTY, ENGINEER]}, {"people": [replace(CHAIR, is_opted_out=True), DEPUTY]}],
)
def test_who_is_not_there_or_wants_no_texts_is_passed_over_at_once(
    missing: dict[str, list[object]],
) -> None:
    village = Village(people={"k": missing["people"]})  # type: ignore[dict-item]
    village.trouble()

    assert village.go() == ["first to Deputy"]


def test_where_a_text_cannot_arrive_the_next_is_called_at_once() -> None:
    village = Village()
    village.trouble()
    village.go(state="failed")

    assert village.after(MINUTE) == ["escalated to Deputy", "escalated to Digger"]


def test_one_phone_that_two_people_share_is_called_once() -> None:
    twice = replace(DEPUTY, phone=CHAIR.phone)
    village = Village(people={"k": [CHAIR, twice, ENGINEER]})
    village.trouble()

    assert names([said for _, said in village.through(HOUR)]) == ["Chair", "Engineer"]


@pytest.mark.parametrize("kind", [Kind.SENSOR, Kind.BATTERY])
def test_what_is_about_devices_is_told_to_engineers_alone(kind: Kind) -> None:
    village = Village()
    village.trouble(kind)

    assert village.through(5 * HOUR) == [(0 * MINUTE, "first to Engineer")]


def test_an_engineer_gets_a_mail_at_once_and_a_text_when_it_is_their_turn() -> None:
    mailed = replace(ENGINEER, email="engineer@example.org")
    village = Village(people={"k": [CHAIR, mailed]})
    village.trouble()
    planned = [(t.first.channel, t.first.person.name) for t in village.plan().texts]

    assert planned == [("email", "Engineer"), ("sms", "Chair")]
    village.go()
    assert village.after(15 * MINUTE) == ["escalated to Engineer"]


def test_it_is_repeated_until_somebody_answers_to_all_who_know() -> None:
    village = Village()
    alert = village.trouble()
    village.through(31 * MINUTE)
    first = village.through(REPEATS_AFTER[Kind.BLOCKAGE])
    village.change(alert, answered_at=village.now)

    assert names([said for _, said in first]) == ["Chair", "Deputy", "Digger", "Engineer"]
    assert {said.split()[0] for _, said in first} == {"repeat"}
    assert village.through(DAY, 10 * MINUTE) == []


def test_who_has_not_answered_three_times_is_not_asked_a_fourth() -> None:
    village = Village(people={"k": [CHAIR]})
    village.trouble()
    said = [said for _, said in village.through(4 * DAY, 10 * MINUTE)]

    assert said == ["first to Chair"] + ["repeat to Chair"] * MOST_REPEATS


def test_when_half_of_what_was_left_is_gone_as_well_everybody_hears_it_who_knew() -> None:
    village = Village()
    alert = village.trouble(gravity=0.4)
    village.go()
    village.change(alert, answered_at=village.now, gravity=0.69)
    not_yet = village.after(HOUR)
    village.change(alert, gravity=0.7)

    assert not_yet == []
    assert village.after(HOUR) == ["worse to Chair"]
    assert village.after(HOUR) == []


def test_it_gets_worse_so_often_only() -> None:
    village = Village(people={"k": [CHAIR]})
    alert = village.trouble(gravity=0.2)
    said = village.go()
    for gravity in (0.61, 0.81, 0.91, 0.96):
        village.change(alert, gravity=gravity, answered_at=village.now)
        said += village.after(HOUR)

    assert said == ["first to Chair"] + ["worse to Chair"] * MOST_WORSE


def test_its_end_is_told_to_those_who_were_told_and_once() -> None:
    village = Village()
    alert = village.trouble()
    village.through(16 * MINUTE)
    village.end(alert)

    assert village.after(HOUR) == ["resolved to Chair", "resolved to Deputy", "resolved to Digger"]
    assert village.through(HOUR) == []


@pytest.mark.parametrize("how", [EndedAs.SUPERSEDED, EndedAs.ACCEPTED])
def test_what_gave_way_to_something_graver_or_is_usual_by_now_ends_in_silence(
    how: EndedAs,
) -> None:
    village = Village()
    alert = village.trouble()
    village.go()
    village.end(alert, how)

    assert village.through(HOUR) == []


def test_the_end_takes_the_place_of_what_still_waits() -> None:
    village = Village()
    alert = village.trouble()
    village.go(state="queued")
    village.end(alert)

    assert village.after(MINUTE) == ["resolved to Chair"]
    assert [t.state for t in village.told[alert]] == ["expired", "accepted"]


def test_what_comes_back_before_its_end_was_told_is_not_told_again() -> None:
    village = Village()
    alert = village.trouble()
    village.go()
    village.end(alert)
    village.after(MINUTE, state="queued")
    village.change(alert, ended_at=None, ended_as=None, fired_at=village.now)

    assert village.after(MINUTE) == []
    assert [t.state for t in village.told[alert]] == ["accepted", "expired"]


def test_what_comes_back_after_its_end_was_told_is_told_again() -> None:
    village = Village()
    alert = village.trouble()
    village.go()
    village.end(alert)
    village.after(MINUTE)
    village.change(alert, ended_at=None, ended_as=None)

    assert village.after(HOUR) == ["first to Chair"]
    assert [t.step for t in village.told[alert]] == [0, 0, 1]
    village.end(alert)
    assert village.after(MINUTE) == ["resolved to Chair"]


def test_a_text_that_could_not_leave_in_time_is_made_anew_while_it_is_still_true() -> None:
    village = Village()
    alert = village.trouble()
    village.go(state="expired")

    assert village.after(12 * HOUR - 5 * MINUTE + timedelta(seconds=1)) != []
    assert [t.step for t in village.told[alert]][:2] == [0, 1]


def test_what_the_newest_readings_do_not_say_any_more_is_not_told() -> None:
    village = Village()
    village.trouble(is_fresh=False)

    assert village.through(HOUR) == []


def test_nobody_hears_of_the_end_of_what_nobody_was_told() -> None:
    village = Village()
    alert = village.trouble()
    village.end(alert)

    assert village.through(HOUR) == []


def test_who_came_to_the_committee_later_is_told_when_it_is_their_turn() -> None:
    village = Village(people={"k": [CHAIR, ENGINEER]})
    village.trouble()
    village.through(16 * MINUTE)
    village.people["k"] = [CHAIR, DIGGER, ENGINEER]

    assert village.through(HOUR) == []  # the engineer knows already: nobody goes back
