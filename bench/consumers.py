"""Who consumes: ours into either store, and its peers, each as a process of its own."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bench import rig
from bench.load import device_name
from bench.nodered import NodeRed
from kahriz.clock import from_ms
from kahriz.errors import StoreUnavailable
from kahriz.observations import DatastreamId
from kahriz.sites import load_registry
from kahriz.store import open_store
from tests import servers

DEVICES = 200
_PER_KAHRIZ = 10


@dataclass(frozen=True, slots=True)
class Place:
    """A broker, a store and a folder, all empty before the first consumer comes."""

    broker: servers.Server
    influxd: servers.Server
    influx: rig.Influx
    folder: Path


@dataclass(frozen=True, slots=True)
class Consuming:
    """A consumer that has subscribed.

    ``stored`` counts what another program can query, of an instant (ms) and later.
    """

    pid: int
    stored: Callable[[int], int]

    def kill(self) -> None:
        """End it by ``kill -9``."""
        os.kill(self.pid, signal.SIGKILL)


Start = Callable[[Place], AbstractContextManager[Consuming]]


def sites(devices: int = DEVICES) -> str:
    """Return a sites.toml of the fleet, with the limits a real one has."""
    lines = []
    for first in range(0, devices, _PER_KAHRIZ):
        kahriz = first // _PER_KAHRIZ
        lines += ["[[kahriz]]", f'id = "k{kahriz}"', f'name = "K{kahriz}"', "people = 500"]
        lines += ['village = "V"', 'district = "D"']
        for number in range(first, first + _PER_KAHRIZ):
            lines += ["[[kahriz.site]]", f'id = "s{number}"', 'kind = "outlet"', 'name = "S"']
            lines += ["[[kahriz.site.sensor]]", f'device = "{device_name(number)}"']
            lines += ['channel = "discharge_lps"', "range_fail = [-0.1, 60.0]", "spike = 1.0"]
            lines += ["max_rate_per_h = 5.0", "flat_line_h = 12"]
    return "\n".join(lines) + "\n"


@contextmanager
def ours_into_influx(place: Place) -> Iterator[Consuming]:
    """Run the real ingest into InfluxDB."""
    address = place.influx.url.removeprefix("http://")
    with _ours(place, f"influxdb://{address}/{place.influx.database}") as pid:
        yield Consuming(pid, place.influx.count)


@contextmanager
def ours_into_sqlite(place: Place) -> Iterator[Consuming]:
    """Run the real ingest into the embedded store."""
    url = f"sqlite:///{place.folder / 'observations.sqlite'}"
    with _ours(place, url) as pid:
        streams = [stream.id for stream in load_registry(place.folder / "sites.toml").datastreams]
        yield Consuming(pid, lambda since_ms: _readable(url, streams, since_ms))


@contextmanager
def _ours(place: Place, store_url: str) -> Iterator[int]:
    """Run ingest on its real settings; yield its process id once it is well."""
    if not (place.folder / "sites.toml").exists():
        (place.folder / "sites.toml").write_text(sites(), encoding="utf-8")
    port = servers.free_port()
    health = f"http://127.0.0.1:{port}/health"
    environment = {
        "KAHRIZ_DATA_DIR": str(place.folder),
        "KAHRIZ_SITES": str(place.folder / "sites.toml"),
        "KAHRIZ_MQTT__PORT": str(place.broker.port),
        "KAHRIZ_STORE__URL": store_url,
        "KAHRIZ_INGEST__METRICS_PORT": str(port),
        "KAHRIZ_NOTIFY__NOTIFIERS": '["null"]',
    }
    log = place.folder / "ingest.log"
    with rig.process("ingest", environment=environment, log=log) as running:
        try:
            rig.wait_until(lambda: rig.answers(health), "ingest is well")
        except RuntimeError as error:
            raise RuntimeError(f"{error}\n{log.read_text(encoding='utf-8')[-2000:]}") from error
        yield running.pid


def _readable(url: str, streams: Sequence[DatastreamId], since_ms: int) -> int:
    """Return how many readings another process reads through the store's own seam."""
    store = open_store(url, read_only=True)
    since, until = from_ms(since_ms), datetime.now(UTC) + timedelta(days=1)
    try:
        return sum(len(store.series(stream, since, until).time) for stream in streams)
    except StoreUnavailable:  # nothing was ever written
        return 0
    finally:
        store.close()


def tutorial(session: str | None = None) -> Start:
    """Return the tutorial into InfluxDB; with `session` the broker keeps what it misses."""

    @contextmanager
    def start(place: Place) -> Iterator[Consuming]:
        influx = place.influx
        arguments = ["--mqtt-port", str(place.broker.port), "--influx", influx.url]
        arguments += ["--database", influx.database]
        arguments += ["--session", session] if session else []
        log = place.folder / "tutorial.log"
        with rig.process("bench.tutorial", arguments, log=log) as running:
            assert rig.line(running) == "ready"
            yield Consuming(running.pid, influx.count)

    return start


def node_red(installed: NodeRed) -> Start:
    """Return the Node-RED flow into InfluxDB; its session is one the broker keeps."""

    @contextmanager
    def start(place: Place) -> Iterator[Consuming]:
        before = place.broker.log.count(_NODE_RED_SUBSCRIBED)
        influx = place.influx
        with installed.start(place.folder, place.broker.port, influx) as running:
            rig.wait_until(
                lambda: place.broker.log.count(_NODE_RED_SUBSCRIBED) > before,
                "Node-RED has subscribed",
            )
            yield Consuming(running.pid, influx.count)

    return start


# As mosquitto logs it: client, QoS, filter.
_NODE_RED_SUBSCRIBED = "node-red 1 kahriz/v1/+/up"
