"""The disk fills while readings come in, and is cleared again: nothing acknowledged is lost."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from kahriz.observations import DatastreamId
from kahriz.store.sqlite import SqliteStore
from tests.e2e.device import GOOD_TOPIC, NOW_MS
from tests.e2e.processes import House, get, wait_until
from tests.servers import Server
from tests.small_disk import fill, free_bytes, small_disk

pytestmark = pytest.mark.server

STAGE = DatastreamId("velibey.outlet.stage")
EACH = 40  # readings a payload
MOST = 400_000
WINDOW = 2000  # readings that wait for their acknowledgement at most
SETTINGS = {"KAHRIZ_INGEST__BALLAST_MB": "4", "KAHRIZ_INGEST__DISK_WARN_MB": "5"}


class Device:
    """Publishes as fast as it is acknowledged."""

    def __init__(self, port: int) -> None:
        self.n_sent = 0
        self.upto = -1
        self._is_done = threading.Event()
        self._client = paho.Client(CallbackAPIVersion.VERSION2)
        self._client.max_inflight_messages_set(20)
        self._client.on_message = self._heard
        self._client.connect("127.0.0.1", port)
        self._client.subscribe("kahriz/v1/velibey-outlet/down/ack", 1)
        self._client.loop_start()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _heard(self, _client: Any, _data: Any, message: paho.MQTTMessage) -> None:
        self.upto = max(self.upto, json.loads(message.payload)["upto"])

    def _run(self) -> None:
        while not self._is_done.is_set() and self.n_sent < MOST:
            if self.n_sent - self.upto > WINDOW:
                self._is_done.wait(0.01)
                continue
            seqs = range(self.n_sent, self.n_sent + EACH)
            readings = [[NOW_MS - (MOST - s) * 1000, {"stage_m": 0.1 + s / 1e6}] for s in seqs]
            payload = json.dumps({"boot": 1, "seq": self.n_sent, "r": readings})
            self._client.publish(GOOD_TOPIC, payload, qos=1).wait_for_publish(30)
            self.n_sent += EACH

    def stop(self) -> None:
        self._is_done.set()
        self._thread.join(35)

    def leave(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


@contextmanager
def _publishing(house: House) -> Iterator[Device]:
    house.wait_for_ingest()
    device = Device(house.mqtt_port)
    try:
        yield device
    finally:
        device.stop()
        device.leave()


def times(folder: Path) -> set[int]:
    store = SqliteStore(f"sqlite:///{folder / 'observations.sqlite'}", read_only=True)
    series = store.series(STAGE, datetime(2020, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC))
    store.close()
    return set(series.time.astype(int).tolist())


@pytest.mark.parametrize("leave", [0, 1_500_000], ids=["at once", "by our own writing"])
def test_a_disk_that_fills_stops_the_intake_and_nothing_acknowledged_is_lost(
    tmp_path: Path, mosquitto: Server, leave: int
) -> None:
    with small_disk(tmp_path / "disk", 40) as folder:
        house = House(folder, mosquitto.port, SETTINGS)

        def health() -> dict[str, Any]:
            return get(f"http://127.0.0.1:{house.status_port}/health") or {}

        with house.run("ingest"), _publishing(house) as device:
            wait_until(lambda: device.upto > 1000, "readings are stored")
            ballast = (folder / "ballast").stat().st_size
            somebody = fill(folder, leave)
            wait_until(lambda: "disk full" in health().get("reason", ""), "it is said", 5)
            full = health()
            assert not (folder / "ballast").exists()
            wait_until(lambda: health()["queue"] > 0, "readings wait")
            before = health()["last_write_wall_ms"]
            wait_until(lambda: _is_quiet(health, before), "nothing is taken any more")
            acked_then, stored_then = device.upto, times(folder)
            free_then = free_bytes(folder)
            somebody.unlink()
            wait_until(lambda: device.upto > acked_then + 1000, "it goes on by itself")
            device.stop()
            wait_until(lambda: device.upto == device.n_sent - 1, "all is acknowledged")
            wait_until(lambda: health()["status"] == "ok", "all is well")
            assert (folder / "ballast").stat().st_size == ballast == 4_000_000
        stored = times(folder)
        log = house.log("ingest")

    assert full["status"] == "degraded"
    assert full["since_ms"] > NOW_MS
    first = NOW_MS - MOST * 1000
    assert {first + seq * 1000 for seq in range(acked_then + 1)} <= stored_then
    assert stored == {first + seq * 1000 for seq in range(device.n_sent)}
    assert free_then > 1_000_000, "the reserve is not used up by new readings"
    assert log.count("disk full") >= 1
    assert log.count("room again") == 1
    assert "Traceback" not in log


def _is_quiet(health: Any, before: int) -> bool:
    """Say whether nothing was written for a second; the batch in hand may still be finished."""
    said = health()
    return bool(said["wall_ms"] - max(said["last_write_wall_ms"], before) > 1000)
