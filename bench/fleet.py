"""What a fleet of sensors has measured, for the benchmarks of what is stored."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from bench import rig
from kahriz.clock import from_datetime64, to_ms
from kahriz.observations import (
    DatastreamId,
    ObservationBatch,
    Quality,
    Values,
    split_datastream_id,
)
from kahriz.store.sqlite import SqliteStore

START = datetime(2025, 1, 1, tzinfo=UTC)
_LINES = 5000
_T = TypeVar("_T")


def names(kahrizes: int, properties: tuple[str, ...] = ("discharge",)) -> tuple[DatastreamId, ...]:
    """Return the datastreams of as many outlets."""
    return tuple(
        DatastreamId(f"k{i}.outlet.{prop}") for i in range(kahrizes) for prop in properties
    )


def measured(
    streams: tuple[DatastreamId, ...],
    first: int,
    instants: int,
    every: timedelta,
    jitter: timedelta,
    rng: np.random.Generator,
) -> ObservationBatch:
    """Return `instants` readings of each stream, from the `first` on, in the order they come.

    Discharge in L/s with noise of 0.02, stage in m with noise of 2 mm, both slow and with a daily
    wave, three decimals; instants late by up to `jitter`, in ms; one in 500 is SUSPECT.
    """
    n = instants * len(streams)
    stream = np.tile(np.arange(len(streams), dtype=np.int32), instants)
    step_ms = every // timedelta(milliseconds=1)
    late_ms = rng.integers(0, jitter // timedelta(milliseconds=1) + 1, n)
    since_ms = np.repeat(np.arange(first, first + instants), len(streams)) * step_ms + late_ms
    wave = np.sin(since_ms / 5e9) + 0.1 * np.sin(since_ms / 13_751_000) + rng.normal(0, 0.02, n)
    is_stage = np.array([split_datastream_id(s)[2] == "stage" for s in streams])[stream]
    value: Values = np.where(is_stage, 0.3 + 0.1 * wave, 3.0 + wave).round(3)
    quality = np.where(rng.random(n) < 0.002, Quality.SUSPECT, Quality.GOOD).astype(np.uint8)
    time = (to_ms(START) + since_ms).astype("datetime64[ms]")
    return ObservationBatch(streams, stream, time, value, quality)


def batches(
    streams: tuple[DatastreamId, ...],
    span: timedelta,
    every: timedelta,
    jitter: timedelta = timedelta(0),
    at_once: int = 10,
) -> Iterator[ObservationBatch]:
    """Yield what `streams` measure in `span`, `at_once` instants in a batch."""
    rng = np.random.default_rng(1)
    for first in range(0, span // every, at_once):
        instants = min(at_once, span // every - first)
        yield measured(streams, first, instants, every, jitter, rng)


@contextmanager
def stored(file: Path, batches: Iterable[ObservationBatch]) -> Iterator[SqliteStore]:
    """Give the embedded store after all `batches` came in and were sealed, as ingest does it."""
    with closing(SqliteStore(f"sqlite:///{file}")) as store:
        for batch in batches:
            store.write(batch)
            _tidy(store, from_datetime64(batch.time[-1]))
        _tidy(store, START + timedelta(days=36500))
        yield store


def _tidy(store: SqliteStore, now: datetime) -> None:
    while store.tidy(now):
        pass


def in_turn(
    rounds: int, ours: Callable[[], _T], theirs: Callable[[], _T], check: Callable[[_T, _T], None]
) -> tuple[list[float], list[float]]:
    """Return the ms of ours and of theirs, a round each; a first one, when all is cold, beside."""
    check(ours(), theirs())
    mine, peer = [], []
    for _ in range(rounds):
        spent, answer = _timed(ours)
        mine.append(spent)
        spent, other = _timed(theirs)
        peer.append(spent)
        check(answer, other)
    return mine, peer


def _timed(ask: Callable[[], _T]) -> tuple[float, _T]:
    began = time.perf_counter()
    answer = ask()
    return (time.perf_counter() - began) * 1000, answer


def fill(influx: rig.Influx, batch: ObservationBatch) -> None:
    """Write `batch` into an InfluxDB, as the store does."""
    heads = []
    for name in batch.datastreams:
        kahriz, site, prop = split_datastream_id(name)
        heads.append(f"observation,kahriz={kahriz},site={site},property={prop} value=")
    columns: tuple[NDArray[np.generic], ...]
    columns = (batch.stream, batch.value, batch.quality, batch.time.astype(np.int64))
    rows = zip(*(column.tolist() for column in columns), strict=True)
    lines = [f"{heads[s]}{v!r},quality={q}i {t}" for s, v, q, t in rows]
    for first in range(0, len(lines), _LINES):
        influx.write("\n".join(lines[first : first + _LINES]).encode())
