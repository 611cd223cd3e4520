"""Intake: from the first publish until every reading can be queried, QoS 1, all on one machine."""

from __future__ import annotations

import itertools
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench import rig
from bench.load import device_name
from bench.result import Result, compare
from tests import servers

DEVICES = 200
_PER_KAHRIZ = 10


@dataclass(frozen=True, slots=True)
class Load:
    """So many readings, so many in a message."""

    name: str
    readings: int
    pack: int


@dataclass(frozen=True, slots=True)
class Run:
    """What one consumer did with one load."""

    readings_per_s: float
    cpu_s_per_million: float
    rss_mb: float


SINGLES = Load("singles", 40_000, 1)
PACKS = Load("packs", 240_000, 40)


def sites() -> str:
    """Return a sites.toml of the fleet, with the limits a real one has."""
    lines = []
    for first in range(0, DEVICES, _PER_KAHRIZ):
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
def _ours(mqtt_port: int, folder: Path, store_url: str) -> Iterator[int]:
    """Run the real ingest on its real settings; yield its process id once it is well."""
    port = servers.free_port()
    (folder / "sites.toml").write_text(sites(), encoding="utf-8")
    environment = {
        "KAHRIZ_DATA_DIR": str(folder),
        "KAHRIZ_SITES": str(folder / "sites.toml"),
        "KAHRIZ_MQTT__PORT": str(mqtt_port),
        "KAHRIZ_STORE__URL": store_url,
        "KAHRIZ_INGEST__METRICS_PORT": str(port),
        "KAHRIZ_NOTIFY__NOTIFIERS": '["null"]',
    }
    log = folder / "ingest.log"
    with rig.process("ingest", environment=environment, log=log) as running:
        try:
            rig.wait_until(lambda: rig.answers(f"http://127.0.0.1:{port}/health"), "ingest is well")
        except RuntimeError as error:
            raise RuntimeError(f"{error}\n{log.read_text(encoding='utf-8')[-2000:]}") from error
        yield running.pid


@contextmanager
def _tutorial(mqtt_port: int, influx: rig.Influx) -> Iterator[int]:
    arguments = ["--mqtt-port", str(mqtt_port), "--influx", influx.url]
    with rig.process("bench.tutorial", [*arguments, "--database", influx.database]) as running:
        assert rig.line(running) == "ready"
        yield running.pid


def _measure(load: Load, mqtt_port: int, pid: int, count: Callable[[], int]) -> Run:
    arguments = ["--port", str(mqtt_port), "--devices", str(DEVICES)]
    arguments += ["--readings", str(load.readings), "--pack", str(load.pack)]
    with rig.process("bench.load", arguments) as publisher:
        assert rig.line(publisher) == "ready"
        before = rig.cost(pid)
        assert publisher.stdin is not None
        publisher.stdin.write("go\n")
        publisher.stdin.flush()
        began = float(rig.line(publisher))
        ended = rig.wait_until(
            lambda: count() >= load.readings, f"{load.readings} readings can be queried"
        )
        after = rig.cost(pid)
    million = load.readings / 1e6
    return Run(
        load.readings / (ended - began), (after.cpu_s - before.cpu_s) / million, after.rss_mb
    )


class Intake:
    """Runs consumers in turn, each on an empty broker and an empty store.

    Parameters
    ----------
    influx_url
        A running InfluxDB 1.x.
    say
        Told each figure as it comes.
    """

    def __init__(self, influx_url: str, say: Callable[[str], None]) -> None:
        self._influx_url = influx_url
        self._say = say
        self._names = (f"bench{n}" for n in itertools.count())

    def ours_into_influx(self, load: Load) -> Run:
        """Ingest into InfluxDB."""
        with self._around() as (port, folder), self._database() as influx:
            address = influx.url.removeprefix("http://")
            with _ours(port, folder, f"influxdb://{address}/{influx.database}") as pid:
                return self._said("ours, influx", load, _measure(load, port, pid, influx.count))

    def ours_into_sqlite(self, load: Load) -> Run:
        """Ingest into the embedded store."""
        with self._around() as (port, folder):
            file = folder / "observations.sqlite"
            with _ours(port, folder, f"sqlite:///{file}") as pid:
                run = _measure(load, port, pid, lambda: _rows(file))
                return self._said("ours, sqlite", load, run)

    def tutorial(self, load: Load) -> Run:
        """Run the tutorial into InfluxDB."""
        with (
            self._around() as (port, _),
            self._database() as influx,
            _tutorial(port, influx) as pid,
        ):
            return self._said("tutorial, influx", load, _measure(load, port, pid, influx.count))

    @contextmanager
    def _around(self) -> Iterator[tuple[int, Path]]:
        with (
            servers.mosquitto(rig.BROKER) as broker,
            tempfile.TemporaryDirectory(prefix="kahriz-bench-") as folder,
        ):
            yield broker.port, Path(folder)

    @contextmanager
    def _database(self) -> Iterator[rig.Influx]:
        with rig.database(self._influx_url, next(self._names)) as influx:
            yield influx

    def _said(self, who: str, load: Load, run: Run) -> Run:
        self._say(
            f"{load.name:8} {who:17} {run.readings_per_s:9,.0f} readings/s "
            f"{run.cpu_s_per_million:7.1f} CPU s/million {run.rss_mb:5.0f} MB"
        )
        return run


def _rows(file: Path) -> int:
    """Count as any other program would: what is not committed does not show."""
    with sqlite3.connect(f"file:{file}?mode=ro", uri=True) as connection:
        try:
            return int(connection.execute("SELECT readings FROM stored").fetchone()[0])
        except sqlite3.OperationalError:
            return 0
        finally:
            connection.rollback()


def rows(intake: Intake, wanted: set[str], rounds: int) -> list[Result]:
    """Measure what the `wanted` rows need, in turn, and return them."""
    results: list[Result] = []
    if wanted & {"intake_influx_singles_vs_tutorial", "cpu_singles_vs_tutorial"} or (
        "intake_sqlite_singles_vs_influx" in wanted
    ):
        results += _singles(intake, rounds)
    if wanted & {"intake_influx_packs_vs_tutorial", "cpu_packs_vs_tutorial", "rss_mb"}:
        results += _packs(intake, rounds)
    return [result for result in results if result.name in wanted]


def _singles(intake: Intake, rounds: int) -> list[Result]:
    ours, embedded, peer = [], [], []
    for _ in range(rounds):
        ours.append(intake.ours_into_influx(SINGLES))
        embedded.append(intake.ours_into_sqlite(SINGLES))
        peer.append(intake.tutorial(SINGLES))
    rates = [r.readings_per_s for r in ours]
    return [
        compare(
            "intake_influx_singles_vs_tutorial",
            "one reading a message, publish to queryable",
            "readings/s",
            rates,
            [r.readings_per_s for r in peer],
        ),
        compare(
            "intake_sqlite_singles_vs_influx",
            "the same: ours into SQLite, beside ours into InfluxDB",
            "readings/s",
            [r.readings_per_s for r in embedded],
            rates,
        ),
        _cpu("cpu_singles_vs_tutorial", "CPU of the consumer, one reading a message", ours, peer),
    ]


def _packs(intake: Intake, rounds: int) -> list[Result]:
    ours, peer = [], []
    for _ in range(rounds):
        ours.append(intake.ours_into_influx(PACKS))
        peer.append(intake.tutorial(PACKS))
    return [
        compare(
            "intake_influx_packs_vs_tutorial",
            "40 readings a message, publish to queryable",
            "readings/s",
            [r.readings_per_s for r in ours],
            [r.readings_per_s for r in peer],
        ),
        _cpu("cpu_packs_vs_tutorial", "CPU of the consumer, 40 readings a message", ours, peer),
        compare(
            "rss_mb",
            "greatest memory of the consumer, 40 readings a message",
            "MB",
            [r.rss_mb for r in ours],
            [r.rss_mb for r in peer],
            less_is_better=True,
        ),
    ]


def _cpu(name: str, what: str, ours: list[Run], peer: list[Run]) -> Result:
    return compare(
        name,
        what,
        "s/million",
        [r.cpu_s_per_million for r in ours],
        [r.cpu_s_per_million for r in peer],
        less_is_better=True,
    )
