"""One ingest at work at a time, and who takes over when."""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection

from ingest.lease import EXPIRY_S, Lease, LeaseLost, is_gone, this_process
from kahriz.book import Book, checkpoints, devices
from kahriz.book.lease import Holder
from kahriz.errors import StoreUnavailable
from tests.unit.ingest.test_pipeline import House as Work
from tests.unit.ingest.test_pipeline import reading

NAME = "ingest:kahriz-ingest"
WALL = 1_777_636_800.0  # 2026-05-01T12:00:00Z


class House:
    """A book, a clock that only we move, and who of the holders is gone."""

    def __init__(self, book: Book) -> None:
        self.book, self.seconds = book, 0.0
        self.gone: set[int] = set()

    def lease(self, pid: int, name: str = NAME, book: Book | None = None) -> Lease:
        return Lease(
            book or self.book,
            name,
            Holder("pump-house", pid, "here", str(pid)),
            wall=lambda: WALL,
            monotonic=lambda: self.seconds,
            is_gone=lambda holder: holder.pid in self.gone,
        )


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    book = Book(f"sqlite:///{tmp_path / 'book.sqlite'}")
    book.migrate()
    yield House(book)
    book.close()


def test_the_first_works_and_the_second_stands_by_and_says_so_once(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    assert house.lease(1).take() == ""
    second = house.lease(2)
    with caplog.at_level(logging.INFO):
        said = {second.take() for _ in range(5)}

    assert said == {"standing by: pump-house pid 1 is at work since 2026-05-01T12:00:00Z"}
    assert [r.message for r in caplog.records] == ["standing by"]


def test_one_whose_process_is_gone_is_replaced_at_once(house: House) -> None:
    house.lease(1).take()
    house.gone.add(1)

    assert house.lease(2).take() == ""


def test_one_that_cannot_be_seen_is_replaced_when_its_beat_no_longer_moves(house: House) -> None:
    first, second = house.lease(1), house.lease(2)
    first.take()
    for _ in range(10):  # as long as it renews, for ever
        assert second.take() != ""
        house.seconds += EXPIRY_S - 1
        first.renew()
    second.take()
    house.seconds += EXPIRY_S - 0.1
    assert second.take() != ""
    house.seconds += 0.1

    assert second.take() == ""


def test_one_that_comes_back_from_a_stop_can_write_nothing_any_more(house: House) -> None:
    stopped = Book(str(house.book.url))
    first, second = house.lease(1, book=stopped), house.lease(2)
    first.take()
    stopped.fence(first.fence)
    second.take()
    house.seconds += EXPIRY_S
    second.take()

    with pytest.raises(LeaseLost, match="pump-house pid 2 is at work"), stopped.begin() as at:
        checkpoints.put(at, "a", "harm")
    with pytest.raises(LeaseLost):
        first.renew()
    with pytest.raises(LeaseLost):
        first.release()
    with house.book.read() as connection:
        assert checkpoints.get(connection, "a") is None
    second.renew()
    stopped.close()


def test_what_it_still_had_in_hand_is_not_acknowledged_and_not_called_a_fault(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    work = Work(tmp_path)
    house = House(work.book)
    first = house.lease(1)
    first.take()
    work.book.fence(first.fence)
    work.receive({"boot": 1, "seq": 0, "r": [reading(9)]})
    other = House(Book(str(work.book.url)))
    other.gone.add(1)
    assert other.lease(2).take() == ""
    with pytest.raises(LeaseLost):
        work.pipeline.process(
            [work.message({"boot": 1, "seq": n, "r": [reading(5 - n)]}) for n in (1, 2)]
        )

    assert work.told() == [{"boot": 1, "upto": 0}]
    assert len(work.broker.acknowledged) == 1
    said = [r.message for r in caplog.records if r.name.startswith("ingest")]
    assert said == ["taking over"], "no fault"
    with work.book.read() as connection:
        (row,) = devices.list_devices(connection)
    assert (row.received, row.quarantined) == (1, 0)
    other.book.close()
    work.book.close()


def test_of_two_that_find_it_given_up_one_gets_it(house: House) -> None:
    house.lease(1).take()
    house.gone.add(1)
    here, there = house.lease(2), house.lease(3)

    assert here.take() == ""
    assert "pid 2 is at work" in there.take()


def test_one_that_was_faster_between_our_look_and_our_move_keeps_it(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    faster, slower = house.lease(2), house.lease(3)
    begin = house.book.begin

    def after_the_other() -> object:
        monkeypatch.undo()
        faster.take()
        return begin()

    monkeypatch.setattr(house.book, "begin", after_the_other)

    assert slower.take() == "standing by: another one was faster"
    assert "pid 2 is at work" in slower.take()


def test_given_back_it_is_the_next_ones_at_once(house: House) -> None:
    first, second = house.lease(1), house.lease(2)
    first.take()
    assert second.take() != ""
    first.release()

    assert second.take() == ""
    assert first.take() != ""


def test_workers_of_other_client_ids_work_side_by_side(house: House) -> None:
    assert house.lease(1, "ingest:a").take() == ""
    assert house.lease(2, "ingest:b").take() == ""


def test_told_to_stop_who_stands_by_ends(house: House) -> None:
    house.lease(1).take()
    stopping = threading.Event()
    heard: list[str] = []

    def tell(reason: str) -> None:
        heard.append(reason)
        stopping.set()

    assert house.lease(2).wait(stopping, tell) is False
    assert len(heard) == 1


def test_a_book_that_is_away_is_waited_for(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    lease, read = house.lease(1), house.book.read

    def away() -> object:
        monkeypatch.setattr(house.book, "read", read)
        raise StoreUnavailable("database is locked")

    monkeypatch.setattr(house.book, "read", away)
    monkeypatch.setattr("ingest.lease.ASK_S", 0.001)

    assert lease.wait(threading.Event(), lambda _: None)


def test_the_check_of_a_book_comes_before_every_transaction_that_writes(house: House) -> None:
    def refuse(_connection: Connection) -> None:
        raise LeaseLost("not ours")

    house.book.fence(refuse)
    with pytest.raises(LeaseLost), house.book.begin():
        pass
    with house.book.read():
        pass  # reading does no harm


def test_a_living_process_is_seen_and_so_is_one_that_has_ended() -> None:
    me = this_process()
    if not me.place:
        pytest.skip("this system does not tell when a process began (no /proc)")
    child = subprocess.Popen(
        [sys.executable, "-c", "input()"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL
    )
    started = Path(f"/proc/{child.pid}/stat").read_text().rpartition(")")[2].split()[19]
    other = Holder(me.host, child.pid, me.place, started)

    assert not is_gone(me)
    assert not is_gone(other)
    child.kill()
    while not is_gone(other):  # also as a zombie nobody has waited for yet
        pass
    child.wait()
    child.communicate()
    assert is_gone(other)
    assert is_gone(Holder(me.host, me.pid, me.place, "1")), "the number went to another process"
    assert not is_gone(Holder(me.host, child.pid, "another machine", started)), "cannot be seen"
