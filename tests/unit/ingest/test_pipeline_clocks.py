"""A device whose clock is wrong, through the whole pipeline and over a restart."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from ingest.allowance import Allowance
from ingest.clocks import Clocks, keep_in, recall_from
from ingest.gather import Gatherer
from ingest.judge import Assessor
from ingest.metrics import Health, Metrics
from ingest.pipeline import Pipeline
from kahriz.book import Book, clocks
from kahriz.book.clocks import Segment
from kahriz.clock import to_ms
from kahriz.observations import Quality
from kahriz.quality.flagger import Flagger
from kahriz.quality.limits import limits_of
from kahriz.sites import load_registry
from tests.unit.ingest.test_pipeline import DISCHARGE, NOW, STAGE, House
from tests.unit.ingest.test_pipeline_faults import FailingBook

NOW_MS = to_ms(NOW)
STEP_MS = 300_000


def start(house: House, book: Any = None) -> None:
    """Begin anew, with what the book knows."""
    registry = load_registry(Path("sites.example.toml"))
    tolerance, oldest = timedelta(seconds=120), timedelta(days=3650)
    known = Clocks(120_000, 3650 * 86_400_000, keep_in(book or house.book))
    recall_from(house.book, known)
    house.pipeline = Pipeline(
        Gatherer(registry, tolerance, oldest, known),
        Assessor(registry, Flagger(limits_of(registry))),
        house.store,
        book or house.book,
        house.broker,
        house.clock,
        Metrics(),
        Health(),
        Allowance(1e9, 10**9),
        retry_max=timedelta(milliseconds=1),
    )


@pytest.fixture
def house(tmp_path: Path) -> Any:
    house = House(tmp_path)
    start(house)
    yield house
    house.book.close()


def since_boot(first: int, n: int, uptime_ms: int, says: Callable[[int], int]) -> dict[str, Any]:
    """Return readings `first` on, one each step since the boot at NOW."""
    times = [says(seq * STEP_MS) for seq in range(first, first + n)]
    return {
        "boot": 1,
        "seq": first,
        "uptime_ms": uptime_ms,
        "r": [[t, {"stage_m": 0.1 + 0.001 * (i % 7)}] for i, t in enumerate(times, first)],
    }


def from_1970(since_boot_ms: int) -> int:
    return since_boot_ms


def test_what_a_clock_of_1970_says_is_stored_when_it_was_measured_and_suspect(
    house: House,
) -> None:
    house.clock.advance(timedelta(minutes=30))
    house.receive(since_boot(0, 6, 1_800_000, from_1970))

    for datastream in (STAGE, DISCHARGE):
        series = house.series(datastream)
        assert series.time.astype(int).tolist() == [NOW_MS + i * STEP_MS for i in range(6)]
        assert set(series.quality.tolist()) == {Quality.SUSPECT}
    assert house.letters() == []
    assert house.told() == [{"boot": 1, "upto": 5}]
    assert house.device().last_time_ms == NOW_MS + 5 * STEP_MS


def test_delivered_again_after_a_restart_and_hours_later_it_is_the_same(house: House) -> None:
    payload = since_boot(0, 6, 1_800_000, from_1970)
    house.clock.advance(timedelta(minutes=30))
    house.receive(payload)
    before = house.series()
    start(house)
    house.clock.advance(timedelta(hours=7))
    house.receive(payload)
    house.receive(payload | {"uptime_ms": 27_000_000})
    after = house.series()

    assert after.time.tolist() == before.time.tolist()
    assert after.quality.tolist() == before.quality.tolist()
    assert house.device().duplicate == 12


def test_three_days_ahead_after_a_restart_goes_on_from_what_the_book_knows(house: House) -> None:
    house.clock.advance(timedelta(hours=1))
    house.receive(since_boot(0, 12, 3_600_000, lambda ms: NOW_MS + ms))
    start(house)
    house.clock.advance(timedelta(hours=5))  # a backlog of five hours, the oldest part of it
    house.receive(since_boot(12, 20, 21_600_000, lambda ms: NOW_MS + ms + 3 * 86_400_000))

    times = house.series().time.astype(int).tolist()
    assert len(times) == 32
    assert times == pytest.approx([NOW_MS + i * STEP_MS for i in range(32)], abs=1000)


def test_without_uptime_it_is_set_aside_as_before(house: House) -> None:
    payload = since_boot(0, 2, 0, from_1970)
    del payload["uptime_ms"]
    house.receive(payload)

    assert len(house.series()) == 0
    assert "too long ago to be true" in house.letters()[0].reason


def test_a_book_that_is_away_when_a_clock_is_judged_is_waited_for(house: House) -> None:
    start(house, FailingBook(house.book, [True, True]))
    house.clock.advance(timedelta(minutes=30))
    message = house.receive(since_boot(0, 6, 1_800_000, from_1970))

    assert len(house.series()) == 6
    assert house.broker.acknowledged == [message]
    assert house.letters() == []
    with house.book.read() as connection:
        kept = clocks.list_segments(connection)
    assert kept == {("agh-dere-outlet", 1): [Segment(0, NOW_MS, NOW_MS)]}


def test_who_decides_second_gets_what_the_first_decided(tmp_path: Path) -> None:
    book = Book(f"sqlite:///{tmp_path / 'book.sqlite'}")
    book.migrate()
    keep, key = keep_in(book), ("a", 1)
    first, second = Segment(3, 1000, NOW_MS), Segment(3, 2000, NOW_MS)

    assert keep(key, [], [first], NOW_MS) == [first]
    assert keep(key, [], [second], NOW_MS) == [first]
    assert keep(key, [first], [second], NOW_MS) == [second]
    book.close()


@pytest.mark.parametrize("size", [1, 7, 60])
def test_a_batch_of_any_size_gives_each_reading_the_time_it_has_alone(
    tmp_path: Path, size: int
) -> None:
    """A clock of 2000 for an hour, then set right, then three days ahead."""

    def says(since_boot_ms: int) -> int:
        hours = since_boot_ms // 3_600_000
        if hours < 1:
            return 946_684_800_000 + since_boot_ms
        return NOW_MS + since_boot_ms + (3 * 86_400_000 if hours >= 3 else 0)

    house = House(tmp_path)
    start(house)
    house.clock.advance(timedelta(hours=5))
    payloads = [since_boot(n, 1, n * STEP_MS + 1000, says) for n in range(60)]
    messages = [house.message(payload) for payload in payloads]
    for first in range(0, 60, size):
        last = min(first + size, 60) - 1  # those before it waited, as after a while without ingest
        house.clock.now = NOW + timedelta(milliseconds=last * STEP_MS + 3000)
        house.pipeline.process(messages[first : first + size])
    series = house.series()
    house.book.close()

    times = series.time.astype(int).tolist()
    assert len(times) == 60
    assert times == pytest.approx([NOW_MS + n * STEP_MS for n in range(60)], abs=5000)
    is_suspect = (series.quality == Quality.SUSPECT).tolist()
    assert is_suspect[:12] == [True] * 12
    assert not any(is_suspect[12:36])
    assert is_suspect[36:] == [True] * 24
