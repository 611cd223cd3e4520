from __future__ import annotations

from dataclasses import replace
from datetime import datetime, time, timedelta

import pytest

from kahriz.alert.telling import DIGEST_FROM
from kahriz.alert.telling.stages import HIDES, STAGES
from kahriz.alert.telling.world import Limits, Place, Sent
from kahriz.book.silences import Silence
from kahriz.detect import Kind
from tests.unit.alert.telling.village import (
    BAKU,
    CHAIR,
    ENGINEER,
    HOUR,
    MINUTE,
    NIGHT,
    NOON,
    Village,
    person,
)


def test_the_stages_are_a_list_one_can_read() -> None:
    assert [name for name, _ in STAGES] == [
        "stopped",
        "maintenance",
        "inhibition",
        "silence",
        "gathering",
        "quiet hours",
        "rate",
        "budget",
    ]


def test_while_somebody_works_there_nobody_is_told() -> None:
    village = Village(places={"k": Place("Goygol", BAKU, is_worked_at=True)})
    village.trouble()

    assert village.why_held() == ["maintenance: somebody works there"]
    village.places["k"] = Place("Goygol", BAKU)
    assert village.go() == ["first to Chair"]


@pytest.mark.parametrize("cause", list(HIDES))
def test_the_consequences_of_something_graver_are_not_told(cause: Kind) -> None:
    for consequence in HIDES[cause]:
        village = Village()
        village.trouble(cause)
        village.trouble(consequence)

        assert village.go() == ["first to Chair"]
        assert village.why_held() == [f"inhibition: hidden by {cause.value}"]


def test_a_false_alarm_hides_nothing() -> None:
    village = Village()
    village.trouble(Kind.BLOCKAGE, is_false_alarm=True, answered_at=NOON)
    village.trouble(Kind.DROUGHT)
    village.go()

    assert village.after(MINUTE) == ["first to Chair"]


def test_a_silent_device_hides_its_own_battery_and_not_another_s() -> None:
    village = Village()
    village.trouble(Kind.OFFLINE, key="a")
    village.trouble(Kind.BATTERY, key="a")
    village.trouble(Kind.BATTERY, key="b")

    assert "inhibition: hidden by offline a" in village.why_held()
    assert [t.first.case.key for t in village.plan().texts] == ["b"]


def silence(**changes: object) -> Silence:
    made = Silence(4, "k", None, NOON - HOUR, NOON + HOUR, "", "Engineer")
    return replace(made, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "is_held"),
    [
        ({}, True),
        ({"kahriz": None}, True),
        ({"kahriz": "other"}, False),
        ({"kind": "blockage"}, True),
        ({"kind": "drought"}, False),
        ({"start": NOON}, True),
        ({"end": NOON}, False),
    ],
)
def test_a_silence_holds_what_it_names_while_it_lasts(
    changes: dict[str, object], is_held: bool
) -> None:
    village = Village(silences=[silence(**changes)])
    village.trouble()

    assert (village.go() == []) is is_held


def test_the_end_is_told_through_a_silence_to_those_who_know() -> None:
    village = Village()
    alert = village.trouble()
    village.go()
    village.silences = [silence()]
    village.end(alert)

    assert village.after(2 * MINUTE) == ["resolved to Chair"]


@pytest.mark.parametrize(
    ("kind", "gravity", "wakes"),
    [
        (Kind.BLOCKAGE, 0.2, True),
        (Kind.SURGE, 0.5, True),
        (Kind.DECLINE, 0.5, True),
        (Kind.DECLINE, 0.49, False),
        (Kind.DROUGHT, 0.9, False),
        (Kind.TAP_LEAK, 0.6, False),
        (Kind.OVERABSTRACTION, 0.6, False),
    ],
)
def test_only_what_cannot_wait_wakes_people(kind: Kind, gravity: float, wakes: bool) -> None:
    village = Village(now=NIGHT)
    village.trouble(kind, gravity=gravity)

    assert (village.go() == ["first to Chair"]) is wakes


def test_what_waited_for_the_morning_is_told_at_eight_and_escalates_from_then_on() -> None:
    village = Village(now=NIGHT)
    village.trouble(Kind.TAP_LEAK)
    found = village.through(10 * HOUR)

    assert [at for at, _ in found] == [8 * HOUR, *[8 * HOUR + 15 * MINUTE] * 2, 8.5 * HOUR]


def test_the_end_of_a_blockage_waits_for_the_morning() -> None:
    village = Village(now=NIGHT)
    alert = village.trouble()
    village.go()
    village.end(alert)

    assert village.through(9 * HOUR) == [(8 * HOUR, "resolved to Chair")]


@pytest.mark.parametrize(
    ("hours", "local", "expected"),
    [
        ("22:00-08:00", time(22, 0), True),
        ("22:00-08:00", time(7, 59), True),
        ("22:00-08:00", time(8, 0), False),
        ("22:00-08:00", time(21, 59), False),
        ("13:00-15:00", time(14, 0), True),
        ("13:00-15:00", time(15, 0), False),
        ("", time(3, 0), False),
    ],
)
def test_quiet_hours_may_go_over_midnight(hours: str, local: time, expected: bool) -> None:
    village = Village(
        now=datetime.combine(NOON.date(), local, BAKU),
        people={"k": [replace(CHAIR, quiet_hours=hours)]},
    )
    village.trouble(Kind.DROUGHT)

    assert (village.go() == []) is expected


def test_a_kahriz_sends_one_text_a_minute_to_one_phone_the_gravest_first() -> None:
    village = Village(people={"k": [CHAIR]})
    village.trouble(Kind.TAP_LEAK)
    village.trouble(Kind.SURGE)

    assert [t.first.case.kind for t in village.plan().texts] == [Kind.SURGE]
    assert village.through(3 * MINUTE, timedelta(seconds=20)) == [
        (0 * MINUTE, "first to Chair"),
        (1 * MINUTE, "first to Chair"),
    ]


def district(n: int) -> Village:
    ids = [f"k{i}" for i in range(n)]
    return Village(
        people={id: [person("Engineer", "engineer", 9, id)] for id in ids},
        places={id: Place("Goygol", BAKU) for id in ids},
    )


def test_a_district_that_loses_its_signal_is_one_text_a_person() -> None:
    village = district(40)
    for i in range(40):
        village.trouble(Kind.OFFLINE, f"k{i}", fired_at=NOON + i % 20 * MINUTE)

    found = village.through(6 * HOUR)
    assert [said for _, said in found] == ["first of 40 to Engineer"]
    assert found[0][0] <= 35 * MINUTE


def test_its_return_is_one_text_a_person_too() -> None:
    village = district(40)
    ids = [village.trouble(Kind.OFFLINE, f"k{i}") for i in range(40)]
    village.through(HOUR)
    for id in ids:
        village.end(id)

    assert [said for _, said in village.through(HOUR)] == ["resolved of 40 to Engineer"]


def test_one_silent_device_is_told_after_a_quarter_of_an_hour() -> None:
    village = district(1)
    village.trouble(Kind.OFFLINE, "k0")

    assert village.through(HOUR) == [(15 * MINUTE, "first to Engineer")]


def test_devices_that_fall_silent_one_after_the_other_do_not_put_it_off_for_ever() -> None:
    village = district(20)
    for i in range(20):
        village.trouble(Kind.OFFLINE, f"k{i}", fired_at=NOON + i * 10 * MINUTE, is_fresh=i < 5)

    assert village.through(HOUR)[0][0] <= 45 * MINUTE


def test_several_devices_of_one_kahriz_are_one_text() -> None:
    village = district(1)
    village.trouble(Kind.OFFLINE, "k0", key="a")
    village.trouble(Kind.OFFLINE, "k0", key="b")
    village.now += 15 * MINUTE
    (text,) = village.plan().texts

    assert ([w.case.key for w in text.wishes], text.is_digest) == (["a", "b"], False)


@pytest.mark.parametrize("n", [DIGEST_FROM - 1, DIGEST_FROM])
def test_from_three_kahrizes_on_one_person_gets_one_text(n: int) -> None:
    village = district(n)
    for i in range(n):
        village.trouble(Kind.SENSOR, f"k{i}")

    assert len(village.go()) == (1 if n >= DIGEST_FROM else n)


def test_when_the_months_texts_are_used_up_only_what_is_urgent_is_sent() -> None:
    village = Village(people={"k": [CHAIR]}, limits=Limits(60, 200))
    assert CHAIR.phone is not None
    village.sent = {CHAIR.phone: Sent(60, 70)}
    village.trouble(Kind.TAP_LEAK)
    held = village.why_held()
    village.trouble(Kind.BLOCKAGE)

    assert held == ["budget: Chair has had this month's 60 texts"]
    assert village.go() == ["first to Chair"]


@pytest.mark.parametrize(("parts", "is_held"), [(199, False), (200, True)])
def test_a_kahriz_has_its_own_months_sms(parts: int, is_held: bool) -> None:
    village = Village(people={"k": [CHAIR]}, of_kahriz={"k": Sent(100, parts)})
    village.trouble(Kind.TAP_LEAK)

    assert (village.go() == []) is is_held


def test_mail_knows_no_night_no_minute_and_no_budget() -> None:
    mailed = replace(ENGINEER, email="e@example.org", phone=None)
    village = Village(now=NIGHT, people={"k": [mailed]}, of_kahriz={"k": Sent(999, 999)})
    village.trouble(Kind.TAP_LEAK)
    village.trouble(Kind.DROUGHT)

    assert village.go() == ["first to Engineer"] * 2
