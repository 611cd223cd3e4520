"""A site whose ratings change between runs of ingest: what outlives it, and what each run does."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ingest.entry import dirty_hours
from ingest.gathered import Gathered
from ingest.judge import Assessor
from ingest.parts import Parts
from ingest.restate import Restating
from ingest.rollups import Rollups
from kahriz.book import Book, rollups
from kahriz.book.rollups import FIGURES, Rollup
from kahriz.clock import to_ms
from kahriz.errors import StoreUnavailable
from kahriz.observations import DatastreamId, ObservationBatch, Series
from kahriz.quality.flagger import Flagger
from kahriz.quality.limits import limits_of
from kahriz.sites import Kahriz, Registry
from kahriz.store import Store, open_store
from kahriz.store.memory import MemoryStore

T0 = datetime(2026, 3, 1, tzinfo=UTC)
NOW = T0 + timedelta(days=60)
FLOW = DatastreamId("barana.outlet.discharge")
NO = np.empty(0, np.int64)
NO_PARTS = Parts(NO, NO, NO, NO, NO, NO, NO, [])
Entry = dict[str, Any]


def v_notch(valid_from: str, valid_to: str | None = None, zero: float = 0.0) -> Entry:
    given = {"method": "v_notch_90", "valid_from": valid_from, "zero_offset_m": zero}
    return given | ({} if valid_to is None else {"valid_to": valid_to})


def registry(*ratings: Entry) -> Registry:
    outlet = {"id": "outlet", "kind": "outlet", "name": "Outlet", "rating": list(ratings)}
    kahriz = {
        "id": "barana",
        "name": "Barana",
        "village": "Kemerli",
        "district": "Qazax",
        "timezone": "Asia/Baku",
        "site": [outlet | {"sensor": [{"device": "d1", "channel": "stage_m"}]}],
    }
    return Registry(kahriz=(Kahriz.model_validate(kahriz),))


class Failing(MemoryStore):
    """A store that is away after so many writes."""

    writes_left = 10**9

    def write(self, batch: ObservationBatch) -> None:
        if self.writes_left == 0:
            raise StoreUnavailable("away")
        self.writes_left -= 1
        super().write(batch)


class Station:
    """What outlives a change of sites.toml: store and book; each call is a run of ingest."""

    def __init__(self, store: Store | None = None, book: Book | None = None) -> None:
        self.store = store or MemoryStore()
        self.book = book or Book("sqlite://")
        self.book.migrate()

    @classmethod
    def over(cls, folder: Path) -> Station:
        """Return one whose store and book are files, which a dead process leaves behind."""
        store = open_store(f"sqlite:///{folder}/observations.sqlite")
        return cls(store, Book(f"sqlite:///{folder}/book.sqlite"))

    def close(self) -> None:
        self.store.close()
        self.book.close()

    def take(self, known: Registry, seed: int = 0) -> None:
        """Take in 60 days of stage, every half hour, of a level that wanders."""
        hours = np.arange(0, 60 * 24, 0.5)
        walk = np.random.default_rng(seed).normal(0, 0.002, len(hours)).cumsum()
        batch = Gathered(
            NOW,
            np.full(len(hours), known.index[DatastreamId("barana.outlet.stage")], np.int32),
            (to_ms(T0) + hours * 3_600_000).astype(np.int64),
            0.15 + np.clip(walk, -0.05, 0.1),
            np.arange(len(hours), dtype=np.int32),
            NO_PARTS,
        )
        judged = Assessor(known, Flagger(limits_of(known))).assess(batch)
        self.store.write(judged.observations)
        with self.book.begin() as connection:
            rollups.mark_dirty(connection, dirty_hours(judged.observations))

    def restate(self, known: Registry, at: Callable[[str], None] = lambda _: None) -> None:
        restating = Restating(known, self.store, self.book, at)
        while restating.step(NOW):
            pass

    def sum_up(self, known: Registry) -> None:
        worker = Rollups(known, self.store, self.book)
        while worker.step(NOW):
            pass

    def flow(self) -> Series:
        return self.store.series(FLOW, T0, NOW)

    def days(self) -> list[Rollup]:
        with self.book.read() as connection:
            return rollups.rows(connection, FLOW, "day", 0, 2**60)


def from_the_start(known: Registry, seed: int = 0, station: Station | None = None) -> Station:
    """Return a station that had these ratings from its first reading on."""
    station = station or Station()
    station.restate(known)
    station.take(known, seed)
    station.sum_up(known)
    return station


def same(one: Station, other: Station) -> bool:
    a, b = one.flow(), other.flow()
    is_equal = all(
        np.array_equal(getattr(a, name), getattr(b, name)) for name in ("time", "value", "quality")
    )
    first, second = _figures(one), _figures(other)
    return (
        is_equal
        and first.shape == second.shape
        and np.allclose(first, second, rtol=1e-9, equal_nan=True)
    )


def _figures(station: Station) -> NDArray[np.float64]:
    names = ("start_ms", *FIGURES)
    return np.array([[getattr(day, name) for name in names] for day in station.days()], np.float64)
