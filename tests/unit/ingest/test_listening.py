from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from ingest.listening import PATIENCE, Listening
from ingest.metrics import Health
from ingest.sender import GatewayTrouble, Sender
from kahriz.book import Book, messages
from kahriz.errors import DeliveryError, DeliveryReason
from kahriz.notify import Arrived, Fate, FateState, News
from kahriz.notify.file import FileNotifier
from kahriz.notify.null import NullNotifier
from tests.unit.ingest.one_text import book_with_one_text, row

NOW = datetime(2026, 11, 22, 6, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


class Modem(NullNotifier):
    """Tells what it was given until that is taken."""

    def __init__(self) -> None:
        super().__init__()
        self.fates: list[Fate] = []
        self.arrived: list[Arrived] = []
        self.is_away = False
        self.said: str | None = None

    def news(self, _now: datetime) -> News:
        if self.is_away:
            raise DeliveryError(DeliveryReason.GATEWAY, "unplugged", permanent=False)
        return News(tuple(self.fates), tuple(self.arrived))

    def taken(self, references: Collection[str]) -> None:
        self.fates = [f for f in self.fates if f.reference not in references]
        self.arrived = [a for a in self.arrived if a.reference not in references]

    def trouble(self) -> str | None:
        return self.said


@pytest.fixture
def book(tmp_path: Path) -> Iterator[Book]:
    with book_with_one_text(tmp_path) as opened:
        yield opened


def answers(book: Book) -> list[list[str]]:
    with book.begin() as connection:
        query = text("SELECT gateway, address, text, state FROM inbound ORDER BY id")
        return [list(row) for row in connection.execute(query)]


@pytest.mark.parametrize("state", list(FateState))
def test_what_became_of_a_text_is_written_beside_it(book: Book, state: FateState) -> None:
    modem = Modem()
    Sender(book, [NullNotifier(), modem]).step(NOW)
    listening = Listening(book, [NullNotifier(), modem])
    modem.fates = [Fate("1", state, NOW + MINUTE, "DeliveryFailed 70")]

    assert (listening.step(NOW + MINUTE), listening.step(NOW + MINUTE)) == (1, 0)
    assert (row(book).state, row(book).error) == (state, "DeliveryFailed 70")
    assert (row(book).delivered_at_ms is not None) == (state == "delivered")
    assert modem.fates == []


def test_a_text_that_never_left_its_gateway_is_tried_again_there_and_only_there(
    book: Book,
) -> None:
    console, modem = NullNotifier(), Modem()
    sender, listening = Sender(book, [console, modem]), Listening(book, [console, modem])
    sender.step(NOW)
    unsent = Fate("1", FateState.FAILED, NOW, "+CMS ERROR: 38", DeliveryReason.GATEWAY)
    modem.fates = [unsent]
    assert (listening.step(NOW), listening.step(NOW)) == (1, 0)
    assert (row(book).state, row(book).error) == (
        "queued",
        "null2-1: gateway: +CMS ERROR: 38",
    )

    accepted = [sender.step(NOW + minutes * MINUTE) for minutes in (0.5, 1)]
    assert accepted == [0, 1]
    assert (len(console.sent), len(modem.sent)) == (1, 2)
    assert row(book).state == "accepted"


@pytest.mark.parametrize(
    ("reason", "tries"), [(DeliveryReason.INVALID_NUMBER, 1), (DeliveryReason.NO_ANSWER, 3)]
)
def test_one_that_cannot_leave_is_given_up_as_the_table_says(
    book: Book, reason: DeliveryReason, tries: int
) -> None:
    modem = Modem()
    sender, listening = Sender(book, [modem]), Listening(book, [modem])
    for minutes in range(60):
        now = NOW + minutes * MINUTE
        if sender.step(now):
            modem.fates = [Fate("1", FateState.FAILED, now, "", reason)]
        listening.step(now)

    assert (row(book).state, len(modem.sent)) == ("failed", tries)


def test_a_fate_of_a_text_nobody_knows_changes_nothing_and_is_taken_in_the_end(book: Book) -> None:
    modem = Modem()
    Sender(book, [modem]).step(NOW)
    modem.fates = [Fate("11", FateState.FAILED, NOW), Fate("%", FateState.FAILED, NOW)]
    listening = Listening(book, [modem])
    listening.step(NOW)
    assert len(modem.fates) == 2

    listening.step(NOW + PATIENCE)
    assert row(book).state == "accepted"
    assert modem.fates == []


def test_a_fate_that_is_faster_than_the_crashed_hand_over_waits_for_it(book: Book) -> None:
    modem = Modem()
    with book.begin() as connection:
        messages.claim(connection, NOW)
    modem.fates = [Fate("1", FateState.DELIVERED, NOW)]
    sender, listening = Sender(book, [modem]), Listening(book, [modem])
    sender.recover(NOW)
    assert listening.step(NOW) == 0

    sender.step(NOW)
    assert listening.step(NOW) == 1
    assert (row(book).state, modem.fates) == ("delivered", [])


def test_a_receipt_that_comes_twice_and_says_otherwise_changes_nothing(book: Book) -> None:
    modem = Modem()
    Sender(book, [modem]).step(NOW)
    modem.fates = [Fate("1", FateState.DELIVERED, NOW), Fate("1", FateState.FAILED, NOW)]

    assert Listening(book, [modem]).step(NOW) == 1
    assert row(book).state == "delivered"


def test_an_answer_is_kept_once_however_often_it_is_told(book: Book) -> None:
    modem = Modem()
    answer = Arrived("9", "+994500000001", "1", NOW)
    listening = Listening(book, [modem])
    for _ in range(2):  # as after a crash before it was taken
        modem.arrived = [answer]
        listening.step(NOW)

    assert answers(book) == [["null", "+994500000001", "1", "new"]]


def test_a_gateway_that_is_away_is_a_trouble_since_then_until_it_is_back(book: Book) -> None:
    modem = Modem()
    modem.is_away = True
    listening = Listening(book, [modem])
    listening.step(NOW)
    listening.step(NOW + MINUTE)
    assert listening.troubles() == [GatewayTrouble("null", NOW, "unplugged")]

    modem.is_away = False
    modem.said = "the modem refused the last 3 texts"
    listening.step(NOW + 2 * MINUTE)
    assert [t.reason for t in listening.troubles()] == [modem.said]

    modem.said = None
    listening.step(NOW + 3 * MINUTE)
    assert listening.troubles() == []


def test_a_dead_gateway_is_on_health_and_off_it_when_it_lives() -> None:
    health = Health(wall=lambda: 1.0)
    health.gateways({"gammu": "no modem"})
    assert "gateway gammu: no modem" in health.report("connected", 0)["reason"]

    health.gateways({"http": "401"})
    assert health.report("connected", 0)["reason"] == "gateway http: 401"

    health.gateways({})
    assert health.report("connected", 0)["status"] == "ok"


def test_answers_come_in_by_a_file_line_by_line(book: Book, tmp_path: Path) -> None:
    file = tmp_path / "answers.jsonl"
    listening = Listening(book, [FileNotifier(tmp_path / "messages.jsonl")])
    assert listening.step(NOW) == 0

    file.write_text('{"address": "+1", "text": "1"}\nrubbish\n{"address": "+2", "te', "utf-8")
    assert (listening.step(NOW), listening.step(NOW)) == (1, 0)

    with file.open("a", encoding="utf-8") as more:
        more.write('xt": "SU"}\n{"address": 5, "text": "x"}\n')
    assert (listening.step(NOW), listening.step(NOW)) == (1, 0)

    restarted = Listening(book, [FileNotifier(tmp_path / "messages.jsonl")])
    assert restarted.step(NOW) == 0
    assert [answer[1:3] for answer in answers(book)] == [["+1", "1"], ["+2", "SU"]]


def test_an_answers_file_that_began_anew_is_read_from_its_beginning(
    book: Book, tmp_path: Path
) -> None:
    file = tmp_path / "answers.jsonl"
    listening = Listening(book, [FileNotifier(tmp_path / "messages.jsonl")])
    file.write_text('{"address": "+994500000001", "text": "VEDRE 10 12"}\n', "utf-8")
    listening.step(NOW)
    file.write_text('{"address": "+1", "text": "1"}\n', "utf-8")

    assert listening.step(NOW) == 1
