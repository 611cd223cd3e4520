"""Ingest begins when book and lease are there, and takes nothing while clock or disk are wrong."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from ingest import gate
from ingest.ballast import Ballast
from ingest.gate import Gate
from ingest.lease import Lease, LeaseLost
from ingest.metrics import Health
from ingest.own_clock import FLOOR_MS, OwnClock
from kahriz.book import Book
from kahriz.book.lease import Holder
from kahriz.errors import StoreUnavailable


class House:
    """A gate whose clock and disk are set by hand; the disk has room for anything at first."""

    def __init__(self, folder: Path) -> None:
        self.wall_s, self.free = FLOOR_MS / 1000 + 86_400, 10**12
        self.health, self.stopping = Health(), threading.Event()
        self.book = Book(f"sqlite:///{folder}/book.sqlite")
        self.lease = Lease(self.book, "ingest:one", Holder("here", 1))
        self.ballast = Ballast(folder, 0, 0, self.health, lambda: self.free)
        clock = OwnClock(lambda: self.wall_s, lambda: 1000.0)
        self.gate = Gate(self.book, self.lease, clock, self.ballast, self.health, self.stopping)


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    for name in ("BOOK_PAUSE_S", "CLOCK_PAUSE_S", "DISK_PAUSE_S"):
        monkeypatch.setattr(gate, name, 0.0)
    house = House(tmp_path)
    yield house
    house.book.close()


def test_once_open_the_book_is_whole_and_ours_alone(house: House) -> None:
    seen: list[str] = []

    def recall() -> None:
        if not seen:
            seen.append("away")
            raise StoreUnavailable("the server is away")
        with house.book.begin():
            seen.append("there")

    assert house.gate.open(recall)
    assert seen == ["away", "there"]
    assert house.health.problems == {}
    house.lease.release()
    with pytest.raises(LeaseLost), house.book.begin():
        pass


def test_who_stands_by_says_for_whom_until_told_to_stop(house: House) -> None:
    house.book.migrate()
    assert Lease(house.book, "ingest:one", Holder("there", 2)).take() == ""
    waiting = threading.Thread(target=house.gate.open, args=(lambda: None,))
    waiting.start()
    while not house.gate.standing_by:
        house.stopping.wait(0.01)
    house.stopping.set()
    waiting.join(5)

    assert not waiting.is_alive()
    assert house.gate.standing_by.startswith("standing by: there pid 2 is at work since ")


def test_nothing_is_taken_while_our_clock_or_the_disk_is_wrong(house: House) -> None:
    assert not house.gate.is_shut()
    house.wall_s -= 3600
    assert house.gate.is_shut()
    assert "our clock went back by 3600 s" in house.health.problems["clock"][1]
    house.wall_s += 3600
    house.free = 0
    house.ballast.step()
    assert house.gate.is_shut()
    house.free = 10**12
    house.ballast.step()

    assert not house.gate.is_shut()
    assert house.health.problems == {}
