"""Weirs and flumes against figures printed elsewhere, at the edges of their limits, and refused."""

from __future__ import annotations

import doctest

import numpy as np
import pytest

from kahriz.errors import ConfigError
from kahriz.observations import Quality
from kahriz.rating import Rating, cutthroat, parshall, rectangular, v_notch_any
from kahriz.rating.cutthroat import Cutthroat
from kahriz.rating.parshall import Parshall
from kahriz.rating.rectangular import Rectangular
from kahriz.rating.v_notch import VNotch90
from kahriz.rating.v_notch_any import VNotch

FOOT_M, CUBIC_FEET_L = 0.3048, 28.316846592


def lps(rating: Rating, head_m: float) -> float:
    return float(rating.discharge(np.array([head_m])).discharge_lps[0])


def test_the_examples_in_the_files_are_true() -> None:
    modules = (cutthroat, parshall, rectangular, v_notch_any)
    results = [doctest.testmod(module) for module in modules]

    assert all(result.attempted > 0 and result.failed == 0 for result in results)


def test_a_right_angle_has_the_coefficient_and_added_head_the_manual_prints() -> None:
    assert v_notch_any.coefficient(90) == pytest.approx(0.578, abs=0.0005)
    assert v_notch_any.added_head_m(90) == pytest.approx(0.0029 * FOOT_M, abs=0.00005)


@pytest.mark.parametrize(
    ("angle_deg", "ce", "kh_mm"),
    [(40, 0.58, 1.7), (60, 0.575, 1.2), (80, 0.575, 1.0), (100, 0.58, 1.0)],
)
def test_a_notch_s_coefficient_and_added_head_agree_with_another_reading_of_the_curves(
    angle_deg: float, ce: float, kh_mm: float
) -> None:
    """The table in fluids 1.3.1 (open_flow, after USGS 1617-B): 0.5 % of Ce, 0.3 mm of kh."""
    assert v_notch_any.coefficient(angle_deg) == pytest.approx(ce, rel=0.005)
    assert 1000 * v_notch_any.added_head_m(angle_deg) == pytest.approx(kh_mm, abs=0.3)


@pytest.mark.parametrize("head_ft", [0.2, 0.3, 0.5, 0.8, 1.0, 1.2])
def test_a_right_angle_agrees_with_the_manual_s_formula_for_it(head_ft: float) -> None:
    """Q = 2.49 h^2.48 in feet: USBR Water Measurement Manual, chapter 7, equation 7-6; 0.8 %."""
    notch = VNotch(angle_deg=90, sill_m=1.2)

    wanted = 2.49 * head_ft**2.48 * CUBIC_FEET_L
    assert lps(notch, head_ft * FOOT_M) == pytest.approx(wanted, rel=0.008)


@pytest.mark.parametrize("angle_deg", [30, 45, 60, 90])
def test_a_v_notch_gives_what_a_gauge_s_maker_gives_and_the_head_it_leaves_out(
    angle_deg: float,
) -> None:
    """Endress+Hauser, Prosonic S FMU90, appendix: at these angles Q in m3/h = factor (mm)^2.5.

    Its factors are one Cd, 0.584, at every angle, without an added head; so the coefficients are
    within 1.3 %, and the rest of the distance is kh.
    """
    factor = {30: 4.21e-5, 45: 6.51e-5, 60: 9.07e-5, 90: 1.571e-4}[int(angle_deg)]
    its_own = factor / 3.6 * 200**2.5
    added = (1 + v_notch_any.added_head_m(angle_deg) / 0.2) ** 2.5

    ours = lps(VNotch(angle_deg=angle_deg, sill_m=1.0), 0.2)
    assert ours / added == pytest.approx(its_own, rel=0.013)


@pytest.mark.parametrize("head_m", [0.06, 0.08, 0.1, 0.2, 0.3, 0.38])
def test_both_v_notches_of_a_right_angle_agree_within_their_uncertainty(head_m: float) -> None:
    both = [
        VNotch90(stage_uncertainty_m=0),
        VNotch(angle_deg=90, sill_m=1.2, stage_uncertainty_m=0),
    ]
    one, other = (rating.discharge(np.array([head_m])) for rating in both)

    apart = abs(one.discharge_lps - other.discharge_lps)
    assert apart <= 2 * np.hypot(one.uncertainty_lps, other.uncertainty_lps)
    assert apart <= 2 * one.uncertainty_lps


@pytest.mark.parametrize("head_m", [0.05, 0.1, 0.2, 0.4])
def test_a_weir_across_the_whole_channel_agrees_with_rehbock_s_formula(head_m: float) -> None:
    """Q = 2/3 sqrt(2 g) (0.602 + 0.083 H/p) b (H + 0.0012)^1.5: ISO 1438, full width."""
    weir = Rectangular(crest_m=0.8, channel_m=0.8, sill_m=0.5)
    rehbock = 2953 * (0.602 + 0.083 * head_m / 0.5) * 0.8 * (head_m + 0.0012) ** 1.5

    assert lps(weir, head_m) == pytest.approx(rehbock, rel=0.015)


@pytest.mark.parametrize(
    ("head_m", "flow_lps"), [(0.05, 20.7052), (0.1, 58.4140), (0.2, 167.9812), (0.3, 315.1400)]
)
def test_a_weir_across_the_whole_channel_agrees_with_another_library(
    head_m: float, flow_lps: float
) -> None:
    """The library fluids 1.3.1, Q_weir_rectangular_full_Kindsvater_Carter: 0.1 %."""
    weir = Rectangular(crest_m=1.0, channel_m=1.0, sill_m=0.5)

    assert lps(weir, head_m) == pytest.approx(flow_lps, rel=0.001)


@pytest.mark.parametrize(
    ("part", "c1", "c2"),
    [
        (0.2, -0.0087, 3.152),
        (0.4, 0.0317, 3.164),
        (0.5, 0.0612, 3.173),
        (0.6, 0.0995, 3.178),
        (0.7, 0.1602, 3.182),
        (0.8, 0.2376, 3.189),
        (0.9, 0.3447, 3.205),
        (1.0, 0.4000, 3.220),
    ],
)
@pytest.mark.parametrize("over_sill", [0.2, 0.6, 1.0])
def test_a_weir_s_coefficient_agrees_with_the_manual_s_table_in_feet(
    part: float, c1: float, c2: float, over_sill: float
) -> None:
    """C = c1 H/p + c2 by b/B: USBR Water Measurement Manual, as SWMM 5's manual quotes it; 0.4 %.

    Of a weir so large that kb and the added head are below 0.1 %.
    """
    weir = Rectangular(crest_m=20 * part, channel_m=20.0, sill_m=4.0)
    head = over_sill * 4.0

    wanted = (c1 * over_sill + c2) * 20 * part / FOOT_M * (head / FOOT_M) ** 1.5 * CUBIC_FEET_L
    assert lps(weir, head) == pytest.approx(wanted, rel=0.004)


@pytest.mark.parametrize("head_m", [0.1, 0.15])
def test_a_short_crest_in_a_wide_channel_agrees_with_francis_s_formula(head_m: float) -> None:
    """Q = 3.33 H^1.5 (L - 0.2 H), feet and seconds: USBR Water Measurement Manual, chapter 7."""
    weir = Rectangular(crest_m=0.6, channel_m=2.4, sill_m=1.0)
    head, crest = head_m / FOOT_M, 0.6 / FOOT_M

    francis = 3.33 * head**1.5 * (crest - 0.2 * head) * CUBIC_FEET_L
    assert lps(weir, head_m) == pytest.approx(francis, rel=0.02)


@pytest.mark.parametrize(
    ("inches", "factor", "exponent"),
    [(1, 0.338, 1.55), (2, 0.676, 1.55), (3, 0.992, 1.55), (6, 2.06, 1.58), (9, 3.07, 1.53)],
)
def test_a_small_parshall_flume_gives_what_the_manual_s_formula_gives_in_feet(
    inches: int, factor: float, exponent: float
) -> None:
    """USBR Water Measurement Manual, chapter 8."""
    flume = Parshall(throat_m=inches * 0.0254)

    wanted = factor * 0.5**exponent * CUBIC_FEET_L
    assert lps(flume, 0.5 * FOOT_M) == pytest.approx(wanted, rel=0.002)


@pytest.mark.parametrize("feet", [1, 1.5, 2, 3, 4])
def test_a_parshall_flume_of_feet_agrees_with_the_manual_s_one_formula(feet: float) -> None:
    """Q = 4 W H^(1.522 W^0.026), feet and seconds: USBR Water Measurement Manual, chapter 8."""
    flume = Parshall(throat_m=feet * FOOT_M)

    wanted = 4 * feet * 1.5 ** (1.522 * feet**0.026) * CUBIC_FEET_L
    assert lps(flume, 1.5 * FOOT_M) == pytest.approx(wanted, rel=0.005)


@pytest.mark.parametrize("size", [s for s in parshall.SIZES if s.throat_m >= 0.25])
@pytest.mark.parametrize("part", [0.1, 0.5, 1.0])
def test_a_parshall_flume_agrees_with_parshall_s_one_formula_in_metres(
    size: parshall.Size, part: float
) -> None:
    """Q = 0.372 W (H/0.305)^(1.569 W^0.026): Parshall, as ISO 9826 takes it over; 0.5 %."""
    head = size.lowest_m + part * (size.highest_m - size.lowest_m)
    wanted = 372 * size.throat_m * (head / 0.305) ** (1.569 * size.throat_m**0.026)

    assert lps(Parshall(throat_m=size.throat_m), head) == pytest.approx(wanted, rel=0.005)


def test_three_quarters_of_a_cubic_metre_stand_66_cm_in_a_two_foot_parshall_flume() -> None:
    """The worked example of Utah State University, BIE 5300, lecture 2."""
    assert Parshall(throat_m=0.61).stage(np.array([750.0])) == pytest.approx([0.66], abs=0.001)


@pytest.mark.parametrize(
    ("length_in", "width_in", "factor", "exponent"),
    [
        (18, 2, 0.3553, 2.15),
        (18, 8, 1.4701, 2.15),
        (36, 4, 0.3675, 1.84),
        (36, 16, 1.5213, 1.84),
        (54, 6, 0.4293, 1.72),
        (54, 24, 1.745, 1.72),
        (108, 12, 3.50 * 0.0283168 / 0.3048**1.56, 1.56),
        (108, 48, 14.49 * 0.0283168 / 0.3048**1.56, 1.56),
    ],
)
def test_a_cutthroat_flume_agrees_with_its_maker_s_table_of_sizes(
    length_in: int, width_in: int, factor: float, exponent: float
) -> None:
    """Q in m3/s is factor * ha^n: Openchannelflow, cutthroat flumes, flow characteristics."""
    flume = Cutthroat(length_m=length_in * 0.0254, throat_m=width_in * 0.0254)
    head = 0.2 * length_in * 0.0254

    assert lps(flume, head) == pytest.approx(1000 * factor * head**exponent, rel=0.02)


@pytest.mark.parametrize(
    ("rating", "best_from", "highest"),
    [
        (VNotch(angle_deg=60, sill_m=2.0), 0.06, 0.38),
        (VNotch(angle_deg=60, sill_m=0.4), 0.06, 0.14),
        (VNotch(angle_deg=60, sill_m=2.0, max_head_m=0.25), 0.06, 0.25),
        (Rectangular(crest_m=0.5, channel_m=1.0, sill_m=0.2), 0.03, 0.5),
        (Parshall(throat_m=0.0254), 0.015, 0.21),
        (Parshall(throat_m=0.0762), 0.03, 0.33),
        (Parshall(throat_m=1.2192), 0.06, 0.76),
        (Cutthroat(length_m=0.9144, throat_m=0.1), 0.09144, 0.36576),
    ],
)
def test_a_head_is_good_in_the_limits_suspect_below_and_refused_above(
    rating: Rating, best_from: float, highest: float
) -> None:
    heads = [1e-4, best_from - 1e-4, best_from, highest, highest + 1e-4]
    rated = rating.discharge(np.array(heads))

    assert rated.quality.tolist() == [
        Quality.SUSPECT,
        Quality.SUSPECT,
        Quality.GOOD,
        Quality.GOOD,
        Quality.FAIL,
    ]
    relative = rated.uncertainty_lps / rated.discharge_lps
    assert relative[1] > relative[2] > relative[3]


@pytest.mark.parametrize(
    ("max_head_m", "curve"), [(0.4, 0.01), (0.401, 0.0133), (0.6, 0.0133), (0.601, 0.02)]
)
def test_a_rectangular_weir_is_as_uncertain_as_its_highest_head_over_its_sill(
    max_head_m: float, curve: float
) -> None:
    weir = Rectangular(
        crest_m=1.0, channel_m=2.0, sill_m=0.4, stage_uncertainty_m=0, max_head_m=max_head_m
    )
    rated = weir.discharge(np.array([0.2]))

    assert rated.uncertainty_lps / rated.discharge_lps == pytest.approx([curve])


def test_the_slope_in_the_uncertainty_is_that_of_the_curve() -> None:
    given = {"crest_m": 1.0, "channel_m": 1.0, "sill_m": 0.2}
    known = Rectangular(**given, stage_uncertainty_m=0).discharge(np.array([0.2]))
    unsure = Rectangular(**given, stage_uncertainty_m=0.002).discharge(np.array([0.2]))
    slope = (lps(Rectangular(**given), 0.2001) - lps(Rectangular(**given), 0.1999)) / 0.0002

    wanted = np.hypot(known.uncertainty_lps, slope * 0.002)
    assert unsure.uncertainty_lps == pytest.approx(wanted, rel=1e-5)


def test_a_weir_whose_coefficient_grows_finds_its_stage_again() -> None:
    weir = Rectangular(crest_m=1.0, channel_m=1.0, sill_m=0.2, zero_offset_m=0.3)
    stage = np.linspace(0.31, 0.8, 50)

    assert weir.stage(weir.discharge(stage).discharge_lps) == pytest.approx(stage, abs=1e-9)


NOTCH = {"angle_deg": 60.0, "sill_m": 0.5}
WEIR = {"crest_m": 0.5, "channel_m": 1.0, "sill_m": 0.4}
CUTTHROAT = {"length_m": 0.9144, "throat_m": 0.1}


@pytest.mark.parametrize(
    ("made", "options", "says"),
    [
        (VNotch, NOTCH | {"angle_deg": 24.9}, "v_notch: angle_deg 24.9 is not from 25 to 100"),
        (VNotch, NOTCH | {"angle_deg": 100.1}, "v_notch: angle_deg 100.1 is not"),
        (VNotch, NOTCH | {"angle_deg": float("nan")}, "v_notch: angle_deg nan is not"),
        (VNotch, NOTCH | {"sill_m": 0.08}, "v_notch: sill_m 0.08 is below 0.09 m"),
        (VNotch, NOTCH | {"sill_m": 0.17}, "v_notch: no head is in range: from 0.06 m to 0.0595"),
        (VNotch, NOTCH | {"max_head_m": 0.2}, "v_notch: max_head_m 0.2 is above 0.175 m"),
        (Rectangular, WEIR | {"crest_m": 0.14}, "rectangular: crest_m 0.14 is below 0.15 m"),
        (Rectangular, WEIR | {"sill_m": 0.09}, "rectangular: sill_m 0.09 is below 0.1 m"),
        (Rectangular, WEIR | {"channel_m": 0.4}, "leaves -0.05 m on each side"),
        (Rectangular, WEIR | {"channel_m": 0.6}, "leaves 0.05 m on each side of channel_m 0.6"),
        (Rectangular, WEIR | {"max_head_m": 1.1}, "max_head_m 1.1 is above 1 m, 2.5 times"),
        (Rectangular, WEIR | {"max_head_m": 0.02}, "no head is in range: from 0.03 m to 0.02 m"),
        (Parshall, {"throat_m": 0.2}, "parshall: throat_m 0.2 is no standard size"),
        (Parshall, {"throat_m": 0.0254, "max_head_m": 0.22}, "0.22 is above 0.21 m, the limit of"),
        (Cutthroat, CUTTHROAT | {"length_m": 1.0}, "cutthroat: length_m 1.0 is no length"),
        (Cutthroat, CUTTHROAT | {"throat_m": 0.0}, "cutthroat: throat_m 0.0 is not above 0"),
        (Cutthroat, CUTTHROAT | {"max_head_m": 0.37}, "0.37 is above 0.366 m, 0.4 of length_m"),
        (Cutthroat, CUTTHROAT | {"max_head_m": 0.09}, "no head is in range: from 0.0914 m"),
    ],
)
def test_a_structure_outside_its_limits_is_refused_by_name(
    made: type[VNotch], options: dict[str, float], says: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        made(**options)

    assert says in str(caught.value)


def test_plate_of_just_ten_centimetres_on_each_side_is_enough() -> None:
    assert lps(Rectangular(crest_m=0.5, channel_m=0.7, sill_m=0.4), 0.1) > 0
