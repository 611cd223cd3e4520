"""The statistics route, over real rollups, values and alerts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from api import line_statistics, statistics
from ingest.rollups import Rollups
from kahriz.book import rollups
from kahriz.clock import to_ms
from kahriz.rating.v_notch import VNotch90
from kahriz.sites import Sensor, Site, SiteKind
from kahriz.stats.local_days import day_bounds, local_date
from kahriz.units import Property
from tests.integration.api import rows
from tests.integration.api.client import NOW, Api, assert_problem

V1 = "/api/v1"
STATISTICS = f"{V1}/kahrizes/agh-dere/statistics"
MIDNIGHT = datetime(2026, 11, 21, 20, tzinfo=UTC)  # in Baku
DAY = timedelta(days=1)
OUTLET = "agh-dere.outlet.discharge"
LINE = "agh-dere.line.discharge"
METER = 0.05 / 3**0.5


def keep_days(api: Api, datastream: str, first: datetime, lps: np.ndarray[Any, Any]) -> None:
    """Write complete days of these mean flows into the book, as ingest keeps them."""
    zone = api.registry.find("agh-dere").zone
    kept = []
    for n, flow in enumerate(lps.tolist()):
        if np.isnan(flow):
            continue
        start, end = day_bounds(local_date(first + n * DAY, zone), zone)
        seconds = (end - start).total_seconds()
        kept.append(
            {
                "datastream": datastream,
                "period": "day",
                "start_ms": to_ms(start),
                "end_ms": to_ms(end),
                "n": 288,
                "n_good": 288,
                "n_suspect": 0,
                "n_fail": 0,
                "min": flow,
                "max": flow,
                "mean": flow,
                "volume_m3": flow * seconds / 1000,
                "covered_s": seconds,
            }
        )
    with api.book.begin() as connection:
        rollups.put(connection, kept, api.now)


def keep_hours(api: Api, datastream: str, first: datetime, means: np.ndarray[Any, Any]) -> None:
    """Write complete hours of these means into the book, the first one before `first`."""
    begin = to_ms(first) - 3_600_000
    kept = [
        dict.fromkeys(("n", "n_good"), 12)
        | dict.fromkeys(("n_suspect", "n_fail"), 0)
        | {
            "datastream": datastream,
            "period": "hour",
            "start_ms": begin + n * 3_600_000,
            "end_ms": begin + (n + 1) * 3_600_000,
            "min": mean,
            "max": mean,
            "mean": mean,
            "volume_m3": None,
            "covered_s": 3600.0,
        }
        for n, mean in enumerate(means.tolist())
    ]
    with api.book.begin() as connection:
        rollups.put(connection, kept, api.now)


def test_hours_of_service_are_those_in_which_water_was_seen(api: Api) -> None:
    rows.observe(api, LINE, 1.0, MIDNIGHT - DAY, MIDNIGHT - DAY / 2)
    rows.observe(api, LINE, 0.0, MIDNIGHT - DAY / 2, MIDNIGHT - DAY / 4)

    found = api.json(STATISTICS, start=(MIDNIGHT - DAY).isoformat())["service"]

    assert found["hours_at_least"] == pytest.approx(12, abs=0.1)
    assert found["hours_at_most"] == pytest.approx(18, abs=0.1)
    assert found["share_low"] <= found["share"] <= found["share_high"]
    assert (found["interruptions"], found["is_longest_whole"]) == (1, False)
    assert found["longest_h"] == pytest.approx(6, abs=0.1)
    (ground,) = found["rests_on"]
    assert ground["completeness"] == pytest.approx(0.75, abs=0.01)
    assert (ground["datastream"], ground["n"]) == (LINE, 18 * 12)


def test_the_night_flow_of_a_week_is_smoothed(api: Api) -> None:
    start = MIDNIGHT - 7 * DAY
    rows.observe(api, LINE, 0.4, start, MIDNIGHT)

    found = api.json(STATISTICS, start=start.isoformat())["night_flow"]

    assert [n["day"] for n in found["nights"]] == [f"2026-11-{d}" for d in range(15, 22)]
    assert [n["night_flow_lps"] for n in found["nights"]] == [None] * 4 + [pytest.approx(0.4)] * 3
    assert {n["n"] for n in found["nights"]} == {24}
    assert [n["uncertainty_lps"] for n in found["nights"]] == pytest.approx([0.4 * METER] * 7)
    last = found["nights"][-1]
    assert last["night_flow_uncertainty_lps"] == pytest.approx(0.4 * METER)
    assert (last["night_flow_low_lps"], last["night_flow_high_lps"]) == pytest.approx((0.4, 0.4))


def test_the_nights_before_the_span_are_looked_at_too(api: Api) -> None:
    rows.observe(api, LINE, 0.4, MIDNIGHT - 7 * DAY, MIDNIGHT)

    (only,) = api.json(STATISTICS, start=(MIDNIGHT - DAY).isoformat())["night_flow"]["nights"]

    assert (only["day"], only["known_nights"]) == ("2026-11-21", 7)
    assert only["night_flow_lps"] == pytest.approx(0.4)


def test_every_figure_says_what_it_rests_on_and_how_often_that_was_revised(api: Api) -> None:
    start = MIDNIGHT - 4 * 365 * DAY
    day = np.arange(4 * 365)
    outlet = 4.0 * np.exp(-(day % 365) / 200)
    outlet[7] = np.nan
    keep_days(api, OUTLET, start, outlet)
    keep_days(api, LINE, start, outlet * 0.9)
    rows.observe(api, LINE, 0.4, MIDNIGHT - 7 * DAY, MIDNIGHT)
    keep_days(api, OUTLET, MIDNIGHT - DAY, np.array([2.0]))  # late data: a day is restated

    found = api.json(STATISTICS, forecast="true")

    of_figure = {
        name: found[name]["rests_on"] for name in ("service", "balance", "recession", "trend")
    } | {"forecast": found["forecasts"][-1]["rests_on"]}
    named = {name: [each["datastream"] for each in of_figure[name]] for name in of_figure}
    assert named == {
        "service": [LINE],
        "balance": [OUTLET, LINE],
        "recession": [OUTLET],
        "trend": [OUTLET],
        "forecast": [OUTLET],
    }
    assert {
        (each["datastream"], each["revision"]) for parts in of_figure.values() for each in parts
    } == {(OUTLET, 2), (LINE, 1)}
    assert of_figure["trend"][0]["n"] == 288 * (4 * 365 - 1)
    assert of_figure["trend"][0]["completeness"] == pytest.approx(1 - 1 / (4 * 365))
    assert of_figure["balance"][0]["n"] == 288 * 30
    assert found["night_flow"]["nights"][-1]["revision"] == 1
    assert found["night_flow"]["nights"][-1]["computed_at"] is not None


def test_how_a_site_is_measured_is_its_own(api: Api) -> None:
    known = api.registry.find("agh-dere")
    line = known.measuring(SiteKind.DELIVERY_LINE, Property.DISCHARGE)
    assert line is not None
    better = line.model_copy(update={"dry_below_lps": 0.5, "meter_uncertainty": 0.01})
    others = tuple(site for site in known.site if site.id != line.id)
    kahriz = known.model_copy(update={"site": (*others, better)})
    rows.observe(api, LINE, 0.4, MIDNIGHT - 7 * DAY, MIDNIGHT)

    found = line_statistics.of_store(api.store, kahriz, MIDNIGHT - DAY, MIDNIGHT, [])

    assert (found["service"]["threshold_lps"], found["service"]["share"]) == (0.5, 0.0)
    # Below the threshold a meter cannot tell the flow from none.
    assert found["night_flow"]["nights"][-1]["uncertainty_lps"] == pytest.approx(0.5 / 3**0.5)


def test_the_balance_knows_its_uncertainty_from_weir_and_meter(api: Api) -> None:
    start = MIDNIGHT - 10 * DAY
    outlet = np.full(10, 3.0)
    outlet[4] = np.nan
    keep_days(api, OUTLET, start, outlet)
    keep_days(api, LINE, start, np.full(10, 2.0))

    found = api.json(STATISTICS, start=start.isoformat())["balance"]

    assert (found["days"], found["known_days"], found["reservoir"]) == (10, 9, "none")
    assert found["loss_m3"] == pytest.approx(9 * 86.4)
    assert found["share"] == pytest.approx(1 / 3)
    weir = VNotch90(stage_uncertainty_m=0.002)
    rated = weir.discharge(weir.stage(np.array([3.0])))
    of_weir = float(rated.uncertainty_lps[0]) * 9 * 86.4
    of_meter = 2.0 * 9 * 86.4 * METER
    assert found["uncertainty_m3"] == pytest.approx(np.hypot(of_weir, of_meter))
    assert found["is_certain"]


def test_ten_years_tell_of_recession_and_trend(api: Api) -> None:
    start = MIDNIGHT - 5 * 365 * DAY
    day = np.arange(5 * 365)
    keep_days(api, OUTLET, start, 4.0 * np.exp(-(day % 365) / 200) - 0.0002 * day)

    found = api.json(STATISTICS)

    assert found["trend"]["slope_lps_a_year"] == pytest.approx(-0.073, rel=0.1)
    assert found["trend"]["is_significant"]
    assert (found["trend"]["last_month"], found["trend"]["months"]) == ("2026-10", 59)
    assert found["recession"]["law"] in ("maillet", "boussinesq")
    assert 100 < found["recession"]["days"] < 250
    assert found["recession"]["known_days"] == 5 * 365
    assert found["forecasts"] == []


def test_a_forecast_is_made_only_when_asked_for_and_says_that_it_is_one(api: Api) -> None:
    keep_days(api, OUTLET, MIDNIGHT - 60 * DAY, 3.0 * np.exp(-np.arange(60) / 100))

    found = {f["norm"]: f for f in api.json(STATISTICS, forecast="true")["forecasts"]}

    assert found["intermediate"]["basis"] == "recession"
    assert found["optimal"]["likely"] == "2026-11-21"  # below 2.9 L/s now
    design = found["design"]
    # 1.71 L/s is below 1.736 already: that is measured, and nothing is foretold.
    assert (design["is_extrapolated"], design["basis"]) == (False, "measured")
    assert design["threshold_lps"] == pytest.approx(60 * 2500 / 86400)
    emergency = found["emergency"]
    # 100 ln(1.714 / 0.434) = 137 days, and half of that at least.
    assert (emergency["is_extrapolated"], emergency["made_of"]) == (True, "2026-11-21")
    assert emergency["earliest"] == "2027-01-29"
    assert emergency["latest"] is None
    assert emergency["chance"] is None


def test_repair_times_count_who_still_waits(api: Api) -> None:
    fired = NOW - timedelta(hours=6)
    for minutes in (60, 180, None):
        resolved = None if minutes is None else to_ms(fired + timedelta(minutes=minutes))
        state = "firing" if minutes is None else "resolved"
        id = rows.raise_alert(
            api, key=str(minutes), fired_at_ms=to_ms(fired), resolved_at_ms=resolved, state=state
        )
        if minutes == 60:
            rows.queue_message(api, id, sent_at_ms=to_ms(fired + timedelta(minutes=2)))

    query = {"start": (NOW - DAY).isoformat(), "end": NOW.isoformat()}
    committee, engineer = api.json(STATISTICS, **query)["repair"]

    stages = {s["stage"]: s for s in committee["stages"]}
    assert (committee["audience"], committee["alerts"]) == ("committee", 3)
    assert stages["resolved"] == {
        "stage": "resolved",
        "n": 3,
        "n_reached": 2,
        "median_min": 180.0,
        "slow_min": None,
        "median_low_min": 60.0,
        "median_high_min": None,
    }
    assert (stages["told"]["n_reached"], stages["told"]["median_min"]) == (1, None)
    assert engineer["alerts"] == 0


def test_a_kahriz_nobody_has_heard_of_has_no_figures_and_no_noughts(api: Api) -> None:
    found = api.json(STATISTICS, forecast="true")

    assert found["service"]["share"] is None
    assert found["service"]["rests_on"] == [
        {
            "datastream": LINE,
            "n": 0,
            "n_suspect": 0,
            "n_fail": 0,
            "completeness": 0.0,
            "revision": 1,
            "computed_at": None,
        }
    ]
    assert {n["lowest_lps"] for n in found["night_flow"]["nights"]} == {None}
    assert (found["balance"], found["recession"], found["trend"]) == (None, None, None)
    assert found["forecasts"] == []


def test_where_nothing_is_delivered_by_a_line_there_is_no_night_flow(api: Api) -> None:
    known = api.registry.find("agh-dere")
    outlet = known.model_copy(update={"site": known.sites_of(SiteKind.OUTLET)})
    rows.observe(api, OUTLET, 1.0, MIDNIGHT - DAY, MIDNIGHT)

    found = line_statistics.of_store(api.store, outlet, MIDNIGHT - DAY, MIDNIGHT, [])

    assert found["service"]["hours_at_least"] == pytest.approx(24, abs=0.1)
    assert found["night_flow"] is None
    shaft = known.model_copy(update={"site": known.sites_of(SiteKind.SHAFT)})
    assert line_statistics.of_store(api.store, shaft, MIDNIGHT - DAY, MIDNIGHT, []) == {
        "service": None,
        "night_flow": None,
    }


@pytest.mark.parametrize(
    ("area_m2", "said", "stored_m3"), [(40.0, "counted", 20.0), (None, "not_counted", 0.0)]
)
def test_what_a_reservoir_holds_more_is_not_lost(
    api: Api, area_m2: float | None, said: str, stored_m3: float
) -> None:
    start, days = MIDNIGHT - 5 * DAY, 5
    keep_days(api, OUTLET, start, np.full(days, 3.0))
    keep_days(api, LINE, start, np.full(days, 2.0))
    tank = Site(
        id="tank",
        kind=SiteKind.RESERVOIR,
        name="Anbar",
        area_m2=area_m2,
        sensor=(Sensor(device="agh-dere-tank", channel="stage_m"),),
    )
    known = api.registry.find("agh-dere")
    # It rises by half a metre, evenly.
    keep_hours(api, "agh-dere.tank.stage", start, 1.0 + (np.arange(-1, 121) + 0.5) / 240)
    with api.book.read() as book:
        found = statistics.of_book(
            book,
            known.model_copy(update={"site": (*known.site, tank)}),
            start,
            MIDNIGHT,
            api.now,
            with_forecast=False,
        )["balance"]

    assert found["reservoir"] == said
    assert found["stored_m3"] == pytest.approx(stored_m3)
    assert found["loss_m3"] == pytest.approx(5 * 86.4 - stored_m3)


def test_a_year_and_a_day_is_the_longest_span(api: Api) -> None:
    assert (
        api.get(
            f"{STATISTICS}?start={(MIDNIGHT - 366 * DAY).strftime('%Y-%m-%dT%H:%M:%SZ')}"
        ).status_code
        == 200
    )
    longer = api.get(f"{STATISTICS}?start={(MIDNIGHT - 367 * DAY).strftime('%Y-%m-%dT%H:%M:%SZ')}")

    assert_problem(longer, 422, "more than 366 days")


def test_days_to_come_are_refused_by_name(api: Api) -> None:
    later = api.get(f"{STATISTICS}?start=2026-12-01T00:00:00Z&end=2026-12-31T00:00:00Z")

    assert_problem(later, 422, "2026-12-01T00:00:00Z")


def test_what_ingest_computes_is_what_is_summed_up(api: Api) -> None:
    start = MIDNIGHT - 3 * DAY
    rows.observe(api, OUTLET, 3.0, start - DAY, MIDNIGHT + DAY / 4)
    rows.observe(api, LINE, 2.0, start - DAY, MIDNIGHT + DAY / 4)
    for datastream in (OUTLET, LINE):
        rows.count(api, datastream, start, MIDNIGHT)
    assert not Rollups(api.registry, api.store, api.book).step(api.now)

    found = api.json(STATISTICS, start=start.isoformat())["balance"]

    assert (found["days"], found["known_days"]) == (3, 3)
    assert found["loss_m3"] == pytest.approx(3 * 86.4, rel=1e-6)
