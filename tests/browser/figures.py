"""Statistics of the three kahrizes as the API would tell them."""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]
START, END = "2026-10-22T20:00:00Z", "2026-11-21T20:00:00Z"


def statistics(kahriz: Json) -> Json:
    """Return a month's figures; of a canal nobody counts people at, only what is known there."""
    return {
        "kahriz": kahriz["id"],
        "timezone": kahriz["timezone"],
        "start": START,
        "end": END,
        "people": kahriz["people"],
        "people_assumed": kahriz["people_assumed"],
        "completeness_limit": 0.9,
        "service": _service(kahriz),
        "night_flow": None if kahriz["people"] is None else _nights(kahriz),
        "balance": None if kahriz["people"] is None else _balance(kahriz),
        "recession": None,
        "trend": None if kahriz["people"] is None else _trend(kahriz),
        "forecasts": [] if kahriz["people"] is None else [_forecast(kahriz)],
        "repair": [],
    }


def summary(kahriz: Json) -> Json:
    """Return a year's figures, some days of it incomplete or unknown."""
    has_people = kahriz["people"] is not None
    return {
        "kahriz": kahriz["id"],
        "datastream": f"{kahriz['id']}.line.discharge",
        "start": "2025-11-21T20:00:00Z",
        "end": END,
        "people": kahriz["people"],
        "people_assumed": kahriz["people_assumed"],
        "days": 365,
        "complete_days": 351,
        "incomplete_days": 9,
        "unknown_days": 5,
        "completeness": 0.978,
        "volume_m3": 73_512.4,
        "volume_uncertainty_m3": 1_480.0,
        "volume_at_most_m3": 75_480.0,
        "complete_volume_m3": 72_940.1,
        "mean_lpcd": 83.1 if has_people else None,
        "lpcd_at_least": 80.6 if has_people else None,
        "lpcd_at_most": 82.7 if has_people else None,
        **{f"q{part}_lps": flow for part, flow in ((10, 2.9), (50, 2.4), (90, 1.9))},
        **{f"q{part}_low_lps": flow for part, flow in ((10, 2.7), (50, 2.2), (90, 1.7))},
        **{f"q{part}_high_lps": flow for part, flow in ((10, 3.1), (50, 2.6), (90, 2.0))},
        "norms": [
            {"name": norm["name"], "lpcd": norm["lpcd"]}
            | (
                {"days_below": 4, "days_below_at_most": 18}
                if has_people
                else {"days_below": None, "days_below_at_most": None}
            )
            for norm in kahriz["norms"]
        ],
        "n": 101_380,
        "n_suspect": 412,
        "n_fail": 3,
        "revision": 7,
        "computed_at": END,
    }


def _rests_on(kahriz: Json, site: str, completeness: float = 0.98) -> Json:
    return {
        "datastream": f"{kahriz['id']}.{site}.discharge",
        "n": round(8640 * completeness),
        "n_suspect": 12,
        "n_fail": 0,
        "completeness": completeness,
        "revision": 1,
        "computed_at": END,
    }


def _service(kahriz: Json) -> Json:
    return {
        "threshold_lps": 0.05,
        "share": 0.994,
        "share_low": 0.993,
        "share_high": 0.995,
        "hours_at_least": 701.2,
        "hours_at_most": 715.6,
        "interruptions": 2,
        "longest_h": 4.2,
        "is_longest_whole": True,
        "rests_on": [_rests_on(kahriz, "line")],
    }


def _nights(kahriz: Json) -> Json:
    row = {
        "day": "2026-11-21",
        "lowest_lps": 0.41,
        "uncertainty_lps": 0.012,
        "at": "2026-11-20T22:37:00Z",
        "night_flow_lps": 0.4,
        "night_flow_low_lps": 0.38,
        "night_flow_high_lps": 0.4,
        "night_flow_uncertainty_lps": 0.0116,
        "known_nights": 6,
    }
    grounds = {k: v for k, v in _rests_on(kahriz, "line").items() if k != "datastream"}
    return {"datastream": f"{kahriz['id']}.line.discharge", "nights": [row | grounds]}


def _balance(kahriz: Json) -> Json:
    return {
        "reservoir": "none",
        "days": 30,
        "known_days": 27,
        "source_m3": 6458.0,
        "delivered_m3": 5612.0,
        "stored_m3": 0.0,
        "loss_m3": 846.0,
        "uncertainty_m3": 212.0,
        "share": 0.131,
        "is_certain": True,
        "rests_on": [_rests_on(kahriz, "outlet", 0.93), _rests_on(kahriz, "line")],
    }


def _trend(kahriz: Json) -> Json:
    return {
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
        "rests_on": [_rests_on(kahriz, "outlet", 0.93)],
    }


def _forecast(kahriz: Json) -> Json:
    return {
        "norm": "design",
        "lpcd": 60.0,
        "made_of": "2026-11-21",
        "is_extrapolated": True,
        "threshold_lps": 1.736,
        "now_lps": 2.2,
        "basis": "years",
        "earliest": "2027-01-08",
        "likely": "2027-01-26",
        "latest": "2027-03-03",
        "band": 0.8,
        "chance": 0.97,
        "years": 3,
        "paths": 118,
        "rests_on": [_rests_on(kahriz, "outlet", 0.93)],
    }
