"""The store's file is deleted under a service that was killed: it is found, and made anew."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from kahriz.store.sqlite import SqliteStore
from tests.e2e.processes import ROOT, House, get, wait_until
from tests.servers import Server

pytestmark = pytest.mark.server

N = 200


def kahriz(house: House, *words: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-m", "kahriz", *words],
        cwd=ROOT,
        env=house.environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=60,
        check=False,
    )
    return done.returncode, (done.stdout + done.stderr).decode()


def stored(house: House) -> int:
    store = SqliteStore(f"sqlite:///{house.folder}/observations.sqlite", read_only=True)
    try:
        return len(store.latest())
    finally:
        store.close()


def publish(port: int) -> None:
    client = paho.Client(CallbackAPIVersion.VERSION2)
    client.connect("127.0.0.1", port)
    client.loop_start()
    now_ms = int(time.time() * 1000)
    for i in range(N):
        said = {"boot": 1, "seq": i, "r": [[now_ms - (N - i) * 1000, {"stage_m": 0.1}]]}
        client.publish("kahriz/v1/agh-dere-outlet/up", json.dumps(said), qos=1)
    client.publish("kahriz/v1/agh-dere-outlet/up", b"poison", qos=1).wait_for_publish(10)
    client.loop_stop()
    client.disconnect()


def test_an_audit_beside_ingest_a_lost_store_and_a_replay(
    mosquitto: Server, tmp_path: Path
) -> None:
    house = House(tmp_path, mosquitto.port)
    ingest = house.start("ingest")
    try:
        house.wait_for_ingest()
        publish(mosquitto.port)

        def is_durable() -> bool:
            metrics = f"http://127.0.0.1:{house.status_port}/health"
            said = get(metrics)
            return kahriz(house, "audit", "--settle-s", "0")[0] == 0 and said["queue"] == 0

        wait_until(is_durable, "the audit beside ingest finds nothing")
        code, said = kahriz(house, "replay", "--since", "2026-01-01")
        assert (code, "it is running" in said) == (2, True), said
    finally:
        ingest.kill()
        ingest.wait()
    n = stored(house)
    for path in tmp_path.glob("observations.sqlite*"):
        path.unlink()

    code, said = kahriz(house, "audit", "--settle-s", "0")
    assert (code, "observations.sqlite: no such file" in said) == (1, True), said
    code, said = kahriz(house, "replay", "--since", "2026-01-01")
    assert (code, f"{N + 1} readings taken in again" in said) == (0, True), said
    code, said = kahriz(house, "audit", "--settle-s", "0")
    assert code == 0, said
    assert f"{2 * N} values" in said, "stage and discharge"
    assert stored(house) == n
