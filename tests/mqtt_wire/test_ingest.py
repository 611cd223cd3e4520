"""Ingest's own process on the wire: every byte it sends is judged, whatever the network does."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests import servers
from tests.campaign.oracle import device_rows
from tests.campaign.raw_device import publish_all, readings
from tests.campaign.world import PROBE, registry_file
from tests.e2e.processes import House, get, wait_until
from tests.mqtt_wire.party import Finding
from tests.mqtt_wire.proxy import Segments, WireProxy, as_read, tiny, wire
from tests.servers import Server

pytestmark = [pytest.mark.server, pytest.mark.timeout(120)]

BROKER = "allow_anonymous true\nmax_inflight_messages 200\nmax_queued_messages 100000\n"
SEED = 20260501
VERSIONS = ["5", "3.1.1"]


@dataclass
class Wired:
    """Ingest behind a proxy, and how many readings were published past it, to the broker."""

    house: House
    broker: Server
    proxy: WireProxy
    n_sent: int = 0

    def publish(self, n_single: int, n_packs: int = 0, pack: int = 40) -> None:
        """Publish readings, alone and in packs, numbered on; return when the broker has them."""
        start = int(time.time() * 1000) - 10_000_000
        messages = []
        for n in [1] * n_single + [pack] * n_packs:
            first = self.n_sent
            rows = [(start + first + i, {"discharge_lps": 1.5}) for i in range(n)]
            messages.append((f"kahriz/v1/{PROBE}/up", readings(1, first, rows)))
            self.n_sent += n
        publish_all(self.broker.port, messages)

    def n_stored(self) -> int:
        """Return how many readings the book has, each counted once."""
        row = device_rows(f"sqlite:///{self.house.folder / 'book.sqlite'}").get(PROBE)
        return 0 if row is None else row.received - row.duplicate

    def findings(self) -> list[Finding]:
        """Return what either side did wrong, but for one clause of the broker's.

        Debian's mosquitto 2.0.11 sends more than our Receive Maximum when many acknowledgements
        come at once (eclipse-mosquitto/mosquitto #2301).
        """
        return [f for f in self.proxy.findings if f.clause != "MQTT-3.3.4-9"]

    def wait_for_all(self) -> None:
        wait_until(lambda: self.n_stored() == self.n_sent, f"{self.n_sent} are stored", 40)

    def wait_until_subscribed(self, after: int = 0) -> None:
        """Wait until ingest is subscribed by a connection later than the `after` first ones."""

        def is_so() -> bool:
            said = get(f"http://127.0.0.1:{self.house.status_port}/health")
            is_up = said is not None and said["mqtt"] == "connected"
            return is_up and len(self.proxy.connections) > after

        wait_until(is_so, "ingest is subscribed")


@contextmanager
def wired(
    folder: Path, version: str, segments: Segments = as_read, gather_s: float = 0.0
) -> Iterator[Wired]:
    """Run a broker, the proxy and ingest, which has to end with 0 on SIGTERM afterwards."""
    with (
        servers.mosquitto(BROKER, persistence=True) as broker,
        wire(broker.port, segments, gather_s, SEED) as proxy,
    ):
        extra = {
            "KAHRIZ_MQTT__PROTOCOL": version,
            "KAHRIZ_SITES": str(registry_file(folder)),
            "KAHRIZ_MQTT__MAX_INFLIGHT": "100",
        }
        world = Wired(House(folder, proxy.port, extra), broker, proxy)
        with world.house.run("ingest"):
            world.wait_until_subscribed()
            yield world
        wait_until(lambda: proxy.connections[-1].n_over == 2, "the connection is closed", 5)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    ("segments", "gather_s", "n"), [(as_read, 0.0, 2000), (tiny, 0.0, 400), (as_read, 0.2, 1000)]
)
def test_a_flood_is_taken_and_acknowledged_to_the_letter(
    tmp_path: Path, version: str, segments: Segments, gather_s: float, n: int
) -> None:
    with wired(tmp_path, version, segments, gather_s) as world:
        world.publish(n, n_packs=n // 20)
        world.wait_for_all()
    line = world.proxy.connections[-1].client

    assert world.findings() == []
    assert line.is_left, "DISCONNECT at a clean stop"
    assert line.n_sent > n, "each message was acknowledged"


def cut_again_and_again(world: Wired, n_cuts: int, chance: random.Random) -> None:
    """Break the connection `n_cuts` times at whatever byte it is, under load."""
    for turn in range(n_cuts):
        before = len(world.proxy.connections)
        world.proxy.cut_after("server" if turn % 2 else "client", chance.randint(1, 3000))
        while world.proxy.is_to_cut:
            world.publish(200, n_packs=5)
        world.wait_until_subscribed(after=before)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    "n_cuts", [2, pytest.param(10, marks=[pytest.mark.soak, pytest.mark.timeout(600)])]
)
def test_a_connection_cut_at_any_byte_is_resumed_and_nothing_is_missing(
    tmp_path: Path, version: str, n_cuts: int
) -> None:
    with wired(tmp_path, version) as world:
        cut_again_and_again(world, n_cuts, random.Random(SEED))
        world.wait_for_all()

    assert world.findings() == []
    assert len(world.proxy.connections) > n_cuts
    assert world.proxy.connections[-1].client.is_left


@pytest.mark.parametrize("version", VERSIONS)
def test_what_the_broker_did_not_acknowledge_is_sent_again_on_resuming(
    tmp_path: Path, version: str
) -> None:
    with wired(tmp_path, version) as world:
        # PUBACK of the reading (4 bytes), then the down/ack: cut in the midst of it.
        world.proxy.cut_after("client", 4 + 10)
        world.publish(1)
        world.wait_until_subscribed(after=1)
        world.publish(1)
        world.wait_for_all()

    assert world.findings() == []


@pytest.mark.parametrize("version", VERSIONS)
def test_a_broker_killed_and_come_back_finds_nothing_to_object_to(
    tmp_path: Path, version: str
) -> None:
    with wired(tmp_path, version) as world:
        world.publish(200)
        world.wait_for_all()
        for _ in range(2):
            before = len(world.proxy.connections)
            world.broker.kill()
            world.proxy.servers.forget()  # what it had not saved is gone
            world.broker.start()
            world.wait_until_subscribed(after=before)
            world.publish(300)
            world.wait_for_all()

    assert world.findings() == []
    assert world.proxy.connections[-1].client.is_left
