"""A payload nobody could use is kept, whatever stands in it, on SQLite and on a real PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select

from kahriz.book import Book, dead_letters
from kahriz.book.dead_letters import DeadLetter
from kahriz.book.tables import dead_letter

TOPIC = "kahriz/v1/agh-dere-outlet/up"


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.server)])
def book(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Book]:
    is_postgres = request.param == "postgres"
    url = request.getfixturevalue("postgres_url") if is_postgres else f"sqlite:///{tmp_path}/b"
    opened = Book(url)
    opened.migrate()
    yield opened
    opened.close()


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
