"""`kahriz sms` on the real command line."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from kahriz.book import Book, inbound
from kahriz.cli.demo_clock import save_clock
from tests.unit.cli.test_contacts import Run, book, run

__all__ = ["book", "run"]


def test_a_text_is_put_into_the_book_as_a_gateway_would(run: Run, book: Book) -> None:
    for text in ("1 [b]", "SU"):
        assert run("sms", "receive", "--from", "050 000 00 01", text) == (
            0,
            "A text from +994500000001 is in the book; a running ingest answers it.\n",
            "",
        )
    with book.read() as connection:
        first, second = inbound.waiting(connection, 10)
    with book.begin() as connection:
        inbound.done(connection, second.id, command="status", outcome="water", kahriz="agh-dere")
    code, every, _ = run("sms", "list")
    _, of_one, _ = run("sms", "list", "--kahriz", "agh-dere")
    _, newest, _ = run("sms", "list", "--limit", "1")

    assert (first.address, first.text, first.state) == ("+994500000001", "1 [b]", "new")
    assert first.reference != second.reference
    assert code == 0
    assert "1 [b]" in every
    assert "status" in every
    for said in (of_one, newest):
        assert "water" in said
        assert "1 [b]" not in said


def test_what_is_no_number_sends_nothing(run: Run, book: Book) -> None:
    code, _, err = run("sms", "receive", "--from", "Azercell", "SU")

    assert code == 2
    assert "'Azercell' is no phone number" in err
    with book.read() as connection:
        assert inbound.waiting(connection, 10) == []


def test_a_kahriz_that_is_not_in_the_registry_is_named(run: Run) -> None:
    code, _, err = run("sms", "list", "--kahriz", "aga-dere")

    assert code == 2
    assert "'aga-dere' is not in the registry" in err


def test_a_text_to_the_demo_comes_in_the_demo_s_time(run: Run, book: Book, tmp_path: Path) -> None:
    refused = run("sms", "receive", "--demo", "--from", "+994500000001", "1")
    ahead = datetime.now(UTC) + timedelta(days=40)
    save_clock(tmp_path, lambda: ahead, 300)
    code, _, _ = run("sms", "receive", "--demo", "--from", "+994500000001", "1")
    _, listed, _ = run("sms", "list", "--demo")
    with book.read() as connection:
        (text,) = inbound.waiting(connection, 10)

    assert refused == (2, "", f"kahriz: --demo: no demo runs in {tmp_path} (kahriz demo)\n")
    assert code == 0
    assert "+994500000001" in listed
    assert timedelta(0) <= text.received_at - ahead < timedelta(hours=1)
