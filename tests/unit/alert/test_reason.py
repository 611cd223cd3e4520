from __future__ import annotations

import pytest

from kahriz.alert.reason import is_worth_telling_the_end, recipients
from kahriz.detect import Kind
from kahriz.sites import Contact, Kahriz
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


@pytest.mark.parametrize("kind", [Kind.BLOCKAGE, Kind.DECLINE, Kind.SURGE])
def test_the_village_and_the_engineers_are_told_of_the_water_each_number_once(kind: Kind) -> None:
    told = [contact.name for contact in recipients(village(), kind)]

    assert told == ["Chair", "Deputy", "Digger", "Engineer"]


@pytest.mark.parametrize("kind", [Kind.SENSOR, Kind.OFFLINE])
def test_only_engineers_are_told_of_devices(kind: Kind) -> None:
    assert [contact.name for contact in recipients(village(), kind)] == ["Engineer"]


@pytest.mark.parametrize(("observed", "told"), [(14.0, True), (9.0, False), (None, False)])
def test_water_is_called_back_only_when_it_is(observed: float | None, told: bool) -> None:
    evidence = {"expected_lps": 14.8}

    assert is_worth_telling_the_end(Kind.BLOCKAGE, evidence, observed) is told


def test_the_end_of_a_devices_trouble_is_always_told() -> None:
    assert is_worth_telling_the_end(Kind.OFFLINE, {}, None)
