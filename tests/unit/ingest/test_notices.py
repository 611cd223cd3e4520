"""Engineers hear of what is wrong with the service itself, by the road that still works."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ingest.notices import TELLS_AFTER, Notices
from ingest.sender import GatewayTrouble
from kahriz.alert.telling.world import Limits
from kahriz.book import Book, contacts, messages
from kahriz.clock import to_ms
from kahriz.contacts import Contact
from kahriz.sites import Registry
from tests.water import kahriz

NOON = datetime(2026, 11, 22, 8, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
SMS, MAIL = frozenset({"sms"}), frozenset({"email"})


def dead(name: str, since: datetime = NOON) -> GatewayTrouble:
    """Return that a gateway takes nothing."""
    return GatewayTrouble(name, since, "connection refused")


class House:
    """A book, two roads out, and gateways that the test lets die."""

    def __init__(self, folder: Path, roads: dict[str, frozenset[str]]) -> None:
        engineer = Contact(
            name="Engineer",
            role="engineer",
            phone="+994500000009",
            email="e@example.org",
            language="en",
        )
        village = kahriz().model_copy(update={"contact": (kahriz().contact[0], engineer)})
        self.registry = Registry(kahriz=(village,))
        self.book = Book(f"sqlite:///{folder / 'book.sqlite'}")
        self.book.migrate()
        with self.book.begin() as connection:
            contacts.import_file(connection, self.registry, NOON)
        self.dead: Sequence[GatewayTrouble] = ()
        self.roads = roads
        self.restart()

    def restart(self) -> None:
        limits = Limits(parts_a_kahriz=10)
        self.notices = Notices(self.registry, self.book, limits, lambda: self.dead, self.roads)

    def at(self, now: datetime) -> list[tuple[str, str]]:
        """Return (channel, text) of what is new at an instant."""
        before = len(self.texts())
        self.notices.step(now)
        return [(m.channel, m.text) for m in self.texts()[before:]]

    def texts(self) -> list[messages.OutboxMessage]:
        with self.book.read() as connection:
            found = messages.list_messages(connection, limit=1000)
        return [m for m in sorted(found, key=lambda m: m.id) if m.reason == "notice"]

    def spend(self, n: int) -> None:
        for _ in range(n):
            count = len(self.all())
            values: dict[str, Any] = {
                "key": f"spent {count}",
                "kahriz": "k",
                "contact": "Chair",
                "address": "+994500000001",
                "reason": "repeat",
                "language": "az",
                "text": "Su",
                "encoding": "gsm7",
                "parts": 1,
                "created_at_ms": to_ms(NOON),
                "due_at_ms": to_ms(NOON),
                "expires_at_ms": to_ms(NOON),
            }
            with self.book.begin() as connection:
                messages.queue(connection, values)

    def all(self) -> list[messages.OutboxMessage]:
        with self.book.read() as connection:
            return messages.list_messages(connection, limit=1000)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    made = House(tmp_path, {"gammu": SMS, "email": MAIL})
    yield made
    made.book.close()


def test_a_gateway_that_takes_no_sms_for_ten_minutes_is_told_by_mail(house: House) -> None:
    house.dead = [dead("gammu")]
    early = house.at(NOON + TELLS_AFTER - MINUTE)
    told = house.at(NOON + TELLS_AFTER)
    house.restart()

    assert early == []
    assert [channel for channel, _ in told] == ["email"]
    assert "gammu since 12:00" in told[0][1]
    assert "connection refused" in told[0][1]
    assert house.at(NOON + 2 * TELLS_AFTER) == []


def test_that_it_takes_texts_again_is_told_by_both_and_once(house: House) -> None:
    house.dead = [dead("gammu")]
    house.at(NOON + TELLS_AFTER)
    house.dead = []

    assert sorted(channel for channel, _ in house.at(NOON + 12 * MINUTE)) == ["email", "sms"]
    assert house.at(NOON + 13 * MINUTE) == []


def test_a_dead_mail_server_is_told_by_sms(house: House) -> None:
    house.dead = [dead("email")]

    assert [channel for channel, _ in house.at(NOON + TELLS_AFTER)] == ["sms"]


def test_where_every_road_is_dead_nothing_is_queued(house: House) -> None:
    house.dead = [dead("email"), dead("gammu")]

    assert house.at(NOON + TELLS_AFTER) == []


def test_the_same_gateway_dead_again_is_told_again(house: House) -> None:
    house.dead = [dead("gammu")]
    house.at(NOON + TELLS_AFTER)
    house.dead = []
    house.at(NOON + 12 * MINUTE)
    house.dead = [dead("gammu", NOON + 20 * MINUTE)]

    assert len(house.at(NOON + 30 * MINUTE)) == 1


def test_engineers_are_warned_at_four_fifths_of_the_months_texts_and_at_their_end(
    house: House,
) -> None:
    house.spend(7)
    seven = house.at(NOON)
    house.spend(1)
    eight = house.at(NOON)
    house.restart()
    again = house.at(NOON + MINUTE)
    house.spend(2)
    ten = house.at(NOON)

    assert (seven, again) == ([], [])
    assert {text for _, text in eight} == {"Ag Dere: 8 SMS this month, the limit is 10 (80%)."}
    assert len(ten) == 2
    assert ten[0][1].startswith("Ag Dere: the month's SMS are used up: 10, limit 10.")


def test_another_month_begins_anew(house: House) -> None:
    house.spend(8)
    house.at(NOON)

    assert house.at(NOON + timedelta(days=10)) == []
