from __future__ import annotations

import csv
import gzip
import json
import math
import random
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from kahriz.detect.station.level_alone import LevelAlone

DATA = Path(__file__).parents[2] / "data"
HOUR = 3_600_000
DAY = 24 * HOUR
START = 1_700_006_400_000  # midnight

Level = Callable[[float], float]


def measured(
    level: Level, days: float = 12, step_min: int = 15, seed: int = 1
) -> Iterator[tuple[int, float]]:
    """Yield a stage sensor's readings of a level that is a function of the day, to 1 mm."""
    chance = random.Random(seed)
    for at in range(0, round(days * DAY), step_min * 60_000):
        yield START + at, round(level(at / DAY) + chance.gauss(0, 0.0015), 3)


def told(readings: Iterator[tuple[int, float]]) -> list[tuple[float, float, str]]:
    """Return what was told as (day it was told, day it began, fault)."""
    judge, found, raised = LevelAlone(), [], 0
    for at, value in readings:
        strange = judge.step(at, value)
        if strange is not None and strange.raised_ms != raised:
            raised = strange.raised_ms
            began = (strange.since_ms - START) / DAY
            found.append(((at - START) / DAY, began, strange.fault))
    return found


def dammed(day: float) -> float:
    """Climb 15 cm in ten hours behind an obstacle that gives way on day 8."""
    behind = 7.6 < day < 8.0
    return 0.40 + (0.15 * (day - 7.6) / 0.4 if behind else 0.0)


def flooded(day: float) -> float:
    """Rise by 30 cm in two hours and recede over days."""
    hours = (day - 8) * 24
    if hours < 0:
        return 0.40
    return 0.40 + 0.30 * (hours / 2 if hours < 2 else math.exp(-(hours - 2) / 30))


def melting(day: float) -> float:
    """Rise and fall by 16 cm with the sun on the snow, from day 6 on."""
    return 0.40 + (0.08 * (1 - math.cos(2 * math.pi * day)) if day > 6 else 0.0)


def moved(day: float) -> float:
    """Be put back 30 cm higher after a visit."""
    return 0.40 + (0.30 if day > 8 else 0.0)


def out_of_the_water(hours: float) -> Level:
    return lambda day: -0.02 if 8 <= day < 8 + hours / 24 else 0.40


@pytest.mark.parametrize("step_min", [5, 15, 30])
def test_water_behind_an_obstacle_is_told_when_the_obstacle_gives_way(step_min: int) -> None:
    ((day, began, fault),) = told(measured(dammed, step_min=step_min))

    assert fault == "gave_way"
    assert 8.0 <= day < 8.0 + 2 / 24
    assert 7.5 <= began < 7.9


@pytest.mark.parametrize("step_min", [5, 15, 30])
@pytest.mark.parametrize("nature", [flooded, melting])
def test_water_that_comes_and_goes_by_itself_is_never_told(nature: Level, step_min: int) -> None:
    assert told(measured(nature, step_min=step_min)) == []


def test_an_obstacle_that_stays_looks_like_a_flood_and_is_not_told() -> None:
    assert told(measured(lambda day: min(dammed(min(day, 7.99)), 0.55))) == []


def test_a_climb_within_what_the_level_does_every_day_is_not_told() -> None:
    def restless(day: float) -> float:
        return dammed(day) + 0.03 * (1 - math.cos(2 * math.pi * day))

    assert told(measured(restless)) == []


def test_a_sensor_out_of_the_water_is_told_within_half_an_hour() -> None:
    ((day, began, fault),) = told(measured(out_of_the_water(hours=3)))

    assert (fault, began) == ("fell", 8.0)
    assert day <= 8 + 0.5 / 24


def test_a_sensor_lifted_for_one_reading_is_not_told() -> None:
    assert told(measured(out_of_the_water(hours=0.25))) == []


def test_a_level_that_falls_as_far_in_hours_is_not_a_sensor_in_the_air() -> None:
    assert told(measured(lambda day: 0.40 - 0.30 * min(1, max(0, (day - 8) * 6)))) == []


def test_a_moved_sensor_is_told_once_and_its_new_level_is_the_calm_one_days_later() -> None:
    judge = LevelAlone()
    standing = [(at, judge.step(at, value)) for at, value in measured(moved)]
    days = [(at - START) / DAY for at, strange in standing if strange is not None]

    assert 8.0 < days[0] < 8.1
    assert 9.0 < days[-1] < 11.0
    assert judge.calm_m == pytest.approx(0.70, abs=0.002)


def test_nothing_is_told_while_a_usual_day_is_learned() -> None:
    assert told(measured(lambda day: dammed(day + 6), days=3)) == []


def test_silence_and_missing_values_are_no_water() -> None:
    def torn(day: float) -> float:
        return math.nan if 8.1 < day < 9.0 else 0.40

    readings = ((at, v) for at, v in measured(torn) if not 3 <= (at - START) / DAY < 5)
    assert told(readings) == []


@pytest.mark.parametrize("cut", [1, 97, 300, 745, 770, 800, 1100])
def test_a_restart_at_any_reading_changes_nothing(cut: int) -> None:
    whole, restarted = LevelAlone(), LevelAlone()
    for number, (at, value) in enumerate(measured(dammed)):
        if number == cut:
            restarted = LevelAlone.from_state(json.loads(json.dumps(restarted.state())))
        assert whole.step(at, value) == restarted.step(at, value)

    assert whole.state() == restarted.state()


def test_what_is_remembered_stays_small() -> None:
    judge = LevelAlone()
    for at, value in measured(dammed, step_min=1):
        judge.step(at, value)

    assert len(json.dumps(judge.state())) < 16_000


def recorded(name: str) -> Iterator[tuple[int, float]]:
    with gzip.open(DATA / name, "rt") as file:
        for row in csv.DictReader(line for line in file if not line.startswith("#")):
            moment = datetime.fromisoformat(row["time"]).replace(tzinfo=UTC)
            yield round(moment.timestamp() * 1000), float(row["stage_m"] or "nan")


def test_a_winter_s_ice_is_told_each_time_and_nothing_else() -> None:
    judge, days = LevelAlone(), []
    for at, value in recorded("franklin_basin_2019_winter.csv.gz"):
        strange = judge.step(at, value)
        if strange is not None and strange.raised_ms == at:
            days.append((f"{datetime.fromtimestamp(at / 1000, UTC):%m-%d}", strange.fault))

    assert days == [("01-30", "gave_way"), ("02-08", "gave_way"), ("03-04", "gave_way")]


def test_a_summer_s_thunderstorms_are_water() -> None:
    judge = LevelAlone()

    assert all(
        judge.step(at, value) is None for at, value in recorded("plumtree_usgs_01581752.csv.gz")
    )
