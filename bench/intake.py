"""Intake: from the first publish until every reading can be queried, QoS 1, all on one machine."""

from __future__ import annotations

import itertools
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench import consumers, nodered, rig, wall
from bench.consumers import DEVICES, Place, Start
from bench.result import Result, compare
from tests import servers

OURS, EMBEDDED, TUTORIAL, NODE_RED, WALL, BAR = (
    "ours, influx",
    "ours, sqlite",
    "tutorial",
    "Node-RED",
    "the wall",
    "the bar",
)
# Two to twelve times slower than ours: half the readings take them long enough.
_SLOW = (TUTORIAL, NODE_RED)
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

    def half(self) -> Load:
        """Return the same for half as long."""
        return Load(self.name, self.readings // 2, self.pack)


@dataclass(frozen=True, slots=True)
class Run:
    """What one consumer did with one load."""

    readings_per_s: float
    cpu_s_per_million: float
    rss_mb: float


SINGLES = Load("singles", 400_000, 1)
PACKS = Load("packs", 2_000_000, 40)


def _rate(run: Run) -> float:
    return run.readings_per_s


def _cpu(run: Run) -> float:
    return run.cpu_s_per_million


def _rss(run: Run) -> float:
    return run.rss_mb


@dataclass(frozen=True, slots=True)
class Row:
    """Which figure of which two consumers, under which load."""

    name: str
    what: str
    unit: str
    load: Load
    ours: str
    peer: str
    figure: Callable[[Run], float] = _rate

    def result(self, runs: dict[str, list[Run]]) -> Result:
        """Return the row, of what was measured in turn."""
        return compare(
            self.name,
            self.what,
            self.unit,
            [self.figure(run) for run in runs[self.ours]],
            [self.figure(run) for run in runs[self.peer]],
            less_is_better=self.figure is not _rate,
        )


_ONE, _FORTY = "one reading a message", "40 readings a message"
_RATE, _CPU = "readings/s", "s/million"
_AS_FAST = "publish to queryable, beside"
ROWS = (
    Row(
        "intake_influx_singles_vs_broker",
        f"{_ONE}, {_AS_FAST} a consumer that stores nothing",
        _RATE,
        SINGLES,
        OURS,
        WALL,
    ),
    Row(
        "intake_influx_singles_vs_tutorial",
        f"{_ONE}, {_AS_FAST} the tutorial",
        _RATE,
        SINGLES,
        OURS,
        TUTORIAL,
    ),
    Row(
        "intake_influx_singles_vs_nodered",
        f"{_ONE}, {_AS_FAST} Node-RED",
        _RATE,
        SINGLES,
        OURS,
        NODE_RED,
    ),
    Row(
        "intake_sqlite_singles_vs_influx",
        f"{_ONE}: ours into SQLite, beside ours into InfluxDB",
        _RATE,
        SINGLES,
        EMBEDDED,
        OURS,
    ),
    Row(
        "intake_influx_packs_vs_tutorial",
        f"{_FORTY}, {_AS_FAST} the tutorial",
        _RATE,
        PACKS,
        OURS,
        TUTORIAL,
    ),
    Row(
        "intake_influx_packs_vs_nodered",
        f"{_FORTY}, {_AS_FAST} Node-RED",
        _RATE,
        PACKS,
        OURS,
        NODE_RED,
    ),
    Row(
        "cpu_singles_vs_tutorial",
        f"CPU of the consumer, {_ONE}",
        _CPU,
        SINGLES,
        OURS,
        TUTORIAL,
        _cpu,
    ),
    Row(
        "cpu_packs_vs_tutorial", f"CPU of the consumer, {_FORTY}", _CPU, PACKS, OURS, TUTORIAL, _cpu
    ),
    Row("rss_mb", f"greatest memory, {_FORTY}; the peer is the bar", "MB", PACKS, OURS, BAR, _rss),
)
NAMES = tuple(row.name for row in ROWS)


class Intake:
    """Runs consumers in turn, each on an empty broker and an empty store.

    Parameters
    ----------
    influx_url
        A running InfluxDB 1.x.
    say
        Told each figure as it comes.
    node_red
        Where it is installed; None: not here.
    """

    def __init__(
        self, influx_url: str, say: Callable[[str], None], node_red: nodered.NodeRed | None
    ) -> None:
        self._influx_url = influx_url
        self._say = say
        self._names = (f"bench{n}" for n in itertools.count())
        self._starts: dict[str, Start] = {
            OURS: consumers.ours_into_influx,
            EMBEDDED: consumers.ours_into_sqlite,
            TUTORIAL: consumers.tutorial(),
        }
        if node_red is not None:
            self._starts[NODE_RED] = consumers.node_red(node_red)

    def can_be(self, row: Row) -> bool:
        """Return whether both consumers of the row are here."""
        return {row.ours, row.peer} <= {*self._starts, WALL, BAR}

    def run(self, who: str, load: Load) -> Run:
        """Let `who` consume `load` from beginning to end."""
        if who == BAR:
            return Run(0.0, 0.0, RSS_BAR_MB)
        if who == WALL:
            run = self._wall(load)
        else:
            run = self._consumer(self._starts[who], load.half() if who in _SLOW else load)
        self._say(
            f"{load.name:8} {who:17} {run.readings_per_s:9,.0f} readings/s "
            f"{run.cpu_s_per_million:7.1f} CPU s/million {run.rss_mb:5.0f} MB"
        )
        return run

    def _consumer(self, start: Start, load: Load) -> Run:
        with self.place() as place, start(place) as consuming:
            what = f"{load.readings} readings can be queried"
            run = _measure(
                load,
                place.broker.port,
                consuming.pid,
                lambda: rig.wait_for(consuming.progress, load.readings, what),
            )
            if (stored := consuming.stored()) != load.readings:
                raise RuntimeError(f"{stored} of {load.readings} readings can be queried")
            return run

    def _wall(self, load: Load) -> Run:
        with self.place() as place:
            command = wall.build(place.folder)
            arguments = [str(place.broker.port), wall.TOPIC, str(load.messages)]
            with rig.program([*command, *arguments]) as running:
                assert rig.line(running) == "ready"
                port = place.broker.port
                run = _measure(load, port, running.pid, lambda: float(rig.line(running)))
            self._say(f"{load.name:8} the wall is written in {wall.language(command)}")
            return run

    @contextmanager
    def place(self, *, persistence: bool = False) -> Iterator[Place]:
        """Make an empty broker and an empty store; with `persistence` the broker's is on disk."""
        with (
            servers.mosquitto(rig.BROKER, persistence=persistence) as broker,
            rig.database(self._influx_url, next(self._names)) as influx,
            tempfile.TemporaryDirectory(prefix="kahriz-bench-") as folder,
        ):
            yield Place(broker, influx, Path(folder))


@contextmanager
def publisher(load: Load, port: int, per_s: float = 0.0) -> Iterator[subprocess.Popen[str]]:
    """Run a fleet that has made its packets and waits for `go`."""
    arguments = ["--port", str(port), "--devices", str(DEVICES), "--per-s", str(per_s)]
    arguments += ["--readings", str(load.readings), "--pack", str(load.pack)]
    with rig.process("bench.load", arguments) as running:
        assert rig.line(running) == "ready"
        yield running


def go(running: subprocess.Popen[str]) -> float:
    """Let the fleet publish; return when it began."""
    assert running.stdin is not None
    running.stdin.write("go\n")
    running.stdin.flush()
    return float(rig.line(running))


def _measure(load: Load, port: int, pid: int, wait: Callable[[], float]) -> Run:
    with publisher(load, port) as fleet:
        before = rig.cost(pid)
        began = go(fleet)
        ended = wait()
        after = rig.cost(pid)
    million = load.readings / 1e6
    return Run(
        load.readings / (ended - began), (after.cpu_s - before.cpu_s) / million, after.rss_mb
    )


def rows(intake: Intake, wanted: set[str], rounds: int) -> list[Result]:
    """Measure what the `wanted` rows need, in turn, and return them."""
    results: list[Result] = []
    for load in (SINGLES, PACKS):
        chosen = [r for r in ROWS if r.name in wanted and r.load is load and intake.can_be(r)]
        who = list(dict.fromkeys(name for row in chosen for name in (row.ours, row.peer)))
        runs: dict[str, list[Run]] = {name: [] for name in who}
        for _ in range(rounds):
            for name in who:
                runs[name].append(intake.run(name, load))
        results += [row.result(runs) for row in chosen]
    return results
