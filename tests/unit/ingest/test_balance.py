"""Whatever comes, every reading has one fate: the books balance, by device and day."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.metrics import Metrics
from ingest.shed import Shed
from kahriz.book import days
from kahriz.book.days import STRANGERS, DayCount, Fate, Reason
from kahriz.errors import StoreRejected, StoreUnavailable
from kahriz.observations import ObservationBatch
from kahriz.store.memory import MemoryStore
from tests.unit.ingest.test_pipeline import NOW, UP, House, reading
from tests.unit.ingest.test_pipeline_faults import FailingBook

DEVICE = "agh-dere-outlet"
REFUSED, FAULTY = 0.111, 0.222
"""Stages [m] that the store refuses for good, or that our own code fails on."""


class PickyStore(MemoryStore):
    """A store that refuses one value, and fails on another as nobody thought of."""

    def write(self, batch: ObservationBatch) -> None:
        if (batch.value == FAULTY).any():
            raise ZeroDivisionError("a fault nobody thought of")
        refused = batch.value == REFUSED
        super().write(batch.take(~refused))
        if refused.any():
            raise StoreRejected("type conflict", tuple(refused.nonzero()[0].tolist()))


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    house = House(tmp_path)
    yield house
    house.book.close()


def up(seq: int, *r: Any, boot: int = 1) -> bytes:
    return json.dumps({"boot": boot, "seq": seq, "r": list(r)}).encode()


def counted(house: House) -> list[DayCount]:
    with house.book.read() as connection:
        return days.days(connection)


def sample(metrics: Metrics, name: str) -> float:
    """Return a counter's value over all its labels."""
    family = next(f for f in metrics.registry.collect() if f.name == f"kahriz_{name}")
    return sum(s.value for s in family.samples if s.name.endswith("_total"))


GOOD = st.tuples(st.integers(0, 30), st.integers(1, 5)).map(
    lambda s: (UP, up(s[0], *(reading(60 - s[0] - i) for i in range(s[1]))), s[1])
)
MIXED = st.tuples(
    st.integers(0, 30),
    st.lists(
        st.sampled_from(
            [
                reading(3),
                reading(3, None),
                reading(3, REFUSED),
                reading(3, FAULTY),
                reading(-60),
                [5, {"stage_m": 0.1}],
                [reading(4)[0], {"stage_m": 0.1, "stage_cm": 10}],
                [reading(4)[0], {"stage_m": 0.1, "turbidity_ntu": 10}],
            ]
        ),
        min_size=1,
        max_size=4,
    ),
).map(lambda m: (UP, up(m[0], *m[1]), len(m[1])))
WHOLE = st.sampled_from(
    [
        (UP, b"poison", 1),
        (UP, b"", 1),
        ("kahriz/v1/stranger/up", up(0, reading(1)), 1),
        ("kahriz/v1/" + "s" * 60 + "/up", up(0, reading(1)), 1),
        ("elsewhere", b"1", 1),
        ("", b"1", 1),
        (f"kahriz/v1/{DEVICE}/status", b'{"status": "online"}', 0),
        (f"kahriz/v1/{DEVICE}/status", b"{", 1),
        (UP, b'[{"bt":1777636000,"n":"stage","u":"m","v":0.2}]', 1),
    ]
)
BATCH = st.lists(st.one_of(GOOD, MIXED, WHOLE), min_size=1, max_size=6)


@settings(max_examples=25, deadline=None)
@given(
    batches=st.lists(BATCH, min_size=1, max_size=5),
    shed=st.lists(
        st.tuples(
            st.sampled_from([UP, "elsewhere"]), st.sampled_from([Reason.OVERFLOW, Reason.RATE])
        ),
        max_size=5,
    ),
    book_fails=st.lists(st.booleans(), max_size=4),
    store_is_away=st.integers(0, 2),
)
def test_received_is_stored_and_duplicate_and_quarantined_and_shed(
    tmp_path_factory: pytest.TempPathFactory,
    batches: list[list[tuple[str, bytes, int]]],
    shed: list[tuple[str, Reason]],
    book_fails: list[bool],
    store_is_away: int,
) -> None:
    house = House(tmp_path_factory.mktemp("house"))
    house.store.behind = PickyStore()
    house.store.errors = [StoreUnavailable("away") for _ in range(store_is_away)]
    house.pipeline._shed = lost = Shed([DEVICE])
    for topic, reason in shed:
        lost.add([topic], reason)
    behind = house.book
    house.pipeline._book = FailingBook(behind, book_fails)  # type: ignore[assignment]
    for i, batch in enumerate(batches):
        house.clock.now = NOW + timedelta(hours=8 * i)
        house.pipeline.process([house.message(payload, topic) for topic, payload, _ in batch])

    found = counted(house)
    received = sum(n for batch in batches for _, _, n in batch)
    assert [count for count in found if count.unaccounted] == []
    # A message our own code fails on is one, however many readings it holds.
    assert received + len(shed) >= sum(count.received for count in found)
    assert sum(count.of(Fate.SHED) for count in found) == len(shed)
    assert {count.device for count in found} <= {DEVICE, STRANGERS}
    _agree(house, found)
    house.book.close()


def _agree(house: House, found: list[DayCount]) -> None:
    """Hold the days against the totals of the device, and against /metrics."""
    total = days.totals(found).get(DEVICE)
    if total is not None:
        row = house.device()
        assert (row.received, row.stored, row.duplicate, row.lost, row.shed) == (
            total.received,
            total.stored,
            total.duplicate,
            total.lost,
            total.of(Fate.SHED),
        )
    for name in ("received", "stored", "duplicate", "lost"):
        metric = "readings" if name == "received" else f"readings_{name}"
        assert sample(house.metrics, metric) == sum(getattr(count, name) for count in found)
    for fate in Fate:
        assert sample(house.metrics, f"readings_{fate}") == sum(c.of(fate) for c in found)


@pytest.mark.parametrize(
    ("topic", "payload", "device", "stored", "reasons"),
    [
        (UP, b"poison", DEVICE, 0, {Reason.DECODE_ERROR: 1}),
        ("kahriz/v1/stranger/up", up(0, reading(1)), "", 0, {Reason.UNKNOWN_DEVICE: 1}),
        ("elsewhere", b"1", "", 0, {Reason.DECODE_ERROR: 1}),
        (UP, up(0, reading(2), [5, {"stage_m": 1}]), DEVICE, 1, {Reason.TIME_PAST: 1}),
        (UP, up(0, reading(-9), reading(1)), DEVICE, 1, {Reason.TIME_FUTURE: 1}),
        (UP, up(0, [1777636000000, {"stage_cm": 1}]), DEVICE, 0, {Reason.WRONG_UNIT: 1}),
        (UP, up(0, [1777636000000, {"joy": 1}]), DEVICE, 0, {Reason.UNKNOWN_CHANNEL: 1}),
        (UP, up(0, reading(2, REFUSED), reading(1)), DEVICE, 1, {Reason.STORE_REFUSED: 1}),
        (UP, up(0, reading(2, FAULTY), reading(1)), DEVICE, 0, {Reason.SERVICE_FAULT: 1}),
    ],
)
def test_each_way_of_being_wrong_is_counted_by_its_kind(
    house: House, topic: str, payload: bytes, device: str, stored: int, reasons: dict[Reason, int]
) -> None:
    house.store.behind = PickyStore()
    house.receive(payload, topic)

    (count,) = counted(house)
    (letter,) = house.letters()
    assert (count.device, count.day, count.stored) == (device, NOW.date(), stored)
    assert count.reasons == Counter(reasons)
    assert letter.kind in reasons


def test_a_refused_reading_that_comes_again_is_a_duplicate(house: House) -> None:
    payload = up(0, reading(2), [5, {"stage_m": 1}])
    house.receive(payload)
    house.receive(payload)

    (count,) = counted(house)
    assert (count.received, count.stored, count.duplicate) == (4, 1, 2)
    assert count.reasons == Counter({Reason.TIME_PAST: 1})


def test_a_device_that_speaks_nonsense_is_as_silent_as_one_that_says_nothing(house: House) -> None:
    house.receive(up(0, reading(1)))
    heard = house.device().received_at_ms
    house.clock.advance(timedelta(hours=1))
    house.receive(b"poison")

    assert house.device().received_at_ms == heard
    assert (house.device().received, house.device().quarantined) == (2, 1)
