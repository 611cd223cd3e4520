from __future__ import annotations

import base64
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from kahriz.errors import ConfigError, DeliveryError, DeliveryReason
from kahriz.notify import Message, presets
from kahriz.notify.http import HttpNotifier
from kahriz.settings import HttpGatewaySettings, NotifySettings, Settings
from tests.servers import free_port
from tests.sms_gateway import SmsGateway

NOW = datetime(2026, 11, 22, 6, tzinfo=UTC)
TEXT = '#K7 Ağ Dərə: kəhriz tıxanıb & "su" {1,2} L/s + 3%?'
MESSAGE = Message(7, "+994500000001", "Chair", "az", TEXT, "ucs2", 1, NOW, "K7")
OURS = f"7-{int(NOW.timestamp() * 1000)}"
KNOWN: dict[str, Any] = {
    "account": "AC1",
    "secret": "s3cret",
    "sender": "kahriz",
    "callback": "https://kahriz.example",
    "callback_secret": "0123456789abcdef",
    "allow_private": True,
    "timeout_s": 5,
}


def settings(preset: str, url: str, **changes: Any) -> Settings:
    said = HttpGatewaySettings(**(KNOWN | {"preset": preset, "url": url} | changes))
    return Settings(notify=NotifySettings(http=said))


def notifier(preset: str, gateway: SmsGateway, **changes: Any) -> HttpNotifier:
    return HttpNotifier.from_settings(settings(preset, f"http://{gateway.address}", **changes))


def test_twilio_is_asked_with_a_form_and_its_sid_is_the_reference() -> None:
    with SmsGateway(201, '{"sid": "SM1", "status": "queued"}') as gateway:
        receipt = notifier("twilio", gateway).send(MESSAGE)
    (asked,) = gateway.asked

    assert receipt.reference == "SM1"
    assert (asked.method, asked.path) == ("POST", "/2010-04-01/Accounts/AC1/Messages.json")
    assert asked.headers["authorization"] == "Basic " + base64.b64encode(b"AC1:s3cret").decode()
    assert asked.form == {
        "To": "+994500000001",
        "From": "kahriz",
        "Body": TEXT,
        "StatusCallback": "https://kahriz.example/api/v1/gateways/http/receipts",
    }


def test_kannel_is_asked_by_a_query_and_our_reference_comes_back_in_its_receipt() -> None:
    with SmsGateway(202, "0: Accepted for delivery") as gateway:
        receipt = notifier("kannel", gateway).send(MESSAGE)
    (asked,) = gateway.asked

    assert receipt.reference == OURS
    assert (asked.method, asked.path) == ("GET", "/cgi-bin/sendsms")
    assert {name: value[0] for name, value in asked.query.items()} == {
        "username": "AC1",
        "password": "s3cret",
        "from": "kahriz",
        "to": "+994500000001",
        "text": TEXT,
        "charset": "UTF-8",
        "coding": "2",
        "dlr-mask": "19",
        "dlr-url": "https://kahriz.example/api/v1/gateways/http/receipts"
        f"?reference={OURS}&state=%d&detail=%A&secret=0123456789abcdef",
    }


def test_a_phone_is_asked_in_json_with_our_own_id_so_that_twice_is_once() -> None:
    with SmsGateway(409, '{"message": "exists"}') as gateway:
        receipt = notifier("android", gateway).send(MESSAGE)
    (asked,) = gateway.asked

    assert receipt.reference == OURS
    assert asked.path == "/messages"
    assert asked.json == {
        "id": OURS,
        "phoneNumbers": ["+994500000001"],
        "textMessage": {"text": TEXT},
        "withDeliveryReport": True,
    }


def test_an_aggregator_is_asked_with_a_bearer_token() -> None:
    with SmsGateway(200, '{"id": 4711}') as gateway:
        receipt = notifier("aggregator", gateway, callback="").send(MESSAGE)
    (asked,) = gateway.asked

    assert receipt.reference == "4711"
    assert asked.headers["authorization"] == "Bearer s3cret"
    assert asked.json == {
        "to": "+994500000001",
        "from": "kahriz",
        "text": TEXT,
        "client_reference": OURS,
    }


@pytest.mark.parametrize(
    ("preset", "status", "body", "reason", "permanent"),
    [
        ("aggregator", 401, "{}", DeliveryReason.AUTH, False),
        ("aggregator", 402, "{}", DeliveryReason.NO_CREDIT, False),
        ("aggregator", 403, "{}", DeliveryReason.AUTH, False),
        ("aggregator", 404, "{}", DeliveryReason.GATEWAY, False),
        ("aggregator", 422, "{}", DeliveryReason.REJECTED, True),
        ("aggregator", 429, "{}", DeliveryReason.RATE_LIMITED, False),
        ("aggregator", 500, "<html>", DeliveryReason.GATEWAY, False),
        ("aggregator", 503, "", DeliveryReason.GATEWAY, False),
        ("aggregator", 302, "", DeliveryReason.GATEWAY, False),
        ("aggregator", 200, "<html>it works</html>", DeliveryReason.NO_ANSWER, False),
        ("aggregator", 200, '{"result": []}', DeliveryReason.NO_ANSWER, False),
        ("aggregator", 200, '{"id": null}', DeliveryReason.NO_ANSWER, False),
        ("aggregator", 200, "[" * 5000, DeliveryReason.NO_ANSWER, False),
        ("twilio", 400, '{"code": 21211, "message": "x"}', DeliveryReason.INVALID_NUMBER, True),
        ("twilio", 400, '{"code": 21610}', DeliveryReason.INVALID_NUMBER, True),
        ("twilio", 400, '{"code": 21617}', DeliveryReason.REJECTED, True),
        ("twilio", 401, '{"code": 20003}', DeliveryReason.AUTH, False),
        ("twilio", 429, '{"code": 20429}', DeliveryReason.RATE_LIMITED, False),
        ("kannel", 403, "Authorization failed for sendsms", DeliveryReason.AUTH, False),
        ("kannel", 202, "4: Not routable. Do not try again.", DeliveryReason.INVALID_NUMBER, True),
        ("kannel", 503, "Temporal failure, try again later.", DeliveryReason.GATEWAY, False),
    ],
)
def test_what_the_gateway_answers_decides_about_another_try(
    preset: str, status: int, body: str, reason: DeliveryReason, permanent: bool
) -> None:
    with SmsGateway(status, body) as gateway, pytest.raises(DeliveryError) as refused:
        notifier(preset, gateway).send(MESSAGE)

    assert (refused.value.reason, refused.value.permanent) == (reason, permanent)
    assert f"HTTP {status}" in refused.value.detail
    assert "s3cret" not in str(refused.value)
    assert len(gateway.asked) == 1


@pytest.mark.parametrize(
    ("headers", "pause"),
    [
        ({"Retry_After": "90"}, timedelta(seconds=90)),
        ({"Retry_After": "soon"}, None),
        ({}, None),
    ],
)
def test_how_long_it_wants_to_be_left_alone_is_heard(
    headers: dict[str, str], pause: timedelta | None
) -> None:
    with SmsGateway(429, "{}", **headers) as gateway, pytest.raises(DeliveryError) as refused:
        notifier("aggregator", gateway).send(MESSAGE)

    assert refused.value.retry_after == pause


def test_a_gateway_that_takes_the_question_and_says_nothing_may_have_the_text() -> None:
    silent = SmsGateway()
    silent.is_silent = True
    with silent as gateway, pytest.raises(DeliveryError) as refused:
        notifier("aggregator", gateway, timeout_s=1).send(MESSAGE)

    assert refused.value.reason == DeliveryReason.NO_ANSWER


def test_a_gateway_that_is_not_there_has_not() -> None:
    absent = settings("aggregator", f"http://127.0.0.1:{free_port()}")
    with pytest.raises(DeliveryError) as refused:
        HttpNotifier.from_settings(absent).send(MESSAGE)

    assert (refused.value.reason, refused.value.permanent) == (DeliveryReason.GATEWAY, False)


def test_an_answer_without_end_is_cut() -> None:
    with SmsGateway(500, "x" * 1_000_000) as gateway, pytest.raises(DeliveryError) as refused:
        notifier("aggregator", gateway).send(MESSAGE)

    assert len(refused.value.detail) < 200


def test_a_text_cannot_change_what_is_asked() -> None:
    hostile = '","to":"+1"}{secret}&to=+1\r\nX: y'
    with SmsGateway(200, '{"id": "1"}') as gateway:
        notifier("aggregator", gateway).send(replace(MESSAGE, text=hostile))
        gateway.status, gateway.body = 202, b"0: ok"
        notifier("kannel", gateway).send(replace(MESSAGE, text=hostile))

    assert gateway.asked[0].json["text"] == hostile
    assert gateway.asked[0].json["to"] == "+994500000001"
    assert gateway.asked[1].query["text"] == [hostile]
    assert gateway.asked[1].query["to"] == ["+994500000001"]


@pytest.mark.parametrize(
    ("preset", "url", "changes", "where"),
    [
        ("", "https://x.example", {}, "notify.http.preset"),
        ("twillio", "https://x.example", {}, "notify.http.preset"),
        ("kannel", "", {}, "notify.http.url"),
        ("kannel", "ftp://x.example", {}, "notify.http.url"),
        ("kannel", "http://x.example", {"allow_private": False}, "notify.http.url"),
        ("twilio", "", {"account": ""}, "notify.http.account"),
        ("twilio", "", {"secret": ""}, "notify.http.secret"),
        ("twilio", "", {"sender": ""}, "notify.http.sender"),
        (
            "kannel",
            "https://x.example",
            {"callback_secret": "short"},
            "notify.http.callback_secret",
        ),
        (
            "kannel",
            "https://x.example",
            {"callback_secret": "0123456789abc&x="},
            "notify.http.callback_secret",
        ),
    ],
)
def test_settings_that_cannot_work_are_refused_with_their_name(
    preset: str, url: str, changes: dict[str, Any], where: str
) -> None:
    with pytest.raises(ConfigError) as refused:
        HttpNotifier.from_settings(settings(preset, url, **changes))

    assert refused.value.where == where
    assert "s3cret" not in str(refused.value)


@pytest.mark.parametrize("name", presets.PRESETS)
def test_every_preset_can_be_read(name: str) -> None:
    assert presets.load(name).title


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ('title = "x"\n[request]\nurl = "{url}"\nbody = "xml"\n[request.fields]\n', "request.body"),
        ('title = "x"\n[request]\nurl = "{uri}"\nbody = "form"\n[request.fields]\n', "{uri}"),
        (
            'title = "x"\n[request]\nurl = "{url}"\nbody = "form"\n[request.fields]\n'
            '[answer]\npattern = "("\n',
            "no regular expression",
        ),
        ("title = ", "Invalid value"),
    ],
)
def test_a_preset_of_ones_own_that_cannot_work_is_refused(
    tmp_path: Path, content: str, problem: str
) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(content, encoding="utf-8")
    with pytest.raises(ConfigError, match="mine") as refused:
        presets.load(str(file))

    assert problem in str(refused.value)


def test_a_preset_of_ones_own_is_asked_in_its_words(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(
        'title = "mine"\n[request]\nurl = "{url}/{sender}/send"\nbody = "form"\n'
        '[request.headers]\nX-Key = "{secret}"\n[request.fields]\nmsisdn = "{to}"\n',
        encoding="utf-8",
    )
    with SmsGateway(200, "OK") as gateway:
        receipt = notifier(str(file), gateway, sender="a/../b").send(MESSAGE)
    (asked,) = gateway.asked

    assert receipt.reference == OURS
    assert (asked.path, asked.headers["x-key"]) == ("/a%2F..%2Fb/send", "s3cret")
    assert asked.form == {"msisdn": "+994500000001"}
