"""The demo as a stranger starts it: water, one alert, one text a contact, a clean stop."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.processes import ROOT, get, wait_until
from tests.servers import free_port, program


class Demo:
    """One running ``kahriz demo`` and what it says."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.port, self.mqtt_port = free_port(), free_port()
        self.folder = folder
        clean = {k: v for k, v in os.environ.items() if not k.startswith("KAHRIZ_")}
        settings = {
            "KAHRIZ_DATA_DIR": str(folder),
            "KAHRIZ_API__PORT": str(self.port),
            "KAHRIZ_MQTT__PORT": str(self.mqtt_port),
        }
        self.output = folder.parent / f"{folder.name}.out"
        with self.output.open("ab") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "kahriz", "demo", *arguments],
                cwd=ROOT,
                env=clean | settings,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
            )

    def get(self, path: str) -> Any:
        return get(f"http://127.0.0.1:{self.port}{path}")

    def said(self) -> str:
        return self.output.read_text(errors="replace")

    def children(self) -> list[int]:
        """Return every process that works in this demo's folder."""
        mine = f"KAHRIZ_DATA_DIR={self.folder}".encode()
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            try:
                if mine in (process / "environ").read_bytes().split(b"\0"):
                    found.append(int(process.name))
            except OSError:
                continue
        return [pid for pid in found if pid != os.getpid()]


@contextmanager
def running(folder: Path, *arguments: str) -> Iterator[Demo]:
    demo = Demo(folder, *arguments)
    try:
        yield demo
    finally:
        demo.process.kill()
        demo.process.wait()


def alerts(demo: Demo, state: str) -> list[dict[str, Any]]:
    said = demo.get(f"/api/v1/alerts?state={state}")
    return list(said["alerts"]) if said and "alerts" in said else []


def has_water(demo: Demo) -> bool:
    """Whether every kahriz shows discharge now, yesterday's volume and completeness."""
    said = demo.get("/api/v1/kahrizes")
    if not said or "kahrizes" not in said:
        return False
    return len(said["kahrizes"]) == 3 and all(
        k["outlet_now"] and k["yesterday"] and k["yesterday"]["completeness"] > 0.99
        for k in said["kahrizes"]
    )


@pytest.mark.timeout(240)
@pytest.mark.parametrize("broker", [pytest.param("mosquitto", marks=pytest.mark.server), "amqtt"])
def test_within_a_minute_there_is_water_one_alert_and_one_text_a_contact(
    tmp_path: Path, broker: str
) -> None:
    if broker == "mosquitto":
        program("mosquitto", "mosquitto")
    began = time.monotonic()
    with running(tmp_path / "state", "--broker", broker) as demo:
        wait_until(lambda: has_water(demo), "three kahrizes show their water", 60)
        wait_until(lambda: len(alerts(demo, "firing")) == 1, "the collapse is an alert", 60)
        wait_until(lambda: demo.said().count("SMS to") >= 2, "texts on the console", 30)
        seconds = time.monotonic() - began
        (alert,) = alerts(demo, "firing")
        messages = demo.get(f"/api/v1/alerts/{alert['id']}")["messages"]
        demo.process.send_signal(signal.SIGINT)
        code = demo.process.wait(30)

    assert seconds < 60
    assert (alert["kahriz"], alert["kind"]) == ("agh-dere", "blockage")
    assert sorted(m["language"] for m in messages) == ["az", "en"]
    assert all(m["parts"] == 1 and alert["code"] in m["text"] for m in messages)
    assert code == 0, demo.said()
    assert demo.children() == [], "nothing is left running"


@pytest.mark.timeout(240)
@pytest.mark.server
def test_an_answer_is_taken_and_a_second_start_goes_on_where_the_first_one_stopped(
    tmp_path: Path,
) -> None:
    with running(tmp_path / "state", "--speed", "600") as first:
        wait_until(lambda: len(alerts(first, "firing")) == 1, "the collapse is an alert", 60)
        chair = ("kahriz", "sms", "receive", "--demo", "--from", "+994500000001", "1")
        wait_until(lambda: first.said().count("SMS to") >= 1, "the chair is told", 30)
        done = subprocess.run(
            [sys.executable, "-m", *chair],
            cwd=ROOT,
            env=os.environ | {"KAHRIZ_DATA_DIR": str(first.folder)},
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        wait_until(lambda: "siz baxirsiniz" in first.said(), "the chair is answered", 30)
        before = first.get("/api/v1/kahrizes")["now"]
        first.process.send_signal(signal.SIGTERM)
        assert first.process.wait(30) == 0
    with running(tmp_path / "state", "--speed", "60") as second:
        wait_until(lambda: bool(alerts(second, "firing")), "the alert is still there", 30)
        (alert,) = alerts(second, "firing")
        after = second.get("/api/v1/kahrizes")["now"]
        texts = second.get("/api/v1/messages")["messages"]
        devices = second.get("/api/v1/devices")["devices"]
        second.process.send_signal(signal.SIGINT)
        assert second.process.wait(30) == 0

    assert after >= before
    assert alert["acknowledged_by"] == "Committee chair"
    assert len([t for t in texts if t["reason"] == "first"]) == 1, "nobody is told twice"
    assert all(d["lost"] == 0 and d["quarantined"] == 0 for d in devices)


def test_a_port_in_use_is_one_line_that_names_it(tmp_path: Path) -> None:
    with running(tmp_path / "first", "--broker", "amqtt") as demo:
        wait_until(lambda: demo.get("/health") is not None, "the demo is up", 60)
        done = subprocess.run(
            [sys.executable, "-m", "kahriz", "demo"],
            cwd=ROOT,
            env=os.environ
            | {
                "KAHRIZ_DATA_DIR": str(tmp_path / "second"),
                "KAHRIZ_API__PORT": str(demo.port),
                "KAHRIZ_MQTT__PORT": str(free_port()),
            },
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        demo.process.send_signal(signal.SIGINT)
        assert demo.process.wait(30) == 0

    assert done.returncode == 2
    assert re.fullmatch(
        rf"kahriz: api\.port: port {demo.port} on 127\.0\.0\.1: .*KAHRIZ_API__PORT\)\n", done.stderr
    )


def test_a_killed_demo_takes_its_processes_along(tmp_path: Path) -> None:
    if sys.platform != "linux":
        pytest.skip("only Linux ends children with their parent")
    with running(tmp_path / "state", "--broker", "amqtt") as demo:
        wait_until(lambda: demo.get("/health") is not None, "the demo is up", 60)
        demo.process.kill()
        demo.process.wait()

        wait_until(lambda: demo.children() == [], "every process has ended", 30)
