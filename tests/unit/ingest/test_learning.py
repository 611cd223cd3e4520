"""Limits learned beside the work: one datastream at a time, once a day, from the store."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from ingest.learning import Learning
from kahriz.errors import StoreUnavailable
from kahriz.observations import DatastreamId, ObservationBatch, Quality, Series
from kahriz.quality.learned import LearnedLimits, learnable
from kahriz.quality.limits import limits_of
from kahriz.sites import Registry, load_registry
from kahriz.store.memory import MemoryStore

NOW = datetime(2026, 5, 1, 6, tzinfo=UTC)
LINE = DatastreamId("agh-dere.line.discharge")
STEP = timedelta(minutes=15)


class CountingStore(MemoryStore):
    """A store in memory that says what it was asked, and can be away."""

    def __init__(self) -> None:
        super().__init__("", "")
        self.asked: list[tuple[DatastreamId, datetime, datetime]] = []
        self.is_down = False
        self.damaged: DatastreamId | None = None

    def series(self, datastream: DatastreamId, start: datetime, end: datetime) -> Series:
        if self.is_down or datastream == self.damaged:
            raise StoreUnavailable("down")
        self.asked.append((datastream, start, end))
        return super().series(datastream, start, end)


@pytest.fixture
def registry() -> Registry:
    return load_registry(Path(__file__).parents[3] / "sites.example.toml")


@pytest.fixture
def store() -> CountingStore:
    """Hold twenty days of a delivery that is 8 L/s give or take a tenth."""
    n = 20 * 96
    time = np.array([NOW.replace(tzinfo=None) - STEP * (n - i) for i in range(n)])
    found = CountingStore()
    found.write(
        ObservationBatch(
            (LINE,),
            np.zeros(n, np.int32),
            time.astype("datetime64[ms]"),
            8 + np.round(np.random.default_rng(1).normal(0, 0.1, n), 2),
            np.full(n, Quality.GOOD, np.uint8),
        )
    )
    return found


def test_each_datastream_is_learned_of_once_a_day(registry: Registry, store: CountingStore) -> None:
    limits = LearnedLimits(limits_of(registry), learnable(registry))
    learning = Learning(registry, store, limits)
    n = len(limits.open_streams)
    for second in range(3 * n):
        learning.step(NOW + timedelta(seconds=second))
    once = list(store.asked)
    for second in range(3 * n):
        learning.step(NOW + timedelta(days=1, seconds=second))

    assert sorted(name for name, _, _ in once) == sorted(
        registry.datastreams[i].id for i in limits.open_streams.tolist()
    )
    assert len(store.asked) == 2 * n
    assert {end - start for _, start, end in once} == {timedelta(days=30)}


def test_what_was_learned_is_judged_by_from_then_on(
    registry: Registry, store: CountingStore
) -> None:
    limits = LearnedLimits(limits_of(registry), learnable(registry))
    learning = Learning(registry, store, limits)
    line = registry.index[LINE]
    for second in range(len(limits.open_streams)):
        assert np.isnan(limits.table.spike[line]) or second
        learning.step(NOW + timedelta(seconds=second))

    assert 1.0 < limits.table.spike[line] < 5.0
    assert limits.table.flat_line_h[line] == 12


def test_while_the_store_is_away_nothing_is_skipped(
    registry: Registry, store: CountingStore
) -> None:
    limits = LearnedLimits(limits_of(registry), learnable(registry))
    learning = Learning(registry, store, limits)
    store.is_down = True
    with pytest.raises(StoreUnavailable):
        learning.step(NOW)
    store.is_down = False
    for second in range(len(limits.open_streams)):
        learning.step(NOW + timedelta(seconds=second))

    assert len({name for name, _, _ in store.asked}) == len(limits.open_streams)


def test_a_datastream_that_cannot_be_read_holds_up_no_other(
    registry: Registry, store: CountingStore
) -> None:
    limits = LearnedLimits(limits_of(registry), learnable(registry))
    learning = Learning(registry, store, limits)
    damaged = registry.datastreams[int(limits.open_streams[0])].id
    store.damaged = damaged
    for second in range(2 * len(limits.open_streams)):
        with suppress(StoreUnavailable):
            learning.step(NOW + timedelta(seconds=second))

    assert len({name for name, _, _ in store.asked}) == len(limits.open_streams) - 1


def test_where_a_person_has_said_everything_the_store_is_not_asked(store: CountingStore) -> None:
    registry = load_registry(Path(__file__).parents[3] / "sites.example.toml")
    nothing = np.zeros(len(registry.datastreams), np.bool_)
    Learning(registry, store, LearnedLimits(limits_of(registry), nothing)).step(NOW)

    assert store.asked == []
