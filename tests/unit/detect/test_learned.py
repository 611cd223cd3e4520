from __future__ import annotations

import math

import pytest

from kahriz.detect import Kind
from kahriz.detect.gallery import Gallery, dump, load
from kahriz.detect.learned import Blind, Topic, Why, blind, learned
from kahriz.observations import DatastreamId
from kahriz.sites import Kahriz, Sensor
from tests.water import LINE, OUTLET, SHAFT, kahriz

DAY = 96
START = 19000 * DAY
VOLTS = DatastreamId("k.outlet.battery_voltage")


def lived(of: Kahriz, days: float, *, people: float = 0.5) -> Gallery:
    """Return a gallery after quiet days; `people` is the part of the day's flow drawn at night."""
    gallery = Gallery(of)
    for at in range(START, START + round(days * DAY)):
        flow = 14.8 + 0.8 * math.sin(at / 500) + 0.05 * math.sin(at * 1.7)
        by_day = 1.0 if 24 <= at % DAY < 84 else people
        gallery.step(
            at,
            {
                OUTLET: flow,
                SHAFT: 1.2 + 0.02 * (flow - 14.8) + 0.001 * math.sin(at * 2.3),
                LINE: 0.9 * flow * by_day,
                VOLTS: 12.6 + 0.1 * math.sin(at / 15),
            },
        )
    return gallery


def with_battery(of: Kahriz) -> Kahriz:
    outlet = of.site[0]
    volts = Sensor(device="k-outlet", channel="battery_v")
    outlet = outlet.model_copy(update={"sensor": (*outlet.sensor, volts)})
    return of.model_copy(update={"site": (outlet, *of.site[1:])})


def known(gallery: Gallery) -> set[Topic]:
    return {each.topic for each in learned(gallery) if each.is_known}


ALL = {Topic.USUAL, Topic.CURVE, Topic.LOSSES, Topic.SEASON, Topic.BATTERY}


def test_nothing_is_known_of_a_kahriz_that_was_never_heard() -> None:
    found = learned(Gallery(with_battery(kahriz())))

    assert {each.topic for each in found} == ALL
    assert {each.days for each in found} == {0}
    assert [each.site for each in found] == ["outlet", "shaft", "line", "outlet", "outlet"]


@pytest.mark.parametrize(
    ("days", "topics"),
    [
        (0.5, set()),
        (1, {Topic.USUAL}),
        (10, {Topic.USUAL, Topic.CURVE, Topic.BATTERY}),
        (21, {Topic.USUAL, Topic.CURVE, Topic.BATTERY, Topic.LOSSES}),
        (46, ALL),
    ],
)
def test_each_topic_is_known_after_its_own_time(days: float, topics: set[Topic]) -> None:
    assert known(lived(with_battery(kahriz()), days)) == topics


def test_more_than_it_takes_is_not_counted() -> None:
    found = learned(lived(kahriz(), 30))

    assert all(each.days <= each.needed_days for each in found)
    assert {each.days for each in found if each.topic is Topic.CURVE} == {10}


def test_what_is_known_is_the_same_after_a_restart() -> None:
    gallery = lived(kahriz(), 12)
    again = Gallery(gallery.kahriz, load(dump(gallery.state)))

    assert learned(again) == learned(gallery)
    assert blind(again) == blind(gallery)


def test_a_level_alone_and_a_line_alone_learn_by_themselves() -> None:
    assert {each.topic for each in learned(Gallery(kahriz("shaft")))} == {Topic.LEVEL}
    assert known(lived(kahriz("shaft"), 2)) == set()
    assert known(lived(kahriz("shaft"), 4)) == {Topic.LEVEL}
    assert known(lived(kahriz("line"), 16)) == set()
    assert known(lived(kahriz("line"), 23)) == {Topic.NIGHTS}


@pytest.mark.parametrize(
    ("sites", "unseen"),
    [
        (("outlet", "shaft", "line"), []),
        (("outlet", "line"), [(Kind.BLOCKAGE, Why.NO_LEVEL)]),
        (("outlet", "shaft"), [(Kind.TAP_LEAK, Why.NO_LINE)]),
    ],
)
def test_it_says_what_the_sensors_there_are_cannot_show(
    sites: tuple[str, ...], unseen: list[tuple[Kind, Why]]
) -> None:
    nothing = Blind(Kind.BATTERY, Why.NO_VOLTAGE)

    assert list(blind(Gallery(kahriz(*sites)))) == [*(Blind(*each) for each in unseen), nothing]


def test_without_an_outlets_flow_nothing_of_the_water_is_seen() -> None:
    found = blind(Gallery(kahriz("line")))

    assert {each.kind for each in found if each.why is Why.NO_FLOW} == {
        Kind.BLOCKAGE,
        Kind.DECLINE,
        Kind.SURGE,
        Kind.OVERABSTRACTION,
        Kind.DROUGHT,
    }


def test_a_line_that_runs_by_night_as_by_day_hides_its_leaks_if_it_is_alone() -> None:
    alone, beside = lived(kahriz("line"), 10, people=0.95), lived(kahriz(), 10, people=0.95)

    assert Blind(Kind.TAP_LEAK, Why.NIGHTS_LIKE_DAYS) in blind(alone)
    assert Kind.TAP_LEAK not in {each.kind for each in blind(beside)}


def test_a_line_whose_flow_a_rating_gives_is_judged_by_its_nights() -> None:
    line = kahriz("line").site[0]
    stage = Sensor(device="k-line", channel="stage_m")
    rated = line.model_copy(
        update={"sensor": (stage,), "rating": kahriz(rated=True).site[0].rating}
    )
    gallery = lived(kahriz("line").model_copy(update={"site": (rated,)}), 23)

    assert gallery.streams == (LINE,)
    assert known(gallery) == {Topic.NIGHTS}
