"""Ingest at a steady rate for a long time: flat memory, and everything stored.

``python -m bench.steady --minutes 30 --per-s 25000`` publishes one reading a message from 2000
devices into the real ingest and InfluxDB, and prints what ingest held in memory meanwhile. Near the
start InfluxDB stands still for ten seconds, so that everything which waits has been as full as it
can be: what grows afterwards is a leak, not a first time. Exit 1 where a reading is missing or
memory grew.
"""

from __future__ import annotations

import argparse
import math
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from bench import consumers, rig
from bench.load import Publisher, device_name, packet
from tests import servers

MOST_MB_AN_HOUR = 5.0
"""What a measured slope may be by chance; a leak of 100 bytes a batch would be 20."""

DEVICES = 2000

SETTLING = 0.25
_SAMPLE_S = 5.0
_STALL_S = 10


@dataclass(slots=True)
class Memory:
    """Resident memory over time."""

    at_s: list[float] = field(default_factory=list)
    mb: list[float] = field(default_factory=list)

    def look(self, pid: int, at_s: float) -> None:
        """Note what process `pid` holds now."""
        status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
        resident = next(line for line in status.splitlines() if line.startswith("VmRSS:"))
        self.at_s.append(at_s)
        self.mb.append(int(resident.split()[1]) / 1024)

    def slope_mb_an_hour(self) -> float:
        """Return the trend after the first quarter, in which caches fill."""
        first = int(len(self.mb) * SETTLING)
        if len(self.mb) - first < 3:
            return math.nan
        slope = np.polyfit(self.at_s[first:], self.mb[first:], 1)[0]
        return float(slope) * 3600


def _second(second: int, per_s: int, start_ms: int) -> list[bytes]:
    """Return a second's packets: every device in turn, the instants spread over the second."""
    packets = []
    for i in range(per_s):
        n = second * per_s + i
        device, seq = n % DEVICES, n // DEVICES
        time_ms = start_ms + n * 1000 // per_s
        value = 3 + device % 7 + 0.001 * (seq % 13)
        body = f'{{"boot":1,"seq":{seq},"r":[[{time_ms},{{"discharge_lps":{value:.3f}}}]]}}'
        topic = f"kahriz/v1/{device_name(device)}/up"
        packets.append(packet(topic, body.encode(), n % 65535 + 1))
    return packets


def _publish(place: consumers.Place, pid: int, seconds: int, per_s: int) -> tuple[Memory, int]:
    publisher, memory = Publisher(place.broker.port), Memory()
    start_ms = int(time.time() * 1000)
    began = time.monotonic()
    stall = seconds // 30
    for second in range(seconds):
        if second == stall:
            place.influxd.freeze()
        elif second == stall + _STALL_S:
            place.influxd.thaw()
        publisher.send(_second(second, per_s, start_ms))
        if second % int(_SAMPLE_S) == 0:
            memory.look(pid, time.monotonic() - began)
        time.sleep(max(0.0, began + second + 1 - time.monotonic()))
    publisher.close()
    return memory, start_ms


def run(minutes: float, per_s: int) -> bool:
    """Publish, print what was found; return whether all is stored and memory flat."""
    seconds = round(minutes * 60)
    with (
        servers.influxd() as influxd,
        servers.mosquitto(rig.BROKER) as broker,
        rig.database(f"http://127.0.0.1:{influxd.port}", "steady") as influx,
        tempfile.TemporaryDirectory(prefix="kahriz-bench-") as folder,
    ):
        place = consumers.Place(broker, influxd, influx, Path(folder))
        (place.folder / "sites.toml").write_text(consumers.sites(DEVICES), encoding="utf-8")
        with consumers.ours_into_influx(place) as consuming:
            before = rig.cost(consuming.pid)
            memory, start_ms = _publish(place, consuming.pid, seconds, per_s)
            sent = seconds * per_s
            stored = _settled(consuming, start_ms, sent)
            used = rig.cost(consuming.pid).cpu_s - before.cpu_s
    slope = memory.slope_mb_an_hour()
    print(
        f"{seconds / 60:g} min at {per_s:,} messages/s: {sent:,} sent, {stored:,} stored; "
        f"memory {memory.mb[len(memory.mb) // 4]:.0f} MB after a quarter, "
        f"{memory.mb[-1]:.0f} MB at the end, at most {max(memory.mb):.0f} MB, "
        f"trend {slope:+.1f} MB an hour; "
        f"{used / sent * 1e6:.1f} CPU s a million"
    )
    return stored == sent and not slope > MOST_MB_AN_HOUR


def _settled(consuming: consumers.Consuming, start_ms: int, sent: int) -> int:
    """Return how much is stored once it no longer grows."""
    stored, deadline = -1, time.monotonic() + rig.PATIENCE_S
    while time.monotonic() < deadline:
        now = consuming.stored(start_ms)
        if now in (stored, sent):
            return now
        stored = now
        time.sleep(2)
    return stored


def main() -> int:
    """Run as the command line says."""
    parser = argparse.ArgumentParser(prog="bench.steady", description=__doc__)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--per-s", type=int, default=25_000)
    options = parser.parse_args()
    if options.minutes < 1:
        parser.error(f"--minutes {options.minutes:g} is under 1")
    try:
        return 0 if run(options.minutes, options.per_s) else 1
    except servers.ProgramMissingError as missing:
        sys.stderr.write(f"bench.steady: {missing}\n")
        return 2


if __name__ == "__main__":
    raise SystemExit(main())
