from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ingest.sender import GatewayTrouble, Sender
from kahriz.book import Book, messages
from kahriz.clock import to_ms
from kahriz.errors import DeliveryError, DeliveryReason
from kahriz.notify import Message, Receipt
from kahriz.notify.null import NullNotifier
from tests.unit.book import test_messages
from tests.unit.ingest.one_text import book_with_one_text, row

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
    with book_with_one_text(tmp_path) as opened:
        yield opened


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
    assert row(book).error == "null: invalid_number: +994500000001"


def test_a_gateway_that_is_down_is_asked_until_the_text_expires(book: Book) -> None:
    sender = Sender(book, [Gateway(*(busy() for _ in range(60)))])
    with book.begin() as connection:
        later = to_ms(NOW + timedelta(days=1))
        messages.queue(connection, test_messages.values(address="+2", expires_at_ms=later))
    for hours in range(26):
        sender.step(NOW + timedelta(hours=hours))
    with book.begin() as connection:
        found = {m.address: m for m in messages.list_messages(connection)}

    assert (found["+2"].state, found["+2"].attempts) == ("expired", 24)
    assert found["+2"].error == "not handed over in time: null: rate_limited: slow down"


def test_a_gateway_that_may_have_taken_it_is_asked_twice_more_and_then_left(book: Book) -> None:
    silent = [DeliveryError(DeliveryReason.NO_ANSWER, "30 s", permanent=False) for _ in range(9)]
    sender = Sender(book, [Gateway(*silent)])
    for minutes in range(60):
        sender.step(NOW + minutes * MINUTE)

    assert (row(book).state, row(book).attempts) == ("failed", 3)


def test_a_gateway_is_left_alone_for_as_long_as_it_asks(book: Book) -> None:
    asks = DeliveryError(
        DeliveryReason.RATE_LIMITED, "429", permanent=False, retry_after=10 * MINUTE
    )
    sender = Sender(book, [Gateway(asks)])
    accepted = [sender.step(NOW + minutes * MINUTE) for minutes in (0, 1, 9, 10)]

    assert accepted == [0, 0, 0, 1]


def test_a_restart_does_not_ask_those_again_that_have_the_text(book: Book) -> None:
    console, gateway = Gateway(), Gateway(busy())
    Sender(book, [console, gateway]).step(NOW)
    restarted = Sender(book, [console, gateway])
    restarted.recover(NOW)
    restarted.step(NOW + MINUTE)

    assert (len(console.sent), len(gateway.sent)) == (1, 1)
    assert row(book).reference == "null-1 null2-1"


def test_a_text_goes_to_those_who_take_its_channel_and_fails_where_nobody_does(book: Book) -> None:
    class Mail(Gateway):
        channels = frozenset({"email"})

    mail, gateway = Mail(), Gateway()
    Sender(book, [mail, gateway]).step(NOW)
    assert (len(mail.sent), len(gateway.sent)) == (0, 1)

    with book.begin() as connection:
        messages.queue(connection, test_messages.values(address="+2"))
    Sender(book, [mail]).step(NOW)
    with book.begin() as connection:
        newest = messages.list_messages(connection)[0]
    assert (newest.state, newest.error) == ("failed", "no notifier takes sms")


def test_a_gateway_that_takes_nothing_is_known_with_since_when_and_why(book: Book) -> None:
    sender = Sender(book, [Gateway(busy(), busy())])
    assert sender.troubles() == []

    sender.step(NOW)
    sender.step(NOW + MINUTE)
    assert sender.troubles() == [GatewayTrouble("null", NOW, "rate_limited: slow down")]

    sender.step(NOW + 3 * MINUTE)
    assert sender.troubles() == []


def test_a_wrong_number_says_nothing_against_the_gateway(book: Book) -> None:
    wrong = DeliveryError(DeliveryReason.INVALID_NUMBER, "+994500000001", permanent=True)
    sender = Sender(book, [Gateway(wrong)])
    sender.step(NOW)

    assert sender.troubles() == []


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
        "null: gateway: RuntimeError: modem unplugged",
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


def test_a_text_that_crashes_the_process_again_and_again_is_left_unknown(book: Book) -> None:
    for _ in range(messages.MOST_INTERRUPTIONS):
        with book.begin() as connection:
            messages.claim(connection, NOW)
        Sender(book, []).recover(NOW)

    assert row(book).state == "unknown"
