"""Ratings that hold from one local day to another, and what start-up refuses."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from numpy.typing import NDArray

from kahriz.clock import to_ms
from kahriz.errors import ConfigError
from kahriz.observations import Quality
from kahriz.rating.dated import DatedRating, build, validate
from kahriz.rating.v_notch import VNotch90
from kahriz.sites import RatingEntry, Registry, load_registry

BAKU = ZoneInfo("Asia/Baku")
EXAMPLE = Path(__file__).parents[3] / "sites.example.toml"


def at(*instants: datetime) -> NDArray[np.int64]:
    return np.array([to_ms(instant) for instant in instants], np.int64)


def v_notch(valid_from: date, valid_to: date | None = None, zero: float = 0.0) -> RatingEntry:
    return RatingEntry(
        method="v_notch_90", valid_from=valid_from, valid_to=valid_to, zero_offset_m=zero
    )


def test_a_fitted_curve_is_as_unsure_as_its_entry_says() -> None:
    entry = RatingEntry(
        method="power_law",
        valid_from=date(2026, 6, 1),
        coefficient=0.9,
        exponent=1.6,
        min_head_m=0.04,
        max_head_m=0.5,
        stage_uncertainty_m=0,
        curve_uncertainty=0.08,
    )
    rated = build(entry).discharge(np.array([0.2]))

    assert rated.uncertainty_lps == pytest.approx(0.08 * rated.discharge_lps)


def test_a_stage_and_its_uncertainty_are_found_again_from_a_discharge() -> None:
    rating = DatedRating([v_notch(date(2026, 6, 1), date(2026, 7, 1), zero=0.05)], BAKU)
    times = at(*(datetime(2026, month, 15, tzinfo=UTC) for month in (5, 6, 6, 7)))
    flows = np.array([8.0, 8.0, 900.0, 8.0])
    stage, sure = rating.stage(times, flows), rating.uncertainty(times, flows)

    assert stage[1] == pytest.approx(0.1774, abs=5e-5)
    assert sure[1] == rating.discharge(times[1:2], stage[1:2]).uncertainty_lps[0]
    assert np.isnan(np.delete(stage, 1)).all()
    assert np.isnan(np.delete(sure, 1)).all()


def test_a_rating_holds_from_its_first_local_midnight() -> None:
    rating = DatedRating([v_notch(date(2026, 6, 1))], BAKU)
    # 20:00 UTC is midnight in Baku.
    times = at(
        datetime(2026, 5, 31, 19, 59, 59, 999000, tzinfo=UTC),
        datetime(2026, 5, 31, 20, 0, tzinfo=UTC),
    )
    rated = rating.discharge(times, np.array([0.1274, 0.1274]))

    assert rated.quality.tolist() == [Quality.FAIL, Quality.GOOD]
    assert np.isnan(rated.discharge_lps[0])
    assert rated.discharge_lps[1] == pytest.approx(8.0, abs=0.01)


def test_each_value_is_rated_by_the_curve_of_its_own_time_in_any_order() -> None:
    rating = DatedRating(
        [v_notch(date(2026, 3, 1), zero=0.05), v_notch(date(2025, 1, 1), date(2026, 2, 1))], BAKU
    )
    times = at(
        datetime(2026, 7, 1, tzinfo=UTC),
        datetime(2026, 2, 10, tzinfo=UTC),
        datetime(2025, 7, 1, tzinfo=UTC),
        datetime(2024, 7, 1, tzinfo=UTC),
    )
    rated = rating.discharge(times, np.full(4, 0.2))

    old = VNotch90().discharge(np.array([0.2])).discharge_lps[0]
    new = VNotch90().discharge(np.array([0.15])).discharge_lps[0]
    assert rated.discharge_lps == pytest.approx([new, np.nan, old, np.nan], nan_ok=True)
    assert rated.quality.tolist() == [Quality.GOOD, Quality.FAIL, Quality.GOOD, Quality.FAIL]
    assert (np.isnan(rated.uncertainty_lps) == np.isnan(rated.discharge_lps)).all()


def test_a_missing_stage_is_missing_at_any_time() -> None:
    rating = DatedRating([v_notch(date(2026, 1, 1))], BAKU)
    times = at(datetime(2020, 1, 1, tzinfo=UTC), datetime(2026, 7, 1, tzinfo=UTC))

    assert rating.discharge(times, np.full(2, np.nan)).quality.tolist() == [Quality.MISSING] * 2


def test_no_entries_rate_nothing() -> None:
    rated = DatedRating([], BAKU).discharge(at(datetime(2026, 1, 1, tzinfo=UTC)), np.array([0.1]))

    assert rated.quality.tolist() == [Quality.FAIL]


def test_the_example_registry_has_good_ratings() -> None:
    validate(load_registry(EXAMPLE))


def registry(rating: dict[str, Any], channel: str = "stage_m") -> Registry:
    site = {
        "id": "outlet",
        "kind": "outlet",
        "name": "Outlet",
        "sensor": [{"device": "barana-outlet", "channel": channel}],
        "rating": [{"valid_from": date(2020, 1, 1)} | rating],
    }
    kahriz = {"id": "barana", "name": "B", "village": "K", "district": "Q", "site": [site]}
    return Registry.model_validate({"kahriz": [kahriz]})


POWER_LAW = {
    "method": "power_law",
    "coefficient": 0.9,
    "exponent": 1.6,
    "min_head_m": 0.04,
    "max_head_m": 0.5,
}


@pytest.mark.parametrize(
    ("rating", "problem"),
    [
        (
            {k: v for k, v in POWER_LAW.items() if k != "coefficient"},
            "power_law: coefficient is missing",
        ),
        (
            {k: v for k, v in POWER_LAW.items() if k != "max_head_m"},
            "power_law: max_head_m is missing",
        ),
        (POWER_LAW | {"exponent": -1}, "power_law: exponent -1.0 is not above 0"),
        (
            {"method": "v_notch_90", "coefficient": 1.4},
            "v_notch_90: coefficient 1.4 is no option of it"
            " (valid: zero_offset_m, stage_uncertainty_m, max_head_m)",
        ),
        ({"method": "orifice"}, "unknown name 'orifice' (valid: cipolletti, cutthroat"),
        ({"method": "parshall"}, "parshall: throat_m is missing"),
        (
            {"method": "v_notch_90", "valid_to": date(2019, 1, 1)},
            "v_notch_90: valid_to 2019-01-01 is not after valid_from 2020-01-01",
        ),
    ],
)
def test_start_up_refuses_a_bad_rating_by_name(rating: dict[str, Any], problem: str) -> None:
    with pytest.raises(ConfigError) as caught:
        validate(registry(rating))

    assert str(caught.value).startswith(f"kahriz 'barana' site 'outlet' rating: {problem}")


def test_start_up_refuses_a_rating_without_a_stage() -> None:
    with pytest.raises(ConfigError, match=r"v_notch_90: no sensor of the site measures stage"):
        validate(registry({"method": "v_notch_90"}, channel="turbidity_ntu"))


def test_a_good_rating_passes() -> None:
    validate(registry(POWER_LAW))
