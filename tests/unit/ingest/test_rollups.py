from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from ingest.rollups import Rollups
from kahriz.book import Book, rollups
from kahriz.book.rollups import FIGURES, Period, Rollup
from kahriz.clock import from_ms, to_ms
from kahriz.errors import StoreUnavailable
from kahriz.observations import DatastreamId, ObservationBatch, Quality, Series
from kahriz.sites import Kahriz, Registry
from kahriz.stats.local_days import day_bounds, days_touching, hour_edges
from kahriz.stats.rollup import rollup
from kahriz.store.memory import MemoryStore

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
T0 = datetime(2026, 11, 1, tzinfo=UTC)
MINUTE_MS = 60_000
HOUR_MS = 3_600_000


def registry(timezone: str = "Asia/Baku") -> Registry:
    outlet = {"id": "outlet", "kind": "outlet", "name": "Outlet"}
    sensors = [
        {"device": "d1", "channel": "discharge_lps"},
        {"device": "d1", "channel": "stage_m"},
    ]
    kahriz = {
        "id": "barana",
        "name": "Barana",
        "village": "Kemerli",
        "district": "Qazax",
        "timezone": timezone,
        "site": [outlet | {"sensor": sensors}],
    }
    return Registry(kahriz=(Kahriz.model_validate(kahriz),))


FLOW = DatastreamId("barana.outlet.discharge")
STAGE = DatastreamId("barana.outlet.stage")


class Unreliable(MemoryStore):
    """A store that may be down, and counts what it is asked to read."""

    is_down = False
    rows_read = 0

    def series(self, datastream: DatastreamId, start: datetime, end: datetime) -> Series:
        if self.is_down:
            raise StoreUnavailable("down")
        found = super().series(datastream, start, end)
        self.rows_read += len(found)
        return found


class Bench:
    """A store, a book and the worker between them; `take` does what intake does."""

    def __init__(self, url: str = "sqlite://", timezone: str = "Asia/Baku", chunk: int = 2000):
        self.store = Unreliable()
        self.book = Book(url)
        self.book.migrate()
        self.zone = ZoneInfo(timezone)
        self.worker = Rollups(registry(timezone), self.store, self.book, chunk)

    def take(self, batch: ObservationBatch) -> None:
        self.store.write(batch)
        self.mark(batch)

    def mark(self, batch: ObservationBatch) -> None:
        hours = batch.time.astype(np.int64) // HOUR_MS * HOUR_MS
        names = [batch.datastreams[i] for i in batch.stream.tolist()]
        with self.book.begin() as connection:
            rollups.mark_dirty(connection, zip(names, hours.tolist(), strict=True))

    def drain(self, now: datetime = NOW) -> None:
        while self.worker.step(now):
            pass

    def rows(self, period: Period, datastream: DatastreamId = FLOW) -> list[Rollup]:
        with self.book.read() as connection:
            return rollups.rows(connection, datastream, period, 0, 2**60)

    def dirty(self) -> int:
        with self.book.read() as connection:
            return len(rollups.dirty(connection, 100_000))


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(f"sqlite:///{tmp_path / 'book.sqlite'}")
    yield made
    made.book.close()


def readings(
    minutes: NDArray[np.float64],
    values: NDArray[np.float64],
    quality: NDArray[np.uint8] | None = None,
    datastream: DatastreamId = FLOW,
    origin: datetime = T0,
) -> ObservationBatch:
    flags = np.full(len(minutes), Quality.GOOD, np.uint8) if quality is None else quality
    time = (to_ms(origin) + minutes * MINUTE_MS).astype(np.int64).astype("datetime64[ms]")
    return ObservationBatch((datastream,), np.zeros(len(minutes), np.int32), time, values, flags)


def steady(first_h: float, last_h: float, lps: float = 1.0) -> ObservationBatch:
    minutes = np.arange(first_h * 60, last_h * 60, 5.0)
    return readings(minutes, np.full(len(minutes), lps))


def figures(rows: list[Rollup]) -> list[tuple[float | None, ...]]:
    return [(row.start_ms, *(getattr(row, name) for name in FIGURES)) for row in rows]


def test_hours_and_local_days_are_kept_and_nothing_stays_dirty(bench: Bench) -> None:
    bench.take(steady(0, 48))
    bench.drain()

    days = bench.rows("day")
    hours = bench.rows("hour")
    assert [from_ms(d.start_ms) for d in days] == [
        T0 + timedelta(hours=20) + timedelta(days=k) for k in (-1, 0, 1)
    ]
    assert [d.volume_m3 for d in days] == [pytest.approx(v) for v in (72.0, 86.4, 14.1)]
    assert [d.covered_s for d in days] == [72000.0, 86400.0, 14100.0]
    assert len(hours) == 48
    assert {h.revision for h in hours + days} == {1}
    assert {h.computed_at_ms for h in hours + days} == {to_ms(NOW)}
    assert bench.dirty() == 0


@pytest.mark.parametrize(
    ("timezone", "minutes"), [("Asia/Kolkata", 30), ("Asia/Kathmandu", 15), ("Asia/Tehran", 30)]
)
def test_a_late_reading_changes_the_local_hours_it_lies_in_where_they_are_not_those_of_utc(
    timezone: str, minutes: int, tmp_path: Path
) -> None:
    bench = Bench(f"sqlite:///{tmp_path / 'book.sqlite'}", timezone=timezone)
    bench.take(steady(0, 48))
    bench.drain()
    before = {row.start_ms: row for row in bench.rows("hour")}
    # Between 10:00 and 11:00 UTC: in the local hour from 09:MM on, and in the next one.
    for minute in (600.0 + 2.5, 600.0 + 57.5):
        bench.take(readings(np.array([minute]), np.array([9.0])))
    bench.drain(NOW + timedelta(days=1))

    changed = {from_ms(r.start_ms) for r in bench.rows("hour") if before[r.start_ms] != r}
    start = T0 + timedelta(hours=10, minutes=minutes)
    assert changed == {start - timedelta(hours=1), start}
    bench.book.close()


def test_nothing_dirty_is_nothing_done(bench: Bench) -> None:
    assert bench.worker.step(NOW) == 0


def test_a_chunk_bounds_a_step_and_the_newest_hours_come_first(tmp_path: Path) -> None:
    bench = Bench(f"sqlite:///{tmp_path / 'book.sqlite'}", chunk=5)
    bench.take(steady(0, 48))

    assert bench.worker.step(NOW) == 5
    assert bench.dirty() == 43
    assert from_ms(bench.rows("hour")[-1].start_ms) == T0 + timedelta(hours=47)
    bench.book.close()


def test_late_data_changes_the_hours_and_the_day_it_touches_and_no_other(bench: Bench) -> None:
    whole = steady(0, 120)
    hour = (whole.time >= np.datetime64("2026-11-03T05")) & (
        whole.time < np.datetime64("2026-11-03T07")
    )
    bench.take(whole.take(~hour))
    bench.drain()
    before = {(p, r.start_ms): r for p in ("hour", "day") for r in bench.rows(p)}
    later = NOW + timedelta(days=1)
    bench.take(whole.take(hour))
    bench.drain(later)
    after = {(p, r.start_ms): r for p in ("hour", "day") for r in bench.rows(p)}

    changed = {
        (period, from_ms(start))
        for (period, start), row in after.items()
        if before.get((period, start)) != row
    }
    touched = {("hour", datetime(2026, 11, 3, h, tzinfo=UTC)) for h in (4, 5, 6)}
    day = ("day", datetime(2026, 11, 2, 20, tzinfo=UTC))
    assert changed == touched | {day}
    assert after[day[0], to_ms(day[1])].revision == 2
    assert after[day[0], to_ms(day[1])].volume_m3 == pytest.approx(86.4)
    assert after[day[0], to_ms(day[1])].computed_at_ms == to_ms(later)
    assert {after[p, to_ms(t)].revision for p, t in touched} == {1, 2}


def test_the_same_readings_again_change_no_revision(bench: Bench) -> None:
    bench.take(steady(0, 30))
    bench.drain()
    before = bench.rows("hour") + bench.rows("day")
    bench.take(steady(0, 30))
    bench.drain(NOW + timedelta(days=1))

    assert bench.rows("hour") + bench.rows("day") == before


def test_a_store_that_is_down_is_told_and_the_marks_are_kept(bench: Bench) -> None:
    bench.take(steady(0, 10))
    bench.store.is_down = True
    with pytest.raises(StoreUnavailable):
        bench.worker.step(NOW)
    left = bench.dirty()
    bench.store.is_down = False
    bench.drain()

    assert left == 10
    assert len(bench.rows("hour")) == 10


def test_a_book_that_fails_in_between_keeps_figures_and_marks_together(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.take(steady(0, 10))

    def fails(*_: object) -> None:
        raise StoreUnavailable("disk full")

    with monkeypatch.context() as broken, pytest.raises(StoreUnavailable):  # noqa: PT012
        broken.setattr(rollups, "clear", fails)
        bench.worker.step(NOW)

    assert (bench.dirty(), bench.rows("hour"), bench.rows("day")) == (10, [], [])


def test_an_hour_that_got_data_while_it_was_computed_stays_dirty(bench: Bench) -> None:
    bench.take(steady(0, 5))
    of_store = bench.store.series

    def meanwhile(datastream: DatastreamId, start: datetime, end: datetime) -> Series:
        found = of_store(datastream, start, end)
        bench.store.series = of_store  # type: ignore[method-assign]
        bench.take(readings(np.array([122.0]), np.array([50.0])))
        return found

    bench.store.series = meanwhile  # type: ignore[method-assign]
    bench.worker.step(NOW)
    left = bench.dirty()
    bench.drain()

    assert left == 1
    assert bench.rows("hour")[2].max == 50.0


def test_a_datastream_no_longer_registered_is_let_go_of_and_named(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    with bench.book.begin() as connection:
        rollups.mark_dirty(connection, [("gone.outlet.discharge", 0)])
    bench.take(steady(0, 2))
    bench.drain()

    assert bench.dirty() == 0
    assert len(bench.rows("hour")) == 2
    assert [vars(r)["datastream"] for r in caplog.records] == ["gone.outlet.discharge"]


def test_the_cost_of_a_late_reading_does_not_grow_with_the_history(bench: Bench) -> None:
    bench.take(steady(0, 24 * 20))
    bench.drain()
    bench.store.rows_read = 0
    bench.take(readings(np.array([601.0]), np.array([1.0])))
    bench.take(readings(np.array([24 * 60 * 19.0]), np.array([1.0])))
    bench.drain()

    assert bench.store.rows_read < 2 * 12 * 30


def random_steps(*minutes: float) -> st.SearchStrategy[list[tuple[float, float, Quality]]]:
    values = st.sampled_from([0.0, 1.0, 2.5, 400.0])
    quality = st.sampled_from([Quality.GOOD] * 4 + list(Quality))
    step = st.tuples(st.sampled_from(minutes), values, quality)
    return st.lists(step, min_size=1, max_size=80)


STEPS = st.one_of(
    random_steps(1.0, 5.0, 5.0, 5.0, 29.0, 31.0, 60.0, 119.0, 121.0, 700.0),
    # Where only the neighbours tell a gap from a slow logger.
    random_steps(20.0, 35.0, 65.0, 100.0, 115.0),
)


ZONES_AND_DAYS = st.sampled_from(
    [
        ("Asia/Baku", T0),
        ("Asia/Tehran", T0),
        ("Asia/Kolkata", T0),
        ("Asia/Kathmandu", T0),
        ("America/St_Johns", T0),  # the clocks go back that day
        ("Australia/Lord_Howe", datetime(2026, 4, 4, 13, tzinfo=UTC)),  # half an hour back
        ("Australia/Lord_Howe", datetime(2026, 10, 3, 13, tzinfo=UTC)),  # half an hour on
        ("Europe/Rome", datetime(2026, 3, 28, 22, tzinfo=UTC)),  # an hour on
    ]
)


@settings(max_examples=40, deadline=None)
@given(
    steps=STEPS,
    where=ZONES_AND_DAYS,
    parts=st.integers(1, 6),
    order=st.randoms(use_true_random=False),
)
def test_any_order_cuts_repeats_and_outages_give_the_figures_of_the_readings_themselves(
    steps: list[tuple[float, float, Quality]],
    where: tuple[str, datetime],
    parts: int,
    order: random.Random,
) -> None:
    timezone, origin = where
    minutes, values, quality = (np.array(column) for column in zip(*steps, strict=True))
    whole = readings(np.cumsum(minutes), values, quality.astype(np.uint8), origin=origin)
    rows = np.array(order.sample(range(len(whole)), len(whole)))
    bench = Bench(timezone=timezone, chunk=order.choice([1, 7, 2000]))

    for part in [*np.array_split(rows, parts), rows[: order.randrange(len(rows))]]:
        bench.store.write(whole.take(part))
        if order.random() < 0.5:
            bench.worker.step(NOW)
        bench.mark(whole.take(part))
        bench.store.is_down = order.random() < 0.3
        with suppress(StoreUnavailable):
            bench.drain()
        bench.store.is_down = False
    bench.drain()

    series = bench.store.series(FLOW, origin, origin + timedelta(days=60))
    assert close(bench.rows("hour"), expected(series, "hour", bench.zone, origin))
    assert close(bench.rows("day"), expected(series, "day", bench.zone, origin))
    bench.book.close()


def expected(
    series: Series, period: Period, zone: ZoneInfo, origin: datetime
) -> list[tuple[float | None, ...]]:
    """Return the figures straight from all the readings, empty intervals left out."""
    if not len(series):
        return []
    start, end = origin - timedelta(days=2), origin + timedelta(days=60)
    edges = hour_edges(start, end, zone)
    if period == "day":
        days = days_touching(start, end, zone)
        starts = [to_ms(day_bounds(day, zone)[0]) for day in days]
        edges = np.array(starts, np.int64).astype("datetime64[ms]")
    return [
        (f.start_ms, *(getattr(f, name) for name in FIGURES))
        for f in rollup(series, edges)
        if not f.is_empty
    ]


def close(rows: list[Rollup], wanted: list[tuple[float | None, ...]]) -> bool:
    known = [
        f
        for row, f in zip(rows, figures(rows), strict=True)
        if row.n or row.n_fail or row.covered_s
    ]
    return len(known) == len(wanted) and all(
        (a is None) == (b is None) and (a is None or b is None or a == pytest.approx(b, abs=1e-9))
        for ours, theirs in zip(known, wanted, strict=True)
        for a, b in zip(ours, theirs, strict=True)
    )
