from __future__ import annotations

from datetime import timedelta

import pytest

from kahriz.alert.reason import is_worth_telling_the_end, recipients
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
def test_the_village_and_the_engineers_are_told_of_the_water_each_number_once(kind: Kind) -> None:
    told = [contact.name for contact in recipients(village(), kind)]

    assert told == ["Chair", "Deputy", "Digger", "Engineer"]


def test_who_has_only_an_e_mail_address_gets_no_text() -> None:
    clerk = Contact(name="Clerk", role="chair", email="clerk@example.org")
    office = kahriz().model_copy(update={"contact": (clerk, *PEOPLE[:1])})

    assert [contact.name for contact in recipients(office, Kind.BLOCKAGE)] == ["Chair"]


@pytest.mark.parametrize("kind", [Kind.SENSOR, Kind.OFFLINE, Kind.BATTERY])
def test_only_engineers_are_told_of_devices(kind: Kind) -> None:
    assert [contact.name for contact in recipients(village(), kind)] == ["Engineer"]


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
