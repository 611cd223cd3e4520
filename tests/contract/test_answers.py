"""What people send is done and answered alike on SQLite and on a real PostgreSQL."""

from __future__ import annotations

from pathlib import Path

from kahriz.book import Book
from kahriz.detect import Kind
from tests.answering import CHAIR, DEPUTY, ENGINEER, MINUTE, STRANGER, House


def test_whatever_is_sent_is_done_and_answered(book: Book, tmp_path: Path) -> None:
    house = House(tmp_path, book=book)
    house.flows("k", {MINUTE: 3.0})
    storm = [house.fires(id, Kind.OFFLINE) for id in ("barana", "velibey")]
    house.tells(ENGINEER, *storm)
    alert = house.fires()
    house.tells(CHAIR, alert)
    sent = [
        (CHAIR, "SU"),
        (CHAIR, "2"),
        (CHAIR, "2"),
        (CHAIR, "VEDRE 10 3,3"),
        (ENGINEER, "1"),
        (STRANGER, "1 K3"),
        (DEPUTY, "SUS 6"),
        (DEPUTY, "DAYAN"),
        (CHAIR, "DAYAN"),
        (CHAIR, "BASLA\0"),
    ]
    said = [house.sends(*each) for each in sent]
    texts = house.inbox()

    assert [answer is not None for answer in said] == [
        True, True, False, True, True, False, True, True, False, False,
    ]  # fmt: skip
    assert [text.outcome.partition(";")[0] for text in texts] == [
        "how the water is",
        "K3 on site",
        "the same again within a minute",
        "gauged 3.03 L/s",
        "K1 K2 acknowledged",
        "no contact's number",
        "silent until 2026-11-22T12:00:00Z",
        "no more texts",
        "no more texts",
        "texts again",
    ]
    assert house.alert(alert).on_site_by == "Chair"
    assert [house.alert(each).acknowledged_by for each in storm] == ["Engineer"] * 2
    assert house.gaugings()[0].inbound_id == texts[3].id
    assert house.stopped() == {DEPUTY}
    assert [m.address for m in house.texts() if m.reason == "notice"] == [
        ENGINEER,
        "engineer@example.org",
    ]
