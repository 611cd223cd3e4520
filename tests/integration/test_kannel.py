"""Debian's own Kannel between us and its fake SMSC: texts out, receipts and answers in."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import unquote_to_bytes

import pytest
from pydantic import SecretStr
from sqlalchemy import text

from ingest.sender import Sender
from kahriz.book import Book, alerts, messages
from kahriz.book.messages import OutboxMessage
from kahriz.clock import system_clock, to_ms
from kahriz.errors import DeliveryError, DeliveryReason
from kahriz.notify import Message
from kahriz.notify.http import HttpNotifier
from kahriz.notify.segments import encoding
from kahriz.settings import HttpGatewaySettings, NotifySettings, Settings
from tests import servers
from tests.e2e.processes import House
from tests.servers import Kannel, Server
from tests.smsd import within
from tests.unit.book import test_alerts, test_messages

pytestmark = pytest.mark.server

SECRET = "0123456789abcdef"
CHAIR = "+994500000001"
FOLDED = "#K7 Ag Dere: kehriz tixanib. Su 1,2 L/s [-61%] & günde 41 L. Quyuya düsmeyin."
FULL = "#K7 Ağ Dərə: kəhriz tıxanıb. Su 1,2 L/s (-61%). Zəng: kankan +994500000003."

MESSAGE = Message(1, CHAIR, "Chair", "az", FOLDED, "gsm7", 1, system_clock())


def known(kannel: Kannel, house: House, **changes: Any) -> dict[str, Any]:
    return {
        "preset": "kannel",
        "url": f"http://127.0.0.1:{kannel.port}",
        "account": "kahriz",
        "secret": SecretStr("kannel-secret"),
        "sender": "kahriz",
        "callback": house.api,
        "callback_secret": SecretStr(SECRET),
        "allow_private": True,
        "timeout_s": 10,
    } | changes


@contextmanager
def running(folder: Path) -> Iterator[tuple[Kannel, House, Book]]:
    """Run Kannel, and our API where it calls."""
    house = House(folder, mqtt_port=1)
    with servers.kannel(house.api, SECRET) as kannel:
        said = known(kannel, house, secret="kannel-secret", callback_secret=SECRET)
        house.extra = {f"KAHRIZ_NOTIFY__HTTP__{name.upper()}": str(v) for name, v in said.items()}
        house.extra |= {"KAHRIZ_NOTIFY__NOTIFIERS": '["http"]'}
        book = Book(f"sqlite:///{folder / 'book.sqlite'}")
        book.migrate()
        try:
            with house.run("api"):
                house.wait_for_api()
                yield kannel, house, book
        finally:
            book.close()


def test_texts_are_sent_and_receipts_and_answers_come_back(tmp_path: Path) -> None:
    with running(tmp_path) as (kannel, house, book):
        notifier = HttpNotifier.from_settings(
            Settings(notify=NotifySettings(http=HttpGatewaySettings(**known(kannel, house))))
        )
        queue(book, FOLDED, FULL)
        with kannel.smsc("994500000001 kahriz text VEDRE%2010%2012") as smsc:
            assert Sender(book, [notifier]).step(system_clock()) == 2
            within(20, lambda: {row.state for row in outbox(book)} == {"delivered"})
            within(20, lambda: answers(book))
            within(10, lambda: len(got(smsc)) == 3)
            folded, *parts = got(smsc)

    assert folded == FOLDED
    assert [len(part) for part in parts] == [67, len(FULL) - 67]
    assert "".join(parts) == FULL
    assert [(a[0], a[1]) for a in answers(book)] == [("http", CHAIR)]
    assert "VEDRE" in answers(book)[0][2]


def test_a_wrong_password_is_told_as_such_and_the_text_stays(tmp_path: Path) -> None:
    house = House(tmp_path, mqtt_port=1)
    with servers.kannel(house.api, SECRET) as kannel:
        wrong = known(kannel, house, secret=SecretStr("wrong"))
        said = Settings(notify=NotifySettings(http=HttpGatewaySettings(**wrong)))
        with pytest.raises(DeliveryError) as refused:
            HttpNotifier.from_settings(said).send(MESSAGE)

    assert (refused.value.reason, refused.value.permanent) == (DeliveryReason.AUTH, False)
    assert "Authorization failed" in refused.value.detail


def queue(book: Book, *texts: str) -> None:
    now = to_ms(system_clock())
    later = to_ms(system_clock() + timedelta(hours=1))
    with book.begin() as connection:
        alerts.add(connection, test_alerts.values())
        for step, each in enumerate(texts):
            values = {"text": each, "encoding": encoding(each), "step": step}
            values |= {"created_at_ms": now, "due_at_ms": now, "expires_at_ms": later}
            messages.queue(connection, test_messages.values(**values))


def outbox(book: Book) -> list[OutboxMessage]:
    with book.read() as connection:
        return messages.list_messages(connection)


def answers(book: Book) -> list[tuple[str, str, str]]:
    with book.read() as connection:
        rows = connection.execute(text("SELECT gateway, address, text FROM inbound"))
        return [(gateway, address, said) for gateway, address, said in rows]


def got(smsc: Server) -> list[str]:
    """Return the texts that went out, as the fake SMSC prints them."""
    lines = [line for line in smsc.log.splitlines() if "Got message" in line]
    return [_decoded(line.partition("<")[2].rpartition(">")[0]) for line in lines]


def _decoded(line: str) -> str:
    _sender, number, coding, said = line.split(" ", 3)
    assert number == CHAIR
    if coding == "text":
        return said
    octets = said.partition(" data ")[2] if coding == "udh" else said
    return unquote_to_bytes(octets.replace("+", " ")).decode("utf-16-be")
