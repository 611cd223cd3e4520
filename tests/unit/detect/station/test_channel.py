from __future__ import annotations

import math

import numpy as np
import pytest

from kahriz.detect.station.channel import DAY, HOUR, IMPOSSIBLE, Channel

FLOW_NOISE, STAGE_NOISE = 0.006, 0.0008


def values(days: float, *, is_flow: bool, noise: float | None = None, seed: int = 1) -> list[float]:
    rng = np.random.default_rng(seed)
    scatter = rng.normal(0, noise or (FLOW_NOISE if is_flow else STAGE_NOISE), round(days * DAY))
    return [float(value) for value in (12 * np.exp(scatter) if is_flow else 0.7 + scatter)]


def feed(channel: Channel, said: list[float], first: int = 0) -> list[str]:
    """Return what is wrong with it step by step."""
    faults = []
    for at, value in enumerate(said, first):
        channel.take(at, value)
        channel.judge(at)
        faults.append(channel.fault)
    return faults


def learned(*, is_flow: bool = False, days: int = 31) -> Channel:
    channel = Channel(is_flow=is_flow)
    assert set(feed(channel, values(days, is_flow=is_flow))) == {""}
    return channel


@pytest.mark.parametrize("is_flow", [True, False])
def test_the_same_value_for_six_hours_is_a_flat_line(is_flow: bool) -> None:
    faults = feed(learned(is_flow=is_flow), [0.71] * 7 * HOUR, 31 * DAY)

    assert faults.index("flat") == 6 * HOUR
    assert set(faults[6 * HOUR :]) == {"flat"}


def test_an_instrument_that_often_stands_still_is_given_three_times_as_long() -> None:
    channel = Channel(is_flow=False)
    rounded = [0.7 + 0.01 * (at // (5 * HOUR) % 2) for at in range(31 * DAY)]
    assert set(feed(channel, rounded)) == {""}

    faults = feed(channel, [0.75] * 20 * HOUR, 31 * DAY)
    assert 14 * HOUR < faults.index("flat") < 16 * HOUR


def test_in_the_first_week_an_instrument_that_stands_still_is_taken_for_a_coarse_one() -> None:
    assert set(feed(learned(days=3), [0.71] * 4 * DAY, 3 * DAY)) == {""}


def test_standing_still_is_learned_in_the_first_month_only() -> None:
    def rounded(first: int, days: int) -> list[float]:
        return [0.7 + 0.01 * (at // (5 * HOUR) % 2) for at in range(first, first + days * DAY)]

    channel = learned(days=31)
    feed(channel, rounded(31 * DAY, 5), 31 * DAY)
    faults = feed(channel, [0.75] * 10 * HOUR, 36 * DAY)

    assert faults.index("flat") == 6 * HOUR


def test_a_dry_outlet_is_flat_and_right() -> None:
    assert "flat" not in feed(learned(is_flow=True), [0.0] * 3 * DAY, 31 * DAY)


def test_a_silence_is_not_the_same_value() -> None:
    channel = learned()
    said = [0.71] * 3 * HOUR + [math.nan] * 8 * HOUR + [0.71] * 3 * HOUR

    assert set(feed(channel, said, 31 * DAY)) == {""}


def test_a_flat_line_is_over_with_the_first_other_value() -> None:
    faults = feed(learned(), [0.71] * 8 * HOUR + [0.72], 31 * DAY)

    assert faults[-2:] == ["flat", ""]


def test_nothing_but_impossible_values_for_an_hour_is_its_instrument() -> None:
    faults = feed(learned(), [IMPOSSIBLE] * 2 * HOUR, 31 * DAY)

    assert faults.index("impossible") == HOUR - 1


def test_a_possible_value_now_and_then_does_not_make_it_well() -> None:
    said = [IMPOSSIBLE] * 6 + [0.7] + [IMPOSSIBLE] * 6 + [0.7, 0.7]
    faults = feed(learned(), said, 31 * DAY)

    assert set(faults[3:-1]) == {"impossible"}
    assert faults[-1] == ""


def test_one_impossible_value_is_nothing() -> None:
    assert set(feed(learned(), [IMPOSSIBLE, 0.7, 0.701] * 8, 31 * DAY)) == {""}


def test_an_impossible_value_is_not_used() -> None:
    channel = learned()
    before = channel.recent(31 * DAY)

    assert channel.take(31 * DAY, IMPOSSIBLE) is False
    assert channel.take(31 * DAY + 1, math.nan) is False
    assert channel.recent(31 * DAY) == before


@pytest.mark.parametrize(("is_flow", "noise", "within_h"), [(True, 0.1, 6), (False, 0.03, 12)])
def test_readings_that_scatter_far_more_than_ever_are_noise(
    is_flow: bool, noise: float, within_h: int
) -> None:
    channel = learned(is_flow=is_flow)
    faults = feed(channel, values(1, is_flow=is_flow, noise=noise, seed=2), 31 * DAY)

    assert faults.index("noise") <= within_h * HOUR
    faults = feed(channel, values(1, is_flow=is_flow, seed=3), 32 * DAY)
    assert faults[-1] == ""


def test_noise_is_not_known_before_two_weeks() -> None:
    noisy = values(1, is_flow=True, noise=0.1, seed=2)

    assert "noise" not in feed(learned(is_flow=True, days=13), noisy, 13 * DAY)
    assert "noise" in feed(learned(is_flow=True, days=15), noisy, 15 * DAY)


@pytest.mark.parametrize("is_flow", [True, False])
def test_a_floods_ramp_is_no_noise(is_flow: bool) -> None:
    channel = learned(is_flow=is_flow)
    calm = np.array(values(2, is_flow=is_flow, seed=2))
    hours = np.arange(len(calm)) / HOUR
    # Up within six hours, down within a day.
    flood = np.interp(hours, [6, 12, 36], [0.0, 1.0, 0.0])
    said = calm * np.exp(flood) if is_flow else calm + 0.6 * flood

    assert set(feed(channel, said.tolist(), 31 * DAY)) == {""}


def test_the_median_of_an_hour_needs_three_values() -> None:
    channel = Channel(is_flow=False)
    feed(channel, [0.7, 0.8])
    assert math.isnan(channel.recent(1))

    feed(channel, [0.9], 2)
    assert channel.recent(2) == 0.8
    assert math.isnan(channel.recent(20))


def test_an_hour_closes_with_the_median_of_what_could_be_used() -> None:
    channel = Channel(is_flow=True)
    feed(channel, [math.nan, 10.0, IMPOSSIBLE, 10.0])

    assert channel.close_hour() == pytest.approx(math.log(10.0))
    assert math.isnan(channel.close_hour())


def test_an_hour_with_one_value_is_not_known_unless_each_has_one() -> None:
    channel = Channel(is_flow=False)
    known = []
    for hour in range(8):
        feed(channel, [0.7 + 0.001 * hour], hour * HOUR)
        known.append(math.isfinite(channel.close_hour()))
    assert known == [False] * 3 + [True] * 5

    feed(channel, [0.7, 0.71], 8 * HOUR)
    assert math.isfinite(channel.close_hour())
    feed(channel, [0.72], 9 * HOUR)
    assert math.isnan(channel.close_hour())


def test_no_water_is_a_number_on_the_scale_of_flows() -> None:
    channel = Channel(is_flow=True)

    assert channel.take(0, 0.0)
    assert channel.take(1, -0.5)
    assert math.isfinite(channel.lately[-1][1])


def test_a_sensor_that_is_stuck_in_its_first_month_is_told_and_teaches_nothing() -> None:
    channel = Channel(is_flow=False)

    def live(first: int, end: int, *, is_stuck: bool = False) -> None:
        for at in range(first, end):
            channel.take(at, 1.2 if is_stuck else 1.0 + 0.001 * (at % 7))
            channel.judge(at)

    live(0, 14 * DAY)
    live(14 * DAY, 16 * DAY, is_stuck=True)
    told = channel.fault
    live(16 * DAY, 16 * DAY + 20)

    assert told == "flat"
    assert channel.fault == ""
    assert channel.longest == 2 * HOUR


def test_a_level_that_is_still_for_hours_every_night_is_not_stuck() -> None:
    channel = Channel(is_flow=False)
    said = set()
    for at in range(40 * DAY):
        is_still = at % DAY < 10 * HOUR
        channel.take(at, 1.2 if is_still else 1.2 + 0.001 * (at % 7 + 1))
        channel.judge(at)
        said.add(channel.fault)

    assert said == {""}
