"""A month of a district, in small: what nobody may have to live with."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import timedelta

import pytest

from bench.month.district import District, district
from bench.month.figures import (
    Month,
    everybody_at_once,
    figures,
    outage_texts,
    read_month,
    told_in_time,
)
from bench.month.life import live, new_book
from bench.month.truth import Right, Truth
from firmware_sim.trouble import Trouble
from firmware_sim.trouble.devices import NoSignal, Silent
from firmware_sim.trouble.gallery import Blockage
from firmware_sim.trouble.sensors import OutOfRange

DAYS = 6
MOST_TEXTS = 12
"""To one person in these days, with two water troubles, a sensor, a silence and an outage."""


def _troubles() -> Iterator[Trouble]:
    # Hours after midnight UTC; people are four ahead.
    yield Blockage(kind="blockage", kahriz="aghdam-01", at_h=30, duration_h=40, severity=0.7)
    yield Blockage(kind="blockage", kahriz="aghdam-02", at_h=80, duration_h=20, severity=0.5)
    yield OutOfRange(
        kind="out_of_range",
        device="aghdam-03-shaft",
        channel="stage_m",
        at_h=52,
        duration_h=12,
        severity=15,
    )
    yield Silent(kind="silent", device="aghdam-02-line", at_h=6, duration_h=8)
    for number in (1, 2, 3):
        for at in ("outlet", "shaft", "line"):
            name = f"aghdam-0{number}-{at}"
            yield NoSignal(kind="no_signal", device=name, at_h=124, duration_h=5)


@pytest.fixture(scope="module")
def lived() -> Month:
    place: District = district(3, 3, DAYS, list(_troubles()), learned=timedelta(days=45))
    with new_book(place) as book:
        live(place, book, seed=3)
        return read_month(place, book)


def test_every_trouble_becomes_an_alert_that_names_it(lived: Month) -> None:
    truth = Truth(lived.district)
    right = [alert for alert in lived.fired if truth.judge(alert) is Right.TRUE]

    for trouble in lived.district.world.troubles:
        assert any(truth.is_about(alert, trouble) for alert in right), trouble


def test_every_true_alert_of_the_water_by_day_reaches_somebody_within_the_hour(
    lived: Month,
) -> None:
    in_time, due = told_in_time(lived)

    assert in_time == due >= 2


def test_every_alert_that_nothing_hides_is_told_to_somebody(lived: Month) -> None:
    told = {one.alert_id for one in lived.told}
    untold = [f"{a.kahriz} {a.kind} {a.key}" for a in lived.fired if a.id not in told]

    assert untold == []


def test_nobody_gets_more_than_a_handful_of_texts(lived: Month) -> None:
    texts = Counter(text.address for text in lived.texts if text.reason != "answer")

    assert texts
    assert max(texts.values()) <= MOST_TEXTS


def test_the_outage_of_a_district_is_one_text_a_person(lived: Month) -> None:
    outage = [t for t in lived.district.world.troubles if isinstance(t, NoSignal)]
    texts = outage_texts(lived, outage)

    assert set(texts.values()) == {1}


def test_nobody_is_told_the_same_of_an_alert_twice(lived: Month) -> None:
    told = Counter((one.alert_id, one.address, one.reason, one.step) for one in lived.told)

    assert set(told.values()) == {1}


def test_people_answer_and_an_answer_is_written_on_the_alert(lived: Month) -> None:
    answers = figures(lived, 0.05)["answers"]

    assert 0 < answers["answered"] <= answers["alerts told"]
    assert 2 <= answers["median minutes"] <= 60


def test_turns_and_stages_spare_people_most_of_the_texts(lived: Month) -> None:
    month = figures(lived, 0.05)
    news = [text for text in lived.texts if text.reason != "answer"]
    once = list(everybody_at_once(lived))

    assert len(news) < len(once) / 2
    assert month["a person"]["at night, all"] < month["everybody at once"]["at night, all"]
    assert month["SMS"]["cost"] == pytest.approx(0.05 * sum(text.parts for text in lived.texts))
