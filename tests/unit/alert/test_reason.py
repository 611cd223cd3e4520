from __future__ import annotations

from datetime import timedelta

import pytest

from kahriz.alert.reason import called_first, is_worth_telling_the_end
from kahriz.contacts import Contact
from kahriz.detect import Kind
from kahriz.sites import Kahriz
from tests.water import kahriz

PEOPLE = (
    Contact(name="Chair", role="chair", phone="+994500000001"),
    Contact(name="Deputy", role="deputy", phone="+994500000002"),
    Contact(name="Digger", role="digger", phone="+994500000003"),
    Contact(name="Engineer", role="engineer", phone="+994500000009", language="en"),
    Contact(name="The chair again", role="deputy", phone="+994500000001"),
)


def village() -> Kahriz:
    return kahriz().model_copy(update={"contact": PEOPLE})


@pytest.mark.parametrize(
    "kind",
    [
        Kind.BLOCKAGE,
        Kind.DECLINE,
        Kind.SURGE,
        Kind.DROUGHT,
        Kind.OVERABSTRACTION,
        Kind.TAP_LEAK,
    ],
)
def test_the_chair_is_called_first_of_the_water(kind: Kind) -> None:
    assert [contact.name for contact in called_first(village(), kind)] == ["Chair"]


def test_without_a_chair_deputy_and_digger_are_called_first_each_number_once() -> None:
    twice = Contact(name="Digger again", role="digger", phone="+994500000002")
    people = village().model_copy(update={"contact": (*PEOPLE[1:4], twice)})

    assert [contact.name for contact in called_first(people, Kind.SURGE)] == ["Deputy", "Digger"]


def test_where_nobody_can_be_called_nobody_is() -> None:
    empty = village().model_copy(update={"contact": ()})

    assert called_first(empty, Kind.BLOCKAGE) == ()


def test_who_has_only_an_e_mail_address_gets_no_text() -> None:
    clerk = Contact(name="Clerk", role="chair", email="clerk@example.org")
    office = kahriz().model_copy(update={"contact": (clerk, *PEOPLE[:1])})

    assert [contact.name for contact in called_first(office, Kind.BLOCKAGE)] == ["Chair"]


@pytest.mark.parametrize("kind", [Kind.SENSOR, Kind.OFFLINE, Kind.BATTERY])
def test_only_engineers_are_told_of_devices(kind: Kind) -> None:
    assert [contact.name for contact in called_first(village(), kind)] == ["Engineer"]


@pytest.mark.parametrize(("observed", "told"), [(14.0, True), (9.0, False), (None, False)])
def test_water_is_called_back_only_when_it_is(observed: float | None, told: bool) -> None:
    evidence = {"expected_lps": 14.8}

    assert is_worth_telling_the_end(Kind.BLOCKAGE, evidence, observed) is told


def test_the_end_of_a_devices_trouble_is_always_told() -> None:
    assert is_worth_telling_the_end(Kind.OFFLINE, {}, None)


@pytest.mark.parametrize(
    ("kind", "evidence", "days"),
    [
        (Kind.TAP_LEAK, {"night_lps": 1.2}, 13),
        (Kind.TAP_LEAK, {"limit": 0.04}, 33),
        (Kind.SURGE, {}, 20),
        (Kind.SENSOR, {"fault": "alone"}, 39),
        (Kind.SENSOR, {"fault": "moved"}, 2),
    ],
)
def test_what_was_taken_for_normal_at_last_is_not_called_repaired(
    kind: Kind, evidence: dict[str, float | str], days: int
) -> None:
    lasted = timedelta(days=days)

    assert is_worth_telling_the_end(kind, evidence, 14.0, lasted - timedelta(minutes=15))
    assert not is_worth_telling_the_end(kind, evidence, 14.0, lasted)


def test_a_sensor_that_did_not_move_for_months_is_repaired_when_it_moves() -> None:
    lasted = timedelta(days=200)

    assert is_worth_telling_the_end(Kind.SENSOR, {"fault": "flat_line"}, None, lasted)
