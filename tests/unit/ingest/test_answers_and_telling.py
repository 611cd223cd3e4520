"""What people answer changes whom the teller calls: both look at the same book."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from itertools import count
from pathlib import Path

import pytest

from ingest.answers import Answers
from kahriz.book import alerts, inbound
from kahriz.detect import Kind
from kahriz.store.memory import MemoryStore
from tests.unit.ingest.test_teller import HOUR, MINUTE, House, village

CHAIR, ENGINEER = "+994500000001", "+994500000009"
_REFERENCES = count()


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    made = House(tmp_path, village(), *(village(f"k{n}", f"Yer {n}") for n in range(3)))
    yield made
    made.book.close()


def answer(house: House, address: str, text: str) -> str | None:
    """Let somebody send a text; return what is answered."""
    before = len(house.texts())
    with house.book.begin() as connection:
        inbound.arrive(connection, "file", f"{next(_REFERENCES)}", address, text, house.now)
    Answers(house.registry, house.book, MemoryStore()).step(house.now)
    said = [m.text for m in house.texts()[before:] if m.reason == "answer"]
    return said[0] if said else None


@pytest.mark.parametrize("text", ["1", "2", "0", "BAXIRAM", "#K1 ok"])
def test_whoever_answers_in_time_lets_the_others_sleep(house: House, text: str) -> None:
    house.fire()
    assert house.after(0 * MINUTE) == [("first", "Chair")]
    house.now += 14 * MINUTE
    assert answer(house, CHAIR, text) is not None

    assert house.after(MINUTE) == []
    assert house.after(15 * MINUTE) == []
    assert house.after(5 * HOUR) == []


def test_a_question_is_no_answer(house: House) -> None:
    house.fire()
    house.after(0 * MINUTE)
    for text in ("SU", "KOMEK", "kimsiniz?"):
        house.now += 2 * MINUTE
        answer(house, CHAIR, text)

    assert house.after(9 * MINUTE) == [("escalated", "Engineer")]


def test_when_the_chair_stops_the_next_one_is_called_at_once(house: House) -> None:
    house.fire()
    house.after(0 * MINUTE)
    house.now += 2 * MINUTE
    answer(house, CHAIR, "DAYAN")

    assert house.after(MINUTE) == [("first", "Engineer")]
    assert answer(house, CHAIR, "BASLA") is not None


def test_a_silence_holds_what_is_told_and_its_end_lets_it_go(house: House) -> None:
    answer(house, CHAIR, "SUS 2 saat Ağ Dərə")
    id = house.fire()
    assert house.after(HOUR) == []
    with house.book.read() as connection:
        held = [e.detail for e in alerts.timeline(connection, id) if e.what == "held"]

    assert held == ["first to Chair: silence: silenced by Chair until 2026-11-22T10:00:00Z"]
    assert house.after(HOUR) == [("first", "Chair")]


def test_one_character_takes_a_whole_digest(house: House) -> None:
    ids = [house.fire(Kind.OFFLINE, f"k{n}", f"k{n}-outlet") for n in range(3)]
    house.fire(Kind.DROUGHT)
    house.after(0 * MINUTE)
    assert house.after(16 * MINUTE) == [("escalated", "Engineer"), ("first", "Engineer")]
    digest = house.texts()[-1]
    house.now += timedelta(seconds=30)

    said = answer(house, ENGINEER, "ok")

    assert digest.alert_id is None
    assert said is not None
    assert said.startswith("#K1 #K2 #K3 ")
    with house.book.read() as connection:
        taken = [alerts.find(connection, id).acknowledged_by for id in ids]
    assert taken == ["Engineer"] * 3
