"""A changed rating leaves what a run with it from the start would have left."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
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
from kahriz.observations import DatastreamId, ObservationBatch, Quality, Series
from kahriz.quality.flagger import Flagger
from kahriz.quality.limits import limits_of
from kahriz.sites import Kahriz, Registry
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

    def __init__(self) -> None:
        self.store = Failing()
        self.book = Book("sqlite://")
        self.book.migrate()

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

    def restate(self, known: Registry) -> None:
        restating = Restating(known, self.store, self.book)
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


def from_the_start(known: Registry, seed: int = 0) -> Station:
    station = Station()
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


def ratings() -> st.SearchStrategy[list[Entry]]:
    """Return one to three ratings that cover the whole time, each with a zero offset."""
    days = st.lists(st.integers(1, 58), max_size=2, unique=True).map(sorted)
    zeros = st.lists(st.sampled_from([0.0, 0.01, -0.02]), min_size=3, max_size=3)
    return st.builds(_ratings, days, zeros)


def _ratings(days: list[int], zeros: list[float]) -> list[Entry]:
    starts = ["2020-01-01", *(str((T0 + timedelta(days=day)).date()) for day in days)]
    ends = [*starts[1:], None]
    return [
        v_notch(start, end, zero) for start, end, zero in zip(starts, ends, zeros, strict=False)
    ]


@given(ratings(), ratings(), st.integers(0, 3), st.integers(0, 99))
@settings(max_examples=6, deadline=None)
def test_restated_is_as_if_the_rating_had_been_there_from_the_start(
    before: list[Entry], after: list[Entry], writes: int, seed: int
) -> None:
    station = from_the_start(registry(*before), seed)
    station.store.writes_left = writes  # and it may be cut off and begun anew in the middle
    try:
        station.restate(registry(*after))
    except StoreUnavailable:
        station.store.writes_left = 10**9
        station.restate(registry(*after))
    station.sum_up(registry(*after))

    assert same(station, from_the_start(registry(*after), seed))


def test_a_rating_changed_again_while_it_was_restated_ends_as_the_last_one() -> None:
    first, second, third = (registry(v_notch("2020-01-01", zero=zero)) for zero in (0, 0.01, 0.02))
    station = from_the_start(first)
    Restating(second, station.store, station.book).step(NOW)  # one chunk of two
    station.restate(third)
    station.sum_up(third)

    assert same(station, from_the_start(third))


def test_only_the_days_it_covers_get_a_higher_revision() -> None:
    station = from_the_start(registry(v_notch("2020-01-01")))
    before = {day.start_ms: day.revision for day in station.days()}
    changed = registry(v_notch("2020-01-01", "2026-04-01"), v_notch("2026-04-01", zero=0.01))
    station.restate(changed)
    station.sum_up(changed)

    revised = [day.start_ms for day in station.days() if day.revision > before[day.start_ms]]
    midnight = to_ms(datetime(2026, 3, 31, 20, tzinfo=UTC))  # in Baku
    last_before = midnight - 86_400_000  # its last hours reach to the first reading after
    over = {day.start_ms for day in station.days() if day.end_ms <= to_ms(NOW)}
    assert set(revised) - {last_before} == {at for at in over if at >= midnight}


def test_a_note_or_a_start_without_a_change_touches_nothing() -> None:
    station = from_the_start(registry(v_notch("2020-01-01")))
    station.store.writes_left = 0
    station.restate(registry(v_notch("2020-01-01") | {"note": "levelled by Rashad"}))

    with station.book.read() as connection:
        assert rollups.dirty(connection, 10) == []


def test_a_stage_that_had_no_rating_gets_its_discharge() -> None:
    station = Station()
    station.take(registry())
    known = registry(v_notch("2020-01-01"))
    station.restate(known)
    station.sum_up(known)

    assert same(station, from_the_start(known))


def test_discharge_that_is_refused_now_counts_as_no_water() -> None:
    station = from_the_start(registry(v_notch("2020-01-01")))
    known = registry(v_notch("2026-04-01"))
    station.restate(known)
    station.sum_up(known)

    is_before = station.flow().time < np.datetime64("2026-03-31T20:00")
    assert (station.flow().quality[is_before] == Quality.FAIL).all()
    assert is_before.sum() == 2 * (31 * 24 - 4)
    assert np.array_equal(station.flow().usable().time, from_the_start(known).flow().time)
    assert {day.n for day in station.days()[:30]} == {0}
