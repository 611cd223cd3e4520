"""Statistics: the daily volumes of a year of one site, from rollups and by InfluxQL."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from bench import rig
from bench.result import Result, compare
from ingest.rollups import Rollups
from kahriz.book import Book, rollups
from kahriz.clock import from_ms, to_ms
from kahriz.observations import DatastreamId, ObservationBatch, Quality
from kahriz.sites import Registry
from kahriz.store.memory import MemoryStore

NAME = "water_year_site_vs_influxql"
STREAM = DatastreamId("k.outlet.discharge")
START = datetime(2025, 1, 1, tzinfo=UTC)
DAYS = 365
_MINUTES = DAYS * 1440
_HOUR_MS = 3_600_000
_LINES = 5000


def _year() -> ObservationBatch:
    """Return a year of readings, one a minute: a slow wave, a daily one, some noise."""
    minute = np.arange(_MINUTES)
    noise = np.random.default_rng(1).normal(0, 0.02, _MINUTES)
    value = 3 + np.sin(minute / 83_000) + 0.1 * np.sin(minute / 229) + noise
    time = np.datetime64(to_ms(START), "ms") + minute * np.timedelta64(60_000, "ms")
    stream = np.zeros(_MINUTES, np.int32)
    quality = np.full(_MINUTES, Quality.GOOD, np.uint8)
    return ObservationBatch((STREAM,), stream, time, value, quality)


def _registry() -> Registry:
    sensor = {"device": "k-outlet", "channel": "discharge_lps"}
    site = {"id": "outlet", "kind": "outlet", "name": "Outlet", "sensor": [sensor]}
    kahriz = {"id": "k", "name": "K", "village": "V", "district": "D", "timezone": "UTC"}
    return Registry.model_validate({"kahriz": [kahriz | {"site": [site]}]})


@contextmanager
def _book(batch: ObservationBatch) -> Iterator[Book]:
    """Have the year's figures computed by ingest's own worker, into a book on disk."""
    store = MemoryStore("memory://")
    store.write(batch)
    with tempfile.TemporaryDirectory(prefix="kahriz-bench-") as folder:
        book = Book(f"sqlite:///{Path(folder) / 'book.sqlite'}")
        book.migrate()
        hours = [(STREAM, to_ms(START) + i * _HOUR_MS) for i in range(DAYS * 24)]
        with book.begin() as connection:
            rollups.mark_dirty(connection, hours)
        worker = Rollups(_registry(), store, book)
        while worker.step(START + timedelta(days=DAYS + 1)):
            pass
        yield book
        book.close()


def _fill(influx: rig.Influx, batch: ObservationBatch) -> None:
    head = "observation,kahriz=k,site=outlet,property=discharge value="
    times = batch.time.astype(np.int64).tolist()
    lines = [
        f"{head}{v:.6f},quality=1i {t}" for v, t in zip(batch.value.tolist(), times, strict=True)
    ]
    for first in range(0, len(lines), _LINES):
        influx.write("\n".join(lines[first : first + _LINES]).encode())


def _ours(book: Book) -> list[float]:
    start, end = to_ms(START), to_ms(START + timedelta(days=DAYS))
    with book.read() as connection:
        days = rollups.rows(connection, STREAM, "day", start, end)
    return [day.volume_m3 or 0.0 for day in days]


def _theirs(influx: rig.Influx) -> list[float]:
    start, end = to_ms(START), to_ms(START + timedelta(days=DAYS))
    series = influx.ask(
        "SELECT integral(value) / 1000 FROM observation WHERE kahriz = 'k' AND site = 'outlet' "
        f"AND property = 'discharge' AND time >= {start}ms AND time < {end}ms GROUP BY time(1d)"
    )
    return [float(volume or 0.0) for _, volume in series[0]["values"]]


def _timed(ask: Callable[[], list[float]]) -> tuple[float, list[float]]:
    began = time.perf_counter()
    answer = ask()
    return (time.perf_counter() - began) * 1000, answer


def row(influx_url: str, say: Callable[[str], None], rounds: int) -> Result:
    """Ask both in turn, after checking that they say the same."""
    batch = _year()
    ours, peer = [], []
    with _book(batch) as book, rig.database(influx_url, "water") as influx:
        say(f"{DAYS} days computed up to {from_ms(int(batch.time[-1].astype(np.int64)))}")
        _fill(influx, batch)
        for _ in range(rounds):
            spent, mine = _timed(lambda: _ours(book))
            ours.append(spent)
            spent, theirs = _timed(lambda: _theirs(influx))
            peer.append(spent)
            _check(mine, theirs)
    say(f"year of one site: ours {min(ours):.2f} ms, InfluxQL {min(peer):.1f} ms at best")
    what = "daily volumes of a year at 1 minute: rollups, beside integral() by day"
    return compare(NAME, what, "ms", ours, peer, less_is_better=True)


def _check(mine: list[float], theirs: list[float]) -> None:
    # A day of InfluxQL lacks the minute up to midnight: 1 part in 1440.
    if len(mine) != DAYS or not np.allclose(mine, theirs[:DAYS], rtol=2e-3):
        raise RuntimeError(f"the two disagree: {mine[:3]} and {theirs[:3]}")
