"""The statistics route, over real rollups, values and alerts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from api import statistics
from ingest.rollups import Rollups
from kahriz.book import rollups
from kahriz.clock import to_ms
from kahriz.rating.v_notch import VNotch90
from kahriz.sites import Sensor, Site, SiteKind
from kahriz.stats.local_days import day_bounds, local_date
from tests.integration.api import rows
from tests.integration.api.client import NOW, Api, assert_problem

V1 = "/api/v1"
STATISTICS = f"{V1}/kahrizes/agh-dere/statistics"
MIDNIGHT = datetime(2026, 11, 21, 20, tzinfo=UTC)  # in Baku
DAY = timedelta(days=1)
OUTLET = "agh-dere.outlet.discharge"
LINE = "agh-dere.line.discharge"


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
    assert found["completeness"] == pytest.approx(0.75, abs=0.01)
    assert (found["interruptions"], found["is_longest_whole"]) == (1, False)
    assert found["longest_h"] == pytest.approx(6, abs=0.1)
    assert (found["datastream"], found["n"]) == (LINE, 18 * 12)


def test_the_night_flow_of_a_week_is_smoothed(api: Api) -> None:
    start = MIDNIGHT - 7 * DAY
    rows.observe(api, LINE, 0.4, start, MIDNIGHT)

    found = api.json(STATISTICS, start=start.isoformat())["night_flow"]

    assert [n["day"] for n in found["nights"]] == [f"2026-11-{d}" for d in range(15, 22)]
    assert [n["night_flow_lps"] for n in found["nights"]] == [None] * 4 + [pytest.approx(0.4)] * 3
    assert {n["n"] for n in found["nights"]} == {24}


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
    of_meter = 2.0 * 9 * 86.4 * 0.05 / 3**0.5
    assert found["uncertainty_m3"] == pytest.approx(np.hypot(of_weir, of_meter))
    assert found["is_certain"]


def test_ten_years_tell_of_recession_and_trend(api: Api) -> None:
    start = MIDNIGHT - 5 * 365 * DAY
    day = np.arange(5 * 365)
    keep_days(api, OUTLET, start, 4.0 * np.exp(-(day % 365) / 200) - 0.0002 * day)

    found = api.json(STATISTICS)

    assert found["trend"]["slope_lps_a_year"] == pytest.approx(-0.073, rel=0.1)
    assert found["trend"]["is_significant"]
    assert (found["trend"]["last_month"], found["trend"]["datastream"]) == ("2026-10", OUTLET)
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
    }
    assert (stages["told"]["n_reached"], stages["told"]["median_min"]) == (1, None)
    assert engineer["alerts"] == 0


def test_a_kahriz_nobody_has_heard_of_has_no_figures_and_no_noughts(api: Api) -> None:
    found = api.json(STATISTICS, forecast="true")

    assert found["service"]["share"] is None
    assert found["service"]["completeness"] == 0.0
    assert {n["lowest_lps"] for n in found["night_flow"]["nights"]} == {None}
    assert (found["balance"], found["recession"], found["trend"]) == (None, None, None)
    assert found["forecasts"] == []


def test_where_nothing_is_delivered_by_a_line_there_is_no_night_flow(api: Api) -> None:
    known = api.registry.find("agh-dere")
    outlet = known.model_copy(update={"site": known.sites_of(SiteKind.OUTLET)})
    rows.observe(api, OUTLET, 1.0, MIDNIGHT - DAY, MIDNIGHT)

    found = statistics.of_store(api.store, outlet, MIDNIGHT - DAY, MIDNIGHT)

    assert found["service"]["hours_at_least"] == pytest.approx(24, abs=0.1)
    assert found["night_flow"] is None
    shaft = known.model_copy(update={"site": known.sites_of(SiteKind.SHAFT)})
    assert statistics.of_store(api.store, shaft, MIDNIGHT - DAY, MIDNIGHT) == {
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
