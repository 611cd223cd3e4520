"""An export holds a part at a time, however long the range."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow
import pytest

from api.exported import water_rows
from kahriz.book import Book
from kahriz.clock import to_datetime64
from kahriz.export import TABLES, Dialect, Format, Source, Wanted, written
from kahriz.observations import DatastreamId, ObservationBatch, Quality
from kahriz.sites import load_registry
from kahriz.store import Store, open_store

EXAMPLE = Path(__file__).parents[3] / "sites.example.toml"
START = datetime(2025, 1, 1, tzinfo=UTC)
YEAR = timedelta(days=365)
NAMES = [f"{kahriz}.outlet.discharge" for kahriz in ("agh-dere", "barana", "velibey")]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """Hold a year of three outlets, read every three minutes."""
    url = f"sqlite:///{tmp_path_factory.mktemp('year') / 'observations.sqlite'}"
    n = YEAR // timedelta(minutes=3)
    time = to_datetime64(START) + np.arange(n) * np.timedelta64(180_000, "ms")
    value = np.round(2.4 + np.sin(np.arange(n) / 500), 3)
    good = np.full(n, Quality.GOOD, np.uint8)
    with closing(open_store(url)) as store:
        for name in map(DatastreamId, NAMES):
            store.write(ObservationBatch((name,), np.zeros(n, np.int32), time, value, good))
            while store.tidy(START):
                pass
        yield store


def peak(store: Store, format: Format, days: int) -> tuple[float, float]:
    """Return the most megabytes held while so many days were written, and megabytes written."""
    source = Source(load_registry(EXAMPLE), store, Book("sqlite://"), water_rows())
    wanted = Wanted(START + YEAR, start=START, end=START + timedelta(days=days))
    pool = pyarrow.default_memory_pool()
    size, most_of_arrow, held = 0, 0, pool.bytes_allocated()
    tracemalloc.start()
    for piece in written(TABLES["observations"](source, wanted), format, Dialect()):
        size += len(piece)
        most_of_arrow = max(most_of_arrow, pool.bytes_allocated() - held)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return (most + most_of_arrow) / 1e6, size / 1e6


@pytest.mark.parametrize("format", list(Format))
def test_a_year_needs_no_more_memory_than_its_largest_piece(store: Store, format: Format) -> None:
    peak(store, format, 1)  # what is made once, at the first time
    _, ten_days_size = peak(store, format, 10)
    sixty_days, _ = peak(store, format, 60)
    year, size = peak(store, format, 365)

    assert size > 20 * ten_days_size
    assert year < 1.5 * sixty_days
    assert year < 16
