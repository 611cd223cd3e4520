"""The shapes of the statistics route; what each figure means stands in docs/statistics.md."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from api.schemas import Time

_FORBID = ConfigDict(extra="forbid")
Day = Annotated[str, Field(json_schema_extra={"format": "date"}, examples=["2026-11-21"])]
Month = Annotated[str, Field(pattern=r"^\d{4}-\d{2}$", examples=["2026-11"])]
Share = Annotated[float, Field(ge=0, le=1)]


def _rests_on(datastream: str, n: int, completeness: float, revision: int) -> dict[str, Any]:
    return {
        "datastream": datastream,
        "n": n,
        "n_suspect": 12,
        "n_fail": 0,
        "completeness": completeness,
        "revision": revision,
        "computed_at": "2026-11-21T20:00:40Z",
    }


_RECORD = _rests_on("agh-dere.outlet.discharge", 404_112, 0.96, 9)
_OF_MONTH = [
    _rests_on("agh-dere.outlet.discharge", 8_391, 0.97, 3),
    _rests_on("agh-dere.line.discharge", 8_467, 0.98, 1),
]

_EXAMPLE: dict[str, Any] = {
    "kahriz": "agh-dere",
    "timezone": "Asia/Baku",
    "start": "2026-10-22T20:00:00Z",
    "end": "2026-11-21T20:00:00Z",
    "people": 2500,
    "people_assumed": False,
    "completeness_limit": 0.9,
    "service": {
        "threshold_lps": 0.05,
        "share": 0.994,
        "share_low": 0.993,
        "share_high": 0.994,
        "hours_at_least": 701.2,
        "hours_at_most": 715.6,
        "interruptions": 1,
        "longest_h": 4.2,
        "is_longest_whole": True,
        "rests_on": _OF_MONTH[1:],
    },
    "night_flow": {
        "datastream": "agh-dere.line.discharge",
        "nights": [
            {
                "day": "2026-11-21",
                "lowest_lps": 0.41,
                "uncertainty_lps": 0.012,
                "at": "2026-11-20T22:37:00Z",
                "n": 24,
                "n_suspect": 0,
                "n_fail": 0,
                "completeness": 1.0,
                "revision": 1,
                "computed_at": "2026-11-21T20:00:40Z",
                "night_flow_lps": 0.4,
                "night_flow_low_lps": 0.38,
                "night_flow_high_lps": 0.4,
                "night_flow_uncertainty_lps": 0.0116,
                "known_nights": 6,
            }
        ],
    },
    "balance": {
        "reservoir": "none",
        "days": 30,
        "known_days": 27,
        "source_m3": 6458.0,
        "delivered_m3": 5612.0,
        "stored_m3": 0.0,
        "loss_m3": 846.0,
        "uncertainty_m3": 412.0,
        "share": 0.131,
        "is_certain": True,
        "rests_on": _OF_MONTH,
    },
    "recession": {
        "law": "maillet",
        "days": 152.0,
        "days_low": 135.0,
        "days_high": 175.0,
        "reference_lps": 2.35,
        "scatter": 0.019,
        "spells": 9,
        "spell_days": 221,
        "days_of_record": 1461,
        "known_days": 1420,
        "rests_on": [_RECORD],
    },
    "trend": {
        "first_month": "2022-12",
        "last_month": "2026-10",
        "months": 44,
        "of_months": 47,
        "slope_lps_a_year": -0.06,
        "slope_low": -0.11,
        "slope_high": -0.02,
        "p": 0.012,
        "is_significant": True,
        "inflation": 2.4,
        "rests_on": [_RECORD],
    },
    "forecasts": [
        {
            "norm": "design",
            "lpcd": 60.0,
            "made_of": "2026-11-21",
            "is_extrapolated": True,
            "threshold_lps": 1.736,
            "now_lps": 2.2,
            "basis": "years",
            "earliest": "2027-01-08",
            "likely": "2027-01-26",
            "latest": None,
            "band": 0.8,
            "chance": 0.81,
            "years": 3,
            "paths": 118,
            "rests_on": [_RECORD],
        }
    ],
    "repair": [
        {
            "audience": "committee",
            "alerts": 3,
            "false_alarms": 0,
            "stages": [
                {
                    "stage": "resolved",
                    "n": 3,
                    "n_reached": 2,
                    "median_min": 1310.0,
                    "slow_min": None,
                    "median_low_min": 240.0,
                    "median_high_min": None,
                }
            ],
        }
    ],
}


class Grounds(BaseModel):
    """What a figure rests on: values, their quality, part of the time, how often it was revised."""

    model_config = _FORBID
    n: int
    n_suspect: int
    n_fail: int
    completeness: Share
    revision: int
    computed_at: Time | None


class RestsOn(Grounds):
    """What of one datastream a figure rests on."""

    datastream: str


class Service(BaseModel):
    """For how much of the time the delivery had water."""

    model_config = _FORBID
    threshold_lps: float
    share: Share | None
    share_low: Share | None
    share_high: Share | None
    hours_at_least: float
    hours_at_most: float
    interruptions: int
    longest_h: float
    is_longest_whole: bool
    rests_on: list[RestsOn]


class NightRow(Grounds):
    """The lowest hour of a night, and the smoothed night flow until then."""

    day: Day
    lowest_lps: float | None
    uncertainty_lps: float | None
    at: Time | None
    night_flow_lps: float | None
    night_flow_low_lps: float | None
    night_flow_high_lps: float | None
    night_flow_uncertainty_lps: float | None
    known_nights: int


class NightFlows(BaseModel):
    """Minimum night flow of the delivery line, by UKWIR's rule."""

    model_config = _FORBID
    datastream: str
    nights: list[NightRow]


class BalanceAnswer(BaseModel):
    """What came out, what arrived, and what is lost in between; days that all know whole."""

    model_config = _FORBID
    reservoir: Literal["none", "counted", "not_counted"]
    days: int
    known_days: int
    source_m3: float
    delivered_m3: float
    stored_m3: float
    loss_m3: float
    uncertainty_m3: float
    share: float | None
    is_certain: bool
    rests_on: list[RestsOn]


class RecessionAnswer(BaseModel):
    """How the source runs dry in dry spells."""

    model_config = _FORBID
    law: Literal["maillet", "boussinesq"]
    days: float
    days_low: float | None
    days_high: float | None
    reference_lps: float
    scatter: float
    spells: int
    spell_days: int
    days_of_record: int
    known_days: int
    rests_on: list[RestsOn]


class TrendAnswer(BaseModel):
    """Whether the source becomes less over the years, its season taken off."""

    model_config = _FORBID
    first_month: Month
    last_month: Month
    months: int
    of_months: int
    slope_lps_a_year: float
    slope_low: float
    slope_high: float
    p: Share
    is_significant: bool
    inflation: float
    rests_on: list[RestsOn]


class ForecastAnswer(BaseModel):
    """When the source falls below a norm; null: not within 180 days."""

    model_config = _FORBID
    norm: str
    lpcd: float
    made_of: Day
    is_extrapolated: bool
    threshold_lps: float
    now_lps: float
    basis: Literal["years", "recession", "measured"]
    earliest: Day | None
    likely: Day | None
    latest: Day | None
    band: Share
    chance: Share | None
    years: int
    paths: int
    rests_on: list[RestsOn]


class Stage(BaseModel):
    """How long a stage takes from when an alert fires [minutes]."""

    model_config = _FORBID
    stage: Literal["told", "acknowledged", "on_site", "resolved"]
    n: int
    n_reached: int
    median_min: float | None
    slow_min: float | None
    median_low_min: float | None
    median_high_min: float | None


class Repair(BaseModel):
    """How alerts to an audience that fired in the span were handled."""

    model_config = _FORBID
    audience: Literal["committee", "engineer"]
    alerts: int
    false_alarms: int
    stages: list[Stage]


class Statistics(BaseModel):
    """The statistics of one kahriz; null: not known, or too little of it."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [_EXAMPLE]})
    kahriz: str
    timezone: str
    start: Time
    end: Time
    people: int | None
    people_assumed: bool
    completeness_limit: float
    service: Service | None
    night_flow: NightFlows | None
    balance: BalanceAnswer | None
    recession: RecessionAnswer | None
    trend: TrendAnswer | None
    forecasts: list[ForecastAnswer]
    repair: list[Repair]
