"""What Grafana is provisioned with, held against the schema, the compose file and a real InfluxDB.

Grafana itself is not run here (docs/dashboard.md).
"""

from __future__ import annotations

import json
import re
import urllib.parse
import urllib.request
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from kahriz.observations import Observation, ObservationBatch, Quality, datastream_id
from kahriz.store import open_store
from kahriz.store.line_protocol import MEASUREMENT
from kahriz.units import Property
from tests.servers import Server

ROOT = Path(__file__).parents[3]
GRAFANA = ROOT / "dashboards" / "grafana"
NOW = datetime(2026, 11, 22, 10, tzinfo=UTC)
_KNOWN = {MEASUREMENT, "kahriz", "site", "property", "value", "quality"}


def _dashboard() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((GRAFANA / "dashboards/kahriz.json").read_text("utf-8"))
    return found


def _provisioned(kind: str, file: str) -> dict[str, Any]:
    text = (GRAFANA / "provisioning" / kind / file).read_text("utf-8")
    found: dict[str, Any] = yaml.safe_load(text)
    return found


def _compose() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))
    return found


def _mounts() -> dict[str, str]:
    """Return what Grafana's container sees, by its path there."""
    volumes = _compose()["services"]["grafana"]["volumes"]
    return {volume.split(":")[1]: volume.split(":")[0] for volume in volumes}


def _queries() -> dict[str, str]:
    dashboard = _dashboard()
    found = {p["title"]: t["query"] for p in dashboard["panels"] for t in p["targets"]}
    return found | {v["name"]: v["query"] for v in dashboard["templating"]["list"]}


def test_queries_name_only_what_the_store_writes() -> None:
    for query in _queries().values():
        assert set(re.findall(r'"(\w+)"', query)) <= _KNOWN
        assert f'FROM "{MEASUREMENT}"' in query
        assert set(re.findall(r"'(\w+)'", query)) <= {prop.value for prop in Property}


def test_every_panel_asks_the_data_source_that_is_provisioned() -> None:
    (source,) = _provisioned("datasources", "influxdb.yml")["datasources"]
    expected = {"type": source["type"], "uid": source["uid"]}

    dashboard = _dashboard()
    asked = [panel["datasource"] for panel in dashboard["panels"]]
    asked += [target["datasource"] for panel in dashboard["panels"] for target in panel["targets"]]
    asked += [variable["datasource"] for variable in dashboard["templating"]["list"]]
    assert asked
    assert all(each == expected for each in asked)


def test_the_four_views_an_engineer_needs_are_there_for_each_kahriz() -> None:
    queries = _queries()

    assert set(queries) == {"Discharge", "Stage", "Battery", "Data age", "kahriz"}
    panels = {title: query for title, query in queries.items() if title != "kahriz"}
    assert all('"kahriz" =~ /^$kahriz$/' in query for query in panels.values())
    assert all("$timeFilter" in query for query in panels.values())


def test_the_data_source_is_the_database_of_the_compose_file() -> None:
    (source,) = _provisioned("datasources", "influxdb.yml")["datasources"]
    services = _compose()["services"]

    host, port = re.fullmatch(r"http://(\w+):(\d+)", source["url"]).groups()  # type: ignore[union-attr]
    assert (host in services, port) == (True, "8086")
    bucket = services["influxdb"]["environment"]["DOCKER_INFLUXDB_INIT_BUCKET"]
    assert source["jsonData"]["dbName"] == bucket


def test_the_token_is_read_from_a_file_that_grafana_is_given() -> None:
    (source,) = _provisioned("datasources", "influxdb.yml")["datasources"]
    header = source["secureJsonData"]["httpHeaderValue1"]

    path = re.fullmatch(r"Token \$__file\{(.+)\}", header).group(1)  # type: ignore[union-attr]
    assert str(Path(path).parent) in _mounts()
    command = _compose()["services"]["influx-tokens"]["command"]
    assert f"--api-out={path}" in command


def test_grafana_is_given_the_folders_it_is_told_to_read() -> None:
    (provider,) = _provisioned("dashboards", "kahriz.yml")["providers"]
    mounts = _mounts()

    assert (ROOT / mounts[provider["options"]["path"]] / "kahriz.json").is_file()
    assert (ROOT / mounts["/etc/grafana/provisioning"] / "datasources/influxdb.yml").is_file()


def _written(influxd: Server) -> str:
    """Store one kahriz's observations; return the database."""
    database = f"t{uuid.uuid4().hex}"
    names = [
        datastream_id("agh-dere", site, prop)
        for site in ("outlet", "line")
        for prop in (Property.DISCHARGE, Property.STAGE, Property.BATTERY_VOLTAGE)
    ]
    times = [NOW - timedelta(minutes=m) for m in (5, 10, 15)]
    flags = (Quality.GOOD, Quality.SUSPECT, Quality.FAIL)
    store = open_store(f"influxdb://{influxd.host}:{influxd.port}/{database}")
    store.write(
        ObservationBatch.of(
            [Observation(n, t, 2.5, q) for n in names for t, q in zip(times, flags, strict=True)]
        )
    )
    store.close()
    return database


def _asked(influxd: Server, database: str, query: str) -> list[dict[str, Any]]:
    """Put a panel's query as Grafana does: variables filled in, then GET /query."""
    start = (NOW - timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    for name, value in {
        "$timeFilter": f"time >= '{start}' AND time <= '{NOW.strftime('%Y-%m-%dT%H:%M:%SZ')}'",
        "$__interval": "5m",
        "$kahriz": "(agh-dere|barana)",
    }.items():
        query = query.replace(name, value)
    parameters = urllib.parse.urlencode({"db": database, "q": query})
    address = f"http://{influxd.host}:{influxd.port}/query?{parameters}"
    with urllib.request.urlopen(address, timeout=10) as answer:
        (result,) = json.load(answer)["results"]
    series: list[dict[str, Any]] = result["series"]
    return series


@pytest.mark.server
def test_a_real_influxdb_answers_every_query_with_the_values_that_count(influxd: Server) -> None:
    database = _written(influxd)

    rows = {title: _asked(influxd, database, query) for title, query in _queries().items()}
    assert rows["kahriz"][0]["values"] == [["kahriz", "agh-dere"]]
    for title in ("Discharge", "Stage", "Battery"):
        assert [s["tags"]["site"] for s in rows[title]] == ["line", "outlet"]
        # the FAIL value is left out, the time it stood for stays empty
        values = [v for _, v in rows[title][0]["values"] if v is not None]
        assert values == [2.5, 2.5]
    assert len(rows["Data age"]) == 6
    assert rows["Data age"][0]["values"][0][1] == 2.5
