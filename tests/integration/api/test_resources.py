from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from kahriz.book import alerts, devices, ledger
from kahriz.clock import to_ms
from kahriz.observations import DatastreamId, Observation, ObservationBatch, Quality
from tests.integration.api import rows
from tests.integration.api.client import EXAMPLE, NOW, Api, assert_problem

V1 = "/api/v1"
DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
MIDNIGHT = datetime(2026, 11, 21, 20, tzinfo=UTC)  # 22 November begins in Baku


def test_a_kahriz_shows_its_water_now_and_yesterday_against_the_norms(api: Api) -> None:
    rows.deliver(api, 2.4, MIDNIGHT - DAY, NOW)
    rows.observe(api, "agh-dere.outlet.discharge", 2.5, NOW - DAY, NOW)

    answer = api.json(f"{V1}/kahrizes")
    first = answer["kahrizes"][0]

    assert (answer["now"], answer["speed"]) == ("2026-11-22T12:00:00Z", 1.0)
    assert [k["id"] for k in answer["kahrizes"]] == ["agh-dere", "barana", "velibey"]
    assert (first["name"], first["people"], first["people_assumed"]) == ("Ağ Dərə", 2500, False)
    assert first["delivery_now"] == {
        "datastream": "agh-dere.line.discharge",
        "time": "2026-11-22T11:55:00Z",
        "discharge_lps": 2.4,
        "quality": 1,
    }
    assert first["outlet_now"]["discharge_lps"] == 2.5
    assert first["yesterday"]["label"] == "2026-11-21"
    assert first["yesterday"]["volume_m3"] == pytest.approx(2.4 * 86.4)
    assert first["yesterday"]["lpcd"] == pytest.approx(82.944)
    assert first["yesterday"]["norm_met"] == "design"
    assert first["yesterday"]["is_complete"] is True
    assert first["today"]["is_complete"] is False
    assert first["today"]["completeness"] == pytest.approx(16 / 24, abs=0.01)
    assert first["state"] == "ok"
    assert first["alerts"] == []


def test_a_kahriz_without_data_is_unknown_and_all_its_figures_are_null(api: Api) -> None:
    answer = api.json(f"{V1}/kahrizes/barana")

    assert answer["state"] == "unknown"
    assert [answer[k] for k in ("outlet_now", "delivery_now", "yesterday", "today")] == [None] * 4
    assert (answer["people"], answer["people_assumed"]) == (800, True)
    assert answer["datastreams"][0] == "barana.outlet.stage"
    assert "barana.outlet.discharge" in answer["datastreams"]
    assert answer["sites"][0] == {"id": "outlet", "kind": "outlet", "name": "Kəhrizin gözü"}


@pytest.mark.parametrize(
    ("alert", "state"),
    [
        ({}, "alert"),
        ({"state": "pending"}, "ok"),
        ({"state": "resolved"}, "ok"),
        ({"kahriz": "barana"}, "ok"),
        ({"kind": "sensor", "audience": "technician"}, "ok"),
        ({"kind": "offline", "audience": "technician", "key": "agh-dere-line"}, "no_signal"),
        ({"kind": "offline", "audience": "technician", "key": "agh-dere-outlet"}, "no_signal"),
        ({"kind": "offline", "audience": "technician", "key": "agh-dere-shaft"}, "ok"),
    ],
)
def test_firing_alerts_decide_the_state_of_their_kahriz(
    api: Api, alert: dict[str, str], state: str
) -> None:
    rows.observe(api, "agh-dere.line.discharge", 2.4, NOW - DAY, NOW)
    rows.raise_alert(api, **alert)

    answer = api.json(f"{V1}/kahrizes/agh-dere")

    assert answer["state"] == state
    assert all(a["state"] == "firing" for a in answer["alerts"])


def test_silence_at_the_outlet_outranks_an_alert_about_its_water(api: Api) -> None:
    rows.raise_alert(api)
    rows.raise_alert(api, kind="offline", audience="technician", key="agh-dere-outlet")

    answer = api.json(f"{V1}/kahrizes/agh-dere")

    assert answer["state"] == "no_signal"
    assert {a["kind"] for a in answer["alerts"]} == {"blockage", "offline"}


def test_water_by_day_covers_the_last_30_local_days_and_the_running_one_is_incomplete(
    api: Api,
) -> None:
    rows.deliver(api, 1.0, NOW - 40 * DAY, NOW)

    answer = api.json(f"{V1}/kahrizes/agh-dere/water")
    labels = [row["label"] for row in answer["rows"]]

    assert (labels[0], labels[-1], len(labels)) == ("2026-10-24", "2026-11-22", 30)
    assert all(row["is_complete"] for row in answer["rows"][:-1])
    assert answer["rows"][-1]["is_complete"] is False
    assert answer["rows"][0]["volume_m3"] == pytest.approx(86.4)
    assert (answer["by"], answer["timezone"], answer["completeness_limit"]) == (
        "day",
        "Asia/Baku",
        0.9,
    )


def test_a_gap_is_not_bridged_and_completeness_says_so(api: Api) -> None:
    rows.deliver(api, 1.0, MIDNIGHT - DAY, MIDNIGHT - DAY / 2)

    (row,) = api.json(f"{V1}/kahrizes/agh-dere/water")["rows"]

    assert row["completeness"] == pytest.approx(0.5, abs=0.01)
    assert row["volume_m3"] == pytest.approx(43.2, rel=0.01)
    assert row["is_complete"] is False
    assert row["volume_at_most_m3"] == pytest.approx(86.4, rel=0.01)
    assert (row["is_estimated"], row["estimated_m3"]) == (False, 0.0)


def test_a_gap_is_filled_only_for_who_asks_and_says_so(api: Api) -> None:
    rows.deliver(api, 1.0, MIDNIGHT - 6 * DAY, MIDNIGHT - 1.5 * DAY)

    answer = api.json(f"{V1}/kahrizes/agh-dere/water", fill="typical", end=MIDNIGHT.isoformat())
    told = {row["label"]: row for row in answer["rows"]}

    assert answer["fill"] == "typical"
    assert list(told) == [f"2026-11-{d}" for d in range(16, 22)]  # none before the first reading
    assert [told[f"2026-11-{d}"]["is_estimated"] for d in (18, 19, 20, 21)] == [False] * 2 + [
        True
    ] * 2
    half, none = told["2026-11-20"], told["2026-11-21"]
    assert half["volume_m3"] == pytest.approx(86.4, rel=0.01)
    assert half["estimated_m3"] == pytest.approx(43.2, rel=0.01)
    assert (none["n"], none["completeness"]) == (0, 0.0)
    assert none["estimated_m3"] == pytest.approx(86.4, rel=0.01)

    (month,) = api.json(
        f"{V1}/kahrizes/agh-dere/water", by="month", fill="typical", start="2026-11-05T00:00:00Z"
    )["rows"]
    assert month["is_estimated"]
    assert_problem(api.get(f"{V1}/kahrizes/agh-dere/water?by=hour&fill=typical"), 422, "typical")
    since = "modified_since=2026-11-20T00:00:00Z"
    assert_problem(api.get(f"{V1}/kahrizes/agh-dere/water?fill=typical&{since}"), 422, "typical")


def test_the_water_of_now_and_yesterday_is_bounded_by_the_week_before(api: Api) -> None:
    rows.deliver(api, 3.0, MIDNIGHT - 3 * DAY, MIDNIGHT - 2 * DAY)
    rows.deliver(api, 1.0, MIDNIGHT - DAY, MIDNIGHT - DAY / 2)

    yesterday = api.json(f"{V1}/kahrizes/agh-dere")["yesterday"]

    assert yesterday["volume_at_most_m3"] == pytest.approx(43.2 * (1 + 3), rel=0.01)


def test_water_by_hour_begins_where_asked_and_ends_before_the_end(api: Api) -> None:
    rows.deliver(api, 2.0, MIDNIGHT, NOW)
    query = {"by": "hour", "start": "2026-11-22T01:00:00+04:00", "end": "2026-11-22T04:00:00+04:00"}

    hours = api.json(f"{V1}/kahrizes/agh-dere/water", **query)["rows"]

    assert [h["label"] for h in hours] == [f"2026-11-22T0{n}:00+04:00" for n in (1, 2, 3)]
    assert [h["volume_m3"] for h in hours] == pytest.approx([7.2] * 3)
    assert {h["lpcd"] for h in hours} == {None}


def test_water_by_month_gives_whole_months_joined_from_their_days(api: Api) -> None:
    rows.deliver(api, 1.0, datetime(2026, 10, 30, 20, tzinfo=UTC), NOW)
    query = {"by": "month", "start": "2026-10-31T12:00:00Z", "end": "2026-11-02T00:00:00Z"}

    months = api.json(f"{V1}/kahrizes/agh-dere/water", **query)["rows"]

    assert [m["label"] for m in months] == ["2026-10", "2026-11"]
    assert months[0]["volume_m3"] == pytest.approx(86.4)
    assert months[0]["completeness"] == pytest.approx(1 / 31, abs=1e-3)
    assert months[1]["volume_m3"] == pytest.approx(86.4 * (21 + 16 / 24), rel=1e-3)


@pytest.mark.parametrize(
    ("by", "label", "days"), [("season", "2026-autumn", 91), ("year", "2026", 365)]
)
def test_water_by_longer_spans_is_whole_ones(api: Api, by: str, label: str, days: int) -> None:
    rows.deliver(api, 1.0, MIDNIGHT - 2 * DAY, MIDNIGHT)

    (row,) = api.json(f"{V1}/kahrizes/agh-dere/water", by=by, start="2026-11-01T00:00:00Z")["rows"]

    assert row["label"] == label
    assert row["volume_m3"] == pytest.approx(2 * 86.4, rel=1e-2)
    assert row["completeness"] == pytest.approx(2 / days, rel=1e-2)
    assert not row["is_complete"]


def test_a_season_is_summed_up_with_the_days_that_say_so(api: Api) -> None:
    start = MIDNIGHT - 20 * DAY
    rows.deliver(api, 1.0, start, start + 15 * DAY)
    rows.deliver(api, 2.0, start + 16 * DAY, start + 16.25 * DAY)
    query = {"start": start.isoformat(), "end": (NOW + DAY).isoformat()}

    found = api.json(f"{V1}/kahrizes/agh-dere/summary", **query)

    assert (found["days"], found["complete_days"]) == (20, 15)
    assert (found["incomplete_days"], found["unknown_days"]) == (1, 4)
    assert found["complete_volume_m3"] == pytest.approx(15 * 86.4, rel=1e-3)
    assert found["volume_m3"] == pytest.approx(15 * 86.4 + 43.2, rel=1e-2)
    assert found["mean_lpcd"] == pytest.approx(86_400 / found["people"], rel=1e-3)
    assert [found[q] for q in ("q10_lps", "q50_lps", "q90_lps")] == pytest.approx([1.0] * 3)
    below = {n["name"]: n["days_below"] for n in found["norms"]}
    assert (below["basic"], below["optimal"]) == (0, 15)
    at_most = {n["name"]: n["days_below_at_most"] for n in found["norms"]}
    assert (at_most["emergency"], at_most["optimal"]) == (4, 20)
    # Four days and three quarters of one are unknown, and 2 L/s is the most that was seen.
    assert found["volume_at_most_m3"] == pytest.approx(15 * 86.4 + 43.2 + 4.75 * 172.8, rel=1e-2)
    assert found["completeness"] == pytest.approx(15.25 / 20, abs=0.01)
    assert found["q90_low_lps"] == 0.0
    assert found["q50_high_lps"] == pytest.approx(1 + 2 * 0.05 / 3**0.5)
    assert found["q10_high_lps"] is None


def test_a_summary_of_days_to_come_knows_nothing(api: Api) -> None:
    query = {"start": NOW.isoformat(), "end": (NOW + 30 * DAY).isoformat()}

    found = api.json(f"{V1}/kahrizes/agh-dere/summary", **query)

    assert (found["days"], found["volume_m3"], found["q50_lps"]) == (0, None, None)


def test_water_over_a_weir_or_by_a_meter_says_how_sure_it_is(
    folder: Path,
) -> None:
    sites = folder / "sites.toml"
    text = EXAMPLE.read_text(encoding="utf-8").replace('"delivery_line"', '"reservoir"', 1)
    sites.write_text(text, encoding="utf-8")
    start = datetime(2026, 10, 30, 20, tzinfo=UTC)
    with Api(folder, sites=sites) as api:
        rows.deliver(api, 8.0, start, NOW, "agh-dere.outlet")
        rows.deliver(api, 8.0, start, NOW, "barana.line")
        days = api.json(f"{V1}/kahrizes/agh-dere/water")["rows"]
        months = api.json(f"{V1}/kahrizes/agh-dere/water", by="month", start=start)["rows"]
        metered = api.json(f"{V1}/kahrizes/barana/water")["rows"]
        yesterday = api.json(f"{V1}/kahrizes/agh-dere")["yesterday"]
        season = api.json(f"{V1}/kahrizes/agh-dere/summary")
        metered_season = api.json(f"{V1}/kahrizes/barana/summary")

    relative = np.hypot(2.5 * 0.002 / 0.12743, 0.015)
    for row in (*days, *months, yesterday, season):
        assert row["volume_uncertainty_m3"] == pytest.approx(relative * row["volume_m3"], rel=1e-3)
    assert len(months) == 2
    for row in (*metered, metered_season):
        sure = 0.05 / 3**0.5 * row["volume_m3"]
        assert row["volume_uncertainty_m3"] == pytest.approx(sure, rel=1e-3)


def test_late_data_counts_a_revision(api: Api) -> None:
    rows.deliver(api, 1.0, MIDNIGHT - DAY, MIDNIGHT - DAY / 2)
    api.now = NOW + timedelta(hours=1)
    rows.deliver(api, 1.0, MIDNIGHT - DAY / 2, MIDNIGHT)

    (row,) = api.json(f"{V1}/kahrizes/agh-dere/water")["rows"]

    assert row["revision"] == 2
    assert row["computed_at"] == "2026-11-22T13:00:00Z"
    assert row["volume_m3"] == pytest.approx(86.4, rel=0.01)


@pytest.mark.parametrize(
    ("by", "label", "n"), [("day", "2026-06-01", 1), ("hour", None, 24), ("month", "2026-06", 1)]
)
def test_who_keeps_a_copy_gets_what_late_data_restated_and_nothing_else(
    api: Api, by: str, label: str | None, n: int
) -> None:
    address = f"{V1}/kahrizes/agh-dere/water"
    day = datetime(2026, 5, 31, 20, tzinfo=UTC)  # midnight in Baku
    rows.deliver(api, 1.0, day - DAY, day + DAY / 2)
    rows.deliver(api, 1.0, NOW - 3 * DAY, NOW)
    api.now = NOW + timedelta(minutes=5)
    before = api.json(address, by=by)["as_of"]
    unchanged = api.json(address, by=by, modified_since=before)["rows"]
    api.now = NOW + timedelta(hours=1)
    rows.deliver(api, 1.0, day + DAY / 4, day + DAY)
    found = api.json(address, by=by, modified_since=before)

    restated = [r for r in found["rows"] if label in (None, r["label"])]
    assert before == "2026-11-22T12:04:00Z"
    assert unchanged == []
    assert len(restated) == n if label else len(restated) >= n / 2
    assert all(r["start"] < "2026-07-01" for r in found["rows"])
    assert max(r["revision"] for r in restated) == 2
    assert found["as_of"] == "2026-11-22T12:59:00Z"


def test_who_keeps_a_copy_gets_the_bounds_that_a_neighbour_s_late_data_moved(api: Api) -> None:
    address = f"{V1}/kahrizes/agh-dere/water"
    day = datetime(2026, 5, 31, 20, tzinfo=UTC)  # midnight in Baku
    rows.deliver(api, 1.0, day - 4 * DAY, day - 2 * DAY)
    rows.deliver(api, 1.0, day, day + DAY / 2)
    api.now = NOW + timedelta(minutes=5)
    first = api.json(address, start="2026-05-01T00:00:00Z")
    copy = {row["label"]: row for row in first["rows"]}
    api.now = NOW + timedelta(hours=1)
    rows.deliver(api, 3.0, day - 2 * DAY, day - 1.5 * DAY)

    for row in api.json(address, modified_since=first["as_of"])["rows"]:
        copy[row["label"]] = row

    assert list(copy.values()) != first["rows"]
    assert (
        sorted(copy.values(), key=lambda row: row["start"])
        == api.json(address, start="2026-05-01T00:00:00Z")["rows"]
    )
    assert copy["2026-06-01"]["volume_at_most_m3"] == pytest.approx(43.2 * (1 + 3), rel=0.02)
    assert copy["2026-06-01"]["revision"] == 1


def test_figures_that_were_computed_a_moment_before_they_could_be_read_come_once_more(
    api: Api,
) -> None:
    rows.deliver(api, 1.0, NOW - DAY, NOW)
    first = api.json(f"{V1}/kahrizes/agh-dere/water")
    again = api.json(f"{V1}/kahrizes/agh-dere/water", modified_since=first["as_of"])

    assert again["rows"] == first["rows"]


def test_every_datastream_says_what_measures_it_or_that_it_is_derived(api: Api) -> None:
    listed = {d["id"]: d for d in api.json(f"{V1}/datastreams")["datastreams"]}

    assert listed["agh-dere.outlet.stage"] == {
        "id": "agh-dere.outlet.stage",
        "kahriz": "agh-dere",
        "site": "outlet",
        "property": "stage",
        "unit": "m",
        "device": "agh-dere-outlet",
        "channel": "stage_m",
        "derived": False,
    }
    assert listed["agh-dere.outlet.discharge"]["derived"] is True
    assert listed["agh-dere.outlet.discharge"]["device"] is None


def test_observations_are_half_open_columns_under_a_name_with_their_unit(api: Api) -> None:
    rows.observe(api, "agh-dere.shaft.stage", np.arange(12.0), NOW - timedelta(hours=1), NOW)
    path = f"{V1}/datastreams/agh-dere.shaft.stage/observations"

    answer = api.json(path, start="2026-11-22T11:05:00Z", end="2026-11-22T11:15:00Z")

    assert answer == {
        "datastream": "agh-dere.shaft.stage",
        "unit": "m",
        "start": "2026-11-22T11:05:00Z",
        "end": "2026-11-22T11:15:00Z",
        "n": 2,
        "downsampled": False,
        "next": None,
        "time": ["2026-11-22T11:05:00Z", "2026-11-22T11:10:00Z"],
        "stage_m": [1.0, 2.0],
        "quality": [1, 1],
    }


def test_each_discharge_that_a_rating_derives_says_how_sure_it_is(api: Api) -> None:
    flows = np.array([8.0, 0.0, 500.0])
    rows.observe(api, "agh-dere.outlet.discharge", flows, NOW - timedelta(minutes=15), NOW)
    rows.observe(api, "agh-dere.line.discharge", 2.4, NOW - HOUR, NOW)
    answer = api.json(f"{V1}/datastreams/agh-dere.outlet.discharge/observations")
    metered = api.json(f"{V1}/datastreams/agh-dere.line.discharge/observations")

    assert answer["discharge_lps"] == flows.tolist()
    assert answer["uncertainty_lps"] == [
        pytest.approx(8 * np.hypot(2.5 * 0.002 / 0.12743, 0.015), rel=1e-3),
        pytest.approx(2.5 * 1380 * 0.002**2.5),
        None,
    ]
    assert "uncertainty_lps" not in metered


def test_observations_of_the_last_24_h_without_any_are_empty_columns(api: Api) -> None:
    answer = api.json(f"{V1}/datastreams/velibey.canal.discharge/observations")

    assert (answer["start"], answer["end"]) == ("2026-11-21T12:00:00Z", "2026-11-22T12:00:00Z")
    assert (answer["n"], answer["time"], answer["discharge_lps"]) == (0, [], [])


def test_many_observations_are_thinned_with_their_extremes_and_the_raw_count_kept(api: Api) -> None:
    value = np.full(2880, 2.0)
    value[1000], value[2000] = 0.1, 9.9
    rows.observe(api, "agh-dere.line.discharge", value, NOW - 10 * DAY, NOW)
    path = f"{V1}/datastreams/agh-dere.line.discharge/observations"

    answer = api.json(path, start="2026-11-12T12:00:00Z", max_points=50)

    assert (answer["n"], answer["downsampled"]) == (2880, True)
    assert len(answer["time"]) == len(answer["discharge_lps"]) == len(answer["quality"]) <= 50
    assert (min(answer["discharge_lps"]), max(answer["discharge_lps"])) == (0.1, 9.9)


def test_latest_gives_each_datastream_its_newest_with_its_quality(api: Api) -> None:
    name = DatastreamId("agh-dere.outlet.stage")
    seen = Observation(name, NOW - timedelta(milliseconds=500), 0.079, Quality.SUSPECT)
    api.store.write(ObservationBatch.of([seen]))

    answer = api.json(f"{V1}/latest")

    assert answer["observations"] == [
        {
            "datastream": "agh-dere.outlet.stage",
            "time": "2026-11-22T11:59:59.500Z",
            "value": 0.079,
            "unit": "m",
            "quality": 3,
        }
    ]


def test_alerts_are_listed_newest_first_and_chosen_by_state_kahriz_and_limit(api: Api) -> None:
    old = rows.raise_alert(api, since_ms=to_ms(NOW - DAY), state="resolved")
    new = rows.raise_alert(api)
    other = rows.raise_alert(api, kahriz="barana", since_ms=to_ms(NOW))

    def ids(**query: str | int) -> list[int]:
        return [a["id"] for a in api.json(f"{V1}/alerts", **query)["alerts"]]

    assert ids() == [other, new, old]
    assert ids(state="firing") == [other, new]
    assert ids(kahriz="agh-dere") == [new, old]
    assert ids(kahriz="agh-dere", state="resolved") == [old]
    assert ids(limit=1) == [other]
    assert ids(limit=1000) == [other, new, old]


def test_one_alert_carries_evidence_timeline_and_messages_with_masked_numbers(api: Api) -> None:
    id = rows.raise_alert(api)
    rows.queue_message(api, id)
    rows.queue_message(api, rows.raise_alert(api, kahriz="barana"), address="+994500000011")

    answer = api.json(f"{V1}/alerts/{id}")

    assert answer["code"] == "K1"
    assert answer["since"] == "2026-11-22T11:00:00Z"
    assert answer["evidence"] == {"observed_lps": 1.4, "deviation": -0.39, "note": "<b>&"}
    assert [(e["at"], e["what"], e["detail"]) for e in answer["timeline"]] == [
        ("2026-11-22T11:00:00Z", "pending", "first seen"),
        ("2026-11-22T12:00:00Z", "queued", "+9945******01"),
    ]
    (message,) = answer["messages"]
    assert message["address"] == "+9945******01"
    assert (message["code"], message["kahriz"], message["kind"]) == ("K1", "agh-dere", "blockage")
    assert message["text"] == "Su azalib. #K1"
    assert (message["state"], message["sent_at"], message["error"]) == ("queued", None, None)


def test_messages_of_one_alert_are_chosen_by_its_id(api: Api) -> None:
    first, second = rows.raise_alert(api), rows.raise_alert(api, kahriz="barana")
    rows.queue_message(api, first)
    rows.queue_message(api, second)
    rows.queue_message(api, second, reason="repeat")

    listed = api.json(f"{V1}/messages")["messages"]
    chosen = api.json(f"{V1}/messages", alert=second)["messages"]

    assert [m["alert"] for m in listed] == [second, second, first]
    assert [(m["reason"], m["kahriz"]) for m in chosen] == [
        ("repeat", "barana"),
        ("first", "barana"),
    ]
    assert len(api.json(f"{V1}/messages", limit=1)["messages"]) == 1


def test_a_device_shows_its_silence_battery_and_books(api: Api) -> None:
    rows.hear(
        api,
        "agh-dere-outlet",
        received_at_ms=to_ms(NOW - timedelta(minutes=3)),
        boot=7,
        last_seq=41,
        last_time_ms=to_ms(NOW - timedelta(minutes=5)),
        firmware="1.4.0",
        received=8640,
        duplicate=3,
        lost=28,
    )
    with api.book.begin() as connection:
        devices.put_status(connection, "agh-dere-outlet", "offline", None, to_ms(NOW))
    rows.observe(api, "agh-dere.outlet.battery_voltage", 12.6, NOW - timedelta(hours=1), NOW)
    with api.book.begin() as connection:
        ledger.put_floors(connection, [("agh-dere-outlet", 7, 0, 10)], to_ms(NOW))
        spans = [(0, 5), (9, 11), (14, 20), (24, 41)]
        ledger.put_ranges(connection, [("agh-dere-outlet", 7, *span) for span in spans], [])

    first, second = api.json(f"{V1}/devices")["devices"][:2]

    assert first == {
        "device": "agh-dere-outlet",
        "kahriz": "agh-dere",
        "status": "offline",
        "boot": 7,
        "last_seq": 41,
        "last_time": "2026-11-22T11:55:00Z",
        "received_at": "2026-11-22T11:57:00Z",
        "silent_for_s": 180.0,
        "firmware": "1.4.0",
        "battery_v": 12.6,
        "received": 8640,
        "stored": 8637,
        "duplicate": 3,
        "quarantined": 0,
        "shed": 0,
        "lost": 28,
        "pending": 5,
    }
    assert second["device"] == "agh-dere-shaft"
    assert (second["status"], second["silent_for_s"], second["received"]) == (None, None, 0)


def test_a_device_no_longer_registered_is_listed_without_a_kahriz(api: Api) -> None:
    rows.hear(api, "gone", received_at_ms=to_ms(NOW), received=1)

    last = api.json(f"{V1}/devices")["devices"][-1]

    assert (last["device"], last["kahriz"], last["received"]) == ("gone", None, 1)


def test_acknowledging_writes_who_did_it_into_alert_timeline_and_audit_log(api: Api) -> None:
    id = rows.raise_alert(api)

    answer = api.ask(
        "POST", f"{V1}/alerts/{id}/acknowledgement", json={"by": " Əli "}, headers=api.key()
    )

    assert answer.status_code == 200
    assert answer.json()["acknowledged_by"] == "Əli"
    assert answer.json()["acknowledged_at"] == "2026-11-22T12:00:00Z"
    assert answer.json()["state"] == "firing"
    assert api.json(f"{V1}/alerts/{id}")["timeline"][-1]["what"] == "acknowledged"
    (entry,) = api.audit()
    assert (entry.who, entry.what, entry.at) == ("office", "alert.acknowledge", NOW)
    assert (entry.detail["alert"], entry.detail["by"]) == (id, "Əli")


def test_the_first_acknowledgement_stays(api: Api) -> None:
    id = rows.raise_alert(api)
    key = api.key()

    for name in ("Əli", "Vəli"):
        api.ask("POST", f"{V1}/alerts/{id}/acknowledgement", json={"by": name}, headers=key)

    assert api.json(f"{V1}/alerts/{id}")["acknowledged_by"] == "Əli"
    assert len(api.audit()) == 2


def test_acknowledging_an_alert_that_is_not_there_leaves_no_trace(api: Api) -> None:
    path = f"{V1}/alerts/99/acknowledgement"

    answer = api.ask("POST", path, json={"by": "Əli"}, headers=api.key())

    assert_problem(answer, 404, "alert '99'")
    assert api.audit() == []
    with api.book.read() as connection:
        assert alerts.timeline(connection, 99) == []
