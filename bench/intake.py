"""Intake: from the first publish until every reading can be queried, QoS 1, all on one machine."""

from __future__ import annotations

import itertools
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench import consumers, nodered, rig, wall
from bench.consumers import DEVICES, Place, Start
from bench.load import STEP_MS, first_ms
from tests import servers

OURS, EMBEDDED, TUTORIAL, NODE_RED, WALL, BAR = (
    "ours, influx",
    "ours, sqlite",
    "tutorial",
    "Node-RED",
    "the wall",
    "the bar",
)
# Slower than ours by so much that a part of the load takes them as long.
_PART = {TUTORIAL: 4, NODE_RED: 2}
_TAIL = 20  # the newest of twenty parts of each device's readings comes last
RSS_BAR_MB = 250.0


@dataclass(frozen=True, slots=True)
class Load:
    """So many readings, so many in a message."""

    name: str
    readings: int
    pack: int

    @property
    def messages(self) -> int:
        """How many messages that is; every device sends the same."""
        return DEVICES * -(-(self.readings // DEVICES) // self.pack)

    def tail(self, now_ms: int) -> tuple[int, int]:
        """Return since when, and how many: the last that is sent, counted at little cost."""
        each = self.readings // DEVICES
        last = each // _TAIL
        return first_ms(each, now_ms) + (each - last) * STEP_MS, last * DEVICES

    def part(self, n: int) -> Load:
        """Return the same for an n-th of the time."""
        return Load(self.name, self.readings // n, self.pack)


@dataclass(frozen=True, slots=True)
class Run:
    """What one consumer did with one load."""

    readings_per_s: float
    cpu_s_per_million: float
    rss_mb: float


SINGLES = Load("singles", 400_000, 1)
PACKS = Load("packs", 2_000_000, 40)


class Intake:
    """Runs consumers in turn, each on an empty broker and an empty store.

    Parameters
    ----------
    influxd
        A running InfluxDB 1.x.
    say
        Told each figure as it comes.
    node_red
        Where it is installed; None: not here.
    """

    def __init__(
        self, influxd: servers.Server, say: Callable[[str], None], node_red: nodered.NodeRed | None
    ) -> None:
        self._influxd = influxd
        self.say = say
        self._url = f"http://{influxd.host}:{influxd.port}"
        self._names = (f"bench{n}" for n in itertools.count())
        self._starts: dict[str, Start] = {
            OURS: consumers.ours_into_influx,
            EMBEDDED: consumers.ours_into_sqlite,
            TUTORIAL: consumers.tutorial(),
        }
        if node_red is not None:
            self._starts[NODE_RED] = consumers.node_red(node_red)

    def has(self, who: str) -> bool:
        """Return whether this consumer can be run here."""
        return who in (*self._starts, WALL, BAR)

    def run(self, who: str, load: Load) -> Run:
        """Let `who` consume `load` from beginning to end."""
        if who == BAR:
            return Run(0.0, 0.0, RSS_BAR_MB)
        if who == WALL:
            run = self._wall(load)
        else:
            run = self._consumer(self._starts[who], load.part(_PART.get(who, 1)))
        self.say(
            f"{load.name:8} {who:17} {run.readings_per_s:9,.0f} readings/s "
            f"{run.cpu_s_per_million:7.1f} CPU s/million {run.rss_mb:5.0f} MB"
        )
        return run

    def _consumer(self, start: Start, load: Load) -> Run:
        now_ms = int(time.time() * 1000)
        since_ms, tail = load.tail(now_ms)
        what = f"{load.readings} readings can be queried"
        with (
            self.place() as place,
            start(place) as consuming,
            publisher(load, place.broker.port, now_ms=now_ms) as fleet,
        ):
            before, began = rig.cost(consuming.pid), go(fleet)
            rig.line(fleet)  # until everything is published there is nothing to ask
            ended = rig.wait_for(lambda: consuming.stored(since_ms), tail, what)
            after = rig.cost(consuming.pid)
            if consuming.stored(0) < load.readings:  # the newest overtook others
                ended = rig.wait_for(lambda: consuming.stored(0), load.readings, what)
                after = rig.cost(consuming.pid)
            return _run(load, ended - began, before, after)

    def _wall(self, load: Load) -> Run:
        with self.place() as place, publisher(load, place.broker.port) as fleet:
            command = wall.build(place.folder)
            arguments = [str(place.broker.port), wall.TOPIC, str(load.messages)]
            with rig.program([*command, *arguments]) as running:
                assert rig.line(running) == "ready"
                before, began = rig.cost(running.pid), go(fleet)
                ended = float(rig.line(running))
                return _run(load, ended - began, before, rig.cost(running.pid))

    @contextmanager
    def place(self, *, persistence: bool = False) -> Iterator[Place]:
        """Make an empty broker and an empty store; with `persistence` the broker's is on disk."""
        with (
            servers.mosquitto(rig.BROKER, persistence=persistence) as broker,
            rig.database(self._url, next(self._names)) as influx,
            tempfile.TemporaryDirectory(prefix="kahriz-bench-") as folder,
        ):
            yield Place(broker, self._influxd, influx, Path(folder))


@contextmanager
def publisher(
    load: Load, port: int, per_s: float = 0.0, now_ms: int | None = None
) -> Iterator[subprocess.Popen[str]]:
    """Run a fleet that has made its packets and waits for `go`."""
    now_ms = now_ms or int(time.time() * 1000)
    arguments = ["--port", str(port), "--devices", str(DEVICES), "--per-s", str(per_s)]
    arguments += ["--readings", str(load.readings), "--pack", str(load.pack)]
    arguments += ["--now-ms", str(now_ms)]
    with rig.process("bench.load", arguments) as running:
        assert rig.line(running) == "ready"
        yield running


def go(running: subprocess.Popen[str]) -> float:
    """Let the fleet publish; return when it began."""
    assert running.stdin is not None
    running.stdin.write("go\n")
    running.stdin.flush()
    return float(rig.line(running))


def _run(load: Load, spent_s: float, before: rig.Cost, after: rig.Cost) -> Run:
    cpu_s = after.cpu_s - before.cpu_s
    return Run(load.readings / spent_s, cpu_s / load.readings * 1e6, after.rss_mb)
