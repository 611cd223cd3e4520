"""What is read a page at a time, on SQLite and on a real PostgreSQL."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import insert

from kahriz.book import Book, alerts, dead_letters, messages, rollups
from kahriz.book.days import Reason
from kahriz.book.dead_letters import DeadLetter
from kahriz.book.tables import notified
from kahriz.clock import to_ms
from kahriz.observations import DatastreamId

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
LINE = DatastreamId("agh-dere.line.discharge")
HOUR_MS = 3_600_000


def add_alert(connection: Any, minutes: int, kahriz: str = "agh-dere", **changes: Any) -> int:
    since = to_ms(NOW - timedelta(minutes=minutes))
    values = {
        "kahriz": kahriz,
        "kind": "blockage",
        "key": "",
        "audience": "committee",
        "state": "firing",
        "since_ms": since,
        "pending_at_ms": since,
        "fired_at_ms": since,
        "last_seen_ms": since,
        "detector": "station",
        "evidence": {},
        "explanation": "",
        "updated_at_ms": since,
    }
    return alerts.add(connection, values | changes).id


def add_text(connection: Any, alert: int | None, key: str, **changes: Any) -> int:
    values = {
        "alert_id": alert,
        "contact": "Chair",
        "address": "+994500000001",
        "reason": "first",
        "language": "az",
        "text": "x",
        "encoding": "gsm7",
        "parts": 1,
        "created_at_ms": 0,
        "due_at_ms": 0,
        "expires_at_ms": 0,
    }
    id = messages.queue(connection, {"key": key} | values | changes)
    assert id is not None
    return id


def test_alerts_are_paged_behind_one_of_the_same_instant(book: Book) -> None:
    with book.begin() as connection:
        ids = [add_alert(connection, minutes) for minutes in (5, 5, 5, 9, 1)]
    with book.read() as connection:
        whole = alerts.list_alerts(connection)
        behind = [
            [row.id for row in alerts.list_alerts(connection, after=(row.since_ms, row.id))]
            for row in whole
        ]

    order = [row.id for row in whole]
    assert order == [ids[4], ids[2], ids[1], ids[0], ids[3]]
    assert behind == [order[i + 1 :] for i in range(5)]


def test_a_history_of_alerts_leaves_out_what_nobody_believed(book: Book) -> None:
    with book.begin() as connection:
        add_alert(connection, 9, state="resolved", fired_at_ms=None)
        first = add_alert(connection, 1)
        other = add_alert(connection, 5, "barana")
    everything = (0, to_ms(NOW))
    with book.read() as connection:
        page = alerts.page(connection, 0, (), everything, 1)
        rest = alerts.page(connection, first, (), everything, 10)
        of_one = alerts.page(connection, 0, ("barana",), everything, 10)
        early = alerts.page(connection, 0, (), (0, to_ms(NOW - timedelta(minutes=4))), 10)

    assert [row.id for row in page] == [first]
    assert [row.id for row in rest] == [row.id for row in of_one] == [row.id for row in early]
    assert [row.id for row in rest] == [other]


def test_who_was_told_first_counts_texts_about_many_and_not_the_end(book: Book) -> None:
    with book.begin() as connection:
        alone, among, untold = (add_alert(connection, 5) for _ in range(3))
        add_text(connection, alone, "a", sent_at_ms=900, delivered_at_ms=950)
        add_text(connection, alone, "b", sent_at_ms=500)
        add_text(connection, alone, "c", sent_at_ms=100, reason="resolved")
        digest = add_text(connection, None, "d", sent_at_ms=700, delivered_at_ms=800)
        told = {"reason": "first", "step": 0, "message_id": digest, "at_ms": 0}
        connection.execute(insert(notified).values(alert_id=among, address="x", **told))
    with book.read() as connection:
        found = messages.first_reached(connection, [alone, among, untold])

    assert found == {alone: (500, 950), among: (700, 800)}


def test_other_lists_go_on_behind_a_row(book: Book) -> None:
    with book.begin() as connection:
        for n in range(4):
            add_text(connection, None, str(n), created_at_ms=n // 2)
            letter = DeadLetter(0, "t", f"d{n % 2}", "bad", b"%d" % n, Reason.DECODE_ERROR)
            dead_letters.put(connection, [letter])
    with book.read() as connection:
        texts = messages.list_messages(connection)
        letters = dead_letters.listed(connection)
        after_texts = messages.list_messages(
            connection, after=(texts[1].created_at_ms, texts[1].id)
        )
        after_letters = dead_letters.listed(connection, older_than=letters[2].id)
        of_one = dead_letters.listed(connection, device="d1", kind="decode_error", limit=1)

    assert after_texts == texts[2:]
    assert after_letters == letters[3:]
    assert [(each.device, each.size) for each in of_one] == [("d1", 1)]


@pytest.mark.parametrize("most", [1, 3, 10])
def test_figures_come_from_the_first_on_so_many_at_a_time(book: Book, most: int) -> None:
    figures = dict.fromkeys(rollups.FIGURES, 1)
    rows = [
        figures | {"datastream": LINE, "period": "hour", "start_ms": n * HOUR_MS} for n in range(5)
    ]
    with book.begin() as connection:
        rollups.put(connection, rows, NOW)
    with book.read() as connection:
        whole = rollups.rows(connection, LINE, "hour", HOUR_MS, 9 * HOUR_MS)
        first = rollups.first_rows(connection, LINE, "hour", HOUR_MS, 9 * HOUR_MS, most)

    assert first == whole[:most]
    assert len(whole) == 4
