"""Works at a kahriz are kept and told apart alike on SQLite and on a real PostgreSQL."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from kahriz.book import Book, audit, maintenance
from kahriz.book.maintenance import Works, WorksRefused

AT = datetime(2026, 11, 20, 8, tzinfo=UTC)
HOUR = timedelta(hours=1)
NOW = AT + 100 * HOUR


def start(book: Book, at: datetime, kahriz: str = "k", note: str = "") -> Works:
    with book.begin() as connection:
        return maintenance.start(connection, kahriz, at, by="Aydin", note=note, now=NOW)


def end(book: Book, at: datetime, kahriz: str = "k", *, is_new_normal: bool = False) -> Works:
    with book.begin() as connection:
        return maintenance.end(
            connection, kahriz, at, is_new_normal=is_new_normal, by="Aydin", now=NOW
        )


def test_works_are_on_from_their_start_until_their_end(book: Book) -> None:
    begun = start(book, AT, note="cleaning")
    on = maintenance.known(book, "k")
    ended = end(book, AT + HOUR, is_new_normal=True)

    assert on == [begun]
    assert begun == Works(begun.id, "k", AT, None, False, "cleaning", "Aydin")
    assert ended == Works(begun.id, "k", AT, AT + HOUR, True, "cleaning", "Aydin")
    assert maintenance.known(book, "k") == [ended]


def test_works_of_each_kahriz_are_its_own_and_listed_by_their_start(book: Book) -> None:
    start(book, AT, "b")
    start(book, AT - HOUR, "a")
    end(book, AT, "a")
    start(book, AT, "a")

    with book.read() as connection:
        every = maintenance.list_works(connection)
    assert [(w.kahriz, w.start) for w in every] == [("a", AT - HOUR), ("b", AT), ("a", AT)]
    assert [w.start for w in maintenance.known(book, "a")] == [AT - HOUR, AT]
    assert maintenance.known(book, "c") == []


def test_what_cannot_have_been_is_refused_and_changes_nothing(book: Book) -> None:
    with pytest.raises(WorksRefused, match=r"^k: no works are on$"):
        end(book, AT)
    start(book, AT)
    with pytest.raises(WorksRefused, match=r"on already, since 2026-11-20T08:00:00Z$"):
        start(book, AT + HOUR)
    with pytest.raises(WorksRefused, match=r"end 2026-11-20T08:00:00Z is not after the start"):
        end(book, AT)
    end(book, AT + HOUR)
    with pytest.raises(WorksRefused, match=r"is before the end of other works, .*T09:00:00Z$"):
        start(book, AT + HOUR / 2)
    start(book, AT + HOUR)

    assert [(w.start, w.end) for w in maintenance.known(book, "k")] == [
        (AT, AT + HOUR),
        (AT + HOUR, None),
    ]


def test_who_announced_what_is_in_the_audit_log(book: Book) -> None:
    start(book, AT, note="cleaning")
    end(book, AT + HOUR, is_new_normal=True)
    with book.read() as connection:
        entries = audit.list_entries(connection)

    assert [(e.what, e.who, e.at) for e in entries] == [
        ("maintenance.end", "Aydin", NOW),
        ("maintenance.start", "Aydin", NOW),
    ]
    assert entries[0].detail == {
        "kahriz": "k",
        "end": "2026-11-20T09:00:00Z",
        "is_new_normal": True,
    }
    assert entries[1].detail == {
        "kahriz": "k",
        "start": "2026-11-20T08:00:00Z",
        "note": "cleaning",
    }


def test_a_book_from_before_works_knows_of_none(book: Book) -> None:
    with book.begin() as connection:
        connection.exec_driver_sql("DROP TABLE maintenance")

    assert maintenance.known(book, "k") == []
