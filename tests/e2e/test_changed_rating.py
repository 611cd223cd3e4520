"""A zero levelled anew: sites.toml is edited, and yesterday's water is another, by revision."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.processes import ROOT, House, get, run_to_end, wait_until
from tests.servers import Server, program

pytestmark = pytest.mark.server

STEP_MS = 300_000
READINGS = 380  # over 31 hours, so that a whole local day is among them or nearly


def test_an_edited_rating_restates_though_ingest_is_killed_while_it_does(
    mosquitto: Server, tmp_path: Path
) -> None:
    sites = tmp_path / "sites.toml"
    text = (
        (ROOT / "sites.example.toml").read_text("utf-8").replace('"delivery_line"', '"reservoir"')
    )
    sites.write_text(text, "utf-8")
    house = House(tmp_path, mosquitto.port, {"KAHRIZ_SITES": str(sites)})
    with house.run("api"):
        house.wait_for_api()
        with house.run("ingest"):
            house.wait_for_ingest()
            _publish(mosquitto)
            before = _rows(house, lambda rows: sum(row["n"] for row in rows) == READINGS)
        changed = text.replace(
            "valid_from = 2020", 'version = "2"\nzero_offset_m = 0.01\nvalid_from = 2020'
        )
        sites.write_text(changed, "utf-8")
        at = {"CAMPAIGN_KILL_AT": "discharge written", "CAMPAIGN_KILL_ON": "1"}
        killed = house.start("tests.campaign.ingest_at", environment=at).wait(60)
        with house.run("ingest"):
            after = _rows(house, lambda rows: rows[0]["volume_m3"] < before[0]["volume_m3"] * 0.95)
        said = run_to_end(house, ["kahriz", "audit", "--settle-s", "0"])

    assert killed == -signal.SIGKILL
    assert [row["n"] for row in after] == [row["n"] for row in before]
    for old, new in zip(before, after, strict=True):
        assert new["volume_m3"] == pytest.approx(old["volume_m3"] * (0.117 / 0.127) ** 2.5)
    # A running day has its first revision still.
    assert after[0]["revision"] == before[0]["revision"] + 1
    assert f"{2 * READINGS} values" in said


def _publish(mosquitto: Server) -> None:
    """Publish what the outlet kept: a steady stage, until a little while ago."""
    first = int(time.time() * 1000) // STEP_MS * STEP_MS - READINGS * STEP_MS
    rows = [[first + i * STEP_MS, {"stage_m": 0.127}] for i in range(READINGS)]
    payload = json.dumps({"boot": 1, "seq": 0, "r": rows}, separators=(",", ":"))
    command = [str(program("mosquitto_pub", "mosquitto-clients")), "-p", str(mosquitto.port)]
    command += ["-q", "1", "-t", "kahriz/v1/agh-dere-outlet/up", "-s"]
    subprocess.run(command, input=payload.encode(), check=True, timeout=10)


def _rows(house: House, is_so: Callable[[list[Any]], bool]) -> list[Any]:
    """Return the days of water as soon as they are as expected."""
    found: list[Any] = []

    def is_there() -> bool:
        said = get(f"{house.api}/api/v1/kahrizes/agh-dere/water")
        found[:] = said["rows"]
        return len(found) > 0 and is_so(found)

    wait_until(is_there, "the days of water")
    return found.copy()
