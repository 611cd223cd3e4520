"""A fake of the service at the other end: keeps what comes, acknowledges as told."""

from __future__ import annotations

import json
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from kahriz import plugins
from kahriz.codec import CODECS, Codec
from kahriz.codec.sniff import codec_for

Values = dict[str, float]


class Service:
    """Readings by (device, boot, seq); acknowledges up to the first hole, like ingest."""

    def __init__(self, port: int, *, acks: bool = True) -> None:
        self.acks = acks
        self.payloads: list[tuple[str, bytes]] = []
        self.stored: dict[tuple[str, int, int], tuple[int, Values]] = {}
        self.status: dict[str, list[str]] = defaultdict(list)
        self.repeats = 0
        self._next: dict[tuple[str, int], int] = {}
        self._codecs: dict[str, Codec] = {
            name: plugins.load("codec", name, CODECS)() for name in CODECS
        }
        self._changed = threading.Condition()
        self._client = paho.Client(CallbackAPIVersion.VERSION2, "service", protocol=paho.MQTTv311)
        self._ready = threading.Event()
        self._client.on_connect = self._on_connect
        self._client.on_subscribe = lambda *_: self._ready.set()
        self._client.on_message = self._on_message
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()
        assert self._ready.wait(5)

    def _on_connect(self, client: paho.Client, *_: Any) -> None:
        client.subscribe("kahriz/v1/+/+", 1)

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def _on_message(self, _c: paho.Client, _u: Any, message: paho.MQTTMessage) -> None:
        device, kind = message.topic.split("/")[2:4]
        with self._changed:
            if kind == "status":
                self.status[device].append(json.loads(message.payload)["status"])
            elif kind == "up":
                self._take(device, bytes(message.payload))
            self._changed.notify_all()

    def _take(self, device: str, payload: bytes) -> None:
        self.payloads.append((device, payload))
        said = self._codecs[codec_for(payload)].decode(payload)
        assert said.boot is not None
        assert said.first_seq is not None
        rows: list[tuple[int, Values]] = [(0, {}) for _ in range(said.n_rows)]
        for row, at, channel, value in zip(
            said.row, said.time_ms, said.channel, said.value, strict=True
        ):
            rows[row] = (at, rows[row][1] | {channel: value})
        for i, content in enumerate(rows):
            name = (device, said.boot, said.first_seq + i)
            self.repeats += name in self.stored
            assert self.stored.setdefault(name, content) == content
        if self.acks:
            self.acknowledge(device, said.boot, said.oldest_seq or 0)

    def acknowledge(self, device: str, boot: int, oldest: int) -> None:
        upto = max(self._next.get((device, boot), 0), oldest)
        while (device, boot, upto) in self.stored:
            upto += 1
        self._next[device, boot] = upto
        self.send(device, "ack", {"boot": boot, "upto": upto - 1})

    def send(self, device: str, kind: str, said: Any, *, retain: bool = False) -> None:
        topic = f"kahriz/v1/{device}/down/{kind}"
        self._client.publish(topic, json.dumps(said), qos=1, retain=retain)

    def wait_for(self, is_so: Callable[[], bool], seconds: float = 15.0) -> bool:
        """Return whether it became so, looking after each message."""
        with self._changed:
            return self._changed.wait_for(is_so, seconds)


@contextmanager
def service(port: int, *, acks: bool = True) -> Iterator[Service]:
    made = Service(port, acks=acks)
    try:
        yield made
    finally:
        made.close()
