from __future__ import annotations

import json
import math
import random
from collections.abc import Callable, Iterator

import pytest

from kahriz.detect.station.night_flow import Loss, NightFlow

HOUR = 3_600_000
DAY = 24 * HOUR
START = 1_700_006_400_000  # midnight

Lost = Callable[[float], float]


def nothing(day: float) -> float:
    return 0.0


def metered(
    lost_lps: Lost = nothing,
    *,
    days: float = 60,
    step_min: int = 30,
    rhythm: float = 0.6,
    season: Callable[[float], float] = lambda day: 1.0,
    seed: int = 1,
) -> Iterator[tuple[int, float]]:
    """Yield what a village of 10 L/s draws, no hour quite like that of the day before."""
    chance = random.Random(seed)
    whim = [math.exp(chance.gauss(0, 0.04)) for _ in range(round(days * 24) + 1)]
    for at in range(0, round(days * DAY), step_min * 60_000):
        day = at / DAY
        weekend = 0.15 * math.cos(4 * math.pi * day) if int(day) % 7 in (5, 6) else 0.0
        people = 10 * season(day) * (1 - rhythm * math.cos(2 * math.pi * (day - 0.125)) + weekend)
        yield START + at, people * whim[at // HOUR] + lost_lps(day)


def since(day: float, lps: float) -> Lost:
    return lambda at: lps if at >= day else 0.0


def told(readings: Iterator[tuple[int, float]], judge: NightFlow | None = None) -> list[Loss]:
    """Return the losses that were told, as they were when told."""
    judge, found = judge or NightFlow(), []
    for at, flow in readings:
        loss = judge.step(at, flow)
        if loss is not None and loss.raised_ms == at:
            found.append(Loss(loss.raised_ms, loss.since_ms, *_figures(loss)))
    return found


def _figures(loss: Loss) -> tuple[float, float, float]:
    return loss.night_lps, loss.expected_lps, loss.lost


def day_of(ms: int) -> float:
    return (ms - START) / DAY


@pytest.mark.parametrize("step_min", [5, 15, 30])
def test_a_leak_of_a_tenth_is_told_within_two_nights(step_min: int) -> None:
    (loss,) = told(metered(since(30.5, 1.0), days=40, step_min=step_min))

    assert 32 < day_of(loss.raised_ms) < 33
    assert 31 < day_of(loss.since_ms) < 32
    assert loss.night_lps - loss.expected_lps == pytest.approx(1.0 * (1 - 0.49), rel=0.5)
    assert loss.lost == pytest.approx(1.0 / 11.0, rel=0.3)


def test_a_leak_of_a_thirtieth_is_told_within_two_weeks() -> None:
    (loss,) = told(metered(since(30.5, 0.33), days=45))

    assert 31 < day_of(loss.raised_ms) < 45


def test_a_leak_that_opens_over_weeks_is_told_before_a_tenth_is_lost() -> None:
    (loss, *_) = told(metered(lambda day: max(0.0, (day - 30) * 0.05), days=60))

    assert day_of(loss.raised_ms) < 50


def test_a_season_and_a_feast_raise_day_and_night_and_are_not_told() -> None:
    def season(day: float) -> float:
        return 1 + 0.4 * math.sin(2 * math.pi * day / 365) + (0.5 if 40 <= day < 43 else 0.0)

    assert told(metered(days=200, season=season)) == []


def test_one_night_of_filling_a_pool_is_not_told() -> None:
    assert told(metered(lambda day: 5.0 if 30.9 < day < 31.4 else 0.0, days=60)) == []


def test_no_village_is_told_of_a_leak_it_has_not() -> None:
    assert [loss for seed in range(6) for loss in told(metered(days=120, seed=seed))] == []


def test_a_loss_that_stays_is_told_once_and_is_normal_after_two_weeks() -> None:
    judge = NightFlow()
    days = [
        day_of(at)
        for at, flow in metered(since(30.5, 1.0), days=90)
        if judge.step(at, flow) is not None
    ]

    assert 13 < days[-1] - days[0] < 15


def test_a_second_leak_is_told_after_the_first_has_become_normal() -> None:
    losses = told(metered(lambda day: since(30.5, 1.0)(day) + since(60.5, 1.0)(day), days=75))

    assert [round(day_of(loss.raised_ms)) for loss in losses] == [32, 62]


def test_a_leak_repaired_is_over_and_the_next_one_is_told() -> None:
    def patched(day: float) -> float:
        return 1.0 if 30.5 <= day < 36 or day >= 60.5 else 0.0

    judge = NightFlow()
    losses = told(metered(patched, days=75), judge)

    assert [round(day_of(loss.raised_ms)) for loss in losses] == [32, 62]


def test_the_repair_of_what_was_taken_for_normal_is_no_leak_afterwards() -> None:
    assert told(metered(lambda day: 1.5 if day < 50 else 0.0, days=100)) == []


def test_nothing_is_told_in_the_two_weeks_of_learning() -> None:
    assert told(metered(since(7, 3.0), days=14)) == []


def test_where_nights_are_like_days_it_is_blind_and_says_so() -> None:
    judge = NightFlow()

    assert told(metered(since(30.5, 2.0), rhythm=0.02, days=60), judge) == []
    assert judge.is_blind
    seeing = NightFlow()
    told(metered(days=20), seeing)
    assert not seeing.is_blind


def test_a_night_half_of_which_is_missing_says_nothing() -> None:
    def torn() -> Iterator[tuple[int, float]]:
        for at, flow in metered(since(30.5, 3.0), days=40):
            hour = at % DAY / HOUR
            is_gone = 30 <= day_of(at) < 35 and 1.5 <= hour < 4
            yield at, math.nan if is_gone else flow

    (loss,) = told(torn())
    assert 36 < day_of(loss.raised_ms) < 37


def test_days_of_silence_are_no_leak() -> None:
    readings = ((at, f) for at, f in metered(days=60) if not 20 <= day_of(at) < 26.4)

    assert told(readings) == []


def test_the_night_is_the_people_s_own() -> None:
    # At UTC+4 the people's night is from 21 to 1 o'clock UTC.
    shifted = [(at - 4 * HOUR, flow) for at, flow in metered(since(30.5, 1.0), days=40)]
    here, there = NightFlow(), NightFlow(utc_offset_h=4.0)

    (local,) = told(metered(since(30.5, 1.0), days=40), here)
    (abroad,) = told(iter(shifted), there)
    assert abroad.raised_ms == local.raised_ms - 4 * HOUR
    assert _figures(abroad) == _figures(local)


@pytest.mark.parametrize("cut", [1, 5, 48 * 7 + 11, 48 * 14, 48 * 31 + 3, 48 * 40])
def test_a_restart_at_any_reading_changes_nothing(cut: int) -> None:
    whole, restarted = NightFlow(), NightFlow()
    for number, (at, flow) in enumerate(metered(since(30.5, 1.0), days=50)):
        if number == cut:
            restarted = NightFlow.from_state(json.loads(json.dumps(restarted.state())))
        assert whole.step(at, flow) == restarted.step(at, flow)

    assert whole.state() == restarted.state()


def test_what_is_remembered_stays_small() -> None:
    judge = NightFlow()
    told(metered(since(30.5, 1.0), days=60), judge)

    assert len(json.dumps(judge.state())) < 4_000


def test_who_draws_by_day_only_is_not_told_of_and_neither_is_that_he_left() -> None:
    def by_day(day: float) -> float:
        return 1.5 if 30 <= day < 50 and 6 <= day % 1 * 24 < 20 else 0.0

    assert told(metered(by_day, days=90)) == []


def test_a_tap_that_is_open_by_night_only_is_told() -> None:
    def by_night(day: float) -> float:
        return 1.0 if day >= 30.5 and not 6 <= day % 1 * 24 < 20 else 0.0

    (loss, *_) = told(metered(by_night, days=45))
    assert 32 <= day_of(loss.raised_ms) < 34


def test_after_a_change_of_habits_a_leak_is_told_as_before() -> None:
    def less_by_day(day: float) -> float:
        habit = -1.5 if day >= 30 and 6 <= day % 1 * 24 < 20 else 0.0
        return habit + (1.0 if day >= 60.5 else 0.0)

    (loss,) = told(metered(less_by_day, days=70))
    assert 62 <= day_of(loss.raised_ms) < 64
