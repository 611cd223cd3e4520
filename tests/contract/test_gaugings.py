"""Gaugings and the counts of texts are alike on SQLite and on a real PostgreSQL."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from kahriz.book import Book, gaugings, message_counts, messages
from kahriz.book.gaugings import Bucket, Gauging, Metered
from kahriz.book.message_counts import Count
from kahriz.clock import to_ms

AT = datetime(2026, 11, 20, 8, tzinfo=UTC)
DAY = timedelta(days=1)
CHAIR, DEPUTY = "+994500000001", "+994500000002"


def gauge(
    book: Book,
    site: str = "k.outlet",
    at: datetime = AT,
    measured: Bucket | Metered = Bucket(10.0, 12.5, 3),  # noqa: B008 - frozen
    **changes: Any,
) -> Gauging:
    said: dict[str, Any] = {
        "rated_lps": 1.0,
        "stage_m": 0.06,
        "by": "Aydin",
    }
    with book.begin() as connection:
        return gaugings.add(connection, site, at, measured, **said | changes)


def test_a_gauging_is_kept_with_what_the_weir_said_beside_it(book: Book) -> None:
    added = gauge(book)
    alone = gauge(book, rated_lps=None, stage_m=None)

    assert added == Gauging(added.id, "k.outlet", AT, 10, 12.5, 3, 0.8, 1, 0.06, "Aydin", None)
    assert added.deviation == pytest.approx(0.25)
    assert alone.deviation is None


def test_a_gauging_with_a_current_meter_is_kept_with_what_it_is_said_to_be_good_for(
    book: Book,
) -> None:
    said = gauge(book, measured=Metered(7.9, 0.4))
    alone = gauge(book, measured=Metered(8.1))

    assert (said.method, said.discharge_lps, said.uncertainty_lps) == ("current_meter", 7.9, 0.4)
    assert (said.volume_l, said.duration_s, said.trials) == (None, None, None)
    assert (alone.method, alone.uncertainty_lps) == ("current_meter", None)
    with book.read() as connection:
        assert gaugings.list_gaugings(connection) == [alone, said]


def test_gaugings_are_listed_by_site_the_newest_first(book: Book) -> None:
    old, new = gauge(book), gauge(book, at=AT + DAY)
    other = gauge(book, "j.outlet", AT - DAY)

    with book.read() as connection:
        assert gaugings.list_gaugings(connection, "k.outlet") == [new, old]
        assert gaugings.list_gaugings(connection) == [new, old, other]
        assert gaugings.list_gaugings(connection, limit=1) == [new]
        assert gaugings.list_gaugings(connection, "k.shaft") == []


def write(book: Book, state: str, at: datetime = AT, parts: int = 1, **changes: Any) -> None:
    """Let a text be written, and come to a state."""
    values: dict[str, Any] = {
        "key": f"{state} {at} {changes}",
        "contact": "Chair",
        "address": CHAIR,
        "kahriz": "k",
        "reason": "first",
        "language": "az",
        "text": "#K1",
        "encoding": "gsm7",
        "parts": parts,
        "created_at_ms": to_ms(at),
        "due_at_ms": to_ms(at),
        "expires_at_ms": to_ms(at + DAY),
    }
    with book.begin() as connection:
        assert messages.queue(connection, values | changes) is not None
        if state == "expired":
            messages.expire(connection, at + 2 * DAY)
        elif state != "queued":
            claimed = messages.claim(connection, at)
            assert claimed is not None
            if state == "failed":
                messages.mark_failed(connection, claimed.id, "no credit")
            elif state == "accepted":
                messages.mark_accepted(connection, claimed.id, "r", at)


def count(book: Book, start: datetime = AT, end: datetime = AT + DAY) -> list[Count]:
    with book.read() as connection:
        return message_counts.count(connection, start, end)


def test_texts_are_counted_by_contact_and_only_what_a_gateway_took_is_paid_for(book: Book) -> None:
    write(book, "accepted", parts=2)
    write(book, "failed", parts=2)
    write(book, "expired", parts=2)
    write(book, "accepted", address=DEPUTY, contact="Deputy")
    write(book, "accepted", parts=0, channel="email", address="a@b.org", contact="Engineer")
    write(book, "accepted", kahriz="j")
    write(book, "queued", parts=2)

    assert count(book) == [
        Count("j", "Chair", CHAIR, "sms", 1, 1, 1, 0, 0, 0),
        Count("k", "Chair", CHAIR, "sms", 4, 2, 1, 0, 1, 1),
        Count("k", "Deputy", DEPUTY, "sms", 1, 1, 1, 0, 0, 0),
        Count("k", "Engineer", "a@b.org", "email", 1, 0, 1, 0, 0, 0),
    ]


def test_a_month_holds_what_was_written_from_its_start_to_before_its_end(book: Book) -> None:
    write(book, "accepted", at=AT)
    write(book, "accepted", at=AT + DAY)
    write(book, "accepted", at=AT - timedelta(milliseconds=1))

    assert [c.texts for c in count(book)] == [1]
    with book.read() as connection:
        listed = messages.list_messages(connection, between=(AT, AT + DAY))
        others = messages.list_messages(connection, kahriz="j")
    assert [m.created_at_ms for m in listed] == [to_ms(AT)]
    assert others == []
