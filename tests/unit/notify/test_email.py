from __future__ import annotations

import socket
import ssl
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session

from kahriz.errors import ConfigError, DeliveryError, DeliveryReason
from kahriz.notify import Message
from kahriz.notify.email import EmailNotifier
from kahriz.settings import EmailSettings, NotifySettings, Settings
from tests.mail_server import MailServer, running
from tests.servers import certificate, free_port

NOW = datetime(2026, 11, 22, 6, tzinfo=UTC)
TEXT = "#K7 Ağ Dərə, Molla Cəlilli: kəhriz tıxanıb. Su 1,2 L/s (-61%)."
MESSAGE = Message(
    7, "engineer@example.org", "Mühəndis, A.", "az", TEXT, "ucs2", 1, NOW, "K7", "email"
)


def plain(port: int, **changes: Any) -> EmailNotifier:
    known = {"host": "127.0.0.1", "port": port, "security": "none", "sender": "k@kahriz.example"}
    return EmailNotifier(EmailSettings(**(known | changes)))


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Return the server's and the client's context of one certificate for localhost."""
    folder: Path = tmp_path_factory.mktemp("tls")
    certificate(folder / "crt", folder / "key")
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(folder / "crt", folder / "key")
    return server, ssl.create_default_context(cafile=str(folder / "crt"))


def test_a_mail_says_whose_alert_it_is_and_its_text_as_it_stands() -> None:
    server = MailServer()
    with running(server) as port:
        receipt = plain(port).send(MESSAGE)
    (mail,) = server.mails

    assert mail.get_content().strip() == TEXT
    assert mail["Subject"].startswith("kahriz #K7: #K7 Ağ Dərə")
    assert mail["To"].addresses[0].addr_spec == "engineer@example.org"
    assert mail["To"].addresses[0].display_name == "Mühəndis, A."
    assert mail["Message-ID"] == f"<{receipt.reference}>"
    assert mail["Auto-Submitted"] == "auto-generated"


def test_one_that_comes_twice_after_a_crash_has_the_same_message_id() -> None:
    server = MailServer()
    with running(server) as port:
        plain(port).send(MESSAGE)
        plain(port).send(MESSAGE)

    assert len({mail["Message-ID"] for mail in server.mails}) == 1


def test_a_name_with_line_breaks_cannot_add_a_header() -> None:
    server = MailServer()
    evil = replace(MESSAGE, contact="A\r\nBcc: all@example.org", alert_code="K7")
    with running(server) as port:
        plain(port).send(evil)

    assert server.mails[0]["Bcc"] is None


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_the_way_is_encrypted_and_the_password_goes_only_there(
    tls: tuple[ssl.SSLContext, ssl.SSLContext], security: str
) -> None:
    seen: list[tuple[bytes, bytes]] = []

    def check(
        _server: SMTP, _session: Session, _envelope: Envelope, _how: str, data: Any
    ) -> AuthResult:
        seen.append((data.login, data.password))
        return AuthResult(success=data.password == b"s3cret", handled=False)

    server = MailServer()
    options: dict[str, Any] = {"authenticator": check}
    options |= (
        {"ssl_context": tls[0], "auth_require_tls": False}
        if security == "tls"
        else {"tls_context": tls[0]}
    )
    with running(server, **options) as port:
        known = {"host": "localhost", "port": port, "security": security, "username": "kahriz"}
        known |= {"sender": "k@kahriz.example", "timeout_s": 10}
        EmailNotifier(EmailSettings(**known, password="s3cret"), tls[1]).send(MESSAGE)
        with pytest.raises(DeliveryError) as refused:
            EmailNotifier(EmailSettings(**known, password="wrong"), tls[1]).send(MESSAGE)

    assert server.over_tls == [True]
    assert refused.value.reason == DeliveryReason.AUTH
    assert not refused.value.permanent
    assert seen[0] == (b"kahriz", b"s3cret")


def test_a_certificate_nobody_vouches_for_is_no_way_out(
    tls: tuple[ssl.SSLContext, ssl.SSLContext],
) -> None:
    server = MailServer()
    with running(server, tls_context=tls[0]) as port, pytest.raises(DeliveryError) as refused:
        plain(port, security="starttls", host="localhost").send(MESSAGE)

    assert refused.value.reason == DeliveryReason.GATEWAY
    assert "certificate" in refused.value.detail
    assert server.mails == []


def test_a_server_without_starttls_gets_neither_mail_nor_password() -> None:
    server = MailServer()
    with running(server) as port, pytest.raises(DeliveryError) as refused:
        plain(port, security="starttls").send(MESSAGE)

    assert refused.value.reason == DeliveryReason.AUTH
    assert server.mails == []


@pytest.mark.parametrize(
    ("answers", "reason", "permanent"),
    [
        ({"RCPT": "550 no such user"}, DeliveryReason.INVALID_NUMBER, True),
        ({"RCPT": "450 mailbox busy"}, DeliveryReason.GATEWAY, False),
        ({"DATA": "554 spam"}, DeliveryReason.REJECTED, True),
        ({"DATA": "451 try later"}, DeliveryReason.GATEWAY, False),
    ],
)
def test_what_the_server_says_decides_about_another_try(
    answers: dict[str, str], reason: DeliveryReason, permanent: bool
) -> None:
    with running(MailServer(answers)) as port, pytest.raises(DeliveryError) as refused:
        plain(port).send(MESSAGE)

    assert (refused.value.reason, refused.value.permanent) == (reason, permanent)
    assert next(iter(answers.values())) in refused.value.detail


def test_a_server_that_is_not_there_is_asked_again() -> None:
    with pytest.raises(DeliveryError) as refused:
        plain(free_port()).send(MESSAGE)

    assert (refused.value.reason, refused.value.permanent) == (DeliveryReason.GATEWAY, False)


def test_a_server_that_never_speaks_is_left_after_the_time_out() -> None:
    silent = socket.create_server(("127.0.0.1", 0))
    with silent, pytest.raises(DeliveryError) as refused:
        plain(silent.getsockname()[1], timeout_s=1).send(MESSAGE)

    assert refused.value.reason == DeliveryReason.GATEWAY


@pytest.mark.parametrize(
    ("said", "where"),
    [
        ({"sender": "k@example.org"}, "notify.email.host"),
        ({"host": "mail.example.org", "sender": "kahriz"}, "notify.email.sender"),
        (
            {"host": "mail.example.org", "sender": "k@x.org", "security": "none"},
            "notify.email.security",
        ),
        (
            {"host": "localhost", "sender": "k@x.org", "security": "none", "username": "a"},
            "notify.email.security",
        ),
        (
            {"host": "mail.example.org", "sender": "k@x.org", "username": "a"},
            "notify.email.password",
        ),
    ],
)
def test_settings_that_cannot_work_are_refused_with_their_name(
    said: dict[str, Any], where: str
) -> None:
    settings = Settings(notify=NotifySettings(email=EmailSettings(**said)))
    with pytest.raises(ConfigError) as refused:
        EmailNotifier.from_settings(settings)

    assert refused.value.where == where
