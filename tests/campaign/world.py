"""The running service in a world where things go wrong: broker, devices, ingest, store."""

from __future__ import annotations

import random
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from kahriz.book.devices import DeviceRow
from kahriz.clock import Clock, scaled_clock, to_ms
from kahriz.sites import Registry, load_registry
from tests import servers
from tests.campaign.influx_faults import InfluxFaults
from tests.campaign.oracle import (
    Counts,
    Found,
    Sent,
    compare,
    counts,
    device_rows,
    n_waiting,
    sent_by_device,
    sent_readings,
    unbalanced,
)
from tests.e2e.processes import ROOT, House, get, wait_until
from tests.servers import Server

BROKER = (
    "allow_anonymous true\nmax_inflight_messages 1000\nmax_queued_messages 100000\n"
    "autosave_interval 5\n"
)
SCENARIO = "three_kahrizes"
ORIGIN = timedelta(days=300)
"""Pretended time begins so long ago, and runs faster than the real one."""

_SITE = """
[[kahriz]]
id = "{name}"
name = "{name}"
village = "{name}"
district = "test"
use = "drinking"
people = 100
contact_for_repair = ""
access_note = ""
[[kahriz.site]]
id = "line"
kind = "delivery_line"
name = "{name}"
[[kahriz.site.sensor]]
device = "{name}"
channel = "discharge_lps"
"""
PROBE, CLUMSY, CLAIMANT = "probe", "clumsy", "claimant"
"""Devices besides the simulated ones: a good one, one that sends poison, one that claims to be
another."""


def registry_file(folder: Path, others: tuple[str, ...] = (PROBE, CLUMSY, CLAIMANT)) -> Path:
    """Write the example's sites and one more for each device of `others`."""
    text = (ROOT / "sites.example.toml").read_text(encoding="utf-8")
    path = folder / "sites.toml"
    path.write_text(text + "".join(_SITE.format(name=name) for name in others), encoding="utf-8")
    return path


@dataclass(frozen=True, slots=True)
class Look:
    """What ingest holds at one moment."""

    mb: float
    handles: int
    queue: float


@dataclass
class World:
    """Everything a fault can reach.

    `sent_besides` are good readings that did not come from the simulated devices, for the oracle.
    """

    house: House
    broker: Server
    registry: Registry
    clock: Clock
    chance: random.Random
    influx: InfluxFaults | None = None
    ingest: subprocess.Popen[bytes] | None = None
    kills: int = 0
    sent_besides: list[Sent] = field(default_factory=list)
    looks: list[Look] = field(default_factory=list)

    @property
    def ledger(self) -> Path:
        """The simulated devices' ledger."""
        return self.house.folder / "sim" / "ledger.sqlite"

    @property
    def counts(self) -> Counts:
        """How far the simulated devices are."""
        return counts(self.ledger)

    @property
    def now_ms(self) -> int:
        """The pretended present."""
        return to_ms(self.clock())

    @property
    def running(self) -> subprocess.Popen[bytes]:
        """The ingest process."""
        assert self.ingest is not None, "ingest does not run"
        return self.ingest

    def start_ingest(self) -> None:
        """Start ingest; returns at once."""
        self.ingest = self.house.start("ingest")

    def kill_ingest(self) -> None:
        """Kill it with -9."""
        self.running.kill()
        self.running.wait()
        self.kills += 1

    def stop_ingest(self) -> None:
        """End it as an operator does; it has to end with 0 within ten seconds and a little."""
        self.running.send_signal(signal.SIGTERM)
        assert self.running.wait(12) == 0, self.house.log("ingest")[-2000:]

    def health(self) -> dict[str, Any] | None:
        """Return ingest's word about itself; None where nobody answers within a second."""
        found: dict[str, Any] | None = get(
            f"http://127.0.0.1:{self.house.status_port}/health", timeout=1.0
        )
        return found

    def is_well(self) -> bool:
        """Whether ingest says that all is well."""
        said = self.health()
        return said is not None and said["status"] == "ok"

    def look(self) -> None:
        """Note how much memory and how many handles ingest has by now, and what waits in it."""
        process = Path(f"/proc/{self.running.pid}")
        status = (process / "status").read_text(encoding="utf-8")
        resident = next(line for line in status.splitlines() if line.startswith("VmRSS:"))
        handles = len(list((process / "fd").iterdir()))
        said = self.health()
        queue = 0 if said is None else said["queue"]
        self.looks.append(Look(int(resident.split()[1]) / 1024, handles, queue))

    @staticmethod
    def pass_(seconds: float) -> None:
        """Let `seconds` pass: how long a fault lasts is what varies, nothing is waited for."""
        time.sleep(seconds)

    def wait_for_all(self, timeout: float) -> None:
        """Wait until every reading measured by now is acknowledged to its device."""
        wait_until(lambda: self.counts.measured > 0, "the devices measure")
        now_ms = self.now_ms
        wait_until(
            lambda: n_waiting(self.ledger, now_ms) == 0,
            f"every reading is acknowledged; {self.counts}",
            timeout,
        )

    def readings(self) -> list[Sent]:
        """Return every reading of every device."""
        return [*sent_readings(self.ledger), *self.sent_besides]

    def judge(self) -> Found:
        """Hold everything against the store and the book, now that nothing is on its way."""
        readings = self.readings()
        url = self.house.environment.get("KAHRIZ_STORE__URL", "")
        if self.influx is not None:
            url = url.replace(self.influx.address, self.influx.behind)
        found = compare(
            url or f"sqlite:///{self.house.folder / 'observations.sqlite'}", self.registry, readings
        )
        found.unbalanced = unbalanced(self.device_rows(), sent_by_device(readings))
        return found

    def device_rows(self) -> dict[str, DeviceRow]:
        """Return what the book counts of each device."""
        return device_rows(f"sqlite:///{self.house.folder / 'book.sqlite'}")

    def settle(self) -> None:
        """Wait until the book has every reading that was sent; no device may send any more."""
        n_sent = sent_by_device(self.readings())
        with suppress(AssertionError):  # `judge` says what does not balance
            wait_until(lambda: not unbalanced(self.device_rows(), n_sent), "the books balance", 30)


@contextmanager
def world(
    folder: Path,
    seed: int,
    *,
    history_days: float,
    speed: float = 1.0,
    influx: InfluxFaults | None = None,
    extra: Mapping[str, str] | None = None,
) -> Iterator[World]:
    """Run a broker and the simulated devices; ingest is started by whoever asks.

    After the block the devices part, ingest takes in what is left and ends; `World.judge` then
    says what became of every reading.
    """
    started = datetime.now(UTC)
    clock = {
        "KAHRIZ_CLOCK__SPEED": str(speed),
        "KAHRIZ_CLOCK__ORIGIN": (started - ORIGIN).isoformat(),
        "KAHRIZ_CLOCK__STARTED": started.isoformat(),
        "KAHRIZ_SITES": str(sites := registry_file(folder)),
    }
    if influx is not None:
        clock["KAHRIZ_STORE__URL"] = f"influxdb://{influx.address}/campaign"
    with servers.mosquitto(BROKER, persistence=True) as broker:
        house = House(folder, broker.port, clock | dict(extra or {}))
        pretended = scaled_clock(started - ORIGIN, started, speed)
        chance = random.Random(seed)
        made = World(house, broker, load_registry(sites), pretended, chance, influx)
        arguments = ["run", SCENARIO, "--state", str(folder / "sim")]
        arguments += ["--port", str(broker.port), "--history", str(history_days)]
        try:
            with house.run("firmware_sim", *arguments):
                yield made
                made.wait_for_all(60)
            made.settle()
            made.look()
            made.stop_ingest()
        finally:
            if made.ingest is not None:
                made.ingest.kill()
                made.ingest.wait()
