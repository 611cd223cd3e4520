"""What every registered rating promises; a new one is covered by adding how it is built."""

from __future__ import annotations

from datetime import date
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kahriz.observations import Quality
from kahriz.rating import RATINGS, Rating
from kahriz.rating.dated import build
from kahriz.sites import RatingEntry

OPTIONS: dict[str, dict[str, Any]] = {
    "v_notch_90": {},
    "v_notch": {"angle_deg": 60, "sill_m": 1.2},
    "rectangular": {"crest_m": 0.5, "channel_m": 1.0, "sill_m": 0.4},
    "cipolletti": {"crest_m": 1.2},
    "parshall": {"throat_m": 0.2286},
    "cutthroat": {"length_m": 1.3716, "throat_m": 0.3048},
    "table": {"table": [(0.21, 0.4), (0.25, 4.0), (0.4, 80.0), (0.6, 400.0)]},
    "power_law": {"coefficient": 0.9, "exponent": 1.6, "min_head_m": 0.04, "max_head_m": 0.5},
}
ZERO = 0.2
EVERY_RATING = pytest.mark.parametrize("name", sorted(RATINGS))


def rating(name: str) -> Rating:
    return build(
        RatingEntry(
            method=name, valid_from=date(2020, 1, 1), zero_offset_m=ZERO, **OPTIONS.get(name, {})
        )
    )


@EVERY_RATING
def test_no_head_is_no_flow_and_suspect_only_when_well_below_zero(name: str) -> None:
    rated = rating(name).discharge(np.array([ZERO, ZERO - 0.004, ZERO - 0.006]))

    assert rated.discharge_lps.tolist() == [0, 0, 0]
    assert rated.quality.tolist() == [Quality.GOOD, Quality.GOOD, Quality.SUSPECT]
    assert np.all(rated.uncertainty_lps >= 0)


@EVERY_RATING
def test_extrapolation_is_refused_and_flagged(name: str) -> None:
    rated = rating(name).discharge(np.array([ZERO + 5.0, ZERO + np.inf]))

    assert np.isnan(rated.discharge_lps).all()
    assert np.isnan(rated.uncertainty_lps).all()
    assert rated.quality.tolist() == [Quality.FAIL, Quality.FAIL]


@EVERY_RATING
def test_its_limits_are_where_it_begins_to_be_sure_and_to_refuse(name: str) -> None:
    found = rating(name)
    at, step = found.limits, 1e-6
    stages = [at.best_from_m, at.best_from_m - step, at.highest_m, at.highest_m + step]
    good, low, high, above = found.discharge(np.array(stages)).quality.tolist()

    assert at.zero_m == ZERO
    assert at.zero_m <= at.lowest_m <= at.best_from_m < at.highest_m
    assert (good, high, above) == (Quality.GOOD, Quality.GOOD, Quality.FAIL)
    assert low == (Quality.FAIL if at.lowest_m == at.best_from_m else Quality.SUSPECT)


@EVERY_RATING
def test_a_missing_stage_is_a_missing_discharge(name: str) -> None:
    rated = rating(name).discharge(np.array([np.nan, ZERO + 0.2]))

    assert rated.quality.tolist() == [Quality.MISSING, Quality.GOOD]
    assert np.isnan(rated.discharge_lps[0])
    assert np.isnan(rated.uncertainty_lps[0])


@EVERY_RATING
def test_more_head_is_more_water(name: str) -> None:
    stage = ZERO + np.linspace(0.0, 0.38, 200)
    rated = rating(name).discharge(stage)
    flows = rated.discharge_lps[np.isfinite(rated.discharge_lps)]

    assert len(flows) > 150
    assert np.all(np.diff(flows) > 0)


@EVERY_RATING
@given(head=st.floats(0.05, 0.38))
def test_the_stage_of_a_discharge_is_the_stage_it_came_from(name: str, head: float) -> None:
    curve = rating(name)
    stage = np.array([ZERO + head])

    assert curve.stage(curve.discharge(stage).discharge_lps) == pytest.approx(stage, abs=1e-9)


@EVERY_RATING
def test_the_stage_is_unknown_outside_the_limits(name: str) -> None:
    stage = rating(name).stage(np.array([-1.0, 1e6, np.nan, 0.0]))

    assert np.isnan(stage[:3]).all()
    assert stage[3] == ZERO


@EVERY_RATING
def test_a_flag_is_fail_exactly_where_a_stage_gives_no_discharge(name: str) -> None:
    rated = rating(name).discharge(np.linspace(-1, 2, 500))

    assert (np.isnan(rated.discharge_lps) == (rated.quality == Quality.FAIL)).all()


@EVERY_RATING
def test_nothing_gives_nothing(name: str) -> None:
    rated = rating(name).discharge(np.empty(0))

    assert len(rated.discharge_lps) == len(rated.uncertainty_lps) == len(rated.quality) == 0
