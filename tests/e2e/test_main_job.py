"""Real input: one reading by mosquitto_pub, and a recorded river replayed as a device would."""

from __future__ import annotations

import csv
import gzip
import subprocess
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from kahriz import plugins
from kahriz.codec import CODECS
from kahriz.observations import Readings
from tests.e2e.processes import House, get, run_to_end, wait_until
from tests.servers import Server, program

pytestmark = pytest.mark.server

RECORDED = Path("tests/data/plumtree_usgs_01581752.csv.gz")
DAY = timedelta(days=1)
GAUGE = """\
[[kahriz]]
id = "plumtree"
name = "Plumtree Run"
village = "Bel Air"
district = "Maryland"
timezone = "America/New_York"
people = 1000
[[kahriz.site]]
id = "gauge"
kind = "outlet"
name = "USGS 01581752"
[[kahriz.site.sensor]]
device = "plumtree"
channel = "discharge_lps"
range_fail = [0.0, 100000.0]
[[kahriz.site.sensor]]
device = "plumtree"
channel = "stage_m"
"""


@pytest.mark.alone
@pytest.mark.parametrize("codec", ["json_v1", "compact_v1"])
def test_a_reading_by_mosquitto_pub_is_at_the_api_within_two_seconds(
    mosquitto: Server, tmp_path: Path, codec: str
) -> None:
    house = House(tmp_path, mosquitto.port)
    with house.run("ingest"), house.run("api"):
        house.wait_for_ingest()
        house.wait_for_api()
        now_ms = int(time.time() * 1000)
        said = Readings(1, [0, 0], [now_ms] * 2, ["stage_m", "battery_v"], [0.127, 12.6], 1, 0)
        payload = plugins.load("codec", codec, CODECS)().encode(said)
        command = [str(program("mosquitto_pub", "mosquitto-clients")), "-p", str(mosquitto.port)]
        command += ["-q", "1", "-t", "kahriz/v1/velibey-outlet/up", "-s"]
        subprocess.run(command, input=payload, check=True, timeout=10)
        began = time.monotonic()
        url = f"{house.api}/api/v1/latest"
        wait_until(lambda: len(get(url)["observations"]) == 3, "stage, discharge, battery", 10)
        seconds = time.monotonic() - began
        latest = {o["datastream"]: o for o in get(url)["observations"]}
        people = get(f"{house.api}/api/v1/contacts?kahriz=velibey")["contacts"]

    assert seconds < 2
    assert latest["velibey.outlet.stage"]["value"] == 0.127
    assert latest["velibey.outlet.discharge"]["value"] == pytest.approx(7.93, abs=0.05)
    assert latest["velibey.outlet.battery_voltage"]["unit"] == "V"
    assert people, "whom the file names is known from the start on"
    assert {person["source"] for person in people} == {"file"}


def test_a_recorded_river_is_replayed_stored_and_summed_up(
    mosquitto: Server, tmp_path: Path
) -> None:
    sites = tmp_path / "sites.toml"
    sites.write_text(GAUGE)
    house = House(tmp_path, mosquitto.port, {"KAHRIZ_SITES": str(sites)})
    times, discharge, stage = _recorded()
    with house.run("ingest"), house.run("api"):
        house.wait_for_ingest()
        house.wait_for_api()
        arguments = ["kahriz", "sim", "replay", str(RECORDED), "--device", "plumtree"]
        arguments += [
            "--time",
            "time",
            "--map",
            "discharge_lps=flow_lps",
            "--map",
            "stage_m=stage_m",
        ]
        arguments += ["--port", str(mosquitto.port)]
        run_to_end(house, arguments)
        # The local day of the first reading began before it.
        start, end = (t.isoformat() for t in (times[0] - DAY, times[-1] + DAY))
        query = f"start={start}&end={end}&max_points=10000".replace("+00:00", "Z")
        base = f"{house.api}/api/v1/datastreams/plumtree.gauge"
        got_discharge = get(f"{base}.discharge/observations?{query}")
        got_stage = get(f"{base}.stage/observations?{query}")
        days_url = (
            f"{house.api}/api/v1/kahrizes/plumtree/water?by=day&{query.rpartition('&max')[0]}"
        )
        wait_until(lambda: _is_settled(days_url, len(times)), "every day is summed up", 30)
        days = get(days_url)["rows"]

    assert got_discharge["n"] == got_stage["n"] == len(times)
    assert got_discharge["discharge_lps"] == pytest.approx(discharge)
    assert got_stage["stage_m"] == pytest.approx(stage)
    complete = [d for d in days if d["is_complete"]]
    assert len(complete) >= 40
    assert sum(d["volume_m3"] for d in days) == pytest.approx(
        _volume_m3(times, discharge), rel=1e-6
    )


def _is_settled(url: str, n: int) -> bool:
    rows = get(url)["rows"]
    return bool(sum(row["n"] for row in rows) == n)


def _recorded() -> tuple[list[datetime], list[float], list[float]]:
    with gzip.open(RECORDED, "rt") as file:
        rows = [row for row in csv.DictReader(file) if row["flow_lps"] and row["stage_m"]]
    times = [datetime.fromisoformat(row["time"]).replace(tzinfo=UTC) for row in rows]
    return times, [float(r["flow_lps"]) for r in rows], [float(r["stage_m"]) for r in rows]


def _volume_m3(times: list[datetime], discharge: list[float]) -> float:
    """Return the trapezoid's volume, nothing across gaps of more than 45 minutes, by hand."""
    total = 0.0
    for i in range(1, len(times)):
        seconds = (times[i] - times[i - 1]).total_seconds()
        if seconds <= 45 * 60:
            total += (discharge[i] + discharge[i - 1]) / 2 * seconds / 1000
    return total
