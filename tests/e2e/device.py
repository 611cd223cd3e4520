"""What a device says to the running service, and what its neighbours see of it."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from tests.e2e.processes import House, get

GOOD_TOPIC = "kahriz/v1/velibey-outlet/up"
NOW_MS = int(time.time() * 1000)


def reading(value: float, seq: int = 0, time_ms: int = NOW_MS, channel: str = "stage_m") -> bytes:
    payload = {"boot": 1, "seq": seq, "r": [[time_ms, {channel: value}]]}
    return json.dumps(payload, separators=(",", ":")).encode()


@contextmanager
def publisher(
    port: int, user: str = "", password: str = ""
) -> Iterator[Callable[[str, bytes], None]]:
    """Give a function that returns once the broker has the message."""
    client = paho.Client(CallbackAPIVersion.VERSION2)
    if user:
        client.username_pw_set(user, password)
    client.connect("127.0.0.1", port)
    client.loop_start()

    def publish(topic: str, payload: bytes) -> None:
        client.publish(topic, payload, qos=1).wait_for_publish(10)

    try:
        yield publish
    finally:
        client.disconnect()
        client.loop_stop()


def said(house: House, process: str, text: str) -> list[str]:
    """Return the lines of a process's log that hold `text`."""
    return [line for line in house.log(process).splitlines() if text in line]


def stages(house: House, datastream: str) -> list[float]:
    answer = get(f"{house.api}/api/v1/datastreams/{datastream}/observations")
    return list(answer["stage_m"]) if answer and "stage_m" in answer else []


def ask(
    house: House, method: str, path: str, token: str | None = None, body: bytes | None = None
) -> tuple[int, str, dict[str, Any]]:
    """Return (status, media type, body) of an answer."""
    headers = {"Content-Type": "application/json"} if body is not None else {}
    if token is not None:
        headers["Authorization"] = f"Bearer {token}"
    with closing(http.client.HTTPConnection("127.0.0.1", house.api_port, timeout=10)) as client:
        client.request(method, path, body, headers)
        answer = client.getresponse()
        return answer.status, answer.getheader("Content-Type", ""), json.loads(answer.read())
