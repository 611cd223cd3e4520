"""A kahriz from its readings to what is wrong, over weeks of water made here."""

from __future__ import annotations

import json
import math
from datetime import timedelta

import numpy as np
import pytest

from kahriz.detect import Detection, Kind
from kahriz.detect.gallery import Gallery
from kahriz.detect.learned import Topic
from kahriz.detect.learned import learned as progress
from kahriz.detect.station.channel import DAY, IMPOSSIBLE
from kahriz.sites import Detect
from tests.unit.detect.station.days import (
    BATTERY,
    FIRST,
    LEARNED,
    LINE,
    OUTLET,
    SHAFT,
    Days,
    Said,
    kahriz,
    learned,
    said,
)

MINUTE, HOURS = 1 / 1440, 1 / 24
SINCE = 62.3
"""Day on which trouble begins, about seven in the morning."""

EVERYTHING = ("outlet", "shaft", "line")


def found(water: Days, days: float, *sites: str) -> list[Said]:
    """Return what a gallery that knows the place says until `days` after the trouble began."""
    return said(learned(*sites), water, LEARNED, SINCE + days)


def only(water: Days, days: float, *sites: str) -> Said:
    """Return the one thing that is said; nothing before the trouble."""
    (one,) = found(water, days, *sites)
    assert one.at >= SINCE
    return one


def what(water: Days, days: float, *sites: str) -> list[tuple[str, str]]:
    return [(one.kind.value, one.key) for one in found(water, days, *sites)]


WITH_A_SHAFT = [("outlet", "shaft"), EVERYTHING]
WITH_A_LINE = [("outlet", "line"), EVERYTHING]


# ---- the committee's


@pytest.mark.parametrize("sites", WITH_A_SHAFT)
def test_a_blockage_is_told_within_45_minutes_of_the_first_reading_that_shows_it(
    sites: tuple[str, ...],
) -> None:
    one = only(Days().blocked(SINCE), 5, *sites)

    assert one.kind is Kind.BLOCKAGE
    assert one.at - SINCE <= 60 * MINUTE
    assert one.until == math.inf
    evidence = one.first.evidence
    assert evidence["deviation"] == pytest.approx(-0.3, abs=0.01)
    assert evidence["upstream_stage_change_m"] == pytest.approx(0.15, abs=0.003)
    assert one.first.explanation.startswith("Outlet 9.")
    assert "(-30 %). Shaft level +15 cm." in one.first.explanation


@pytest.mark.parametrize("sites", WITH_A_SHAFT)
def test_a_small_blockage_is_told_too_and_not_over_while_it_lasts(sites: tuple[str, ...]) -> None:
    one = only(Days().blocked(SINCE, part=0.1, rise=0.03), 12, *sites)

    assert one.kind is Kind.BLOCKAGE
    assert one.at - SINCE <= 2 * HOURS
    assert one.until == math.inf


@pytest.mark.parametrize("sites", WITH_A_SHAFT)
@pytest.mark.parametrize("over", [5.0, 12.0])
def test_a_gallery_that_fills_up_over_days_is_told_within_three(
    sites: tuple[str, ...], over: float
) -> None:
    one = only(Days().blocked(SINCE, part=0.25, rise=0.12, over=over), 20, *sites)

    assert one.kind is Kind.BLOCKAGE
    assert one.at - SINCE <= 3


@pytest.mark.parametrize("sites", WITH_A_SHAFT)
def test_a_blockage_is_over_within_three_hours_of_being_freed(sites: tuple[str, ...]) -> None:
    one = only(Days().blocked(SINCE, until=SINCE + 1), 5, *sites)

    assert SINCE + 1 < one.until < SINCE + 1 + 3 * HOURS


@pytest.mark.parametrize("sites", WITH_A_SHAFT)
def test_less_water_that_keeps_the_curve_is_a_decline(sites: tuple[str, ...]) -> None:
    water = Days()
    one = only(water.comes(-0.4 * water.ramp(SINCE, 1 * HOURS)), 5, *sites)

    assert one.kind is Kind.DECLINE
    assert one.at - SINCE <= 2 * HOURS


@pytest.mark.parametrize("sites", WITH_A_SHAFT)
def test_water_that_never_moved_before_is_a_decline_too(sites: tuple[str, ...]) -> None:
    water = Days(days=LEARNED + 10, season=0.0, weather=0.0)
    water.comes(-0.4 * water.ramp(SINCE, 1 * HOURS))
    (one,) = said(Gallery(kahriz(*sites)), water, 0, SINCE + 2)

    assert one.kind is Kind.DECLINE
    assert 0 <= one.at - SINCE <= 2 * HOURS


@pytest.mark.parametrize("sites", WITH_A_SHAFT)
def test_much_more_water_is_a_surge_until_it_has_run_off(sites: tuple[str, ...]) -> None:
    water = Days()
    flood = water.ramp(SINCE, 2 * HOURS) * (1 - water.ramp(SINCE + 1.5, 1))
    one = only(water.comes(0.6 * flood), 8, *sites)

    assert one.kind is Kind.SURGE
    assert one.at - SINCE <= 3 * HOURS
    assert SINCE + 1.5 < one.until < SINCE + 3


@pytest.mark.parametrize("sites", WITH_A_SHAFT)
def test_a_well_that_pumps_by_the_clock_is_a_decline_and_after_two_days_over_abstraction(
    sites: tuple[str, ...],
) -> None:
    water = Days()
    hour = water.day % 1 * 24
    pumping = (hour >= 5) & (hour < 21) & (water.day >= 62)
    first, second = found(water.comes(-0.25 * pumping), 6, *sites)

    assert (first.kind, second.kind) == (Kind.DECLINE, Kind.OVERABSTRACTION)
    assert first.at - (62 + 5 * HOURS) <= 2 * HOURS
    assert first.until == second.at <= 65
    assert second.until == math.inf


@pytest.mark.parametrize("sites", WITH_A_LINE)
@pytest.mark.parametrize("part", [0.05, 0.1, 0.4])
def test_a_tap_on_the_way_is_told_within_two_days(sites: tuple[str, ...], part: float) -> None:
    one = only(Days().tapped(SINCE, part), 6, *sites)

    assert one.kind is Kind.TAP_LEAK
    assert one.at - SINCE <= 2
    assert one.first.evidence["loss"] == pytest.approx(part, abs=0.01)


def test_a_leak_that_grows_by_the_week_is_told() -> None:
    one = only(Days().drifted(LINE, SINCE, -0.2, 20), 12)

    assert one.kind is Kind.TAP_LEAK


def test_a_loss_that_does_not_matter_is_not_told() -> None:
    assert what(Days().tapped(SINCE, 0.02), 20) == []


@pytest.mark.parametrize("sites", [("outlet",), ("outlet", "shaft"), EVERYTHING])
def test_a_drought_is_told_within_a_month(sites: tuple[str, ...]) -> None:
    water = Days()
    one = only(water.comes(-0.012 * np.maximum(water.day - 62, 0)), 40, *sites)

    assert one.kind is Kind.DROUGHT
    assert one.at - 62 <= 30
    assert one.first.evidence["change_3_weeks"] == pytest.approx(-0.16, abs=0.03)


# ---- the technician's


@pytest.mark.parametrize("sites", WITH_A_LINE)
@pytest.mark.parametrize("by", [-0.2, 0.2])
def test_an_outlets_meter_that_nothing_follows_is_told_within_four_hours(
    sites: tuple[str, ...], by: float
) -> None:
    one = only(Days().shifted(OUTLET, SINCE, by, SINCE + 3), 6, *sites)

    assert (one.kind, one.key) == (Kind.SENSOR, "k-outlet")
    assert one.at - SINCE <= 4 * HOURS
    assert SINCE + 3 < one.until < SINCE + 3.5


def test_without_a_line_an_outlet_that_moves_alone_is_given_more_time() -> None:
    one = only(Days().shifted(OUTLET, SINCE, -0.2), 5, "outlet", "shaft")

    assert (one.kind, one.key) == (Kind.SENSOR, "k-outlet")
    assert 4 * HOURS < one.at - SINCE <= 8 * HOURS


@pytest.mark.parametrize("sites", WITH_A_SHAFT)
@pytest.mark.parametrize("by", [-0.1, 0.1])
def test_a_level_that_moves_alone_is_its_sensor(sites: tuple[str, ...], by: float) -> None:
    one = only(Days().shifted(SHAFT, SINCE, by, SINCE + 3), 6, *sites)

    assert (one.kind, one.key) == (Kind.SENSOR, "k-shaft")
    assert one.at - SINCE <= 5 * HOURS
    assert one.first.evidence["fault"] == "alone"
    assert SINCE + 3 < one.until < SINCE + 3.5


@pytest.mark.parametrize("by", [-0.25, -0.15, 0.15, 0.25])
def test_an_outlets_meter_that_drifts_is_told_within_a_week_and_as_no_tap(by: float) -> None:
    one = only(Days().drifted(OUTLET, SINCE, by, 10), 20)

    assert (one.kind, one.key) == (Kind.SENSOR, "k-outlet")
    assert one.at - SINCE <= 7


@pytest.mark.parametrize("over", [10, 20])
@pytest.mark.parametrize("by", [-0.25, -0.15, 0.25])
def test_without_a_line_a_meter_that_drifts_is_no_blockage(by: float, over: float) -> None:
    one = only(Days().drifted(OUTLET, SINCE, by, over), 25, "outlet", "shaft")

    assert one.kind is Kind.SENSOR
    assert one.at - SINCE <= 12


@pytest.mark.parametrize("sites", WITH_A_SHAFT)
@pytest.mark.parametrize("by", [-0.1, 0.1])
def test_a_level_that_drifts_is_told_within_a_week(sites: tuple[str, ...], by: float) -> None:
    one = only(Days().drifted(SHAFT, SINCE, by, 10), 12, *sites)

    assert (one.kind, one.key) == (Kind.SENSOR, "k-shaft")
    assert one.at - SINCE <= 7


def test_an_outlet_that_collapses_is_told_whatever_a_wrong_level_says_of_it() -> None:
    # The level's sensor hangs 10 cm too low; what stands behind the blockage brings it back.
    water = Days().shifted(SHAFT, SINCE, -0.1).blocked(SINCE + 2, part=0.7, rise=0.1)
    first, second, *_ = found(water, 3, "outlet", "shaft")

    assert (first.kind, first.key) == (Kind.SENSOR, "k-shaft")
    assert second.kind in (Kind.DECLINE, Kind.BLOCKAGE)
    assert second.at - SINCE - 2 <= 3 * HOURS


def test_a_level_that_jumps_is_its_sensor_though_the_season_takes_some_water_too() -> None:
    dry = Days().comes(-0.04 * np.clip(Days().day - SINCE, 0, 1))

    assert what(dry.shifted(SHAFT, SINCE, 0.1, SINCE + 4), 4, "outlet", "shaft") == [
        ("sensor", "k-shaft")
    ]


@pytest.mark.parametrize(
    ("water", "device", "fault", "within_h"),
    [
        (Days().says(SHAFT, 0.69, SINCE), "k-shaft", "flat_line", 8),
        (Days().says(SHAFT, IMPOSSIBLE, SINCE), "k-shaft", "out_of_range", 1),
        (Days().says(OUTLET, IMPOSSIBLE, SINCE), "k-outlet", "out_of_range", 1),
        (Days().says(LINE, IMPOSSIBLE, SINCE), "k-line", "out_of_range", 1),
        (Days().noisy(OUTLET, SINCE, 0.1), "k-outlet", "noise", 8),
        (Days().noisy(SHAFT, SINCE, 0.03), "k-shaft", "noise", 12),
    ],
)
def test_an_instrument_that_cannot_be_believed_by_itself_is_told(
    water: Days, device: str, fault: str, within_h: float
) -> None:
    one = only(water, 2)

    assert (one.kind, one.key) == (Kind.SENSOR, device)
    assert one.first.evidence["fault"] == fault
    assert one.at - SINCE <= within_h * HOURS


def test_an_outlet_that_says_the_same_for_hours_is_told() -> None:
    water = Days()
    now = float(water.value[OUTLET][round(SINCE * DAY)])
    one = only(water.says(OUTLET, now, SINCE), 2)

    assert (one.key, one.first.evidence["fault"]) == ("k-outlet", "flat_line")
    assert 6 * HOURS <= one.at - SINCE <= 7 * HOURS


@pytest.mark.parametrize("sites", [("line",), ("outlet", "line"), EVERYTHING])
def test_a_tap_turned_on_and_off_is_no_noise_of_the_lines_meter(sites: tuple[str, ...]) -> None:
    assert what(Days().noisy(LINE, SINCE, 0.1), 2, *sites) == []


def test_a_battery_that_sags_is_told_within_two_days() -> None:
    one = only(Days().drifted(BATTERY, SINCE, -0.4, 1), 4)

    assert (one.kind, one.key) == (Kind.BATTERY, "k-outlet")
    assert one.at - SINCE <= 2
    assert "V in the two weeks before" in one.first.explanation


def test_a_battery_recovers() -> None:
    water = Days().drifted(BATTERY, SINCE, -0.4, 1).drifted(BATTERY, SINCE + 4, 0.4, 0)

    assert SINCE + 4 < only(water, 8).until <= SINCE + 6


# ---- devices that speak less often


def thinned(water: Days, every: int) -> Days:
    """Keep one reading of so many quarters of an hour."""
    for value in water.value.values():
        value[np.arange(len(value)) % every != 0] = np.nan
    return water


@pytest.mark.parametrize(("every", "within_h"), [(2, 2), (4, 4)])
def test_a_device_that_speaks_every_half_hour_or_hour_is_judged_and_takes_longer(
    every: int, within_h: float
) -> None:
    def found_of(water: Days, days: float) -> tuple[str, float]:
        (one,) = said(Gallery(kahriz(battery=True)), thinned(water, every), 0, SINCE + days)
        return one.kind.value, one.at - SINCE

    kind, delay = found_of(Days().blocked(SINCE), 3)
    assert kind == "blockage"
    assert 0 < delay <= within_h * HOURS
    kind, delay = found_of(Days().tapped(SINCE), 3)
    assert kind == "tap_leak"
    assert delay <= 2
    assert found_of(Days().drifted(BATTERY, SINCE, -0.4, 1), 4)[0] == "battery"


def test_a_device_that_speaks_every_two_hours_is_judged_by_itself_alone() -> None:
    def told(water: Days) -> list[str]:
        return [one.key for one in said(Gallery(kahriz()), thinned(water, 8), 0, SINCE + 3)]

    assert told(Days().blocked(SINCE)) == []
    assert told(Days().says(SHAFT, IMPOSSIBLE, SINCE)) == ["k-shaft"]


# ---- quiet


@pytest.mark.parametrize("sites", [("outlet",), EVERYTHING])
def test_a_quiet_year_says_nothing(sites: tuple[str, ...]) -> None:
    gallery = Gallery(kahriz(*sites, battery=True))

    assert said(gallery, Days(days=365), 0) == []


def test_two_litres_a_second_over_a_notch_with_three_millimetres_of_noise_say_nothing() -> None:
    # 2.5 dH/H at a head of 73 mm: 10 % a reading.
    water = Days(flow=2.0, noise=2.5 * 0.003 / 0.073)
    gallery = Gallery(kahriz("outlet", rated=True))

    assert said(gallery, water, 0) == []


def test_what_the_rating_cannot_tell_is_not_told_and_what_it_can_is() -> None:
    def kinds(part: float, *, rated: bool) -> list[str]:
        water = Days(flow=2.0)
        water.comes(math.log(1 - part) * water.ramp(SINCE, 0))
        gallery = learned("outlet", rated=rated, flow=2.0)
        return [one.kind.value for one in said(gallery, water, LEARNED, SINCE + 1)]

    assert kinds(0.2, rated=False) == ["decline"]
    assert kinds(0.2, rated=True) == []
    assert kinds(0.4, rated=True) == ["decline"]


def test_the_kahrizs_own_limits_are_kept() -> None:
    limits = Detect(fall=0.2, lone_level_m=0.2, off_curve_m=0.2)
    patient = Gallery(kahriz(battery=True, detect=limits), learned().state)

    assert said(patient, Days().blocked(SINCE, part=0.1, rise=0.03), LEARNED, SINCE + 5) == []


# ---- fewer instruments


@pytest.mark.parametrize("sites", [("outlet",), ("outlet", "line")])
def test_without_a_shaft_a_blockage_is_told_as_a_decline_that_names_its_witnesses(
    sites: tuple[str, ...],
) -> None:
    one = only(Days().blocked(SINCE), 3, *sites)

    assert one.kind is Kind.DECLINE
    assert one.at - SINCE <= 2 * HOURS
    assert (one.first.evidence.get("witness") == "none") is (sites == ("outlet",))
    assert ("No other sensor to compare with." in one.first.explanation) is (sites == ("outlet",))


def test_an_outlet_alone_tells_a_fall_from_15_percent_on_whoever_it_is() -> None:
    assert what(Days().blocked(SINCE, part=0.1), 3, "outlet") == []
    assert what(Days().shifted(OUTLET, SINCE, -0.2), 3, "outlet") == [("decline", "")]


@pytest.mark.parametrize(
    "water",
    [
        Days().tapped(SINCE),
        Days().shifted(SHAFT, SINCE, 0.3),
        Days().drifted(SHAFT, SINCE, 0.3, 10),
        Days().shifted(OUTLET, SINCE, 0.2),
        Days().blocked(SINCE, part=0.1, over=5),
    ],
)
def test_what_an_outlet_alone_cannot_see(water: Days) -> None:
    assert what(water, 10, "outlet") == []


def test_a_tap_needs_a_meter_at_either_end() -> None:
    assert what(Days().tapped(SINCE), 10, "outlet", "shaft") == []


@pytest.mark.parametrize("sites", [("shaft",), ("line",)])
def test_an_instrument_without_an_outlet_is_still_judged_by_itself(sites: tuple[str, ...]) -> None:
    name = SHAFT if sites == ("shaft",) else LINE

    assert what(Days().says(name, IMPOSSIBLE, SINCE), 1, *sites) == [("sensor", f"k-{sites[0]}")]
    assert what(Days().says(name, 0.7, SINCE), 1, *sites) == [("sensor", f"k-{sites[0]}")]


def test_a_level_with_nothing_beside_it_is_judged_by_how_it_moves() -> None:
    def fault(water: Days) -> object:
        one = only(water, 4, "shaft")
        assert (one.kind, one.key) == (Kind.SENSOR, "k-shaft")
        return one.first.evidence["fault"]

    dammed = Days()
    dammed.value[SHAFT] += 0.3 * dammed.ramp(SINCE, 0.4) * (dammed.day < SINCE + 0.5)

    assert fault(Days().shifted(SHAFT, SINCE, -0.3)) == "fell"
    assert fault(Days().shifted(SHAFT, SINCE, 0.3)) == "moved"
    assert fault(dammed) == "gave_way"
    assert what(Days().blocked(SINCE), 4, "shaft") == []


@pytest.mark.parametrize("sites", [("line",), ("outlet", "line"), EVERYTHING])
def test_a_line_that_carries_what_people_draw_is_judged_by_its_nights(
    sites: tuple[str, ...],
) -> None:
    water = Days(days=110, season=0.4, night=0.2, carries=False)
    water.value[LINE][water.since(90)] += 1.0
    (one,) = said(Gallery(kahriz(*sites)), water, 0)

    assert one.kind is Kind.TAP_LEAK
    assert 90 < one.at < 97
    assert one.first.evidence["loss"] == pytest.approx(0.11, abs=0.02)


# ---- what is said


def everything() -> list[Detection]:
    """Return one of every kind there is."""
    water = Days()
    hour = water.day % 1 * 24
    pumped = water.comes(-0.25 * ((hour >= 5) & (hour < 21) & (water.day >= 62)))
    dry, flood = Days(), Days()
    waters = [
        (Days().blocked(SINCE), 1.0),
        (pumped, 4.0),
        (flood.comes(0.6 * flood.ramp(SINCE, 0)), 1.0),
        (dry.comes(-0.012 * np.maximum(dry.day - 62, 0)), 30.0),
        (Days().tapped(SINCE), 2.0),
        (Days().shifted(SHAFT, SINCE, 0.1), 1.0),
        (Days().says(SHAFT, IMPOSSIBLE, SINCE), 1.0),
        (Days().drifted(BATTERY, SINCE, -0.4, 1), 3.0),
    ]
    return [one.first for water, days in waters for one in found(water, days)]


def test_what_it_says_can_be_kept_shown_and_told() -> None:
    said_ = everything()

    assert {one.kind for one in said_} == set(Kind) - {Kind.OFFLINE}
    for one in said_:
        assert json.loads(json.dumps(one.evidence, allow_nan=False)) == one.evidence
        assert one.explanation.endswith(".")
        assert "nan" not in one.explanation
        assert one.is_held
        assert one.since.tzinfo is not None


def test_trouble_began_when_the_readings_began_to_show_it() -> None:
    one = only(Days().blocked(SINCE), 1)
    began = learned().quarters.end(FIRST + round(SINCE * DAY))

    assert abs(one.first.since - began) <= timedelta(minutes=45)


@pytest.mark.parametrize("sites", [("shaft",), ("outlet", "shaft"), EVERYTHING])
@pytest.mark.parametrize(
    "water",
    [
        Days().shifted(SHAFT, SINCE, 0.3).says(SHAFT, 1.0, SINCE + 1),
        Days().shifted(OUTLET, SINCE, 0.3).says(OUTLET, IMPOSSIBLE, SINCE + 1),
        Days().blocked(SINCE).tapped(SINCE).says(LINE, IMPOSSIBLE, SINCE + 1),
    ],
)
def test_no_place_is_named_twice_at_one_instant(water: Days, sites: tuple[str, ...]) -> None:
    gallery = learned(*sites)
    for at, values in water.steps(LEARNED, SINCE + 2):
        gallery.step(at, values)
        places = [(d.kind, d.key) for d in gallery.detections()]
        assert len(places) == len(set(places))


def test_it_asks_for_all_that_is_measured_and_for_nothing_twice() -> None:
    assert sorted(Gallery(kahriz(battery=True)).streams) == sorted([OUTLET, SHAFT, LINE, BATTERY])
    assert Gallery(kahriz("outlet")).streams == (OUTLET,)
    assert Gallery(kahriz("outlet", rated=True)).streams == (OUTLET,)
    assert Gallery(kahriz("shaft")).streams == (SHAFT,)
    assert Gallery(kahriz("line")).streams == (LINE,)


def test_where_nothing_is_measured_nothing_is_said() -> None:
    gallery = Gallery(kahriz())
    for at in range(FIRST, FIRST + 3 * DAY):
        gallery.step(at, {})

    assert gallery.detections() == []


# ---- somebody worked there


def test_after_works_what_is_measured_is_normal() -> None:
    gallery = learned()
    water = Days().blocked(SINCE)
    assert said(gallery, water, LEARNED, SINCE + 1) != []

    gallery.start_anew()
    assert gallery.detections() == []
    assert said(gallery, water, SINCE + 1, SINCE + 30) == []


@pytest.mark.parametrize(("site", "topic"), [("shaft", Topic.LEVEL), ("line", Topic.NIGHTS)])
def test_after_works_an_instrument_by_itself_learns_anew_too(site: str, topic: Topic) -> None:
    def is_known(gallery: Gallery) -> bool:
        return next(each.is_known for each in progress(gallery) if each.topic is topic)

    gallery = learned(site)
    before = is_known(gallery)
    gallery.start_anew()
    after = is_known(gallery)

    assert (before, after) == (True, False)
    assert gallery.detections() == []
    assert said(gallery, Days(), LEARNED, LEARNED + 22) == []
    assert is_known(gallery)


def test_after_works_new_trouble_is_found_again() -> None:
    gallery = learned()
    water = Days().comes(0.5 * Days().ramp(SINCE, 0))
    for at, values in water.steps(LEARNED, SINCE):
        gallery.step(at, values)
    gallery.start_anew()
    water.blocked(SINCE + 20)

    (one,) = said(gallery, water, SINCE, SINCE + 22)
    assert one.kind is Kind.BLOCKAGE
    assert 0 < one.at - SINCE - 20 <= 2 * HOURS
