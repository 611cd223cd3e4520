from __future__ import annotations

from math import hypot, sqrt

import numpy as np
import pytest

from kahriz.alert.answer import Gauging
from kahriz.alert.answering.bucket import agrees, uncertainty_lps
from kahriz.rating.v_notch import VNotch90

TEN_IN_TWELVE = Gauging(10.0, (12.0,))


def test_a_bucket_is_as_good_as_its_mark_and_the_watch() -> None:
    assert uncertainty_lps(TEN_IN_TWELVE) == pytest.approx(10 / 12 * hypot(0.05, 0.5 / 12))


def test_more_trials_make_the_time_better_and_not_the_mark() -> None:
    four = Gauging(10.0, (11.0, 13.0, 12.0, 12.0))

    assert uncertainty_lps(four) == pytest.approx(10 / 12 * hypot(0.05, 0.5 / sqrt(4) / 12))
    assert uncertainty_lps(Gauging(10.0, (12.0,) * 20)) > 0.05 * 10 / 12


@pytest.mark.parametrize("side", [1, -1])
@pytest.mark.parametrize("weir", [0.0, 0.12, None])
def test_a_fifth_beyond_both_uncertainties_is_tolerated_and_no_more(
    side: int, weir: float | None
) -> None:
    bucket = TEN_IN_TWELVE.discharge_lps
    rated = bucket
    for _ in range(50):  # what an unknown meter may be wrong by grows with what it says
        u = 0.05 * rated if weir is None else weir
        rated = bucket + side * (0.2 * bucket + hypot(uncertainty_lps(TEN_IN_TWELVE), u))

    assert agrees(TEN_IN_TWELVE, rated - side * 1e-6, weir)
    assert not agrees(TEN_IN_TWELVE, rated + side * 1e-6, weir)


@pytest.mark.parametrize(
    ("rated", "is_said_to_agree"), [(0.55, False), (0.56, True), (1.16, True), (1.17, False)]
)
def test_where_a_notch_is_called_dirty_beside_ten_litres_in_twelve_seconds(
    rated: float, is_said_to_agree: bool
) -> None:
    """The example of docs/alerts.md."""
    notch = VNotch90(stage_uncertainty_m=0.003)
    said = notch.discharge(notch.stage(np.array([rated])))

    assert agrees(TEN_IN_TWELVE, rated, float(said.uncertainty_lps[0])) is is_said_to_agree


def test_a_dry_weir_beside_a_full_bucket_disagrees() -> None:
    assert not agrees(TEN_IN_TWELVE, 0.0, 0.0)
