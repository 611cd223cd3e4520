"""The ingest process ends when it is told to, in time, whatever it is waiting for."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from tests.e2e.processes import ROOT, House, get, wait_until
from tests.http_double import HttpDouble
from tests.servers import Server

pytestmark = pytest.mark.server

UP = "kahriz/v1/agh-dere-outlet/up"


class FreezingStore:
    """An InfluxDB that answers that it is empty, until it answers nothing at all any more."""

    def __init__(self) -> None:
        self.is_frozen = threading.Event()
        self.was_asked_in_vain = threading.Event()
        is_frozen, was_asked_in_vain = self.is_frozen, self.was_asked_in_vain
        self.is_over = is_over = threading.Event()

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if is_frozen.is_set():
                    was_asked_in_vain.set()
                    is_over.wait(60)
                body = b'{"results":[{"statement_id":0}]}'
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.send_header("X-Influxdb-Version", "2.8.0")
                self.end_headers()
                self.wfile.write(body)

            def do_POST(self) -> None:
                self.do_GET()

            def log_message(self, format: str, *args: object) -> None:
                pass

        self.server = HttpDouble(Handler)

    @property
    def url(self) -> str:
        return f"influxdb://{self.server.address}/kahriz?org=o"


@pytest.fixture
def freezing() -> Iterator[FreezingStore]:
    store = FreezingStore()
    with store.server:
        yield store
        store.is_over.set()


def publish(port: int, n: int) -> None:
    client = paho.Client(CallbackAPIVersion.VERSION2)
    client.connect("127.0.0.1", port)
    client.loop_start()
    now_ms = int(time.time() * 1000)
    for i in range(n):
        reading = [now_ms - (n - i) * 1000, {"stage_m": 0.1}]
        payload = json.dumps({"boot": 1, "seq": i, "r": [reading]})
        info = client.publish(UP, payload, qos=1)
    info.wait_for_publish(10)
    client.disconnect()
    client.loop_stop()


def test_a_store_that_hangs_does_not_keep_ingest_from_ending_in_ten_seconds(
    tmp_path: Path, mosquitto: Server, freezing: FreezingStore
) -> None:
    house = House(tmp_path, mosquitto.port, {"KAHRIZ_STORE__URL": freezing.url})
    process = house.start("ingest")
    try:
        house.wait_for_ingest()
        freezing.is_frozen.set()
        publish(mosquitto.port, 3)
        assert freezing.was_asked_in_vain.wait(10)
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)

        assert process.wait(20) == 0, house.log("ingest")
        assert time.monotonic() - began < 10.5
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize("signals", [[signal.SIGTERM], [signal.SIGINT, signal.SIGINT]])
def test_told_to_end_under_load_it_ends_with_0_and_keeps_what_it_acknowledged(
    tmp_path: Path, mosquitto: Server, signals: list[signal.Signals]
) -> None:
    house = House(tmp_path, mosquitto.port)
    acknowledged: list[dict[str, int]] = []
    listener = paho.Client(CallbackAPIVersion.VERSION2)
    listener.on_message = lambda _c, _d, m: acknowledged.append(json.loads(m.payload))
    listener.connect("127.0.0.1", mosquitto.port)
    listener.subscribe("kahriz/v1/+/down/ack", 1)
    listener.loop_start()
    process = house.start("ingest")
    try:
        house.wait_for_ingest()
        publish(mosquitto.port, 3000)
        wait_until(lambda: bool(acknowledged), "something is acknowledged")
        for number in signals:
            process.send_signal(number)

        assert process.wait(12) == 0, house.log("ingest")
        assert "Traceback" not in house.log("ingest")
    finally:
        process.kill()
        process.wait()
    upto = max((said["upto"] for said in acknowledged), default=-1)
    with house.run("ingest"):
        house.wait_for_ingest()
        wait_until(lambda: len(acknowledged) > 0 and acknowledged[-1]["upto"] == 2999, "the rest")
        listener.loop_stop()
    with house.run("api"):
        house.wait_for_api()
        url = f"{house.api}/api/v1/datastreams/agh-dere.outlet.stage/observations?max_points=10000"
        found = get(url)

    assert 0 <= upto <= 2999
    assert found["n"] == 3000, "the rest was delivered again"


def test_a_configuration_that_cannot_work_is_one_line_and_exit_2(
    tmp_path: Path, mosquitto: Server
) -> None:
    house = House(tmp_path, mosquitto.port, {"KAHRIZ_NOTIFY__NOTIFIERS": '["pigeon"]'})
    done = subprocess.run(
        [sys.executable, "-m", "ingest"],
        cwd=ROOT,
        env=house.environment,
        capture_output=True,
        timeout=30,
        check=False,
    )

    assert done.returncode == 2
    assert done.stderr.decode().count("\n") == 1
    assert "'pigeon'" in done.stderr.decode()
