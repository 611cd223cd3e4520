from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ingest.sender import MOST_ATTEMPTS, Sender
from kahriz.book import Book, alerts, messages
from kahriz.book.messages import OutboxMessage
from kahriz.clock import to_ms
from kahriz.errors import DeliveryError, DeliveryReason
from kahriz.notify import Message, Receipt
from kahriz.notify.null import NullNotifier
from tests.unit.book import test_alerts, test_messages

NOW = datetime(2026, 11, 22, 6, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


class Gateway(NullNotifier):
    """Raises what it was given, one error a message, and then takes everything."""

    def __init__(self, *errors: Exception) -> None:
        super().__init__()
        self.errors = list(errors)

    def send(self, message: Message) -> Receipt:
        if self.errors:
            raise self.errors.pop(0)
        return super().send(message)


def busy() -> DeliveryError:
    return DeliveryError(DeliveryReason.RATE_LIMITED, "slow down", permanent=False)


@pytest.fixture
def book(tmp_path: Path) -> Iterator[Book]:
    opened = Book(f"sqlite:///{tmp_path / 'book.sqlite'}")
    opened.migrate()
    with opened.begin() as connection:
        alerts.add(connection, test_alerts.values())
        messages.queue(connection, test_messages.values())
    yield opened
    opened.close()


def row(book: Book) -> OutboxMessage:
    with book.begin() as connection:
        return messages.list_messages(connection)[-1]


def test_a_due_text_is_handed_over_once_with_its_alerts_code(book: Book) -> None:
    gateway = Gateway()
    sender = Sender(book, [gateway])

    assert (sender.step(NOW), sender.step(NOW)) == (1, 0)
    assert [(m.address, m.alert_code) for m in gateway.sent] == [("+994500000001", "K1")]
    assert (row(book).state, row(book).reference) == ("accepted", "null-1")


def test_every_notifier_gets_every_text(book: Book) -> None:
    console, file = Gateway(), Gateway()
    Sender(book, [console, file]).step(NOW)

    assert (len(console.sent), len(file.sent)) == (1, 1)


def test_a_busy_gateway_is_asked_again_later_and_later(book: Book) -> None:
    gateway = Gateway(busy(), busy())
    sender = Sender(book, [gateway])
    accepted = [sender.step(NOW + minutes * MINUTE) for minutes in (0, 0.5, 1, 2, 3)]

    assert accepted == [0, 0, 0, 0, 1]
    assert row(book).attempts == 3


def test_only_the_notifier_that_failed_is_asked_again(book: Book) -> None:
    console, gateway = Gateway(), Gateway(busy())
    sender = Sender(book, [console, gateway])
    sender.step(NOW)
    sender.step(NOW + MINUTE)

    assert (len(console.sent), len(gateway.sent)) == (1, 1)
    assert row(book).state == "accepted"


def test_a_wrong_number_is_given_up_with_the_reason(book: Book) -> None:
    wrong = DeliveryError(DeliveryReason.INVALID_NUMBER, "+994500000001", permanent=True)
    sender = Sender(book, [Gateway(wrong)])
    sender.step(NOW)
    sender.step(NOW + 30 * MINUTE)

    assert row(book).state == "failed"
    assert row(book).error == "Gateway: invalid_number: +994500000001"


def test_a_gateway_that_never_takes_it_is_given_up(book: Book) -> None:
    sender = Sender(book, [Gateway(*(busy() for _ in range(20)))])
    with book.begin() as connection:
        later = to_ms(NOW + timedelta(days=2))
        patient = test_messages.values(address="+2", expires_at_ms=later)
        messages.queue(connection, patient)
    for hours in range(20):
        sender.step(NOW + timedelta(hours=hours))
    with book.begin() as connection:
        found = {m.address: m for m in messages.list_messages(connection)}

    assert (found["+2"].state, found["+2"].attempts) == ("failed", MOST_ATTEMPTS)


def test_a_text_is_never_sent_late(book: Book) -> None:
    gateway = Gateway()
    Sender(book, [gateway]).step(NOW + timedelta(hours=2))

    assert (gateway.sent, row(book).state) == ([], "expired")


def test_a_notifier_that_breaks_does_not_keep_the_text(book: Book) -> None:
    sender = Sender(book, [Gateway(RuntimeError("modem unplugged"))])
    sender.step(NOW)
    after = row(book)
    sender.step(NOW + MINUTE)

    assert (after.state, after.error) == (
        "queued",
        "Gateway: gateway: RuntimeError: modem unplugged",
    )
    assert row(book).state == "accepted"


def test_after_a_crash_a_text_goes_out_at_most_once_more(book: Book) -> None:
    gateway = Gateway()
    with book.begin() as connection:
        messages.claim(connection, NOW)
    sender = Sender(book, [gateway])
    sender.recover(NOW)
    sender.step(NOW)

    assert len(gateway.sent) == 1
    assert row(book).state == "accepted"


def test_a_text_that_crashes_the_process_twice_is_left_unknown(book: Book) -> None:
    for _ in range(2):
        with book.begin() as connection:
            messages.claim(connection, NOW)
        Sender(book, []).recover(NOW)

    assert row(book).state == "unknown"
