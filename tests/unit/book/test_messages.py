from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from kahriz.book import Book, alerts, messages
from kahriz.book.messages import OutboxMessage
from kahriz.clock import to_ms
from tests.unit.book import test_alerts

NOW = datetime(2026, 11, 22, 6, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


@pytest.fixture
def book(tmp_path: Path) -> Iterator[Book]:
    opened = Book(f"sqlite:///{tmp_path / 'book.sqlite'}")
    opened.migrate()
    with opened.begin() as connection:
        alerts.add(connection, test_alerts.values())
    yield opened
    opened.close()


def values(**changes: Any) -> dict[str, Any]:
    found: dict[str, Any] = {
        "alert_id": 1,
        "contact": "Chair",
        "address": "+994500000001",
        "reason": "first",
        "step": 0,
        "language": "az",
        "text": "#K1 Barana",
        "encoding": "gsm7",
        "parts": 1,
        "created_at_ms": to_ms(NOW),
        "due_at_ms": to_ms(NOW),
        "expires_at_ms": to_ms(NOW + 60 * MINUTE),
    } | changes
    key = messages.key_of(found["alert_id"], found["address"], found["reason"], found["step"])
    return {"key": key} | found


def put(book: Book, **changes: Any) -> bool:
    with book.begin() as connection:
        return messages.queue(connection, values(**changes)) is not None


def claim(book: Book, now: datetime = NOW) -> OutboxMessage | None:
    with book.begin() as connection:
        return messages.claim(connection, now)


def states(book: Book) -> list[str]:
    with book.begin() as connection:
        return [m.state for m in reversed(messages.list_messages(connection))]


def test_a_text_is_queued_once_by_alert_address_reason_and_step(book: Book) -> None:
    assert put(book)
    assert not put(book, text="another wording")
    assert put(book, step=1)
    assert put(book, address="+994500000002")
    assert put(book, reason="resolved")
    assert states(book) == ["queued"] * 4


def test_a_text_is_claimed_once_the_longest_due_first(book: Book) -> None:
    put(book, due_at_ms=to_ms(NOW), address="+1")
    put(book, due_at_ms=to_ms(NOW - MINUTE), address="+2")
    claimed = [claim(book), claim(book), claim(book)]

    assert [None if m is None else m.address for m in claimed] == ["+2", "+1", None]
    assert states(book) == ["handing_over", "handing_over"]


def test_a_text_not_due_yet_or_too_late_is_not_claimed(book: Book) -> None:
    put(book, due_at_ms=to_ms(NOW + MINUTE))
    put(book, address="+2", expires_at_ms=to_ms(NOW))

    assert claim(book) is None


def test_a_late_text_expires_and_one_in_hand_does_not(book: Book) -> None:
    put(book)
    claim(book)
    put(book, address="+2")
    with book.begin() as connection:
        expired = messages.expire(connection, NOW + 61 * MINUTE)

    assert expired == 1
    assert states(book) == ["handing_over", "expired"]


def test_an_accepted_text_keeps_the_gateways_reference(book: Book) -> None:
    put(book)
    claimed = claim(book)
    assert claimed is not None
    with book.begin() as connection:
        messages.mark_accepted(connection, claimed.id, "gw-1", NOW)
        (row,) = messages.list_messages(connection)

    assert (row.state, row.reference, row.sent_at_ms) == ("accepted", "gw-1", to_ms(NOW))
    assert row.attempts == 1


def test_withdrawing_leaves_what_has_left(book: Book) -> None:
    put(book)
    claim(book)
    put(book, address="+2")
    with book.begin() as connection:
        assert messages.withdraw(connection, 1, "first", "over before it left") == 1

    assert states(book) == ["handing_over", "expired"]


def test_a_text_interrupted_by_crashes_is_tried_once_more_each_and_in_the_end_left_unknown(
    book: Book,
) -> None:
    put(book)
    results = []
    for _ in range(messages.MOST_INTERRUPTIONS):
        claim(book)
        with book.begin() as connection:
            results.append(messages.recover(connection))

    assert results == [(1, 0)] * (messages.MOST_INTERRUPTIONS - 1) + [(0, 1)]
    assert states(book) == ["unknown"]


def test_a_failed_try_does_not_make_an_interruption_forgotten(book: Book) -> None:
    put(book)
    for _ in range(messages.MOST_INTERRUPTIONS - 1):
        claim(book)
        with book.begin() as connection:
            assert messages.recover(connection) == (1, 0)
        claimed = claim(book)
        assert claimed is not None
        with book.begin() as connection:
            messages.try_again(connection, claimed.id, NOW, "gateway: busy")
    claim(book)
    with book.begin() as connection:
        assert messages.recover(connection) == (0, 1)


def test_what_was_accepted_is_not_marked_failed_by_a_late_answer(book: Book) -> None:
    put(book)
    claimed = claim(book)
    assert claimed is not None
    with book.begin() as connection:
        messages.mark_accepted(connection, claimed.id, "gw-1", NOW)
        messages.mark_failed(connection, claimed.id, "late answer")

    assert states(book) == ["accepted"]


def test_messages_are_listed_newest_first_by_alert(book: Book) -> None:
    with book.begin() as connection:
        alerts.add(connection, test_alerts.values())
    put(book, created_at_ms=1)
    put(book, created_at_ms=2, alert_id=2)
    with book.begin() as connection:
        every = [m.alert_id for m in messages.list_messages(connection)]
        first = [m.alert_id for m in messages.list_messages(connection, alert=1)]
        one = messages.list_messages(connection, limit=1)

    assert (every, first, len(one)) == ([2, 1], [1], 1)


def test_a_text_that_tells_of_many_alerts_is_listed_at_each(book: Book) -> None:
    put(book)
    with book.begin() as connection:
        alerts.add(connection, test_alerts.values(kahriz="agh-dere"))
        digest = messages.queue(connection, values(key="digest", alert_id=None, reason="digest"))
        assert digest is not None
        told = {"address": "+994500000001", "reason": "first", "step": 0, "at_ms": to_ms(NOW)}
        messages.note(connection, digest, [{"alert_id": id} | told for id in (1, 2)])
    with book.read() as connection:
        listed = [[m.id for m in messages.list_messages(connection, alert=id)] for id in (1, 2)]

    assert listed == [[digest, 1], [digest]]
