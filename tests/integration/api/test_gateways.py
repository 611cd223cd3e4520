"""What SMS gateways push: receipts and answers, forged ones, and ones that make no sense."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr
from sqlalchemy import text

from kahriz.book import messages
from kahriz.book.messages import OutboxMessage
from kahriz.notify.pushed import twilio_signature
from kahriz.settings import HttpGatewaySettings, NotifySettings
from tests.integration.api.client import NOW, Api
from tests.integration.api.rows import queue_message, raise_alert

SECRET = "0123456789abcdef"
V1 = "/api/v1/gateways/http"
Opened = Callable[[str], Api]


@pytest.fixture
def opened(folder: Path) -> Iterator[Opened]:
    """Run an API whose gateway is of a preset, with one text it has taken as ``SM1``."""
    running: list[Api] = []

    def opened(preset: str) -> Api:
        http = HttpGatewaySettings(
            preset=preset,
            account="AC1",
            secret=SecretStr("token"),
            callback="https://kahriz.example",
            callback_secret=SecretStr(SECRET),
        )
        notify = NotifySettings(notifiers=("console", "http"), http=http)
        api = Api(folder, open_reads=False, notify=notify)
        running.append(api)
        api.__enter__()
        queue_message(api, raise_alert(api))
        with api.book.begin() as connection:
            claimed = messages.claim(connection, NOW)
            assert claimed is not None
            messages.mark_accepted(connection, claimed.id, "console-1 http-SM1", NOW)
        return api

    yield opened
    for api in running:
        api.__exit__(None, None, None)


def row(api: Api) -> OutboxMessage:
    with api.book.read() as connection:
        return messages.list_messages(connection)[0]


def answers(api: Api) -> list[tuple[str, str, str]]:
    with api.book.read() as connection:
        query = text("SELECT gateway, address, text FROM inbound ORDER BY id")
        return [(g, a, t) for g, a, t in connection.execute(query)]


def from_twilio(api: Api, what: str, said: dict[str, str], token: str = "token") -> httpx.Response:
    url = f"https://kahriz.example{V1}/{what}"
    signature = twilio_signature(url, list(said.items()), token)
    headers = {"X-Twilio-Signature": signature}
    return api.ask("POST", f"{V1}/{what}", data=said, headers=headers)


def test_twilios_own_example_is_signed_as_twilio_signs_it() -> None:
    parameters = [
        ("CallSid", "CA1234567890ABCDE"),
        ("From", "+12349013030"),
        ("To", "+18005551212"),
        ("Caller", "+12349013030"),
        ("Digits", "1234"),
    ]
    url = "https://mycompany.com/myapp.php?foo=1&bar=2"

    assert twilio_signature(url, parameters, "12345") == "0/KCTR6DLpKmkAf8muzZqo1nDgQ="


def test_twilio_says_that_a_text_was_delivered(opened: Opened) -> None:
    api = opened("twilio")
    said = {"MessageSid": "SM1", "MessageStatus": "sent", "AccountSid": "AC1"}
    assert from_twilio(api, "receipts", said).status_code == 200
    assert row(api).state == "accepted"

    answer = from_twilio(api, "receipts", said | {"MessageStatus": "delivered"})
    assert (answer.status_code, answer.content) == (200, b"")
    assert row(api).state == "delivered"

    again = from_twilio(api, "receipts", said | {"MessageStatus": "undelivered"})
    assert again.status_code == 200
    assert row(api).state == "delivered"


def test_twilio_brings_an_answer_and_nothing_is_sent_back_to_the_phone(opened: Opened) -> None:
    api = opened("twilio")
    said = {"MessageSid": "SM9", "From": "+994500000001", "Body": "Bəli, 1"}
    first, again = from_twilio(api, "inbound", said), from_twilio(api, "inbound", said)

    assert (first.status_code, first.content, again.status_code) == (200, b"", 200)
    assert answers(api) == [("http", "+994500000001", "Bəli, 1")]


@pytest.mark.parametrize("what", ["receipts", "inbound"])
def test_a_forged_call_is_refused_and_changes_nothing(opened: Opened, what: str) -> None:
    api = opened("twilio")
    said = {"MessageSid": "SM1", "MessageStatus": "failed", "From": "+1", "Body": "1"}
    forged = [
        from_twilio(api, what, said, token="guess"),
        api.ask("POST", f"{V1}/{what}", data=said),
        api.ask("POST", f"{V1}/{what}?secret={SECRET}", data=said),
        api.get(f"{V1}/{what}", params=said),
        api.ask("POST", f"{V1}/{what}", data=said, headers={"X-Twilio-Signature": b"\xe9"}),
    ]

    assert [answer.status_code for answer in forged] == [401] * 5
    assert forged[0].json()["detail"] == "gateway http: wrong signature"
    assert (row(api).state, answers(api)) == ("accepted", [])


def test_kannel_asks_by_get_with_the_secret(opened: Opened) -> None:
    api = opened("kannel")
    known = {"secret": SECRET, "reference": "SM1", "detail": "NACK/0x0b/Invalid"}
    assert api.get(f"{V1}/receipts", params=known | {"state": "2"}).status_code == 200
    assert (row(api).state, row(api).error) == ("failed", "NACK/0x0b/Invalid")

    said = {"secret": SECRET, "reference": "u-1", "from": "994500000001", "text": "SU"}
    assert api.get(f"{V1}/inbound", params=said).status_code == 200
    assert answers(api) == [("http", "+994500000001", "SU")]

    wrong = api.get(f"{V1}/inbound", params=said | {"secret": "x" * 16})
    assert wrong.status_code == 401


def test_a_phone_calls_in_json_with_the_secret_in_a_header(opened: Opened) -> None:
    api = opened("android")
    headers = {"X-Kahriz-Secret": SECRET}
    receipt = {"event": "sms:delivered", "id": "e1", "payload": {"messageId": "SM1"}}
    answer = {
        "event": "sms:received",
        "id": "e2",
        "payload": {"messageId": "ab", "phoneNumber": "+994500000001", "message": "BAX"},
    }
    codes = [
        api.ask("POST", f"{V1}/receipts", json=receipt, headers=headers).status_code,
        api.ask("POST", f"{V1}/inbound", json=answer, headers=headers).status_code,
        api.ask("POST", f"{V1}/inbound", json=answer | {"id": "e3"}, headers=headers).status_code,
    ]

    assert codes == [200, 200, 200]
    assert row(api).state == "delivered"
    assert len(answers(api)) == 2


@pytest.mark.parametrize(
    "how",
    [
        {"content": b""},
        {"content": b"{"},
        {"content": b"[" * 9000, "headers": {"Content-Type": "application/json"}},
        {"content": b'{"id":' * 2000},
        {"content": b"\xff\xfe\x00=1&id=\x00"},
        {"content": b"&".join(b"a=1" for _ in range(500))},
        {"json": {"id": ["SM1"], "status": {}}},
        {"json": {"id": True, "status": 1.5}},
        {"json": {"id": "", "status": "delivered", "from": "", "text": ""}},
        {"json": {"id": "x"}},
        {"json": []},
    ],
)
@pytest.mark.parametrize("what", ["receipts", "inbound"])
def test_what_makes_no_sense_is_a_problem_that_says_so(
    opened: Opened, what: str, how: dict[str, Any]
) -> None:
    api = opened("aggregator")
    headers = {"X-Kahriz-Secret": SECRET} | how.get("headers", {})
    answer = api.ask("POST", f"{V1}/{what}", **(how | {"headers": headers}))

    assert answer.status_code == 422, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert SECRET not in answer.text
    assert (row(api).state, answers(api)) == ("accepted", [])


def test_a_receipt_for_a_text_nobody_knows_is_not_found(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.routes.gateways.PAUSE_S", 0.0)
    api = opened("kannel")
    known = {"secret": SECRET, "state": "1", "detail": ""}
    codes = [
        api.get(f"{V1}/receipts", params=known | {"reference": reference}).status_code
        for reference in ("SM2", "SM", "%", "M1", "1", "x" * 5000)
    ]

    assert codes == [404] * 6
    assert row(api).state == "accepted"


def test_what_is_too_long_is_kept_in_part_and_still_known_again(opened: Opened) -> None:
    api = opened("aggregator")
    headers = {"X-Kahriz-Secret": SECRET}
    said = {"id": "r" * 3000, "from": "+" + "9" * 3000, "text": "a\0" + "ə" * 3000}
    for _ in range(2):
        assert api.ask("POST", f"{V1}/inbound", json=said, headers=headers).status_code == 200
    ((_, address, said_text),) = answers(api)

    assert (len(address), len(said_text)) == (254, 1600)
    assert "\0" not in said_text


def test_a_body_beyond_the_limit_is_refused(opened: Opened) -> None:
    api = opened("aggregator")
    headers = {"X-Kahriz-Secret": SECRET}
    answer = api.ask("POST", f"{V1}/inbound", content=b"x" * 20_000, headers=headers)

    assert answer.status_code == 413


@pytest.mark.parametrize("name", ["gammu", "https", "console", "x" * 41, "..%2f"])
def test_no_other_gateway_has_a_door(opened: Opened, name: str) -> None:
    api = opened("aggregator")
    answer = api.ask("POST", f"/api/v1/gateways/{name}/inbound", json={})

    assert answer.status_code in (404, 405, 422)


def test_where_no_gateway_is_to_call_there_is_no_door(api: Api) -> None:
    assert api.ask("POST", f"{V1}/receipts", json={}).status_code == 404
