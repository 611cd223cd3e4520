"""Whatever fails, in whatever order, a device is told to free only what is durable."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection
from sqlalchemy.exc import DataError

from ingest.pipeline import Stopped
from kahriz.book import Book
from kahriz.clock import to_ms
from kahriz.errors import StoreUnavailable
from kahriz.intake_log import Found, IntakeLog, read
from kahriz.observations import ObservationBatch
from tests.fakes import FailingStore
from tests.unit.ingest.test_pipeline import NOW, House, reading

N = 40


class FailingBook:
    """A book that loses the given transactions, in turn: True fails at the commit, with `error`."""

    def __init__(
        self, behind: Book, fails: list[bool], error: type[Exception] | None = None
    ) -> None:
        self._behind, self.fails = behind, fails
        self._error = error or StoreUnavailable

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        with self._behind.begin() as connection:
            yield connection
            if self.fails and self.fails.pop(0):
                raise self._error("the disk is full")

    def read(self) -> Any:
        return self._behind.read()


def test_a_transaction_that_is_lost_is_made_again_and_counts_nothing_twice(
    tmp_path: Path,
) -> None:
    house = House(tmp_path)
    house.receive({"boot": 1, "seq": 0, "r": [reading(30)]})
    house.pipeline._book = cast(Book, FailingBook(house.book, [True, True]))
    house.receive({"boot": 1, "seq": 1, "r": [reading(25)]})
    house.receive({"boot": 1, "seq": 3, "oldest": 3, "r": [reading(20)]})

    device = house.device()
    assert house.told() == [{"boot": 1, "upto": upto} for upto in (0, 1, 3)]
    assert (device.received, device.duplicate, device.lost) == (3, 0, 1)
    house.book.close()


class RefusedRowsError(DataError):
    def __init__(self, said: str) -> None:
        super().__init__(said, None, ValueError(said))


@pytest.mark.parametrize("error", [RuntimeError, RefusedRowsError])
def test_a_fault_in_one_message_does_not_free_its_reading_by_its_neighbours_acknowledgement(
    tmp_path: Path, error: type[Exception]
) -> None:
    house = House(tmp_path)
    both, first, second = True, False, True
    book = FailingBook(house.book, [both, first, second], error)
    house.pipeline._book = cast(Book, book)
    payloads = [{"boot": 1, "seq": n, "r": [reading(30 - n)]} for n in range(2)]
    house.pipeline.process([house.message(payload) for payload in payloads])

    assert house.told() == [{"boot": 1, "upto": 0}], "the second is set aside, and not in the book"
    assert [letter.kind for letter in house.letters()] == ["service_fault"]
    house.book.close()


Span = tuple[int, int]
SPANS = st.tuples(st.integers(0, N - 1), st.integers(1, 8)).map(
    lambda s: (s[0], min(s[0] + s[1], N))
)


@settings(max_examples=25, deadline=None)
@given(
    batches=st.lists(st.lists(SPANS, min_size=1, max_size=4), min_size=1, max_size=8),
    book_fails=st.lists(st.booleans(), max_size=10),
    store_fails=st.integers(0, 5),
    restarts_before=st.integers(0, 7),
)
def test_what_is_acknowledged_is_stored_and_what_is_stored_is_counted_once(
    tmp_path_factory: pytest.TempPathFactory,
    batches: list[list[Span]],
    book_fails: list[bool],
    store_fails: int,
    restarts_before: int,
) -> None:
    folder = tmp_path_factory.mktemp("house")
    house = House(folder)
    acknowledged: set[int] = set()
    sent: set[int] = set()
    for i, spans in enumerate(batches):
        if i == restarts_before:
            house.pipeline._ledger.forget()  # what a new process begins with
        house.pipeline._book = cast(Book, FailingBook(house.book, list(book_fails)))
        house.store.errors = [StoreUnavailable("away") for _ in range(store_fails)]
        house.pipeline.process([house.message(payload(span)) for span in spans])
        sent |= {n for span in spans for n in range(*span)}
        for _, said in house.broker.published:
            acknowledged |= freed(json.loads(said))
        house.broker.published.clear()
        stored = {round(value * 1000) - 100 for value in house.series().value.tolist()}

        assert acknowledged <= stored == sent
    device = house.device()
    house.book.close()
    assert device.received - device.duplicate == len(sent)


def payload(span: Span) -> dict[str, Any]:
    first, end = span
    values = [reading(N - n, (100 + n) / 1000) for n in range(first, end)]
    return {"boot": 1, "seq": first, "oldest": 0, "r": values}


def freed(said: dict[str, Any]) -> set[int]:
    spans = [(0, said.get("upto", -1)), *said.get("also", [])]
    return {n for first, last in spans for n in range(first, last + 1)}


def test_a_message_is_kept_as_it_came_before_the_store_is_asked(tmp_path: Path) -> None:
    house = House(tmp_path)
    house.pipeline._intake_log = log = IntakeLog(tmp_path / "intake", timedelta(hours=48), 2**20)
    house.store.errors = [StoreUnavailable("away")]
    house.pipeline.stop()
    message = house.message({"boot": 1, "seq": 0, "r": [reading(1)]})
    with pytest.raises(Stopped):
        house.pipeline.process([message, house.message(b"poison")])
    log.close()
    house.book.close()

    now_ms = to_ms(NOW)
    (record,) = read(tmp_path / "intake", now_ms, now_ms + 1)
    assert record == (now_ms, [message.topic] * 2, [message.payload, b"poison"])


def test_a_disk_that_was_full_for_a_while_leaves_no_hole_in_the_raw_intake(tmp_path: Path) -> None:
    house = House(tmp_path)
    (tmp_path / "file").write_text("")
    house.pipeline._intake_log = log = IntakeLog(tmp_path / "file", timedelta(hours=48), 2**20)

    class Full(FailingStore):
        def write(self, batch: ObservationBatch) -> None:
            (tmp_path / "file").unlink(missing_ok=True)  # there is room again
            super().write(batch)

    house.pipeline._store = Full(house.memory)
    house.receive({"boot": 1, "seq": 0, "r": [reading(1)]})
    log.close()
    house.book.close()
    found = Found()

    assert len(list(read(tmp_path / "file", 0, 2**62, found))) == 1
    assert (found.missing, log.unwritten) == ([], 0)
    assert house.health.report("connected", 0)["status"] == "ok"


def test_where_the_intake_log_cannot_be_written_ingest_goes_on_and_says_so(tmp_path: Path) -> None:
    house = House(tmp_path)
    (tmp_path / "file").write_text("")
    house.pipeline._intake_log = IntakeLog(tmp_path / "file", timedelta(hours=48), 2**20)
    message = house.receive({"boot": 1, "seq": 0, "r": [reading(1)]})

    reason = f"{tmp_path / 'file'}: File exists"
    assert house.broker.acknowledged == [message]
    assert house.health.report("connected", 0)["reason"] == f"intake log: {reason}"
    assert house.metrics.registry.get_sample_value("kahriz_intake_log_unwritten_total") == 1

    (tmp_path / "file").unlink()
    house.receive({"boot": 1, "seq": 1, "r": [reading(1)]})
    assert house.health.report("connected", 0)["status"] == "ok"
    house.book.close()
