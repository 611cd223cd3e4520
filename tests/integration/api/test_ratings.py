"""A site's curves and what was gauged there, as an engineer's program asks for them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from api.schemas_ratings import Ratings
from kahriz.book import gaugings
from kahriz.book.gaugings import Bucket, Metered
from tests.integration.api import rows
from tests.integration.api.client import EXAMPLE, NOW, Api, assert_problem

V1 = "/api/v1"
OUTLET = f"{V1}/ratings/agh-dere.outlet"
HOUR = timedelta(hours=1)
FIRST = """method = "v_notch_90"
version = "1"
valid_from = 2020-01-01
valid_to = 2026-11-22
[[kahriz.site.rating]]
method = "table"
version = "2"
author = "R. Aliyev"
note = "after the plate was set anew"
table = [[0.05, 0.8], [0.1, 4.4], [0.2, 24.7]]
valid_from = 2026-11-22
"""


def gauge(api: Api, measured: Bucket | Metered, at: datetime, stage_m: float | None = None) -> int:
    with api.book.begin() as connection:
        return gaugings.add(
            connection,
            "agh-dere.outlet",
            at,
            measured,
            rated_lps=None,
            stage_m=stage_m,
            by="Aydin",
        ).id


def ask(api: Api, path: str = OUTLET, **params: Any) -> Any:
    said = api.json(path, **params)
    Ratings.model_validate(said)
    return said


def test_a_rating_is_told_with_its_limits_and_drawn_between_them(api: Api) -> None:
    said = ask(api)
    (rating,) = said["ratings"]

    assert (said["datastream"], said["timezone"]) == ("agh-dere.outlet.discharge", "Asia/Baku")
    assert (rating["method"], rating["version"], rating["author"]) == ("v_notch_90", "", "")
    assert (rating["valid_from"], rating["valid_to"], rating["holds_now"]) == (
        "2020-01-01",
        None,
        True,
    )
    assert rating["options"] == {"zero_offset_m": 0.0, "stage_uncertainty_m": 0.002}
    names = ("zero", "lowest", "best_from", "highest")
    assert [rating[f"{n}_stage_m"] for n in names] == [0, 0, 0.06, 0.38]
    curve = rating["curve"]
    assert len(curve["stage_m"]) == len(curve["uncertainty_lps"]) == 61
    assert curve["discharge_lps"] == pytest.approx(1380 * np.array(curve["stage_m"]) ** 2.5)
    assert (rating["n_gaugings"], rating["mean_residual"], said["gaugings"]) == (0, None, [])


def test_a_gauging_stands_beside_the_curve_of_its_own_time(folder: Path) -> None:
    sites = folder / "sites.toml"
    was = 'method = "v_notch_90"\nvalid_from = 2020-01-01\n'
    sites.write_text(EXAMPLE.read_text(encoding="utf-8").replace(was, FIRST, 1), "utf-8")
    midnight = datetime(2026, 11, 21, 20, tzinfo=UTC)  # in Baku
    with Api(folder, sites=sites) as api:
        old = gauge(api, Metered(8.8, 0.2), midnight - HOUR, 0.1274)
        new = gauge(api, Metered(8.8, 0.2), midnight + HOUR, 0.1274)
        said = ask(api)
    later, earlier = said["gaugings"]

    assert [(r["version"], r["author"], r["holds_now"]) for r in said["ratings"]] == [
        ("1", "", False),
        ("2", "R. Aliyev", True),
    ]
    assert (earlier["id"], earlier["rating"], later["id"], later["rating"]) == (old, 0, new, 1)
    assert earlier["curve_lps"] == pytest.approx(8.0, abs=0.01)
    assert earlier["residual_lps"] == pytest.approx(0.8, abs=0.01)
    assert earlier["residual"] == pytest.approx(0.1, abs=0.002)
    assert later["curve_lps"] == pytest.approx(8.04, abs=0.01)
    assert [(r["n_gaugings"], r["n_within"]) for r in said["ratings"]] == [(1, 1), (1, 1)]
    assert said["ratings"][0]["mean_residual"] == earlier["residual"]


@pytest.mark.parametrize(("gauged_lps", "is_within"), [(8.76, True), (8.80, False)])
def test_it_is_within_where_both_uncertainties_explain_it(
    api: Api, gauged_lps: float, is_within: bool
) -> None:
    gauge(api, Metered(gauged_lps, 0.2), NOW, 0.1274)
    (found,) = ask(api)["gaugings"]

    of_curve = 8.0 * np.hypot(2.5 * 0.002 / 0.1274, 0.015)
    assert found["curve_uncertainty_lps"] == pytest.approx(of_curve, rel=2e-3)
    assert found["expanded_uncertainty_lps"] == pytest.approx(2 * np.hypot(0.2, of_curve), rel=2e-3)
    assert found["is_within"] is is_within


def test_a_bucket_is_as_unsure_as_its_mark_and_the_watch(api: Api) -> None:
    gauge(api, Bucket(10, 4.0, 4), NOW, 0.08)
    gauge(api, Metered(2.5), NOW + HOUR, 0.08)
    meter, bucket = ask(api)["gaugings"]

    assert bucket["uncertainty_lps"] == pytest.approx(2.5 * np.hypot(0.05, 0.25 / 4))
    assert (meter["method"], meter["uncertainty_lps"]) == ("current_meter", pytest.approx(0.125))


def test_a_stage_that_came_late_is_found_and_one_that_never_came_is_null(api: Api) -> None:
    gauge(api, Bucket(10, 4.0, 4), NOW - 2 * HOUR)
    gauge(api, Bucket(10, 4.0, 4), NOW)
    rows.observe(api, "agh-dere.outlet.stage", 0.08, NOW - 3 * HOUR, NOW - HOUR)
    never, late = ask(api)["gaugings"]

    assert (late["stage_m"], late["is_within"]) == (0.08, True)
    assert (never["stage_m"], never["curve_lps"], never["is_within"]) == (None, None, None)


def test_a_stage_beyond_the_curve_has_no_residual_and_a_dry_one_no_part(api: Api) -> None:
    gauge(api, Metered(2.5), NOW - HOUR, 0.5)
    gauge(api, Metered(0.3), NOW, -0.001)
    dry, beyond = ask(api)["gaugings"]

    assert (beyond["rating"], beyond["curve_lps"], beyond["residual_lps"]) == (0, None, None)
    assert (dry["curve_lps"], dry["residual"], dry["residual_lps"]) == (0.0, None, 0.3)
    assert dry["is_within"] is False


def test_a_site_that_is_not_rated_has_no_ratings_and_an_unknown_one_is_not_found(
    api: Api,
) -> None:
    assert ask(api, f"{V1}/ratings/agh-dere.shaft")["ratings"] == []
    assert_problem(api.get(f"{V1}/ratings/agh-dere.well"), 404, "site 'agh-dere.well'")
    assert_problem(api.get(f"{OUTLET}?limit=0"), 422, "limit")


def test_a_current_meter_gauging_is_written_down_with_the_stage_that_was_read(api: Api) -> None:
    said = {
        "site": "agh-dere.outlet",
        "method": "current_meter",
        "discharge_lps": 7.9,
        "uncertainty_lps": 0.3,
        "stage_m": 0.127,
        "by": "Aydin",
    }
    answer = api.ask("POST", f"{V1}/gaugings", json=said, headers=api.key())
    (found,) = ask(api)["gaugings"]

    assert answer.status_code == 201, answer.text
    assert answer.json()["volume_l"] is None
    assert (found["method"], found["uncertainty_lps"], found["stage_m"]) == (
        "current_meter",
        0.3,
        0.127,
    )
    assert found["residual"] == pytest.approx(7.9 / (1380 * 0.127**2.5) - 1)
