from __future__ import annotations

import math
import time
from datetime import datetime, timedelta

import numpy as np
import pytest

from kahriz.detect import Detection, Episode, KahrizView, Kind
from kahriz.detect.abrupt_drop import AbruptDrop
from kahriz.observations import Quality, Series, datastream_id
from kahriz.units import Property
from tests.water import LINE, NOW, OUTLET, SHAFT, Water, kahriz

HOUR = timedelta(hours=1)


def detections(view: KahrizView, now: datetime = NOW) -> tuple[Detection, ...]:
    return AbruptDrop().detect(view, now)


def kinds(view: KahrizView, now: datetime = NOW) -> list[Kind]:
    return [d.kind for d in detections(view, now)]


def episode_of(detection: Detection, until: datetime | None = None) -> Episode:
    return Episode(detection.kind, detection.key, detection.since, until, detection.evidence)


def test_four_quiet_days_are_quiet() -> None:
    water = Water().view()

    assert all(not kinds(water, NOW - i * HOUR) for i in range(24))


def test_outlet_down_and_shaft_up_is_a_blockage() -> None:
    (found,) = detections(Water().blocked(-2.0).view())

    assert found.kind is Kind.BLOCKAGE
    assert abs((found.since - (NOW - 2 * HOUR)) / HOUR) < 0.2
    assert found.evidence["expected_lps"] == pytest.approx(14.8, rel=0.01)
    assert found.evidence["observed_lps"] == pytest.approx(8.88, rel=0.02)
    assert found.evidence["deviation"] == pytest.approx(-0.4, abs=0.02)
    assert found.evidence["upstream_stage_change_m"] == pytest.approx(0.07, abs=0.02)
    assert found.evidence["water_left_lpcd"] == pytest.approx(8.88 * 86400 / 2500, rel=0.02)


def test_the_explanation_says_observed_expected_deviation_and_the_witnesses() -> None:
    (found,) = detections(Water().blocked(-3.0).view())

    assert found.explanation.startswith("Outlet 8.9 L/s, expected 14.8 (-40 %). Shaft level +")
    assert "Delivery line -" in found.explanation


def test_both_down_with_the_rating_kept_is_a_decline() -> None:
    water = Water().falls(-2.0, 0.6, OUTLET, LINE).rises(-2.0, -0.03)

    assert kinds(water.view()) == [Kind.DECLINE]


def test_both_up_is_a_surge() -> None:
    water = Water().falls(-2.0, 2.0, OUTLET, LINE).rises(-2.0, 0.05)

    assert kinds(water.view()) == [Kind.SURGE]


def test_an_outlet_that_nothing_follows_is_its_sensor() -> None:
    (found,) = detections(Water().falls(-3.0, 0.5, OUTLET).view())

    assert (found.kind, found.key) == (Kind.SENSOR, "k-outlet")


def test_a_level_that_steps_alone_is_its_sensor() -> None:
    (found,) = detections(Water().since(-4.0, SHAFT, lambda stage: stage - 0.3).view())

    assert (found.kind, found.key) == (Kind.SENSOR, "k-shaft")
    assert found.evidence["deviation_m"] == pytest.approx(-0.3, abs=0.01)


def test_an_outlet_without_any_witness_declines_and_the_evidence_says_so() -> None:
    (found,) = detections(Water().falls(-1.0, 0.5, OUTLET).view(kahriz("outlet")))

    assert found.kind is Kind.DECLINE
    assert found.evidence["witness"] == "none"
    assert "No other sensor" in found.explanation


def test_a_silent_shaft_is_no_witness() -> None:
    water = Water().blocked(-2.0).silent(-12.0, SHAFT)

    assert kinds(water.view()) == [Kind.DECLINE]


def test_an_outlet_rising_while_the_shaft_falls_is_a_blockage_that_gave_way() -> None:
    water = Water().falls(-2.0, 1.8, OUTLET, LINE).rises(-2.0, -0.05)

    assert kinds(water.view()) == []


def test_the_demand_of_the_day_on_the_line_does_not_alarm() -> None:
    water = Water(days=4)
    water.value[LINE] *= 1 + 0.6 * np.sin(2 * np.pi * water.hours / 24)
    view = water.view()

    assert all(not kinds(view, NOW - i * HOUR) for i in range(24))


def test_2_litres_with_3_mm_of_noise_never_alarm() -> None:
    rng = np.random.default_rng(1)
    water = Water(days=14)
    head = (2.0 / 1380) ** 0.4 + rng.normal(0, 0.003, len(water.hours))
    water.value[OUTLET] = 1380 * head**2.5
    rated = kahriz(rated=True, stage_uncertainty_m=0.003)
    stage = datastream_id("k", "outlet", Property.STAGE)
    view = water.view(rated)
    flow = view.series[OUTLET]
    heads = {stage: Series(stage, flow.time, head, flow.quality)}
    view = KahrizView(rated, {**view.series, **heads})

    assert all(not kinds(_upto(view, NOW - i * HOUR / 2), NOW - i * HOUR / 2) for i in range(480))


def _upto(view: KahrizView, now: datetime) -> KahrizView:
    start = now - AbruptDrop().look_back
    cut = {s: x.between(start, now + timedelta(milliseconds=1)) for s, x in view.series.items()}
    return KahrizView(view.kahriz, cut, episodes=view.episodes)


def test_a_loss_smaller_than_what_the_rating_can_tell_does_not_alarm() -> None:
    rated = kahriz("outlet", "line", rated=True, stage_uncertainty_m=0.003)
    water = Water(flow=2.0, flow_noise=0.002).falls(-2.0, 0.78, OUTLET, LINE)
    head = (water.value[OUTLET] / 1380) ** 0.4
    flow = water.view(rated).series
    stage = datastream_id("k", "outlet", Property.STAGE)
    quality = np.full(len(head), Quality.GOOD, np.uint8)
    heads = {stage: Series(stage, flow[OUTLET].time, head, quality)}

    assert kinds(KahrizView(rated, {**flow, **heads})) == []
    assert kinds(water.view(kahriz("outlet", "line"))) == [Kind.DECLINE]


def test_a_recession_that_crosses_the_limit_is_no_step() -> None:
    water = Water()
    for stream in (OUTLET, LINE):
        water.value[stream] *= np.exp(-0.004 * (water.hours + 96))
    water.value[SHAFT] -= 0.002 * (water.hours + 96)
    view = water.view()

    assert math.exp(-0.004 * 48) < 0.85
    assert all(not kinds(_upto(view, NOW - i * HOUR), NOW - i * HOUR) for i in range(12))


@pytest.mark.parametrize("minutes", [1, 5, 15])
def test_a_spike_is_not_a_collapse_whatever_the_step(minutes: int) -> None:
    water = Water(step=timedelta(minutes=minutes))
    water.value[OUTLET][-1] *= 0.1

    assert kinds(water.view()) == []


@pytest.mark.parametrize("minutes", [1, 2, 5, 10, 15])
def test_a_blockage_is_named_within_an_hour_and_a_half_whatever_the_step(minutes: int) -> None:
    water = Water(step=timedelta(minutes=minutes)).blocked(-1.5)

    assert kinds(water.view()) == [Kind.BLOCKAGE]


def test_an_ongoing_collapse_stays_detected_without_any_memory_for_14_hours() -> None:
    view = Water().blocked(-14.0).view()
    since = [NOW - 14 * HOUR + 1.5 * HOUR + i * HOUR / 2 for i in range(26)]

    assert all(Kind.BLOCKAGE in kinds(_upto(view, now), now) for now in since)


def test_a_collapse_stays_detected_at_the_figures_it_began_with_until_the_water_is_back() -> None:
    (begun,) = detections(Water().blocked(-2.0).view())
    older = Episode(begun.kind, begun.key, NOW - 90 * HOUR, None, begun.evidence)
    low = Water().falls(-96.0, 0.6, OUTLET, LINE)

    (still,) = detections(low.view(episodes=(older,)))
    back = low.falls(-1.0, 1 / 0.6, OUTLET, LINE)

    assert still.kind is Kind.BLOCKAGE
    assert still.evidence["expected_lps"] == begun.evidence["expected_lps"]
    assert kinds(back.view(episodes=(older,))) == []


def test_a_change_that_lasted_14_days_is_the_new_normal() -> None:
    (begun,) = detections(Water().blocked(-2.0).view())
    old = Episode(begun.kind, "", NOW - timedelta(days=15), None, begun.evidence)

    assert kinds(Water().falls(-96.0, 0.6, OUTLET, LINE).view(episodes=(old,))) == []


def test_a_collapse_stands_while_nothing_is_heard() -> None:
    (begun,) = detections(Water().blocked(-2.0).view())
    silent = Water().blocked(-6.0).silent(-4.0, OUTLET)

    (found,) = detections(silent.view(episodes=(episode_of(begun),)))

    assert found.kind is Kind.BLOCKAGE
    assert "No new reading" in found.explanation


def test_the_water_coming_back_after_days_is_no_surge() -> None:
    (begun,) = detections(Water().blocked(-2.0).view())
    past = Episode(begun.kind, "", NOW - 96 * HOUR, NOW - 3 * HOUR, begun.evidence)
    water = Water().falls(-96.0, 0.4, OUTLET, LINE).falls(-3.0, 2.5, OUTLET, LINE)

    assert kinds(water.view(episodes=(past,))) == []


def test_a_decline_becomes_a_blockage_when_the_level_rises_after_all() -> None:
    (begun,) = detections(Water().falls(-4.0, 0.6, OUTLET, LINE).view())
    view = Water().falls(-8.0, 0.6, OUTLET, LINE).rises(-4.0, 0.04).view()

    (found,) = detections(
        KahrizView(
            view.kahriz,
            view.series,
            episodes=(Episode(begun.kind, "", NOW - 8 * HOUR, None, begun.evidence),),
        )
    )

    assert begun.kind is Kind.DECLINE
    assert found.kind is Kind.BLOCKAGE


def test_a_sensors_fault_does_not_become_a_decline_for_want_of_witnesses() -> None:
    (begun,) = detections(Water().falls(-3.0, 0.5, OUTLET).view())
    old = Episode(begun.kind, begun.key, NOW - timedelta(days=6), None, begun.evidence)
    water = Water().falls(-96.0, 0.5, OUTLET).silent(-96.0, LINE).silent(-96.0, SHAFT)

    assert kinds(water.view(episodes=(old,))) == [Kind.SENSOR]


def test_a_line_that_says_the_same_beyond_its_limit_is_a_sensor() -> None:
    water = Water().since(-13.0, LINE, lambda value: np.full_like(value, 7.0))
    (found,) = detections(water.view())

    assert (found.kind, found.key) == (Kind.SENSOR, "k-line")
    assert found.evidence["fault"] == "flat_line"
    assert found.evidence["flat_h"] == pytest.approx(13.0, abs=0.2)


def test_a_dry_outlet_is_flat_and_true() -> None:
    water = Water().since(-20.0, OUTLET, np.zeros_like).since(-20.0, LINE, np.zeros_like)
    found = detections(water.rises(-20.0, 0.05).view())

    assert [d.kind for d in found] == [Kind.BLOCKAGE]


def test_a_stuck_sensor_that_falls_silent_is_not_repaired_by_silence() -> None:
    stuck = Water().since(-13.0, LINE, lambda value: np.full_like(value, 7.0))
    (begun,) = detections(stuck.view())

    later = detections(stuck.view(episodes=(episode_of(begun),)), NOW + 3 * HOUR)

    assert [(d.kind, d.key) for d in later] == [(Kind.SENSOR, "k-line")]


def test_an_hour_of_impossible_values_is_a_sensor_and_never_the_water() -> None:
    water = Water().falls(-2.0, 0.01, OUTLET).marked(-2.0, 1.0, OUTLET, Quality.FAIL)
    (found,) = detections(water.view())

    assert (found.kind, found.key) == (Kind.SENSOR, "k-outlet")
    assert found.evidence["fault"] == "out_of_range"


def test_a_collapse_that_the_rate_test_suspects_is_still_seen() -> None:
    water = Water().blocked(-2.0).marked(-2.0, 1.0, OUTLET, Quality.SUSPECT)

    assert kinds(water.view()) == [Kind.BLOCKAGE]


def test_nothing_is_said_of_a_kahriz_known_for_half_a_day_only() -> None:
    assert kinds(Water(days=0.5).blocked(-2.0).view()) == []


@pytest.mark.alone
def test_a_window_of_three_days_costs_under_three_milliseconds() -> None:
    detector, view = AbruptDrop(), Water(days=3.5).blocked(-2.0).view()
    times = []
    for _ in range(30):
        start = time.perf_counter()
        detector.detect(view, NOW)
        times.append(time.perf_counter() - start)

    assert min(times) < 0.003


@pytest.mark.parametrize(
    ("option", "value"),
    [("fall", 1.5), ("rise", 0.0), ("stage_m", -1.0), ("look_back", timedelta(hours=3))],
)
def test_an_impossible_option_is_refused_by_name(option: str, value: object) -> None:
    with pytest.raises(ValueError, match=f"abrupt_drop: {option}"):
        AbruptDrop(**{option: value})  # type: ignore[arg-type]
