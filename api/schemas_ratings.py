"""The shapes of ratings, and of gaugings beside them.

As in ``api/schemas.py``: answers are made as plain dicts, these document them.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from api.schemas import Time
from api.schemas_people import Day, Method

_FORBID = ConfigDict(extra="forbid")
_CURVE = {
    "stage_m": [0.0, 0.19, 0.38],
    "discharge_lps": [0.0, 21.7, 122.8],
    "uncertainty_lps": [0.0, 0.66, 2.5],
}
_RATING = {
    "method": "v_notch_90",
    "version": "2",
    "author": "R. Aliyev",
    "note": "zero levelled anew",
    "valid_from": "2020-01-01",
    "valid_to": None,
    "holds_now": True,
    "options": {"zero_offset_m": 0.0, "stage_uncertainty_m": 0.002},
    "zero_stage_m": 0.0,
    "lowest_stage_m": 0.0,
    "best_from_stage_m": 0.06,
    "highest_stage_m": 0.38,
    "curve": _CURVE,
    "n_gaugings": 1,
    "n_within": 1,
    "mean_residual": 0.037,
}
_GAUGED = {
    "id": 1,
    "at": "2026-11-21T20:00:00Z",
    "method": "bucket",
    "by": "Əli",
    "discharge_lps": 2.5,
    "uncertainty_lps": 0.22,
    "stage_m": 0.079,
    "rating": 0,
    "curve_lps": 2.41,
    "curve_uncertainty_lps": 0.16,
    "residual_lps": 0.09,
    "residual": 0.037,
    "expanded_uncertainty_lps": 0.54,
    "is_within": True,
}


def _shape(**example: Any) -> ConfigDict:
    return ConfigDict(extra="forbid", json_schema_extra={"examples": [example]})


class Curve(BaseModel):
    """A rating, drawn: columns of equal length, from its lowest to its highest stage."""

    model_config = _FORBID
    stage_m: list[float]
    discharge_lps: list[float]
    uncertainty_lps: Annotated[list[float], Field(description="Standard (k = 1).")]


class RatingAnswer(BaseModel):
    """How stage becomes discharge in [``valid_from``, ``valid_to``), local days.

    Below ``best_from_stage_m`` discharge is SUSPECT, below ``lowest_stage_m`` and above
    ``highest_stage_m`` it is refused; at and below ``zero_stage_m`` there is no flow.
    ``mean_residual``: of its gaugings, gauged less curve as a part of the curve.
    """

    model_config = _shape(**_RATING)
    method: str
    version: str
    author: str
    note: str
    valid_from: Day
    valid_to: Day | None
    holds_now: bool
    options: Annotated[dict[str, Any], Field(description="As `sites.toml` gives them.")]
    zero_stage_m: float
    lowest_stage_m: float
    best_from_stage_m: float
    highest_stage_m: float
    curve: Curve
    n_gaugings: Annotated[int, Field(description="Of those given that the curve can be held to.")]
    n_within: int
    mean_residual: float | None


class Gauged(BaseModel):
    """A flow measured by hand beside the curve of its time (``rating``, its place in the list).

    ``residual_lps`` is gauged less curve, ``residual`` the same as a part of the curve. Null where
    no stage is known within half an hour, or where the curve says nothing of it. ``is_within``:
    the uncertainties of both, twice (k = 2), explain it.
    """

    model_config = _shape(**_GAUGED)
    id: int
    at: Time
    method: Method
    by: str
    discharge_lps: float
    uncertainty_lps: Annotated[float, Field(description="Standard (k = 1).")]
    stage_m: float | None
    rating: int | None
    curve_lps: float | None
    curve_uncertainty_lps: float | None
    residual_lps: float | None
    residual: float | None
    expanded_uncertainty_lps: float | None
    is_within: bool | None


class Ratings(BaseModel):
    """A site's ratings in time order, and its gaugings, the newest first."""

    model_config = _shape(
        site="agh-dere.outlet",
        datastream="agh-dere.outlet.discharge",
        timezone="Asia/Baku",
        ratings=[_RATING],
        gaugings=[_GAUGED],
    )
    site: str
    datastream: str
    timezone: str
    ratings: list[RatingAnswer]
    gaugings: list[Gauged]
