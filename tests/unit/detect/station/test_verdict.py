"""Scenes and what they are: the table in docs/detectors.md, line by line, and its edges."""

from __future__ import annotations

import math

import pytest

from kahriz.detect.station.verdict import (
    BLOCKAGE,
    DECLINE,
    DOUBT,
    FLOW,
    STAGE,
    SURGE,
    Scene,
    Side,
    log_fall,
    off_limit,
    verdict,
)
from kahriz.sites import Detect

FLOW_SPREAD, STAGE_SPREAD, OFF_SPREAD, LOSS_SPREAD = 0.01, 0.001, 0.001, 0.01
RISE_A_LN = 0.1
"""The level's rise by ln of flow [m] of the kahriz of these scenes."""

NOTHING = ""


def scene(
    flow: float | None = None,
    stage: float | None = None,
    loss: float | None = None,
    *,
    is_curve_known: bool = True,
    age: float = 0.0,
    doubt: float = 0.0,
    noisier: float = 1.0,
    least: Detect | None = None,
) -> Scene:
    """Return a scene of changes: flow [ln], level [m], loss on the way [ln]; None not measured."""
    off, rise = Side(), 0.0
    if flow is not None and stage is not None and is_curve_known:
        rise = RISE_A_LN * flow
        off = Side(stage - rise, OFF_SPREAD * noisier)
    return Scene(
        Side() if flow is None else Side(flow, FLOW_SPREAD * noisier),
        Side() if stage is None else Side(stage, STAGE_SPREAD * noisier),
        off,
        rise,
        Side() if loss is None else Side(loss, LOSS_SPREAD),
        age,
        doubt,
        least or Detect(),
    )


FOLLOWS = 0.0
"""A loss as usual: the village gets as much less as the outlet gives."""


@pytest.mark.parametrize(
    ("what", "flow", "stage", "loss", "kind"),
    [
        ("flow down, level up", -0.4, 0.10, None, BLOCKAGE),
        ("the same, and the line follows", -0.4, 0.10, FOLLOWS, BLOCKAGE),
        ("flow down, level steady, the line follows", -0.4, 0.0, FOLLOWS, BLOCKAGE),
        ("flow down, level steady, the line does not follow", -0.4, 0.0, -0.4, FLOW),
        ("flow down, level steady, no line", -0.4, 0.0, None, DOUBT),
        ("flow down, level a little up, the line does not follow", -0.4, 0.03, -0.4, FLOW),
        ("flow down, level far up, whatever the line says", -0.4, 0.06, -0.4, BLOCKAGE),
        ("both down on the curve", -0.4, -0.04, None, DECLINE),
        ("both down on the curve, and the line follows", -0.4, -0.04, FOLLOWS, DECLINE),
        ("flow down, level farther, the line follows", -0.4, -0.09, FOLLOWS, DECLINE),
        ("flow down, level farther, no line", -0.4, -0.09, None, DECLINE),
        ("flow down, level farther, the line does not follow", -0.4, -0.09, -0.4, NOTHING),
        ("level down, flow hardly", -0.03, -0.09, None, STAGE),
        ("level down, flow up", 0.1, -0.09, None, DOUBT),
        ("level down, flow up, the line does not follow", 0.1, -0.09, 0.1, FLOW),
        ("level down, flow up, the line follows", 0.1, -0.09, FOLLOWS, NOTHING),
        ("both up", 0.5, 0.05, None, SURGE),
        ("both up, and the line follows", 0.5, 0.05, FOLLOWS, SURGE),
        ("both up, but the line does not follow", 0.5, 0.03, 0.5, FLOW),
        ("flow up, level steady, the line does not follow", 0.4, 0.0, 0.4, FLOW),
        ("flow up, level steady, no line", 0.4, 0.0, None, DOUBT),
        ("flow up, level steady, the line follows", 0.4, 0.0, FOLLOWS, NOTHING),
        ("level up alone", 0.0, 0.10, None, STAGE),
        ("level down alone", 0.0, -0.10, FOLLOWS, STAGE),
        ("level alone, a little", 0.0, 0.03, None, NOTHING),
        ("nothing", 0.0, 0.0, FOLLOWS, NOTHING),
    ],
)
def test_by_outlet_shaft_and_curve(
    what: str, flow: float, stage: float, loss: float | None, kind: str
) -> None:
    assert verdict(scene(flow, stage, loss)) == kind, what


@pytest.mark.parametrize(
    ("what", "flow", "stage", "loss", "kind"),
    [
        ("flow down, level up", -0.4, 0.05, None, BLOCKAGE),
        ("both down", -0.4, -0.05, None, DECLINE),
        ("both up", 0.5, 0.05, None, SURGE),
        ("flow down, level up a little, the line does not follow", -0.4, 0.03, -0.4, FLOW),
        ("flow down, level far up, the line does not follow", -0.4, 0.06, -0.4, BLOCKAGE),
        ("both up a little, the line does not follow", 0.5, 0.03, 0.5, FLOW),
        ("flow down alone", -0.4, 0.0, None, DOUBT),
        ("flow down, level steady, the line follows", -0.4, 0.0, FOLLOWS, DECLINE),
        ("flow down, level steady, the line does not follow", -0.4, 0.0, -0.4, FLOW),
        ("flow up, level steady, the line follows", 0.4, 0.0, FOLLOWS, NOTHING),
        ("level alone", 0.0, 0.10, None, STAGE),
        ("nothing", 0.0, 0.0, None, NOTHING),
    ],
)
def test_by_outlet_and_shaft_before_the_curve_is_learned(
    what: str, flow: float, stage: float, loss: float | None, kind: str
) -> None:
    assert verdict(scene(flow, stage, loss, is_curve_known=False)) == kind, what


@pytest.mark.parametrize(
    ("what", "flow", "stage", "loss", "kind"),
    [
        ("outlet down", -0.4, None, None, DECLINE),
        ("outlet up", 0.5, None, None, SURGE),
        ("outlet down, the line follows", -0.4, None, FOLLOWS, DECLINE),
        ("outlet down, the line does not", -0.4, None, -0.4, FLOW),
        ("outlet up, the line does not", 0.4, None, 0.4, FLOW),
        ("shaft alone", None, 0.5, None, NOTHING),
        ("nobody", None, None, None, NOTHING),
    ],
)
def test_with_fewer_instruments(
    what: str, flow: float | None, stage: float | None, loss: float | None, kind: str
) -> None:
    assert verdict(scene(flow, stage, loss)) == kind, what


ABOVE, BELOW = 1 + 1e-6, 1 - 1e-6


@pytest.mark.parametrize(
    ("limit", "stage", "kind"),
    [
        (-log_fall(0.06), 0.05, BLOCKAGE),
        (-log_fall(0.06), -0.05, DECLINE),
        (-log_fall(0.15), None, DECLINE),
        (math.log(1.35), 0.05, SURGE),
        (math.log(1.35), None, SURGE),
    ],
)
def test_a_change_of_flow_matters_beyond_its_limit_and_not_before(
    limit: float, stage: float | None, kind: str
) -> None:
    is_curve_known = False
    assert verdict(scene(limit * ABOVE, stage, is_curve_known=is_curve_known)) == kind
    assert verdict(scene(limit * BELOW, stage, is_curve_known=is_curve_known)) in (NOTHING, STAGE)


@pytest.mark.parametrize(("limit", "kind"), [(0.010, BLOCKAGE), (-0.010, DECLINE)])
def test_a_level_confirms_beyond_its_limit_and_not_before(limit: float, kind: str) -> None:
    assert verdict(scene(-0.4, limit * ABOVE, is_curve_known=False)) == kind
    assert verdict(scene(-0.4, limit * BELOW, is_curve_known=False)) == DOUBT


@pytest.mark.parametrize("is_curve_known", [True, False])
def test_a_level_is_blamed_beyond_its_limit_and_not_before(is_curve_known: bool) -> None:
    assert verdict(scene(0.0, 0.04 * ABOVE, is_curve_known=is_curve_known)) == STAGE
    assert verdict(scene(0.0, 0.04 * BELOW, is_curve_known=is_curve_known)) == NOTHING


def test_the_kahrizs_own_limits_are_what_matters() -> None:
    least = Detect(fall=0.5, lone_fall=0.6, level_m=0.2, lone_level_m=0.5)

    assert verdict(scene(-0.6, 0.1)) == BLOCKAGE
    assert verdict(scene(-0.6, None, least=least)) == NOTHING
    assert verdict(scene(-0.6, 0.3, is_curve_known=False, least=least)) == NOTHING
    assert verdict(scene(-0.8, 0.45, least=least)) == BLOCKAGE
    assert verdict(scene(0.0, 0.45, least=least)) == NOTHING


def test_where_the_water_is_restless_a_larger_change_is_needed() -> None:
    assert verdict(scene(-0.15, 0.05)) == BLOCKAGE
    assert verdict(scene(-0.15, 0.05, noisier=10, is_curve_known=False)) == NOTHING
    assert verdict(scene(-0.15, 0.12, noisier=10)) == STAGE
    assert verdict(scene(0.0, 0.09, noisier=20)) == NOTHING


@pytest.mark.parametrize(("stage", "kind"), [(0.1, BLOCKAGE), (-0.1, DECLINE), (None, DECLINE)])
def test_what_the_rating_cannot_tell_is_no_news(stage: float | None, kind: str) -> None:
    assert verdict(scene(-0.4, stage, doubt=0.39, is_curve_known=False)) == kind
    assert verdict(scene(-0.4, stage, doubt=0.41, is_curve_known=False)) in (NOTHING, STAGE)


def test_a_line_that_is_restless_at_this_hour_is_no_witness() -> None:
    clear = scene(-0.4, 0.0, -0.4)
    restless = clear._replace(loss=Side(-0.4, 0.15))

    assert (verdict(clear), verdict(restless)) == (FLOW, DOUBT)


def test_a_line_that_lost_half_as_much_is_no_witness_either() -> None:
    assert verdict(scene(-0.4, 0.0, -0.2)) == DOUBT


def test_a_small_fall_on_the_curve_needs_a_level_that_had_to_show_it() -> None:
    assert verdict(scene(-0.08, -0.009)) == NOTHING
    assert verdict(scene(-0.08, -0.011)) == DECLINE


def test_while_a_trouble_lasts_normal_moves_on_by_the_day() -> None:
    assert verdict(scene(-0.15, 0.05, age=2.0, is_curve_known=False)) == BLOCKAGE
    assert verdict(scene(-0.15, 0.05, age=9.0, is_curve_known=False)) != BLOCKAGE


def test_what_is_lost_in_a_blockage_of_an_unchanged_size_stays_one_for_weeks() -> None:
    assert verdict(scene(-0.5, 0.15, age=30.0)) == BLOCKAGE


def test_the_distance_from_the_curve_allows_for_how_far_the_flow_moved() -> None:
    still, moved = scene(0.0, 0.0), scene(-0.5, -0.05)

    assert off_limit(still) == pytest.approx(0.005)
    assert off_limit(moved) == pytest.approx(0.005 + 0.2 * 0.05)
