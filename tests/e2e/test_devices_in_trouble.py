"""Everything devices get wrong at once: each reading is stored once, when it was measured."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from kahriz.clock import iso
from kahriz.observations import Quality, Series, datastream_id
from kahriz.sites import Datastream, load_registry
from kahriz.store import open_store
from tests.campaign.oracle import device_rows, sent_by_device, sent_readings, unbalanced
from tests.e2e.processes import ROOT, House, run_to_end
from tests.servers import Server

pytestmark = pytest.mark.server

ORIGIN = datetime(2026, 11, 22, 8, tzinfo=UTC)
SPEED = 300
INTERVAL_MS = 60_000
ALWAYS = (datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC))
SCENARIO = """
name = "all_at_once"
interval_s = 60
history_days = 0
"""
DEVICE = """
[[kahriz]]
id = "k-{device}"
source = {{ discharge_lps = 2.5 }}
[[kahriz.device]]
id = "{device}"
at = "{at}"
channels = [{channels}]
"""
PLACES = {
    "agh-dere-outlet": "outlet", "agh-dere-shaft": "shaft", "agh-dere-line": "line",
    "barana-outlet": "outlet", "barana-shaft": "shaft", "barana-line": "line",
    "velibey-outlet": "outlet", "velibey-shaft": "shaft", "velibey-canal": "line",
}  # fmt: skip
TROUBLES = (
    ("agh-dere-outlet", "clock_1970", 0.10, 0.35, ""),
    ("agh-dere-shaft", "clock_jump", 0.15, 0.30, "by_s = 259200"),
    ("agh-dere-line", "duplicates", 0.00, 0.60, "after_min = 2\ntimes = 2"),
    ("barana-outlet", "reordering", 0.00, 0.60, "severity = 0.4\nlate_min = 4"),
    ("barana-shaft", "reboot", 0.05, 0.55, "every_h = 0.15"),
    ("barana-line", "backlog", 0.05, 0.40, "alone = true"),
    ("velibey-outlet", "clock_1970", 0.10, 0.50, "epoch = 2000"),
    ("velibey-outlet", "backlog", 0.15, 0.25, ""),
    ("velibey-shaft", "duplicates", 0.00, 0.60, "severity = 0.5\nafter_min = 1"),
    ("velibey-shaft", "reordering", 0.00, 0.60, "severity = 0.3\nlate_min = 3"),
    ("velibey-shaft", "reboot", 0.30, 0.10, ""),
)
WRONG_CLOCKS = {"agh-dere-outlet", "agh-dere-shaft", "velibey-outlet"}


def scenario(folder: Path) -> Path:
    text = SCENARIO
    for device, at in PLACES.items():
        measured = "discharge_lps" if at == "line" else "stage_m"
        text += DEVICE.format(device=device, at=at, channels=f'"{measured}", "battery_v"')
    for device, kind, at_h, duration_h, more in TROUBLES:
        text += f'[[trouble]]\nkind = "{kind}"\ndevice = "{device}"\n'
        text += f"at_h = {at_h}\nduration_h = {duration_h}\n{more}\n"
    path = folder / "all_at_once.toml"
    path.write_text(text, encoding="utf-8")
    return path


class Measured(NamedTuple):
    """One reading as the ledger has it, oldest first by the true instant."""

    time_ms: int
    said_ms: int
    values: dict[str, float]


def measured(ledger: Path) -> dict[str, list[Measured]]:
    columns = 'device, time_ms, said_ms, "values"'
    with closing(sqlite3.connect(ledger)) as db:
        rows = db.execute(f"SELECT {columns} FROM reading ORDER BY time_ms").fetchall()
    found: dict[str, list[Measured]] = {device: [] for device in PLACES}
    for device, time_ms, said_ms, values in rows:
        found[device].append(Measured(time_ms, said_ms, json.loads(values)))
    return found


def stored(folder: Path, datastream: Datastream) -> Series:
    key = datastream_id(datastream.kahriz.id, datastream.site.id, datastream.measures)
    with closing(open_store(f"sqlite:///{folder}/observations.sqlite", read_only=True)) as store:
        return store.series(key, *ALWAYS)


def test_all_troubles_of_devices_at_once_store_every_reading_once_when_it_was_measured(
    mosquitto: Server, tmp_path: Path
) -> None:
    clock = {
        "KAHRIZ_CLOCK__ORIGIN": iso(ORIGIN),
        "KAHRIZ_CLOCK__STARTED": datetime.now(UTC).isoformat(),
        "KAHRIZ_CLOCK__SPEED": str(SPEED),
    }
    house = House(tmp_path, mosquitto.port, clock)
    state = tmp_path / "sim"
    with house.run("ingest"):
        house.wait_for_ingest()
        arguments = ["firmware_sim", "run", str(scenario(tmp_path)), "--state", str(state)]
        said = run_to_end(house, [*arguments, "--for", "45m"])
    truth = measured(state / "ledger.sqlite")
    readings = list(sent_readings(state / "ledger.sqlite"))
    rows = device_rows(f"sqlite:///{tmp_path}/book.sqlite")

    assert " 0 held, 0 refused, 0 lost" in said
    assert unbalanced(rows, sent_by_device(readings)) == []
    assert rows["agh-dere-line"].duplicate >= 40
    assert any(abs(r.said_ms - r.time_ms) > 86_400_000 for r in truth["agh-dere-shaft"])
    assert {r.boot for r in readings if r.device == "barana-shaft"} == {1, 2, 3, 4, 5}
    for datastream in load_registry(ROOT / "sites.example.toml").datastreams:
        if datastream.sensor is not None:
            _hold_against(truth, datastream, stored(tmp_path, datastream))


def _hold_against(truth: dict[str, list[Measured]], datastream: Datastream, series: Series) -> None:
    assert datastream.sensor is not None
    device, channel = datastream.sensor.device, datastream.sensor.channel
    rows = truth[device]
    off_ms = series.time.astype(np.int64) - np.array([row.time_ms for row in rows])
    is_wrong = np.array([row.said_ms != row.time_ms for row in rows])

    assert len(rows) >= 42
    assert series.value.tolist() == pytest.approx([row.values[channel] for row in rows])
    assert (off_ms[~is_wrong] == 0).all()
    # What the way takes is taken for the clock's: 0.2 s are a minute here.
    assert (np.abs(off_ms) <= INTERVAL_MS).all(), (device, off_ms.tolist())
    assert is_wrong.any() == (device in WRONG_CLOCKS)
    assert (series.quality[is_wrong] >= Quality.SUSPECT).all()
