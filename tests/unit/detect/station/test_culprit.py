"""Off the curve: the gallery, the outlet's meter, or the shaft's level."""

from __future__ import annotations

import math

import pytest

from kahriz.detect.station.culprit import UNKNOWN, against_trend, culprit, risen
from kahriz.detect.station.losses import Losses
from kahriz.detect.station.season import Season
from kahriz.detect.station.verdict import BLOCKAGE, FLOW, STAGE

RISE = 0.1
BEFORE, LEVEL = 2.5, 0.7
"""Flow [ln L/s] and level [m] of the weeks before."""


def losses(loss: float | None = None) -> Losses:
    found = Losses()
    if loss is not None:
        found.loss, found.sigma, found.limit = loss, 0.01, 0.035
    return found


def season(a_day: float = 0.0) -> Season:
    """Return three weeks that end at `BEFORE`."""
    found = Season()
    for day in range(21):
        found.close_day(day, BEFORE - a_day * (20 - day), LEVEL, 0.15)
    return found


@pytest.mark.parametrize(
    ("what", "off", "flow", "loss", "kind"),
    [
        ("meter says too little: the loss looks small by as much", 0.02, -0.2, -0.2, FLOW),
        ("meter says too much: the loss looks large", -0.02, 0.2, 0.2, FLOW),
        ("less water, and the loss as it was", 0.02, -0.1, 0.0, BLOCKAGE),
        ("as much water, and the loss as it was", 0.02, 0.0, 0.0, STAGE),
        ("level too low, the loss as it was", -0.02, 0.0, 0.0, STAGE),
        ("half of it in the loss", 0.02, -0.1, -0.1, BLOCKAGE),
        ("no line: less water, but by less than a meter's error", 0.02, -0.1, None, BLOCKAGE),
        ("no line: less by as much as a meter's error", 0.02, -0.2, None, UNKNOWN),
        ("no line: the flow as it was", 0.02, 0.0, None, UNKNOWN),
        ("no line: level too low", -0.02, 0.0, None, UNKNOWN),
    ],
)
def test_the_way_to_the_village_is_the_third_witness(
    what: str, off: float, flow: float, loss: float | None, kind: str
) -> None:
    level = LEVEL + off + RISE * flow
    assert culprit(off, RISE, BEFORE + flow, level, losses(loss), season())[0] == kind, what


def test_a_gallery_that_is_blocked_raises_its_level_and_a_meter_does_not() -> None:
    def blamed(level: float) -> str:
        return culprit(0.02, RISE, BEFORE - 0.1, level, losses(), season())[0]

    assert blamed(LEVEL + 0.01) == BLOCKAGE
    assert blamed(LEVEL + 0.001) == UNKNOWN
    assert math.isnan(risen(Season(), LEVEL))
    assert culprit(0.02, RISE, BEFORE - 0.1, LEVEL, losses(0.0), season())[0] == BLOCKAGE


def test_a_level_is_compared_with_the_days_on_which_it_was_believed() -> None:
    before = season()
    for day in range(21, 40):
        before.close_day(day, BEFORE, math.nan, 0.15)

    assert risen(before, LEVEL + 0.02) == pytest.approx(0.02)


def test_a_level_that_rose_by_five_centimetres_rose_however_high_it_looks() -> None:
    def blamed(rise: float) -> str:
        return culprit(0.3, 0.6, BEFORE - 0.4, LEVEL + rise, losses(), season())[0]

    assert blamed(0.06) == BLOCKAGE
    assert blamed(0.04) == UNKNOWN


def test_a_small_distance_has_to_hold_for_longer_than_a_large_one() -> None:
    def hours(off: float) -> float:
        kind, steps = culprit(off, RISE, BEFORE - 0.05, LEVEL, losses(0.0), season())
        assert kind == BLOCKAGE
        return steps / 4

    assert (hours(0.02), hours(0.006)) == (4, 24)


def test_a_level_that_rises_alone_may_be_a_gallery_that_fills_up_and_is_given_time() -> None:
    rising = culprit(0.02, RISE, BEFORE, LEVEL, losses(0.0), season())
    falling = culprit(-0.02, RISE, BEFORE, LEVEL, losses(0.0), season())

    assert rising[0] == falling[0] == STAGE
    assert rising[1] > falling[1]


def test_a_loss_within_chance_is_no_witness() -> None:
    unsure = losses(-0.2)
    unsure.sigma = 0.2

    assert culprit(0.02, RISE, BEFORE - 0.2, LEVEL, unsure, season())[0] == UNKNOWN


def test_water_that_was_falling_anyway_is_not_below_where_it_was_heading() -> None:
    assert against_trend(season(-0.02), BEFORE - 0.02) == pytest.approx(0.0, abs=0.005)
    assert against_trend(season(-0.02), BEFORE - 0.12) == pytest.approx(-0.1, abs=0.005)


def test_rising_water_is_not_expected_to_go_on_rising() -> None:
    late = season(0.02)

    assert against_trend(late, BEFORE) > 0


def test_without_a_week_of_days_nobody_knows_where_it_was_heading() -> None:
    assert against_trend(Season(), BEFORE - 1.0) == 0.0
