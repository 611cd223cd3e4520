"""Faults of devices, and of whoever else may publish: repeats, clones, poison, foreign topics."""

from __future__ import annotations

import json
import queue
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from itertools import groupby

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from bench.load import packet
from tests.campaign.oracle import Sent, sent_readings
from tests.campaign.raw_device import connect, publish_all, readings
from tests.campaign.world import CLAIMANT, CLUMSY, PROBE, World

STORED_S = 1.0
"""The next good reading behind a poisonous message is durable within so long."""

_CHANNEL = "discharge_lps"
_CLONED = "velibey-outlet"
_TRIES = 20
_CLONES_BOOT = 4_000_000_000
_PACK = 100
REPEATED = 300
"""Readings that come again."""


class Probe:
    """One good device: sends a reading and waits for the service's word that it is durable."""

    def __init__(self, world: World, client: paho.Client) -> None:
        self._world = world
        self._client = client
        self.boot = 1 + max((s.boot for s in world.sent_besides if s.device == PROBE), default=0)
        self._seq = -1
        self._acks: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        client.on_message = lambda _c, _d, message: self._acks.put(bytes(message.payload))

    def good(self) -> float:
        """Send one more reading; return the seconds until it was acknowledged as durable."""
        self._seq += 1
        time_ms, value = self._world.now_ms, 1.0 + self._seq / 1000
        payload = readings(self.boot, self._seq, [(time_ms, {_CHANNEL: value})])
        began = time.monotonic()
        self._client.publish(f"kahriz/v1/{PROBE}/up", payload, qos=1)
        said: dict[str, int] = {}
        while (said.get("boot"), said.get("upto")) != (self.boot, self._seq):
            said = json.loads(self._acks.get(timeout=10))
        seconds = time.monotonic() - began
        place = (PROBE, self.boot, self._seq, time_ms)
        self._world.sent_besides.append(Sent(*place, {_CHANNEL: value}, is_acked=True))
        return seconds


@contextmanager
def probe(world: World) -> Iterator[Probe]:
    """Connect the probe's device."""
    subscribed: queue.SimpleQueue[None] = queue.SimpleQueue()
    client = paho.Client(CallbackAPIVersion.VERSION2, PROBE)
    client.on_subscribe = lambda *_: subscribed.put(None)
    client.connect("127.0.0.1", world.broker.port)
    client.subscribe(f"kahriz/v1/{PROBE}/down/ack", 1)
    client.loop_start()
    try:
        subscribed.get(timeout=10)
        yield Probe(world, client)
    finally:
        client.disconnect()
        client.loop_stop()


class _Momentary:
    """A fault that is over when it has begun; a probe's reading shows that it was taken in."""

    name = ""
    shows = None

    def begin(self, world: World) -> None:
        with probe(world) as good:
            self.happen(world, good)
            good.good()

    def happen(self, world: World, good: Probe) -> None:
        raise NotImplementedError

    def end(self, world: World) -> None:
        """Do nothing: it is over already."""


def messages_of(rows: Sequence[Sent], pack: int) -> list[tuple[str, bytes]]:
    """Return the payloads a device would make of readings, at most `pack` in each."""
    messages = []
    ordered = sorted(rows, key=lambda s: (s.device, s.boot, s.seq))
    # Numbers that follow each other differ from their place by the same.
    runs = groupby(enumerate(ordered), key=lambda p: (p[1].device, p[1].boot, p[1].seq - p[0]))
    for (device, boot, _), numbered in runs:
        run = [sent for _, sent in numbered]
        for i in range(0, len(run), pack):
            part = run[i : i + pack]
            payload = readings(boot, part[0].seq, [(s.time_ms, s.values) for s in part])
            messages.append((f"kahriz/v1/{device}/up", payload))
    return messages


class Reordered(_Momentary):
    """A boot's readings come in any order behind the first, some of them twice."""

    name = "out of order"

    def happen(self, world: World, good: Probe) -> None:
        boot = good.boot + 1_000_000
        times = range(world.now_ms - REPEATED, world.now_ms)
        rows = [
            Sent(PROBE, boot, seq, time_ms, {_CHANNEL: 2.0 + seq / 1000}, is_acked=True)
            for seq, time_ms in enumerate(times)
        ]
        first, *messages = messages_of(rows, 1)
        messages += messages_of(rows[5:25], 3)
        world.chance.shuffle(messages)
        publish_all(world.broker.port, [first, *messages])
        world.sent_besides.extend(rows)


class Repeats(_Momentary):
    """The newest readings come again, twice, alone and in packs, in any order."""

    name = "duplicates"

    def happen(self, world: World, good: Probe) -> None:
        rows = sorted(sent_readings(world.ledger, "app_acked"), key=lambda s: s.time_ms)[-REPEATED:]
        messages = 2 * messages_of(rows, 1) + 2 * messages_of(rows, _PACK)
        world.chance.shuffle(messages)
        publish_all(world.broker.port, messages)


class Replay(_Momentary):
    """The first readings come again, weeks later, as from a logger that was found in a drawer."""

    name = "replay after weeks"

    def happen(self, world: World, good: Probe) -> None:
        rows = sorted(sent_readings(world.ledger, "app_acked"), key=lambda s: s.time_ms)[:REPEATED]
        publish_all(world.broker.port, messages_of(rows, _PACK) + messages_of(rows, 7))


def _took(world: World, message: bytes) -> bool:
    """Send a message as the clone; return whether the broker acknowledged it before it was cut."""
    try:
        with closing(connect(world.broker.port, _CLONED)) as line:
            line.sendall(message)
            return line.recv(4) == b"\x40\x02\x00\x01"
    except OSError:
        return False


class Clone(_Momentary):
    """Two devices carry the same id and push each other off the broker, each with readings."""

    name = "cloned device"

    def happen(self, world: World, good: Probe) -> None:
        topic = f"kahriz/v1/{_CLONED}/up"
        boot = _CLONES_BOOT + world.chance.randrange(100_000_000)
        for seq in range(4):
            time_ms = world.now_ms // 300_000 * 300_000 + 1 + seq
            values: dict[str, float | None] = {"stage_m": 0.2}
            message = packet(topic, readings(boot, seq, [(time_ms, values)]), 1)
            # The other one may come between: then it is sent again, until the broker has it.
            assert any(_took(world, message) for _ in range(_TRIES)), "never acknowledged"
            world.sent_besides.append(Sent(_CLONED, boot, seq, time_ms, values, is_acked=True))
            world.pass_(world.chance.uniform(0.1, 0.6))


def poison(now_ms: int) -> list[bytes]:
    """Return payloads that nobody can use."""

    def said(value: str, channel: str = _CHANNEL) -> bytes:
        return f'{{"boot":1,"seq":1,"r":[[{now_ms},{{"{channel}":{value}}}]]}}'.encode()

    keys = ",".join(f'"k{i}_m":1' for i in range(10_000))
    return [
        b"{" + b" " * 10_000_000 + b"}",
        said("1").ljust(10_000_000),
        b"[" * 100_000,
        b'{"r":' * 100_000,
        said("NaN"),
        said("1e999"),
        said("1").replace(b"boot", b"bo\xff\xfet"),
        said("1").replace(b"boot", b"bo\0ot"),
        f'{{"boot":1,"seq":1,"r":[[{now_ms},{{{keys}}}]]}}'.encode(),
        said("1", "discharge_cm"),
        b"",
        b"\0" * 1000,
    ]


class Poison(_Momentary):
    """Each poisonous message harms itself alone: the next good reading is stored in a second."""

    name = "poison"

    def happen(self, world: World, good: Probe) -> None:
        for bad in poison(world.now_ms):
            publish_all(world.broker.port, [(f"kahriz/v1/{CLUMSY}/up", bad)], CLUMSY)
            seconds = good.good()
            assert seconds < STORED_S, f"{seconds:.2f} s behind {bad[:60]!r}, {len(bad)} bytes"
            world.look()


class ForeignTopics(_Momentary):
    """Messages on topics that are nobody's, or that claim to be another device's."""

    name = "foreign topics"

    def happen(self, world: World, good: Probe) -> None:
        time_ms, values = world.now_ms, {_CHANNEL: 9.9}
        seq = sum(sent.device == CLAIMANT for sent in world.sent_besides)
        fine = readings(9, seq, [(time_ms, values)])
        claim = fine.replace(b'{"boot"', b'{"device":"%s","boot"' % PROBE.encode())
        topics = ["nobody/up", f"{PROBE}/up/more", "/up", "up", f"{PROBE}/down/config"]
        messages = [(f"kahriz/v1/{topic}", fine) for topic in topics]
        messages += [(f"kahriz/v2/{PROBE}/up", fine), ("kahriz/v1/nobody/status", b"online")]
        messages += [(f"kahriz/v1/{CLAIMANT}/up", claim), (f"{PROBE}/up", fine)]
        world.chance.shuffle(messages)
        publish_all(world.broker.port, messages)
        # The topic says whose it is: it is the claimant's own reading, and nobody else's.
        world.sent_besides.append(Sent(CLAIMANT, 9, seq, time_ms, values, is_acked=True))


def of_devices() -> list[_Momentary]:
    """Return each of these faults."""
    return [Reordered(), Repeats(), Replay(), Clone(), Poison(), ForeignTopics()]
