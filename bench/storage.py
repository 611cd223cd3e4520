"""What is stored: how small it is, and how soon the questions of a page are answered from it."""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path

import numpy as np

from api.downsample import extremes
from bench import fleet, many_sites, rig
from bench.fleet import START
from bench.result import Result, compare
from kahriz.clock import to_ms
from kahriz.observations import DatastreamId, ObservationBatch, Series
from kahriz.store.sqlite import SqliteStore

NAMES = (
    "store_bytes_per_reading",
    "raw_year_ms",
    "chart_year_ms",
    *many_sites.NAMES,
)
_DAY = timedelta(days=1)
_MINUTE = timedelta(minutes=1)
_SECOND = timedelta(seconds=1)
_YEAR = 365 * _DAY
_POINTS = 1000
_PLAIN = """
CREATE TABLE observation (stream INTEGER, t INTEGER, v REAL, q INTEGER,
PRIMARY KEY (stream, t)) WITHOUT ROWID"""
_ROW = np.dtype([("t", np.int64), ("v", np.float64), ("q", np.uint8)])

Say = Callable[[str], None]


def rows(influx_url: str, say: Say, wanted: set[str], rounds: int) -> list[Result]:
    """Measure what is `wanted`, ours and the peer in turn; both have to say the same."""
    results = []
    with tempfile.TemporaryDirectory(prefix="kahriz-bench-") as folder:
        if "store_bytes_per_reading" in wanted:
            results.append(_bytes_per_reading(Path(folder)))
        if wanted & {"raw_year_ms", "chart_year_ms"}:
            results += _year(Path(folder), influx_url, rounds)
        if wanted & set(many_sites.NAMES):
            results += many_sites.rows(Path(folder), influx_url, rounds)
    for result in results:
        say(f"{result.name}: ours {result.ours:.2f} {result.unit}, peer {result.peer:.2f}")
    return [result for result in results if result.name in wanted]


@contextmanager
def _plain(file: Path, batches: Iterator[ObservationBatch]) -> Iterator[sqlite3.Connection]:
    """Give the same readings as most would keep them in SQLite: a row each, in order."""
    with closing(sqlite3.connect(file)) as plain:
        plain.execute(_PLAIN)
        for batch in batches:
            columns = (batch.stream, batch.time.astype(np.int64), batch.value, batch.quality)
            rows = zip(*(column.tolist() for column in columns), strict=True)
            plain.executemany("INSERT OR REPLACE INTO observation VALUES (?, ?, ?, ?)", rows)
        plain.commit()
        yield plain


def _bytes_per_reading(folder: Path) -> Result:
    """Weigh the whole file of 40 datastreams, every minute with jitter, sealed by the hour."""
    streams = fleet.names(20, ("discharge", "stage"))
    file, plain_file = folder / "bytes.sqlite", folder / "bytes-plain.sqlite"
    days = 5 * _DAY
    readings = len(streams) * (days // _MINUTE)
    with fleet.stored(file, fleet.batches(streams, days, _MINUTE, _SECOND)):
        pass
    with _plain(plain_file, fleet.batches(streams, days, _MINUTE, _SECOND)):
        pass
    ours, peer = (path.stat().st_size / readings for path in (file, plain_file))
    what = "the file, 3 decimals, 1-minute instants jittered by 1 s in ms; beside rows in SQLite"
    return compare("store_bytes_per_reading", what, "B", [ours], [peer], less_is_better=True)


def _year(folder: Path, influx_url: str, rounds: int) -> list[Result]:
    """Ask for a year of minutes of one sensor, whole and as a chart."""
    streams = fleet.names(1)
    end = START + _YEAR

    def batches() -> Iterator[ObservationBatch]:
        return fleet.batches(streams, _YEAR, _MINUTE, _SECOND, at_once=1440)

    with (
        fleet.stored(folder / "year.sqlite", batches()) as store,
        _plain(folder / "year-plain.sqlite", batches()) as plain,
        rig.database(influx_url, "year") as influx,
    ):
        for batch in batches():
            fleet.fill(influx, batch)
        mine, peer = fleet.in_turn(
            rounds,
            lambda: store.series(streams[0], START, end),
            lambda: _plain_series(plain, streams[0]),
            _check_series,
        )
        what = "a year of minutes of one sensor as arrays; beside rows in SQLite, fetched"
        raw = compare("raw_year_ms", what, "ms", mine, peer, less_is_better=True)
        mine, peer = fleet.in_turn(
            rounds,
            lambda: _chart(store, streams[0]),
            lambda: _influx_chart(influx),
            _check_chart,
        )
        what = "the same cut to 1000 points, lowest and highest kept; beside InfluxQL min, max"
        chart = compare("chart_year_ms", what, "ms", mine, peer, less_is_better=True)
    return [raw, chart]


def _plain_series(plain: sqlite3.Connection, name: DatastreamId) -> Series:
    found = plain.execute("SELECT t, v, q FROM observation WHERE stream = 0 ORDER BY t")
    got = np.fromiter(found, dtype=_ROW)
    return Series(name, got["t"].astype("datetime64[ms]"), got["v"], got["q"])


def _check_series(mine: Series, theirs: Series) -> None:
    for a, b in ((mine.time, theirs.time), (mine.value, theirs.value)):
        if not np.array_equal(a, b):
            raise RuntimeError("the two disagree about the year")


def _chart(store: SqliteStore, name: DatastreamId) -> list[float]:
    end = START + _YEAR
    shown = extremes(store.series(name, START, end), START, end, _POINTS)
    if len(shown) > _POINTS:
        raise RuntimeError(f"{len(shown)} points")
    return [float(value) for value in shown.value]


def _influx_chart(influx: rig.Influx) -> list[float]:
    start, stretch_ms = to_ms(START), _YEAR // timedelta(milliseconds=1) // (_POINTS // 2)
    end = start + (_POINTS // 2) * stretch_ms
    series = influx.ask(
        f"SELECT min(value), max(value) FROM observation WHERE time >= {start}ms "
        f"AND time < {end}ms GROUP BY time({stretch_ms}ms, {start % stretch_ms}ms)"
    )
    return [float(v) for _, low, high in series[0]["values"] for v in (low, high)]


def _check_chart(mine: list[float], theirs: list[float]) -> None:
    if sorted(mine) != sorted(theirs):
        raise RuntimeError(f"the two disagree: {sorted(mine)[:3]} and {sorted(theirs)[:3]}")
