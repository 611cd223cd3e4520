"""One device that floods among two hundred that do not: theirs are stored as without it."""

from __future__ import annotations

import itertools
import json
import queue
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np
import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from bench.load import packet
from tests.campaign.raw_device import connect, readings
from tests.campaign.world import registry_file
from tests.e2e.processes import House
from tests.servers import Server

pytestmark = [pytest.mark.server, pytest.mark.alone, pytest.mark.timeout(90)]

OTHERS = [f"quiet-{i:03d}" for i in range(200)]
NOISY = "noisy"
SECONDS = 6.0
TICK_S = 0.01
NOISY_PER_TICK = 5
"""500 messages a second; the others together send 100."""
P99_S = 2.0


class Ears:
    """Hears every ``down/ack`` and says when a reading was first known to be durable."""

    def __init__(self) -> None:
        self.heard: dict[str, list[tuple[float, int]]] = defaultdict(list)

    def on_message(self, _client: paho.Client, _data: object, message: paho.MQTTMessage) -> None:
        device = message.topic.split("/")[2]
        self.heard[device].append((time.monotonic(), json.loads(message.payload).get("upto", -1)))

    def seconds(self, device: str, seq: int, sent: float) -> float:
        """Return how long a reading took; infinite where it was never acknowledged."""
        return min((at - sent for at, upto in self.heard[device] if upto >= seq), default=np.inf)

    def upto(self, device: str) -> int:
        return max((upto for _, upto in self.heard[device]), default=-1)


@contextmanager
def ears(port: int) -> Iterator[Ears]:
    subscribed: queue.SimpleQueue[None] = queue.SimpleQueue()
    made = Ears()
    client = paho.Client(CallbackAPIVersion.VERSION2)
    client.on_message = made.on_message
    client.on_subscribe = lambda *_: subscribed.put(None)
    client.connect("127.0.0.1", port)
    client.subscribe("kahriz/v1/+/down/ack")
    client.loop_start()
    try:
        subscribed.get(timeout=10)
        yield made
    finally:
        client.disconnect()
        client.loop_stop()


def flood_and_murmur(port: int) -> dict[tuple[str, int], float]:
    """Publish at both rates for a while; return when each reading was sent."""
    sent: dict[tuple[str, int], float] = {}
    seqs: dict[str, int] = defaultdict(int)
    ids = itertools.cycle(range(1, 65536))
    start_ms = int(time.time() * 1000) - 3_600_000
    with closing(connect(port, "fleet")) as line:
        drain = threading.Thread(target=lambda: [None for _ in iter(lambda: line.recv(65536), b"")])
        drain.start()
        began = time.monotonic()
        for tick in range(int(SECONDS / TICK_S)):
            devices = [NOISY] * NOISY_PER_TICK + [OTHERS[tick % len(OTHERS)]]
            packets = []
            for device in devices:
                seq = seqs[device]
                seqs[device] += 1
                body = readings(1, seq, [(start_ms + seq, {"discharge_lps": 1.0})])
                packets.append(packet(f"kahriz/v1/{device}/up", body, next(ids)))
                sent[device, seq] = time.monotonic()
            line.sendall(b"".join(packets))
            time.sleep(max(0.0, began + (tick + 1) * TICK_S - time.monotonic()))
        line.sendall(b"\xe0\x00")  # the broker closes, and the drain ends
        drain.join()
    return sent


def test_one_device_at_500_messages_a_second_does_not_hold_up_two_hundred_others(
    tmp_path: Path, mosquitto: Server
) -> None:
    sites = registry_file(tmp_path, (NOISY, *OTHERS))
    house = House(tmp_path, mosquitto.port, {"KAHRIZ_SITES": str(sites)})
    with house.run("ingest"), ears(mosquitto.port) as heard:
        house.wait_for_ingest()
        sent = flood_and_murmur(mosquitto.port)
        last = dict(sent.keys())
        deadline = time.monotonic() + 20
        while any(heard.upto(d) < seq for d, seq in last.items()) and time.monotonic() < deadline:
            time.sleep(0.05)
        others = [heard.seconds(d, n, at) for (d, n), at in sent.items() if d != NOISY]
        noisy = [heard.seconds(d, n, at) for (d, n), at in sent.items() if d == NOISY]
    p99 = np.percentile(others, 99)
    sys.stderr.write(f"\nbeside 500 messages a second: p99 of 200 others {p99:.3f} s\n")

    assert len(others) == int(SECONDS / TICK_S)
    assert p99 < P99_S, f"p50 {np.median(others):.2f}, max {max(others):.2f}"
    assert np.isfinite(others).all()
    assert np.isfinite(noisy).all(), "nothing of the noisy one's is lost either"
