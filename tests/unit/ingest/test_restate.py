"""A changed rating leaves what a run with it from the start would have left."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.restate import Restating, unsettled
from kahriz.book import rollups
from kahriz.clock import to_ms
from kahriz.errors import StoreUnavailable
from kahriz.observations import DatastreamId, ObservationBatch, Quality, Series
from kahriz.store.memory import MemoryStore
from tests.station import (
    FLOW,
    NOW,
    T0,
    Entry,
    Failing,
    Station,
    from_the_start,
    registry,
    same,
    v_notch,
)


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
    store = Failing()
    station = from_the_start(registry(*before), seed, Station(store))
    store.writes_left = writes  # and it may be cut off and begun anew in the middle
    try:
        station.restate(registry(*after))
    except StoreUnavailable:
        store.writes_left = 10**9
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
    store = Failing()
    station = from_the_start(registry(v_notch("2020-01-01")), station=Station(store))
    store.writes_left = 0
    said = {"note": "levelled by hand", "author": "Rashad"}
    station.restate(registry(v_notch("2020-01-01") | said))

    with station.book.read() as connection:
        assert rollups.dirty(connection, 10) == []


def test_a_new_version_is_looked_at_again_and_revises_no_figure_that_stays() -> None:
    station = from_the_start(registry(v_notch("2020-01-01")))
    before = station.days()
    again = registry(v_notch("2020-01-01") | {"version": "2"})
    station.restate(again)
    with station.book.read() as connection:
        assert rollups.dirty(connection, 10)
    station.sum_up(again)

    assert station.days() == before


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

    n_water = sum(
        day.volume_m3 or 0 for day in station.days() if day.start_ms < to_ms(T0) + 30 * 86_400_000
    )
    assert n_water == 0
    is_before = station.flow().time < np.datetime64("2026-03-31T20:00")
    assert (station.flow().quality[is_before] == Quality.FAIL).all()
    assert is_before.sum() == 2 * (31 * 24 - 4)
    assert np.array_equal(station.flow().usable().time, from_the_start(known).flow().time)
    assert {day.n for day in station.days()[:30]} == {0}


class StoppedError(Exception):
    """It ended there."""


@pytest.mark.parametrize("chunk", [1, 2])
def test_a_stop_between_store_and_book_is_made_good_at_the_next_start(chunk: int) -> None:
    known = registry(v_notch("2020-01-01", zero=0.01))
    station = from_the_start(registry(v_notch("2020-01-01")))
    written: list[str] = []

    def stop(step: str) -> None:
        written.append(step)
        if written.count("discharge written") == chunk:
            raise StoppedError

    with pytest.raises(StoppedError):
        station.restate(known, stop)
    assert not same(station, from_the_start(known))

    station.restate(known)
    station.sum_up(known)
    assert same(station, from_the_start(known))


def test_what_is_as_the_rating_says_is_not_written_again() -> None:
    store = Failing()
    station = Station(store)
    known = registry(v_notch("2020-01-01"))
    station.take(known)  # before the book kept by which ratings discharge was derived
    store.writes_left = 0
    station.restate(known)

    assert store.writes_left == 0
    with station.book.read() as connection:
        assert unsettled(connection, known) == {FLOW: []}


class LateIn(MemoryStore):
    """Takes in a late reading, stage and discharge, between two of its answers."""

    late: ObservationBatch | None = None

    def series(self, datastream: DatastreamId, start: datetime, end: datetime) -> Series:
        found = super().series(datastream, start, end)
        if self.late is not None:
            batch, self.late = self.late, None
            self.write(batch)
        return found


def test_a_late_reading_taken_in_meanwhile_keeps_its_discharge() -> None:
    known = registry(v_notch("2020-01-01", zero=0.01))
    store = LateIn()
    station = from_the_start(registry(v_notch("2020-01-01")), station=Station(store))
    at = np.datetime64(T0.replace(tzinfo=None), "ms") + np.timedelta64(55, "D") + 1
    store.late = ObservationBatch(
        (DatastreamId("barana.outlet.stage"), FLOW),
        np.array([0, 1], np.int32),
        np.array([at, at]),
        np.array([0.15, 10.13]),
        np.full(2, Quality.GOOD, np.uint8),
    )
    station.restate(known)

    flow = station.flow()
    assert flow.quality[flow.time == at].tolist() == [Quality.GOOD]


def test_discharge_measured_before_there_was_a_stage_stays_as_it_was() -> None:
    station = Station()
    time = np.datetime64(T0.replace(tzinfo=None), "ms") + 7 * np.arange(9).astype("m8[m]")
    good = np.full(9, Quality.GOOD, np.uint8)
    station.store.write(
        ObservationBatch((FLOW,), np.zeros(9, np.int32), time, np.full(9, 2.5), good)
    )
    station.take(registry())
    station.restate(registry(v_notch("2020-01-01")))

    is_measured = np.isin(station.flow().time, time[1:])
    assert station.flow().value[is_measured][:4].tolist() == [2.5] * 4
    assert Quality.FAIL not in station.flow().quality


def test_a_rating_yet_to_be_applied_is_said_to_whoever_looks() -> None:
    station = from_the_start(registry(v_notch("2020-01-01")))
    changed = registry(v_notch("2020-01-01", "2026-04-01"), v_notch("2026-04-01", zero=0.01))
    midnight = to_ms(datetime(2026, 3, 31, 20, tzinfo=UTC))
    with station.book.read() as connection:
        (span,) = unsettled(connection, changed)[FLOW]
    assert span[0] == midnight

    Restating(changed, station.store, station.book).step(NOW)
    station.restate(changed)
    with station.book.read() as connection:
        assert unsettled(connection, changed) == {FLOW: []}
