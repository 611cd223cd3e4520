"""Texts that come in are alike on SQLite and on a real PostgreSQL."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from kahriz.book import Book, inbound
from kahriz.book.inbound import LONGEST_TEXT, Inbound

AT = datetime(2026, 11, 20, 8, tzinfo=UTC)
CHAIR, DEPUTY = "+994500000001", "+994500000002"
HOUR = timedelta(hours=1)


def arrive(
    book: Book, reference: str, text: str = "1", address: str = CHAIR, at: datetime = AT
) -> bool:
    with book.begin() as connection:
        return inbound.arrive(connection, "gammu", reference, address, text, at)


def done(book: Book, id: int, *, is_ignored: bool = False) -> bool:
    with book.begin() as connection:
        return inbound.done(
            connection,
            id,
            command="status",
            outcome="how the water is",
            kahriz="k",
            is_ignored=is_ignored,
        )


def test_a_text_is_kept_as_it_came_and_once(book: Book) -> None:
    assert arrive(book, "a", "su \N{THUMBS UP SIGN}")
    assert not arrive(book, "a", "another")

    with book.read() as connection:
        (text,) = inbound.waiting(connection, 10)
    assert text == Inbound(
        text.id, "gammu", "a", AT, CHAIR, "su \N{THUMBS UP SIGN}", "new", None, "", None, None
    )


def test_a_text_is_kept_up_to_its_longest(book: Book) -> None:
    arrive(book, "a", "x" * (LONGEST_TEXT + 1))
    arrive(book, "b", "a\0b\ud83d")

    with book.read() as connection:
        long, odd = inbound.waiting(connection, 10)
    assert long.text == "x" * LONGEST_TEXT
    assert odd.text == "ab?"


def test_texts_wait_in_the_order_they_came_until_somebody_has_looked(book: Book) -> None:
    for reference in "abc":
        arrive(book, reference)
    with book.read() as connection:
        first, second, third = inbound.waiting(connection, 10)
        assert inbound.waiting(connection, 1) == [first]
        assert inbound.waiting(connection, 10, after=first.id) == [second, third]

    assert done(book, first.id)
    assert not done(book, first.id)
    assert done(book, second.id, is_ignored=True)

    with book.read() as connection:
        assert inbound.waiting(connection, 10) == [third]
        assert [t.state for t in inbound.list_inbound(connection)] == ["new", "ignored", "done"]
        assert [t.id for t in inbound.list_inbound(connection, state="done")] == [first.id]
        assert [t.id for t in inbound.list_inbound(connection, kahriz="k", limit=1)] == [second.id]
        assert inbound.before(connection, third) == inbound.list_inbound(connection)[1]
        assert inbound.before(connection, first) is None


@pytest.mark.parametrize(("ago", "counted"), [(timedelta(0), 1), (HOUR, 0)])
def test_those_that_were_looked_at_within_the_hour_are_counted(
    book: Book, ago: timedelta, counted: int
) -> None:
    arrive(book, "a", at=AT - ago)
    arrive(book, "b", at=AT, address=DEPUTY)
    arrive(book, "c", at=AT)
    arrive(book, "d", at=AT)
    with book.read() as connection:
        first, other, ignored, _ = inbound.waiting(connection, 10)
    done(book, first.id)
    done(book, other.id)
    done(book, ignored.id, is_ignored=True)

    with book.read() as connection:
        assert inbound.looked_at(connection, CHAIR, AT - HOUR, AT) == counted


def test_what_was_ignored_is_let_go_by_age_and_count(book: Book) -> None:
    for n in range(6):
        arrive(book, str(n), at=AT + n * HOUR)
    with book.read() as connection:
        ids = [text.id for text in inbound.waiting(connection, 10)]
    for id in ids[1:]:
        done(book, id, is_ignored=id != ids[2])

    def left() -> list[int]:
        with book.read() as connection:
            return [ids.index(text.id) for text in inbound.list_inbound(connection)][::-1]

    with book.begin() as connection:
        assert inbound.forget(connection, AT + HOUR, 4) == 0
        assert inbound.forget(connection, AT + HOUR, 3) == 1
    assert left() == [0, 2, 3, 4, 5]
    with book.begin() as connection:
        assert inbound.forget(connection, AT + 4 * HOUR, 3) == 1
    assert left() == [0, 2, 4, 5]
