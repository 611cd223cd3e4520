"""A recorded series, sent as a device would send it."""

from __future__ import annotations

import csv
import gzip
import json
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from firmware_sim.device import Broker
from firmware_sim.replay import Mapped, Recording, read_recording, replay
from kahriz.errors import ConfigError
from tests.servers import Server, free_port
from tests.simulator.service import service

ROOT = Path(__file__).parents[2]
PLUMTREE = ROOT / "tests" / "data" / "plumtree_usgs_01581752.csv.gz"
STAGE = Mapped("stage_m", "stage")
_COMMAND = "from kahriz.cli import main; main()"


def write(folder: Path, text: str) -> Path:
    path = folder / "series.csv"
    path.write_text(text, encoding="utf-8")
    return path


def kahriz(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command: Sequence[str | Path] = [sys.executable, "-c", _COMMAND, "sim", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.server
def test_a_real_recorded_series_arrives_value_for_value_by_the_command(mosquitto: Server) -> None:
    with service(mosquitto.port) as far:
        done = kahriz(
            *("replay", PLUMTREE, "--device", "agh-dere-outlet", "--time", "time"),
            *("--map", "stage_m=stage_m", "--map", "discharge_lps=flow_lps:0.1"),
            *("--port", str(mosquitto.port)),
        )
    with gzip.open(PLUMTREE, "rt", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    recorded = [
        (datetime.fromisoformat(row["time"]).replace(tzinfo=UTC).timestamp() * 1000,
         {"stage_m": float(row["stage_m"]), "discharge_lps": round(float(row["flow_lps"]) / 10, 9)})
        for row in rows
    ]  # fmt: skip

    assert done.returncode == 0, done.stderr
    assert "agh-dere-outlet: 4320 readings, 4320 acknowledged in " in done.stdout
    assert sorted(far.stored.values(), key=lambda v: v[0]) == recorded
    assert [seq for _, _, seq in sorted(far.stored)] == list(range(4320))


@pytest.mark.server
def test_readings_nobody_acknowledges_end_in_exit_1_and_are_counted(
    mosquitto: Server, tmp_path: Path
) -> None:
    path = write(tmp_path, "t,stage\n2026-01-01T00:00:00Z,0.1\n2026-01-01T00:05:00Z,0.2\n")
    with service(mosquitto.port, acks=False):
        done = kahriz(
            *("replay", path, "--device", "d", "--time", "t", "--map", "stage_m=stage"),
            *("--timeout", "0.5", "--port", str(mosquitto.port)),
        )

    assert done.returncode == 1
    assert "d: 2 readings, 0 acknowledged, 2 unacknowledged" in done.stdout


def test_no_broker_is_said_in_one_line_and_exit_1(tmp_path: Path) -> None:
    path = write(tmp_path, "t,stage\n2026-01-01T00:00:00Z,0.1\n")
    done = kahriz(
        *("replay", path, "--device", "d", "--time", "t", "--map", "stage_m=stage"),
        *("--timeout", "0.3", "--port", str(free_port())),
    )

    assert done.returncode == 1
    assert "(Connection refused)" in done.stdout
    assert "Traceback" not in done.stderr


@pytest.mark.server
def test_a_paced_replay_keeps_the_series_own_time(mosquitto: Server) -> None:
    times = np.arange(0, 5 * 60_000, 60_000, dtype=np.int64) + 1_700_000_000_000
    recording = Recording(times, {"stage_m": np.arange(5) / 10})
    with service(mosquitto.port) as far:
        done = replay(recording, "d", Broker("127.0.0.1", mosquitto.port), speed=240)

    assert done.is_complete
    assert 1.0 <= done.seconds < 6
    assert [len(json.loads(payload)["r"]) for _, payload in far.payloads][-1] == 1


@pytest.mark.server
def test_a_second_replay_is_another_boot_and_no_repeat(mosquitto: Server, tmp_path: Path) -> None:
    path = write(tmp_path, "t,stage\n2026-01-01T00:00:00Z,0.1\n")
    recording = read_recording(path, "t", [STAGE])
    broker = Broker("127.0.0.1", mosquitto.port)
    with service(mosquitto.port) as far:
        assert replay(recording, "d", broker).is_complete
        assert replay(recording, "d", broker, boot=5).is_complete

    assert {boot for _, boot, _ in far.stored} >= {5}
    assert len(far.stored) == 2


def test_gaps_are_null_and_rows_without_any_value_are_skipped(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        "t,stage,volt\n2026-01-01 00:00,0.1,\n2026-01-01 00:05,,NaN\n2026-01-01 00:10,,12.5\n",
    )
    read = read_recording(path, "t", [STAGE, Mapped("battery_v", "volt")])

    assert (len(read), read.skipped) == (2, 1)
    assert np.isnan(read.columns["battery_v"][0])
    assert np.isnan(read.columns["stage_m"][1])


def test_local_instants_are_read_in_their_zone_and_rows_put_in_order(tmp_path: Path) -> None:
    path = write(tmp_path, "t,stage\n2026-01-01 04:05,0.2\n2026-01-01 04:00,0.1\n")
    read = read_recording(path, "t", [STAGE], ZoneInfo("Asia/Baku"))

    assert read.time_ms.tolist() == [1_767_225_600_000, 1_767_225_900_000]
    assert read.columns["stage_m"].tolist() == [0.1, 0.2]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("t,stage\n2026-01-01,wet\n", "line 2: stage: 'wet' is no number"),
        ("t,stage\n2026-01-01,inf\n", "line 2: stage: 'inf' is no finite number"),
        ("t,stage\nyesterday,0.1\n", "line 2: 'yesterday' is no instant"),
        ("t,level\n2026-01-01,0.1\n", "no column 'stage' (columns: t, level)"),
        ("t,stage\n", "no row with a value"),
        ("t,stage\n2026-01-01,1\n2026-01-01,2\n", "two rows at 2026-01-01 00:00:00 UTC"),
        ("", "no column 't'"),
    ],
)
def test_a_bad_file_is_named_with_line_column_and_value(
    tmp_path: Path, text: str, said: str
) -> None:
    path = write(tmp_path, text)

    with pytest.raises(ConfigError) as caught:
        read_recording(path, "t", [STAGE])
    assert said in str(caught.value)
    assert str(caught.value).startswith(str(path))


@pytest.mark.parametrize("name", ["none.csv", "broken.csv.gz"])
def test_a_file_that_cannot_be_read_is_one_line(tmp_path: Path, name: str) -> None:
    (tmp_path / "broken.csv.gz").write_bytes(b"no gzip")

    with pytest.raises(ConfigError, match=name):
        read_recording(tmp_path / name, "t", [STAGE])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("stage_m", "expected channel=column"),
        ("stage_m=", "expected channel=column"),
        ("stage_m=a:b", "factor 'b' is no number"),
        ("stage_m=a:inf", "expected channel=column"),
        ("stage_ft=a", "unit 'ft' is wrong for stage: expected 'stage_m'"),
        ("colour=a", "no known property"),
    ],
)
def test_a_bad_mapping_is_named(text: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Mapped.parse(text)
    assert said in str(caught.value)


def test_a_mapping_may_have_a_factor() -> None:
    assert Mapped.parse("stage_m=level mm:0.001") == Mapped("stage_m", "level mm", 0.001)
