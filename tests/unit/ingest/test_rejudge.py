"""Flags of what came late are those it would have had, had it come in time."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from ingest.gathered import Gathered
from ingest.history import History
from ingest.judge import Assessor
from ingest.rejudge import REST, Rejudging
from kahriz.book import Book, late, rollups
from kahriz.clock import to_ms
from kahriz.errors import StoreUnavailable
from kahriz.observations import DatastreamId, ObservationBatch, Quality, Series, Values
from kahriz.quality.flagger import Flagger
from kahriz.quality.learned import LearnedLimits, learnable
from kahriz.quality.limits import limits_of
from kahriz.sites import Registry, load_registry
from kahriz.store.memory import MemoryStore
from tests.unit.ingest.test_judge import NO_PARTS

STAGE = DatastreamId("agh-dere.outlet.stage")
DISCHARGE = DatastreamId("agh-dere.outlet.discharge")
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
LATER = NOON + timedelta(days=60)
MINUTES = 15
G, N, S, F = Quality.GOOD, Quality.NOT_EVALUATED, Quality.SUSPECT, Quality.FAIL


class Weak(MemoryStore):
    """A store that can go away before it is written to, or after."""

    def __init__(self) -> None:
        super().__init__("", "")
        self.fails: str | None = None

    def write(self, batch: ObservationBatch) -> None:
        if self.fails == "before":
            raise StoreUnavailable("away")
        super().write(batch)
        if self.fails == "after":
            raise StoreUnavailable("away, but it has it")


class House:
    """Judge what comes, store it, mark it; and settle what is marked."""

    def __init__(self, folder: Path, store: Weak | None = None) -> None:
        self.registry: Registry = load_registry(Path("sites.example.toml"))
        self.store = store or Weak()
        self.book = Book(f"sqlite:///{folder / 'book.sqlite'}")
        self.book.migrate()
        self.learned = LearnedLimits(limits_of(self.registry), learnable(self.registry))
        limits = self.learned.table
        history = History(self.registry, self.store, limits)
        self.assessor = Assessor(self.registry, Flagger(limits, history), self.learned)
        self.rejudging = Rejudging(self.registry, self.store, self.book)

    def take(self, at: NDArray[np.int64], stage_m: Values, *, corrected: bool = False) -> None:
        """Take stages (n,) [m] of the minutes (n,) after noon."""
        n = len(at)
        batch = Gathered(
            NOON,
            np.full(n, self.registry.index[STAGE], np.int32),
            to_ms(NOON) + at * 60_000,
            stage_m,
            np.arange(n, dtype=np.int32),
            NO_PARTS,
            is_corrected=np.full(n, corrected) if corrected else None,
        )
        judged = self.assessor.assess(batch)
        self.store.write(judged.observations)
        with self.book.begin() as connection:
            late.mark(connection, judged.unsettled, to_ms(NOON))
            late.mark_corrected(connection, judged.corrected)

    def settle(self) -> int:
        n = 0
        while more := self.rejudging.step(LATER + timedelta(minutes=1)):
            n += more
        return n

    def flags(self, datastream: DatastreamId = STAGE) -> list[int]:
        return list(map(int, self.all_of(datastream).quality))

    def all_of(self, datastream: DatastreamId) -> Series:
        return self.store.series(datastream, NOON - timedelta(days=90), LATER)

    def dirty(self) -> set[tuple[str, int]]:
        with self.book.read() as connection:
            hours = rollups.dirty(connection, 10_000)
        return {(hour.datastream, (hour.hour_ms - to_ms(NOON)) // 3_600_000) for hour in hours}

    def unsettled(self) -> int:
        with self.book.read() as connection:
            return len(late.unsettled(connection, to_ms(LATER) + 1, 10_000))


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    found = House(tmp_path)
    yield found
    found.book.close()


def falling(n: int) -> tuple[NDArray[np.int64], Values]:
    """Return minutes (n,) and stages (n,) of a slow fall, each a little different."""
    i = np.arange(n, dtype=np.int64)
    stage_m: Values = np.round(0.25 - 0.0015 * i + 0.0001 * (i % 3), 4).astype(np.float64)
    return i * MINUTES, stage_m


def test_what_looked_like_a_jump_over_a_gap_is_good_once_the_gap_is_filled(house: House) -> None:
    at, stage = falling(90)
    house.take(at[:30], stage[:30])
    house.take(at[60:], stage[60:])
    suspected = house.flags(), house.flags(DISCHARGE)
    house.take(at[30:60], stage[30:60])
    house.settle()

    assert suspected[0][30:33].count(S) == suspected[1][30:33].count(S) == 2
    assert house.flags()[10:] == house.flags(DISCHARGE)[10:] == [G] * 80
    assert {(STAGE, 15), (DISCHARGE, 15)} <= house.dirty()
    assert house.unsettled() == 0


@pytest.mark.parametrize("order", ["backwards", "any", "in pieces", "each fourth first"])
def test_in_whatever_order_it_comes_the_flags_are_those_of_one_series(
    house: House, tmp_path: Path, order: str
) -> None:
    at, stage = falling(120)
    chance = np.random.default_rng(7)
    stage[chance.choice(np.arange(10, 110), 9, replace=False)] += 0.06
    stage[70:72] = 0.0
    calm = House(tmp_path / "calm")
    calm.take(at, stage)
    calm.settle()
    pieces = {
        "backwards": [np.array([i]) for i in range(119, -1, -1)],
        "any": [np.array([i]) for i in chance.permutation(120)],
        "in pieces": np.split(np.r_[80:120, 0:40, 40:80], 8),
        "each fourth first": [np.arange(0, 120, 4), np.arange(120)],
    }
    for rows in pieces[order]:
        house.take(at[rows], stage[rows])
    house.settle()

    assert calm.flags().count(S) >= 9
    assert house.flags() == calm.flags()
    assert house.flags(DISCHARGE) == calm.flags(DISCHARGE)
    calm.book.close()


def test_after_a_start_values_are_judged_again_by_what_was_learned_for_their_day(
    house: House,
) -> None:
    n = 12 * 96
    at = np.arange(n) * MINUTES - n * MINUTES
    stage = np.round(0.1 + np.random.default_rng(3).normal(0, 0.0004, n), 4)
    stage[-20:-10] += np.tile([0.006, -0.006], 5)  # noise; nobody has given a limit for it
    house.take(at, stage)
    before = house.flags()
    house.settle()

    assert S not in before[-20:-10]
    assert S in house.flags()[-20:-10]
    assert np.isnan(house.learned.table.noise[house.registry.index[STAGE]]), "left to Learning"


def test_the_rest_of_a_backlog_is_waited_for(house: House) -> None:
    at, stage = falling(9)
    house.take(at[5:], stage[5:])
    house.take(at[:5], stage[:5])

    assert house.rejudging.step(NOON + REST) == 0
    assert house.rejudging.step(NOON + REST + timedelta(milliseconds=1)) > 0


@pytest.mark.parametrize("fails", ["before", "after"])
def test_a_crash_at_the_store_leaves_the_hours_marked_for_flags_and_figures(
    house: House, fails: str
) -> None:
    at, stage = falling(90)
    for rows in (slice(0, 30), slice(60, 90), slice(30, 60)):
        house.take(at[rows], stage[rows])
    house.store.fails = fails
    with pytest.raises(StoreUnavailable):
        house.rejudging.step(LATER)
    marked = house.unsettled()
    house.store.fails = None
    house.settle()

    assert marked
    assert house.flags()[10:] == [G] * 80
    assert {(STAGE, 15), (DISCHARGE, 15)} <= house.dirty()
    assert house.unsettled() == 0


def test_a_store_that_took_the_stage_and_not_its_discharge_is_put_right(house: House) -> None:
    at, stage = falling(90)
    for rows in (slice(0, 30), slice(60, 90), slice(30, 60)):
        house.take(at[rows], stage[rows])
    good = house.all_of(STAGE)
    of = np.full(len(good), house.registry.index[STAGE], np.int32)
    ids = tuple(d.id for d in house.registry.datastreams)
    flags = np.full(len(good), G, np.uint8)
    house.store.write(ObservationBatch(ids, of, good.time, good.value, flags))
    house.settle()

    assert house.flags(DISCHARGE)[10:] == [G] * 80


def test_a_value_whose_time_was_corrected_stays_suspect(house: House) -> None:
    at, stage = falling(60)
    house.take(at[40:], stage[40:])
    house.take(at[16:20], stage[16:20], corrected=True)
    rest = np.r_[0:16, 20:40]
    house.take(at[rest], stage[rest])
    house.settle()

    assert house.flags()[16:20] == [S] * 4
    assert house.flags()[24:] == [G] * 36


def test_what_cannot_be_fails_however_late_and_its_neighbours_do_not(house: House) -> None:
    at, stage = falling(60)
    stage[20] = 9.0
    house.take(at[21:], stage[21:])
    house.take(at[:21], stage[:21])
    house.settle()

    assert house.flags()[20] == F
    assert house.flags(DISCHARGE).count(F) == 0
    assert house.flags()[22:] == [G] * 38


def test_hours_of_a_datastream_that_is_gone_from_the_sites_are_let_go(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    with house.book.begin() as connection:
        late.mark(connection, [("nowhere.outlet.stage", 0)], 0)

    assert house.settle() == 1
    assert house.unsettled() == 0
    assert "not in sites.toml" in caplog.text


def test_a_value_that_comes_while_its_hour_is_judged_is_judged_the_next_time(house: House) -> None:
    at, stage = falling(60)
    house.take(at[30:], stage[30:])
    house.take(at[:29], stage[:29])
    held = house.store.series

    def series(datastream: DatastreamId, start: datetime, end: datetime) -> Series:
        house.store.series = held  # type: ignore[method-assign]
        found = held(datastream, start, end)
        house.take(at[29:30], stage[29:30])
        return found

    house.store.series = series  # type: ignore[method-assign]
    house.rejudging.step(LATER)
    left = house.unsettled()
    house.settle()

    assert left == 1
    assert house.flags()[10:] == [G] * 50


def test_a_day_that_cannot_be_read_holds_up_nobody_else(house: House) -> None:
    at, stage = falling(60)
    house.take(at[30:], stage[30:])
    house.take(at[:30], stage[:30])
    with house.book.begin() as connection:
        late.mark(connection, [("agh-dere.line.discharge", 0)] * 2, 0)
    held = house.store.series

    def series(datastream: DatastreamId, start: datetime, end: datetime) -> Series:
        if datastream == "agh-dere.line.discharge":
            raise StoreUnavailable("a sealed day is damaged")
        return held(datastream, start, end)

    house.store.series = series  # type: ignore[method-assign]
    with pytest.raises(StoreUnavailable):
        house.rejudging.step(LATER)

    assert house.flags()[10:] == [G] * 50
    with house.book.read() as connection:
        behind = late.unsettled(connection, to_ms(LATER) + 1, 10)
    assert [hour.datastream for hour in behind] == ["agh-dere.line.discharge"]
    assert house.rejudging.step(LATER) == 0, "put back: it rests"


def test_whoever_marks_hours_again_and_again_goes_behind_the_others(house: House) -> None:
    house.rejudging = Rejudging(house.registry, house.store, house.book, chunk=10)
    with house.book.begin() as connection:
        late.mark(connection, [(STAGE, hour * 3_600_000) for hour in range(50)], to_ms(NOON) + 1)
        late.mark(connection, [("velibey.outlet.stage", 0)], to_ms(NOON))
    house.rejudging.step(NOON + REST + timedelta(seconds=1))
    with house.book.read() as connection:
        left = {hour.datastream for hour in late.unsettled(connection, to_ms(LATER), 100)}

    assert left == {STAGE}
