"""From a gallery that falls in to a phone, its answer, and the text that the water is back."""

from __future__ import annotations

import logging
from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from tests.e2e.village import (
    CHAIR,
    DEPUTY,
    DIGGER,
    ENGINEER,
    OTHER_CHAIR,
    OTHER_DEPUTY,
    OTHER_DIGGER,
    Story,
    Village,
    village,
)
from tests.smsd import within

_LOG = logging.getLogger(__name__)

pytestmark = pytest.mark.server

MINUTE = timedelta(minutes=1)
ESCALATES = 15 * MINUTE
COLLAPSE = datetime(2026, 3, 2, 4, 34, tzinfo=UTC)
CLEARED = COLLAPSE + timedelta(hours=2.2)
SPEED, FASTER = 120, 1200
MODEM = 15 * MINUTE
"""Seven seconds and a half of SMSD, the modem and ingest: the longest that anything takes."""


def minutes(later: datetime, earlier: datetime) -> float:
    return (later - earlier) / MINUTE


def test_who_answers_is_left_alone_until_the_water_is_back_and_who_does_not_is_passed_over(
    tmp_path: Path,
) -> None:
    with village(tmp_path, COLLAPSE, CLEARED) as here:
        with here.at_speed(SPEED):
            here.wait_for_text(CHAIR, 1)
            here.answer(CHAIR, "1")
            here.wait_for_text(ENGINEER, 1)
            here.answer(OTHER_DEPUTY, "1 K2")
            here.answer(CHAIR, "2")
            here.wait_for_text(OTHER_DEPUTY, 2)
            here.wait_for_text(CHAIR, 3)
        with here.at_speed(FASTER):
            here.wait_for_text(CHAIR, 4)
            end = here.clock()
            taken, alone = here.story("agh-dere"), here.story("barana")
    told = [line for line in here.shown() if line.text.startswith(("#K1", "#K2"))]
    log_transcript(here, taken, alone)

    who_answered(here, taken)
    nobody_answered(here, alone, end)
    assert len(told) == 4 + 1 + 2 + 1 + 1, "nobody had a text more"


def who_answered(here: Village, story: Story) -> None:
    """Hold what Agh Dere's chair, and nobody else, was told against the clock."""
    (fired,), (told,) = story.at("firing"), story.at("told", "first")
    (taken,), (on_site,) = story.at("acknowledged"), story.at("on_site")
    (over,), (last,) = story.at("resolved"), story.at("told", "resolved")
    first, noted, there, back = here.shown(CHAIR)

    assert first.text.startswith(
        "#K1 Ag Dere, Molla Celilli: kehriz tixanib. Su 1,2 L/s, evvel 3,0"
    )
    assert noted.text.startswith("#K1 Ag Dere: qeyd edildi, siz baxirsiniz.")
    assert there.text.startswith("#K1 Ag Dere: qeyd edildi, siz yerindesiniz.")
    assert back.text.startswith("#K1 Ag Dere, Molla Celilli: su qayidib: 3,0 L/s")
    assert here.shown(DEPUTY) == here.shown(DIGGER) == []
    assert not any(line.text.startswith("#K1") for line in here.shown(ENGINEER))
    assert story.texts() == [("Committee chair", "first"), ("Committee chair", "resolved")]
    assert first.at <= story.at("delivered", "first")[0] <= first.at + MODEM

    assert 30 <= minutes(fired, COLLAPSE) <= 90
    assert told <= first.at <= told + MODEM
    assert first.at <= taken <= first.at + MODEM
    assert on_site - told > 2 * ESCALATES, "deputy's and engineer's time came"
    assert story.said["acknowledged_by"] == story.said["on_site_by"] == "Committee chair"
    assert CLEARED + timedelta(hours=2) <= over <= last <= back.at


def nobody_answered(here: Village, story: Story, end: datetime) -> None:
    """Hold who was called after whom at Barana against the clock."""
    (first,) = story.at("told", "first", "Committee chair")
    deputy, digger, engineer = (
        story.at("told", "escalated", name)[0] for name in ("Deputy", "Digger", "District engineer")
    )
    (taken,) = story.at("acknowledged")

    assert Counter(story.texts()) == {
        ("Committee chair", "first"): 1,
        ("Deputy", "escalated"): 1,
        ("Digger", "escalated"): 1,
        ("District engineer", "escalated"): 1,
    }
    for called, before in ((deputy, first), (digger, first), (engineer, max(deputy, digger))):
        assert ESCALATES <= called - before <= ESCALATES + MODEM
    assert [len(here.shown(number)) for number in (OTHER_CHAIR, OTHER_DIGGER)] == [1, 1]
    call, noted = here.shown(OTHER_DEPUTY)
    assert "deqiqedir cavab yoxdur: kehriz tixanib" in call.text
    assert here.shown(ENGINEER)[0].text.startswith("#K2 Barana, Kemerli: no answer for 3")
    assert noted.text.startswith("#K2 Barana: qeyd edildi, siz baxirsiniz.")
    assert story.said["acknowledged_by"] == "Deputy"
    assert story.said["state"] == "firing"
    assert end - taken > timedelta(hours=4), "the time for a repeat came, and nobody was told"


def log_transcript(here: Village, *stories: Story) -> None:
    """Say what happened, by the village's clock, for docs/alerts.md: ``--log-cli-level=INFO``."""
    lines = [(COLLAPSE, "the galleries of both kahrizes fall in")]
    lines.append((CLEARED, "the gallery of Ag Dere is cleared"))
    for story in stories:
        for what in ("firing", "acknowledged", "on_site", "resolved"):
            lines += [(at, f"{story.said['code']} {what}") for at in story.at(what)]
    lines += [(line.at, f"to   {line.number}  {line.text}") for line in here.shown()]
    lines += [(line.at, f"from {line.number}  {line.text}") for line in here.answers]
    for at, line in sorted(lines):
        _LOG.info("%s  %s", at.astimezone(ZoneInfo("Asia/Baku")).strftime("%H:%M"), line)


def test_a_service_that_dies_between_alert_and_text_and_in_the_hand_over_tells_each_once(
    tmp_path: Path,
) -> None:
    people = (CHAIR, OTHER_CHAIR)
    with (
        village(tmp_path, COLLAPSE, CLEARED) as here,
        here.at_speed(SPEED, with_ingest=False),
    ):
        for step in ("claimed", "handed over", "marked"):
            here.ingest_dies_at(step)
        with here.house.run("ingest"):
            for number in people:
                here.wait_for_text(number, 1)
            stories = within(20, lambda: delivered(here))
    texts = Counter((line.number, line.text) for line in here.shown())

    assert all(1 <= n <= 1 + 3 for n in texts.values()), "at most one more a crash"
    assert {number for number, _ in texts} >= set(people)
    assert [story.texts()[0] for story in stories] == [("Committee chair", "first")] * 2
    for story in stories:
        moments = [story.at(what)[0] for what in ("firing", "told", "delivered")]
        assert all(earlier <= later for earlier, later in pairwise(moments))


def delivered(here: Village) -> list[Story] | None:
    stories = [here.story(kahriz) for kahriz in ("agh-dere", "barana")]
    return stories if all(story.at("delivered", "first") for story in stories) else None
