"""The counts by device and day add up, on SQLite and on a real PostgreSQL."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from alembic import command
from sqlalchemy import insert, select, text

from kahriz.book import Book, migrations
from kahriz.book.days import STRANGERS, DayCount, Fate, Reason, days, put_days, totals
from kahriz.book.tables import boot

MONDAY, TUESDAY = date(2026, 11, 23), date(2026, 11, 24)


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.server)])
def book(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Book]:
    is_postgres = request.param == "postgres"
    url = request.getfixturevalue("postgres_url") if is_postgres else f"sqlite:///{tmp_path}/b"
    opened = Book(url)
    yield opened
    opened.close()


@pytest.fixture
def ready(book: Book) -> Book:
    book.migrate()
    return book


def count(device: str, day: date, **figures: int) -> DayCount:
    reasons = Counter({r: figures.pop(r.value) for r in Reason if r.value in figures})
    return DayCount(device, day, **figures, reasons=reasons)


def put(book: Book, *counts: DayCount) -> None:
    with book.begin() as connection:
        put_days(connection, counts)


def test_what_batches_say_adds_up_by_device_and_day(ready: Book) -> None:
    put(ready, count("d", MONDAY, received=5, stored=3, duplicate=1, time_past=1))
    put(
        ready,
        count("d", MONDAY, received=4, stored=1, time_past=2, rate=1, lost=7),
        count("d", TUESDAY, received=1, stored=1),
        count("e", MONDAY, received=1, decode_error=1),
    )
    with ready.read() as connection:
        found = days(connection)

    assert found == [
        count("d", MONDAY, received=9, stored=4, duplicate=1, time_past=3, rate=1, lost=7),
        count("e", MONDAY, received=1, decode_error=1),
        count("d", TUESDAY, received=1, stored=1),
    ]
    assert [c.unaccounted for c in found] == [0, 0, 0]
    assert (found[0].of(Fate.QUARANTINED), found[0].of(Fate.SHED)) == (3, 1)
    assert totals(found)["d"] == count(
        "d", TUESDAY, received=10, stored=5, duplicate=1, time_past=3, rate=1, lost=7
    )


def test_one_device_and_the_days_since_one_are_chosen(ready: Book) -> None:
    everything = [
        count(device, day, received=2, stored=1, overflow=1)
        for day in (MONDAY, TUESDAY)
        for device in (STRANGERS, "d")
    ]
    put(ready, *everything)
    with ready.read() as connection:
        assert days(connection, since=TUESDAY) == everything[2:]
        assert days(connection, "d") == everything[1::2]
        assert days(connection, STRANGERS, MONDAY) == everything[::2]


def test_a_count_without_a_fate_is_seen(ready: Book) -> None:
    put(ready, count("d", MONDAY, received=5, stored=3, duplicate=1, wrong_unit=2))
    with ready.read() as connection:
        (found,) = days(connection)

    assert found.unaccounted == -1


@pytest.mark.parametrize("reason", list(Reason))
def test_every_kind_of_reason_fits_its_column(ready: Book, reason: Reason) -> None:
    unread = DayCount("d" * 40, MONDAY)
    unread.refuse(reason, 2)
    put(ready, unread, unread)
    with ready.read() as connection:
        (found,) = days(connection)

    assert (found.received, found.reasons[reason], found.of(reason.fate)) == (4, 4, 4)


def test_a_book_of_the_first_release_learns_where_its_boots_began(book: Book) -> None:
    config = migrations._config()
    with book.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        for number, floor, firsts in ((1, 40, [10, 30]), (2, 5, [5]), (3, 9, [])):
            row = {"b": number, "f": floor}
            connection.execute(text("INSERT INTO boot VALUES ('d', :b, :f, 1)"), row)
            for first in firsts:
                row = {"b": number, "f": first, "l": first + 4}
                connection.execute(text("INSERT INTO received_range VALUES ('d', :b, :f, :l)"), row)
    book.migrate()
    with book.begin() as connection:
        began = connection.execute(select(boot.c.boot, boot.c.first_seq).order_by(boot.c.boot))
        assert [tuple(row) for row in began] == [(1, 10), (2, 5), (3, 9)]
        new = {"device": "e", "boot": 1, "floor_seq": 3, "first_seq": 3, "first_heard_ms": 1}
        connection.execute(insert(boot).values(new))
