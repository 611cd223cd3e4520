"""Worked examples of the curves, and what their options may not be."""

from __future__ import annotations

import doctest

import numpy as np
import pytest

from kahriz.errors import ConfigError
from kahriz.observations import Quality
from kahriz.rating import cipolletti, power_law, v_notch
from kahriz.rating.cipolletti import Cipolletti
from kahriz.rating.power_law import PowerLaw
from kahriz.rating.v_notch import VNotch90


def test_the_examples_in_the_files_are_true() -> None:
    results = [doctest.testmod(module) for module in (cipolletti, v_notch, power_law)]

    assert all(result.attempted > 0 and result.failed == 0 for result in results)


def test_eight_litres_a_second_stand_127_mm_over_a_v_notch() -> None:
    notch = VNotch90()

    assert notch.stage(np.array([8.0])) == pytest.approx([0.1274], abs=5e-5)
    assert notch.discharge(np.array([0.1274])).discharge_lps == pytest.approx([8.0], abs=0.01)


@pytest.mark.parametrize(
    ("error_mm", "discharge_lps", "percent"),
    [(3, 1, 14), (3, 2, 10), (3, 15, 4.6), (1, 1, 4.5), (1, 2, 3.4), (1, 15, 1.5)],
)
def test_an_error_of_the_stage_is_two_and_a_half_times_that_of_the_head(
    error_mm: float, discharge_lps: float, percent: float
) -> None:
    as_v_notch = PowerLaw(
        coefficient=1.38,
        exponent=2.5,
        min_head_m=0.01,
        max_head_m=0.38,
        stage_uncertainty_m=error_mm / 1000,
        curve_uncertainty=0,
    )
    rated = as_v_notch.discharge(as_v_notch.stage(np.array([discharge_lps])))

    relative = 100 * rated.uncertainty_lps / rated.discharge_lps
    assert relative == pytest.approx([percent], abs=0.05 * percent)


def test_uncertainties_of_stage_and_curve_add_as_squares() -> None:
    rated = VNotch90(stage_uncertainty_m=0.002).discharge(np.array([0.2]))

    relative = rated.uncertainty_lps / rated.discharge_lps
    assert relative == pytest.approx([np.hypot(2.5 * 0.002 / 0.2, 0.015)])


def test_a_v_notch_is_suspect_under_60_mm_and_refused_above_380() -> None:
    rated = VNotch90().discharge(np.array([0.03, 0.0599, 0.06, 0.38, 0.3801]))

    assert rated.quality.tolist() == [
        Quality.SUSPECT,
        Quality.SUSPECT,
        Quality.GOOD,
        Quality.GOOD,
        Quality.FAIL,
    ]
    assert rated.discharge_lps[:4] == pytest.approx([0.215, 1.212, 1.217, 122.8], rel=0.002)
    assert np.isnan(rated.discharge_lps[4])


def test_a_collapse_to_a_trickle_stays_usable() -> None:
    falling = VNotch90().stage(np.array([8.0, 4.0, 1.0, 0.2, 0.0]))

    assert Quality.FAIL not in VNotch90().discharge(falling).quality


def test_a_v_notch_can_be_lower_than_the_standard_s() -> None:
    rated = VNotch90(max_head_m=0.25).discharge(np.array([0.25, 0.26]))

    assert rated.quality.tolist() == [Quality.GOOD, Quality.FAIL]


def test_a_power_law_is_refused_beyond_its_gaugings_on_both_sides() -> None:
    canal = PowerLaw(coefficient=0.9, exponent=1.6, min_head_m=0.04, max_head_m=0.5)
    rated = canal.discharge(np.array([0.0, 0.02, 0.04, 0.5, 0.51]))

    assert rated.quality.tolist() == [
        Quality.GOOD,
        Quality.FAIL,
        Quality.GOOD,
        Quality.GOOD,
        Quality.FAIL,
    ]
    assert rated.discharge_lps[[0, 2, 3]] == pytest.approx([0, 5.217, 296.9], rel=0.001)
    assert np.isnan(canal.stage(np.array([1.0]))).all()


GOOD_OPTIONS = {"coefficient": 0.9, "exponent": 1.6, "min_head_m": 0.04, "max_head_m": 0.5}


@pytest.mark.parametrize(
    ("option", "value", "problem"),
    [
        ("coefficient", 0.0, "coefficient 0.0 is not above 0"),
        ("coefficient", float("nan"), "coefficient nan is not above 0"),
        ("exponent", -1.5, "exponent -1.5 is not above 0"),
        ("min_head_m", -0.1, "min_head_m -0.1 is not 0 or more"),
        ("min_head_m", 0.5, "min_head_m 0.5 is not below max_head_m 0.5"),
        ("max_head_m", float("inf"), "max_head_m inf is not above 0"),
        ("zero_offset_m", float("nan"), "zero_offset_m nan is not a finite number"),
        ("stage_uncertainty_m", -0.001, "stage_uncertainty_m -0.001 is not 0 or more"),
        ("curve_uncertainty", -1.0, "curve_uncertainty -1.0 is not 0 or more"),
    ],
)
def test_an_impossible_option_of_a_power_law_is_named(
    option: str, value: float, problem: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        PowerLaw(**(GOOD_OPTIONS | {option: value}))

    assert str(caught.value) == f"power_law: {problem}"


@pytest.mark.parametrize(
    ("option", "value", "problem"),
    [
        ("max_head_m", 0.5, "max_head_m 0.5 is above 0.38 m, the standard's limit"),
        ("max_head_m", 0.0, "max_head_m 0.0 is not above 0"),
        ("zero_offset_m", float("inf"), "zero_offset_m inf is not a finite number"),
        ("stage_uncertainty_m", -1.0, "stage_uncertainty_m -1.0 is not 0 or more"),
    ],
)
def test_an_impossible_option_of_a_v_notch_is_named(
    option: str, value: float, problem: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        VNotch90(**{option: value})

    assert str(caught.value) == f"v_notch_90: {problem}"


FOOT_M, CUBIC_FEET_L = 0.3048, 28.316846592


@pytest.mark.parametrize(("crest_ft", "head_ft"), [(1.0, 0.33), (2.0, 0.5), (4.0, 1.0), (4.0, 0.2)])
def test_a_cipolletti_weir_gives_what_the_manual_s_formula_gives_in_feet(
    crest_ft: float, head_ft: float
) -> None:
    weir = Cipolletti(crest_m=crest_ft * FOOT_M)
    rated = weir.discharge(np.array([head_ft * FOOT_M]))

    assert rated.discharge_lps == pytest.approx([3.367 * crest_ft * head_ft**1.5 * CUBIC_FEET_L])
    assert rated.quality.tolist() == [Quality.GOOD]


def test_a_cipolletti_weir_is_suspect_under_60_mm_and_refused_above_a_third_of_its_crest() -> None:
    rated = Cipolletti(crest_m=0.6).discharge(np.array([0.0599, 0.06, 0.2, 0.2001]))

    flags = [Quality.SUSPECT, Quality.GOOD, Quality.GOOD, Quality.FAIL]
    assert rated.quality.tolist() == flags


def test_its_uncertainty_is_that_of_the_formula_and_half_again_that_of_the_head() -> None:
    rated = Cipolletti(crest_m=1.2, stage_uncertainty_m=0.003).discharge(np.array([0.3]))

    relative = rated.uncertainty_lps / rated.discharge_lps
    assert relative == pytest.approx([np.hypot(1.5 * 0.003 / 0.3, 0.025)])


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"crest_m": 0.0}, "crest_m 0.0 is not above 0"),
        (
            {"crest_m": 0.6, "max_head_m": 0.21},
            "max_head_m 0.21 is above 0.2 m, a third of crest_m",
        ),
        ({"crest_m": 0.6, "stage_uncertainty_m": -1.0}, "stage_uncertainty_m -1.0"),
    ],
)
def test_a_cipolletti_weir_that_cannot_be_is_refused(options: dict[str, float], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        Cipolletti(**options)
