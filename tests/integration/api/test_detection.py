from __future__ import annotations

import math
from typing import get_args

from api.schemas import BlindAnswer, LearnedAnswer
from kahriz.book import snapshots
from kahriz.detect.gallery import Gallery, dump
from kahriz.detect.learned import Topic, Why
from kahriz.observations import DatastreamId
from tests.integration.api.client import NOW, Api, assert_problem

PATH = "/api/v1/kahrizes/agh-dere/detection"


def remember(api: Api, days: int) -> None:
    """Keep what was learned of Agh Dere in so many quiet days up to now."""
    gallery = Gallery(api.registry.find("agh-dere"))
    last = gallery.quarters.over(NOW)
    for at in range(last - 96 * days, last + 1):
        flow = 2.4 + 0.1 * math.sin(at / 300) + 0.01 * math.sin(at * 1.7)
        values = {
            DatastreamId("agh-dere.outlet.discharge"): flow,
            DatastreamId("agh-dere.shaft.stage"): 1.1 + 0.1 * flow + 0.001 * math.sin(at * 2.3),
        }
        gallery.step(at, values)
    with api.book.begin() as connection:
        snapshots.put(connection, "agh-dere", -1, [(last, dump(gallery.state))])


def test_a_kahriz_never_judged_has_everything_to_learn(api: Api) -> None:
    answer = api.json(PATH)

    assert answer["judged_until"] is None
    assert {each["topic"] for each in answer["learning"]} == {
        "usual",
        "curve",
        "losses",
        "season",
        "battery",
    }
    assert not any(each["is_known"] for each in answer["learning"])
    assert answer["cannot_see"] == []


def test_what_is_learned_and_what_is_not_yet_is_told_in_days(api: Api) -> None:
    remember(api, 4)

    answer = api.json(PATH)
    topics = {each["topic"]: each for each in answer["learning"]}

    assert answer["judged_until"] == "2026-11-22T12:00:00Z"
    assert topics["usual"]["is_known"] is True
    assert topics["curve"] == {
        "topic": "curve",
        "site": "shaft",
        "is_known": False,
        "days": 3,
        "needed_days": 10,
    }


def test_a_memory_of_another_release_is_learned_anew(api: Api) -> None:
    with api.book.begin() as connection:
        snapshots.put(connection, "agh-dere", -1, [(1, b"of another release")])

    answer = api.json(PATH)

    assert answer["judged_until"] is None
    assert not any(each["is_known"] for each in answer["learning"])


def test_a_kahriz_that_is_not_there_is_named(api: Api) -> None:
    problem = assert_problem(api.get("/api/v1/kahrizes/nowhere/detection"), 404)

    assert "'nowhere'" in problem["detail"]


def test_every_topic_and_every_reason_is_in_the_documented_shape() -> None:
    assert set(get_args(LearnedAnswer.model_fields["topic"].annotation)) == set(Topic)
    assert set(get_args(BlindAnswer.model_fields["why"].annotation)) == set(Why)
