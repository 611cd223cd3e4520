"""Every registered notifier keeps the contract of ``kahriz.notify``."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr

from kahriz import plugins
from kahriz.errors import DeliveryError
from kahriz.notify import EMAIL, NOTIFIERS, SMS, Listener, Message, News, Notifier
from kahriz.notify.console import ConsoleNotifier, framed
from kahriz.notify.file import FileNotifier
from kahriz.settings import (
    EmailSettings,
    GammuSettings,
    HttpGatewaySettings,
    NotifySettings,
    Settings,
)
from tests.mail_server import MailServer, running
from tests.sms_gateway import SmsGateway
from tests.smsd import sqlite_tables

TEXT = "#K7 Ağ Dərə, Molla Cəlilli: kəhriz tıxanıb. Su 9,1 L/s, əvvəl 14,8 (-38%)."
MESSAGE = Message(
    id=7,
    address="+994500000001",
    contact="Committee chair",
    language="az",
    text=TEXT,
    encoding="ucs2",
    parts=2,
    created_at=datetime(2026, 11, 22, 6, tzinfo=UTC),
    alert_code="K7",
)


@contextmanager
def _settings(name: str, folder: Path) -> Iterator[NotifySettings]:
    """Give what each needs beside the data directory, and the server where there is one."""
    if name == "gammu":
        yield NotifySettings(gammu=GammuSettings(url=sqlite_tables(folder)))
    elif name == "email":
        with running(MailServer()) as port:
            sender = "kahriz@example.org"
            said = EmailSettings(host="127.0.0.1", port=port, security="none", sender=sender)
            yield NotifySettings(email=said)
    elif name == "http":
        with SmsGateway(202, "0: Accepted for delivery") as gateway:
            url = f"http://{gateway.address}"
            known = {"account": "kahriz", "secret": SecretStr("x"), "allow_private": True}
            http = HttpGatewaySettings(preset="kannel", url=url, **known)
            yield NotifySettings(http=http)
    else:
        yield NotifySettings()


NEEDS_A_SERVER = ("gammu",)


@pytest.fixture(
    params=[
        pytest.param(name, marks=pytest.mark.server if name in NEEDS_A_SERVER else ())
        for name in sorted(NOTIFIERS)
    ]
)
def notifier(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Notifier]:
    with _settings(request.param, tmp_path) as notify:
        settings = Settings(data_dir=tmp_path / "new", notify=notify)
        yield plugins.load("notifier", request.param, NOTIFIERS).from_settings(settings)


def message_for(notifier: Notifier) -> Message:
    if SMS in notifier.channels:
        return MESSAGE
    return replace(MESSAGE, channel=EMAIL, address="engineer@example.org")


def test_it_says_its_name_and_which_channels_it_takes(
    notifier: Notifier, request: pytest.FixtureRequest
) -> None:
    assert notifier.name in request.node.name
    assert notifier.channels <= {SMS, EMAIL}
    assert notifier.channels


def test_one_that_hears_has_no_news_of_what_nobody_said(notifier: Notifier) -> None:
    if not isinstance(notifier, Listener):
        pytest.skip("does not hear")

    assert notifier.news(MESSAGE.created_at) == News()
    notifier.taken([])


def test_a_message_it_took_has_a_reference(notifier: Notifier) -> None:
    assert notifier.send(message_for(notifier)).reference


def test_a_retry_of_the_same_message_is_taken_too(notifier: Notifier) -> None:
    message = message_for(notifier)

    assert notifier.send(message).reference == notifier.send(message).reference


def test_the_file_holds_one_json_line_a_message_as_it_left(tmp_path: Path) -> None:
    notifier = FileNotifier(tmp_path / "folder" / "messages.jsonl")
    notifier.send(MESSAGE)
    notifier.send(MESSAGE)
    lines = (tmp_path / "folder" / "messages.jsonl").read_text(encoding="utf-8").splitlines()

    assert [json.loads(line)["text"] for line in lines] == [TEXT, TEXT]
    assert json.loads(lines[0])["created_at"] == "2026-11-22T06:00:00Z"
    assert json.loads(lines[0])["alert_code"] == "K7"


def test_a_file_that_cannot_be_written_is_worth_another_try(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file where the folder should be", encoding="utf-8")

    with pytest.raises(DeliveryError) as refused:
        FileNotifier(tmp_path / "taken" / "messages.jsonl").send(MESSAGE)

    assert not refused.value.permanent


def test_the_console_shows_the_text_the_recipient_and_the_cost(
    capsys: pytest.CaptureFixture[str],
) -> None:
    ConsoleNotifier().send(MESSAGE)
    shown = capsys.readouterr().out

    assert "+994500000001" in shown
    assert "kəhriz tıxanıb" in shown
    assert "2 SMS, ucs2" in shown


def test_the_frame_is_straight_and_its_time_to_the_second() -> None:
    at = MESSAGE.created_at + timedelta(milliseconds=576)
    lines = framed(replace(MESSAGE, created_at=at)).strip().splitlines()

    assert len({len(line) for line in lines}) == 1
    assert "2026-11-22T06:00:00Z" in lines[2]


def test_a_console_that_is_gone_is_worth_another_try(tmp_path: Path) -> None:
    stream = (tmp_path / "closed").open("w", encoding="utf-8")
    stream.close()

    with pytest.raises(DeliveryError) as refused:
        ConsoleNotifier(stream).send(MESSAGE)

    assert not refused.value.permanent
