"""Whatever comes, what ingest made of it holds together; and a replay makes the same of it."""

from __future__ import annotations

import uuid
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.audit import Audit, Report
from ingest.replay import Replay, gatherer_of
from kahriz.book import Book, days, devices
from kahriz.clock import to_ms
from kahriz.intake_log import Found, IntakeLog
from kahriz.settings import IngestSettings
from kahriz.sites import load_registry
from kahriz.store import Store
from kahriz.store.influx import InfluxStore
from tests.servers import Server
from tests.unit.ingest.test_balance import BATCH, PickyStore
from tests.unit.ingest.test_pipeline import NOW, UP, House, reading

REGISTRY = load_registry(Path("sites.example.toml"))
HOURS = timedelta(hours=48)
BATCHES = st.lists(BATCH, min_size=1, max_size=5)


def taken(folder: Path, store: Store, batches: list[list[tuple[str, bytes, int]]]) -> House:
    """Let ingest take the batches, ten minutes apart, over a store and a book of files."""
    house = House(folder)
    house.store.behind = store
    house.pipeline._intake_log = log = IntakeLog(folder / "intake", HOURS, 2**30)
    for i, batch in enumerate(batches):
        house.clock.now = NOW + timedelta(minutes=10 * i)
        house.pipeline.process([house.message(payload, topic) for topic, payload, _ in batch])
    log.close()
    return house


def audited(house: House, folder: Path, store: Store) -> Report:
    gatherer = gatherer_of(REGISTRY, IngestSettings(oldest_days=3650))
    tolerance = timedelta(seconds=120)
    intake = folder / "intake"
    audit = Audit(REGISTRY, store, house.book, "memory://", intake, gatherer, tolerance)
    return audit.run(house.clock.now + timedelta(minutes=1), HOURS, timedelta(seconds=30))


@settings(max_examples=30, deadline=None)
@given(batches=BATCHES)
def test_an_audit_of_what_ingest_made_of_anything_finds_nothing(
    tmp_path_factory: pytest.TempPathFactory, batches: list[list[tuple[str, bytes, int]]]
) -> None:
    folder = tmp_path_factory.mktemp("house")
    store = PickyStore()
    house = taken(folder, store, batches)
    report = audited(house, folder, store)
    house.book.close()

    assert report.findings == []


@settings(max_examples=30, deadline=None)
@given(batches=BATCHES, book_is_lost=st.booleans())
def test_a_replay_makes_of_anything_what_ingest_made_of_it(
    tmp_path_factory: pytest.TempPathFactory,
    batches: list[list[tuple[str, bytes, int]]],
    book_is_lost: bool,
) -> None:
    folder = tmp_path_factory.mktemp("house")
    first, anew = PickyStore(), PickyStore()
    house = taken(folder, first, batches)
    counts = _counts(house.book)
    book = Book(f"sqlite:///{folder}/another") if book_is_lost else house.book
    book.migrate()
    replay = Replay(REGISTRY, anew, book, IngestSettings(oldest_days=3650))
    list(replay.intake(folder / "intake", 0, to_ms(NOW + timedelta(days=1)), Found()))

    for one in first.latest():
        wide = (NOW - timedelta(days=4000), NOW + timedelta(days=1))
        before, after = first.series(one, *wide), anew.series(one, *wide)
        np.testing.assert_array_equal(before.time, after.time)
        np.testing.assert_array_equal(before.value, after.value)
    assert set(first.latest()) == set(anew.latest())
    if not book_is_lost:
        assert _counts(book) == counts
        assert audited(house, folder, anew).findings == []
    book.close()
    house.book.close()


def _counts(book: Book) -> tuple[object, object]:
    with book.read() as connection:
        return days.days(connection), devices.list_devices(connection)


@pytest.mark.server
def test_an_audit_of_influxdb_finds_what_is_missing_there(influxd: Server, tmp_path: Path) -> None:
    store = InfluxStore(f"influxdb://127.0.0.1:{influxd.port}/a{uuid.uuid4().hex}")
    batch = [
        (UP, b'{"boot":1,"seq":%d,"r":[[%d,{"stage_m":0.1%d}]]}' % (i, reading(40 - i)[0], i), 1)
        for i in range(20)
    ]
    house = taken(tmp_path, store, [batch])
    whole = audited(house, tmp_path, store)
    empty = InfluxStore(f"influxdb://127.0.0.1:{influxd.port}/a{uuid.uuid4().hex}")
    lost = audited(house, tmp_path, empty)
    for opened in (store, empty, house.book):
        opened.close()

    assert whole.findings == []
    assert whole.compared["store"] == "40 values"
    assert lost.counts == {"store": 40}
