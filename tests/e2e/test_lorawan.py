"""LoRaWAN on the whole road: ChirpStack's events in at the broker, water out at the API."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from tests.e2e.processes import House, get, wait_until
from tests.servers import Server
from tests.uplinks import DEVICE, DOCUMENTED_SITES, event, topic

pytestmark = pytest.mark.server

SITES = f"""\
[[kahriz]]
id = "agh-dere"
name = "Ağ Dərə"
village = "Molla Cəlilli"
district = "Göygöl"
[[kahriz.site]]
id = "outlet"
kind = "outlet"
name = "Gözü"
[[kahriz.site.sensor]]
device = "{DEVICE}"
channel = "stage_m"
[[kahriz.site.sensor]]
device = "{DEVICE}"
channel = "battery_v"
{DOCUMENTED_SITES}
"""


def test_frames_a_reset_a_restart_and_a_replay_end_in_the_store_and_the_books(
    mosquitto: Server, tmp_path: Path
) -> None:
    sites = tmp_path / "sites.toml"
    sites.write_text(SITES, encoding="utf-8")
    house = House(tmp_path, mosquitto.port, {"KAHRIZ_SITES": str(sites)})
    begin = int(time.time()) - 3600
    first = [_frame(f_cnt, begin + 60 * f_cnt) for f_cnt in (5, 6, 9)]
    after_reset = [_frame(f_cnt, begin + 1800 + 60 * f_cnt) for f_cnt in (0, 1)]
    with house.run("api"), _listener(mosquitto.port) as told:
        house.wait_for_api()
        with house.run("ingest"):
            house.wait_for_ingest()
            _publish(mosquitto.port, [*first, b"{}"], kinds=("join", "status"))
            wait_until(lambda: _device(tmp_path)[:2] == (1, 9), "the first boot is in the book", 15)
        with house.run("ingest"):
            house.wait_for_ingest()
            _publish(mosquitto.port, [first[-1], *after_reset, first[0], after_reset[-1]])
            wait_until(lambda: _device(tmp_path)[2] == 8, "all of it is in the book", 15)
        [device] = [
            d for d in get(f"{house.api}/api/v1/devices")["devices"] if d["device"] == DEVICE
        ]
        latest = get(f"{house.api}/api/v1/latest")["observations"]

    assert told == [], "a device that cannot hear is told nothing"
    assert _device(tmp_path) == (2, 1, 8, 3, 2)
    assert {o["datastream"]: o["value"] for o in latest} == {
        "agh-dere.outlet.stage": 0.127,
        "agh-dere.outlet.battery_voltage": 12.6,
    }
    assert device["lost"] == 2, "frames 7 and 8, heard by no gateway"
    assert _letters(tmp_path) == [(DEVICE, "Object missing required field `deduplicationId`")]


def _frame(f_cnt: int, second: int) -> bytes:
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
    return event(deduplicationId=f"{second}", time=f"{stamp}.123456789+00:00", fCnt=f_cnt)


@contextmanager
def _listener(port: int) -> Iterator[list[str]]:
    """Hear everything that devices are told, as long as the block lasts."""
    told: list[str] = []
    client = paho.Client(CallbackAPIVersion.VERSION2, "listener")
    client.on_message = lambda _c, _u, message: told.append(message.topic)
    client.connect("127.0.0.1", port)
    client.subscribe("kahriz/v1/+/down/#", 1)
    client.loop_start()
    try:
        yield told
    finally:
        client.disconnect()
        client.loop_stop()


def _publish(port: int, events: list[bytes], kinds: tuple[str, ...] = ()) -> None:
    """Publish as ChirpStack would, first empty events of other `kinds`."""
    client = paho.Client(CallbackAPIVersion.VERSION2, "chirpstack")
    client.connect("127.0.0.1", port)
    client.loop_start()
    for kind in kinds:
        client.publish(topic(kind=kind), b"{}", qos=1).wait_for_publish(5)
    for payload in events:
        client.publish(topic(), payload, qos=1).wait_for_publish(5)
    client.disconnect()
    client.loop_stop()


def _device(folder: Path) -> tuple[int, ...]:
    """Return (boot, last_seq, received, duplicate, lost) of the device, as the book has it."""
    rows = _book(
        folder,
        "SELECT boot, last_seq, received, duplicate, lost FROM device WHERE boot IS NOT NULL",
    )
    return tuple(rows[0]) if rows else (0, 0, 0, 0, 0)


def _letters(folder: Path) -> list[tuple[Any, ...]]:
    return _book(folder, "SELECT device, reason FROM dead_letter")


def _book(folder: Path, query: str) -> list[tuple[Any, ...]]:
    [path] = folder.rglob("book.sqlite")
    with sqlite3.connect(path, timeout=10) as book:
        rows = book.execute(query).fetchall()
    book.close()
    return rows
