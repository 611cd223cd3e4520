"""A payload nobody could use is kept, whatever stands in it, on SQLite and on a real PostgreSQL."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select

from kahriz.book import Book, dead_letters
from kahriz.book.days import Reason
from kahriz.book.dead_letters import DeadLetter
from kahriz.book.tables import dead_letter
from kahriz.errors import NotFoundError

TOPIC = "kahriz/v1/agh-dere-outlet/up"


def letter(
    payload: bytes = b"poison", topic: str = TOPIC, device: str | None = "d", reason: str = "bad"
) -> DeadLetter:
    return DeadLetter(1_000, topic, device, reason, payload)


def test_a_letter_is_kept_whatever_its_text_holds(book: Book) -> None:
    stranger = "d" * 60
    letters = [
        letter(b"1", reason="half a pair \ud800"),
        letter(b"2", reason="a NUL \0 inside"),
        letter(b"3", topic=f"kahriz/v1/{stranger}/up", device=stranger),
        letter(b"4", topic="kahriz/v1/\udcff/up", device="\udcff"),
        letter(b"\0\xff", reason="çətin"),
    ]
    with book.begin() as connection:
        dead_letters.put(connection, letters)
    with book.read() as connection:
        kept = {found.payload: found for found in dead_letters.newest(connection, 10)}

    assert kept[b"1"].reason == "half a pair \\ud800"
    assert kept[b"2"].reason == "a NUL \\x00 inside"
    assert (kept[b"3"].topic, kept[b"3"].device) == (f"kahriz/v1/{stranger}/up", None)
    assert kept[b"4"].topic == "kahriz/v1/\\udcff/up"
    assert kept[b"\0\xff"].reason == "çətin"


def test_a_repeated_payload_is_one_row_that_counts_each_time_it_came(book: Book) -> None:
    for batch in ([letter()] * 3, [letter(), letter(b"other")]):
        with book.begin() as connection:
            dead_letters.put(connection, batch)
    with book.read() as connection:
        times = connection.execute(select(dead_letter.c.payload, dead_letter.c.times)).all()
        n = dead_letters.count(connection)

    assert {bytes(payload): count for payload, count in times} == {b"poison": 4, b"other": 1}
    assert n == 2


def test_a_large_payload_is_kept_in_part_with_its_size(book: Book) -> None:
    with book.begin() as connection:
        dead_letters.put(connection, [letter(b"x" * 20_000), letter(b"y" * 16_384)])
    with book.read() as connection:
        rows = connection.execute(select(dead_letter.c.payload, dead_letter.c.size)).all()

    assert {(len(payload), size) for payload, size in rows} == {(4096, 20_000), (16_384, 16_384)}


def aged(i: int, size: int = 10) -> DeadLetter:
    return DeadLetter(i, TOPIC, "d", "bad", f"{i:0{size}d}".encode(), Reason.DECODE_ERROR)


def ages(book: Book) -> list[int]:
    with book.read() as connection:
        return sorted(kept.received_at_ms for kept in dead_letters.chosen(connection))


def test_the_oldest_letters_go_when_there_are_too_many(book: Book) -> None:
    with book.begin() as connection:
        dead_letters.put(connection, [aged(i) for i in range(10)])
        gone = [dead_letters.trim(connection, most) for most in (10, 7)]
    with book.read() as connection:
        dropped = dead_letters.dropped(connection)

    assert gone == [0, 3]
    assert (dropped, ages(book)) == (3, list(range(3, 10)))


def test_the_oldest_letters_go_when_they_are_too_large_together(book: Book) -> None:
    letters = [aged(0, 20_000), *(aged(i, 100) for i in range(1, 10))]
    with book.begin() as connection:
        dead_letters.put(connection, letters)
        whole = 4096 + 9 * 100  # of the large one the first 4 KiB are kept
        gone = [dead_letters.trim(connection, most_bytes=n) for n in (whole, whole - 1, 899)]

    assert gone == [0, 1, 1]
    assert ages(book) == list(range(2, 10))


def test_a_flood_of_poison_does_not_fill_the_disk(book: Book) -> None:
    for start in range(0, 2000, 100):
        with book.begin() as connection:
            dead_letters.put(connection, [aged(i) for i in range(start, start + 100)], most=300)

        assert len(ages(book)) <= 300 + 256 + 100
    assert ages(book)[-1] == 1999


def test_a_letter_that_came_again_is_as_young_as_its_last_time(book: Book) -> None:
    with book.begin() as connection:
        dead_letters.put(connection, [aged(1), aged(2)])
        again = DeadLetter(3, TOPIC, "d", "bad", aged(1).payload)
        dead_letters.put(connection, [again])
        dead_letters.trim(connection, 1)

    assert ages(book) == [3]


def test_letters_are_chosen_by_device_reason_and_age(book: Book) -> None:
    letters = [
        DeadLetter(1, TOPIC, "d", "100% odd", b"1", Reason.DECODE_ERROR),
        DeadLetter(2, TOPIC, "e", "unit 'cm' is wrong", b"2", Reason.WRONG_UNIT),
        DeadLetter(3, TOPIC, "d", "unit 'cm' is wrong", b"3", Reason.WRONG_UNIT),
    ]
    with book.begin() as connection:
        dead_letters.put(connection, letters)
    with book.read() as connection:

        def of(**by: Any) -> list[bytes]:
            return [kept.payload for kept in dead_letters.chosen(connection, **by)]

        assert of() == [b"3", b"2", b"1"]
        assert of(device="d") == [b"3", b"1"]
        assert of(reason="wrong_unit") == [b"3", b"2"]
        assert of(reason="'cm' is") == [b"3", b"2"]
        assert of(reason="0% o") == [b"1"], "a per cent sign stands for itself"
        assert of(since_ms=2, limit=1) == [b"3"]
        assert set(dead_letters.digests(connection, [Reason.DECODE_ERROR])) == {
            dead_letters.digest_of(TOPIC, b"1")
        }


def test_a_letter_that_was_removed_is_not_found(book: Book) -> None:
    with book.begin() as connection:
        dead_letters.put(connection, [letter()])
        (kept,) = dead_letters.newest(connection, 10)
        assert dead_letters.find(connection, kept.id) == kept
        dead_letters.remove(connection, [kept.id])
        with pytest.raises(NotFoundError, match=f"dead letter '{kept.id}'"):
            dead_letters.find(connection, kept.id)
