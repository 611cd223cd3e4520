"""Messages to engineers by e-mail: plain text over SMTP, with STARTTLS or TLS.

The Message-ID is made of the message's own id and instant, so that one that came twice after a
crash is recognised as one by whoever reads it.
"""

from __future__ import annotations

import smtplib
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime
from typing import ClassVar, Self

from kahriz.clock import to_ms
from kahriz.errors import ConfigError, DeliveryError, DeliveryReason
from kahriz.notify import EMAIL, Message, Receipt
from kahriz.settings import EmailSettings, Settings

_LOCAL = ("localhost", "127.0.0.1", "::1")


class EmailNotifier:
    """Hand messages to a mail server.

    Parameters
    ----------
    settings
        Where it is and who we are there.
    trust
        What its certificate is judged by; the system's authorities when None.
    """

    name: ClassVar[str] = "email"
    channels: ClassVar[frozenset[str]] = frozenset({EMAIL})

    def __init__(self, settings: EmailSettings, trust: ssl.SSLContext | None = None) -> None:
        self._settings = settings
        self._trust = trust

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        """Return the notifier a process uses; ConfigError where the settings cannot work."""
        _validate(settings.notify.email)
        return cls(settings.notify.email)

    def send(self, message: Message) -> Receipt:
        """Hand `message` to the server; DeliveryError says what it, or the way to it, said."""
        mail = composed(message, self._settings.sender)
        try:
            with self._connected() as server:
                server.send_message(mail)
        except smtplib.SMTPException as error:
            raise _failure(error) from error
        except TimeoutError as error:
            raise DeliveryError(DeliveryReason.NO_ANSWER, str(error), permanent=False) from error
        except OSError as error:  # not reached, or a certificate nobody vouches for
            raise DeliveryError(DeliveryReason.GATEWAY, str(error), permanent=False) from error
        return Receipt(mail["Message-ID"].strip("<>"))

    @contextmanager
    def _connected(self) -> Iterator[smtplib.SMTP]:
        try:
            server = self._opened()
        except (smtplib.SMTPServerDisconnected, TimeoutError) as error:
            # Nothing was handed over yet.
            raise DeliveryError(DeliveryReason.GATEWAY, str(error), permanent=False) from error
        try:
            yield server
        finally:
            _part(server)

    def _opened(self) -> smtplib.SMTP:
        said = self._settings
        trust = self._trust or ssl.create_default_context()
        server: smtplib.SMTP
        if said.security == "tls":
            server = smtplib.SMTP_SSL(said.host, said.port, timeout=said.timeout_s, context=trust)
        else:
            server = smtplib.SMTP(said.host, said.port, timeout=said.timeout_s)
        try:
            if said.security == "starttls":
                server.starttls(context=trust)
            if said.username:
                server.login(said.username, said.password.get_secret_value())
        except BaseException:
            server.close()
            raise
        return server


def _part(server: smtplib.SMTP) -> None:
    # It has the message by now, whatever becomes of the farewell.
    with suppress(smtplib.SMTPException, OSError):
        server.quit()
    server.close()


def composed(message: Message, sender: str) -> EmailMessage:
    """Return `message` as a mail: who, when, its alert's code in the subject, the text as it is."""
    mail = EmailMessage()
    code = f"#{message.alert_code}: " if message.alert_code else ""
    mail["Subject"] = f"kahriz {code}{' '.join(message.text.split())[:60]}".rstrip()
    mail["From"] = sender
    mail["To"] = Address(" ".join(message.contact.split()), addr_spec=message.address)
    mail["Date"] = format_datetime(message.created_at)
    domain = sender.rpartition("@")[2]
    mail["Message-ID"] = f"<kahriz-{message.id}-{to_ms(message.created_at)}@{domain}>"
    mail["Auto-Submitted"] = "auto-generated"  # RFC 3834: no robot answers
    mail["Content-Language"] = message.language
    mail.set_content(message.text)
    return mail


def _validate(said: EmailSettings) -> None:
    if not said.host:
        raise ConfigError("notify.email.host", "a mail server is needed", "notifiers has 'email'")
    if "@" not in said.sender:
        problem = f"{said.sender!r} is no e-mail address"
        raise ConfigError("notify.email.sender", problem, "like kahriz@example.org")
    if said.security == "none" and said.host not in _LOCAL:
        problem = f"'none' would show every message on the way to {said.host}"
        raise ConfigError("notify.email.security", problem, "starttls or tls")
    if said.username and said.security == "none":
        raise ConfigError("notify.email.security", "'none' would show the password", "starttls")
    if said.username and not said.password.get_secret_value():
        raise ConfigError("notify.email.password", f"missing for {said.username!r}")


def _failure(error: smtplib.SMTPException) -> DeliveryError:
    match error:
        case smtplib.SMTPRecipientsRefused():
            code, said = next(iter(error.recipients.values()))
            return _answered(code, said, DeliveryReason.INVALID_NUMBER)
        case smtplib.SMTPAuthenticationError() | smtplib.SMTPNotSupportedError():
            return DeliveryError(DeliveryReason.AUTH, _line(error), permanent=False)
        case smtplib.SMTPDataError():
            return _answered(error.smtp_code, error.smtp_error, DeliveryReason.REJECTED)
        case smtplib.SMTPServerDisconnected():
            # It may have hung up behind the message.
            return DeliveryError(DeliveryReason.NO_ANSWER, str(error), permanent=False)
        case smtplib.SMTPResponseException():
            return _answered(error.smtp_code, error.smtp_error, DeliveryReason.GATEWAY)
        case _:
            return DeliveryError(DeliveryReason.GATEWAY, str(error), permanent=False)


def _answered(code: int, said: bytes | str, permanently: DeliveryReason) -> DeliveryError:
    """Return what a reply code means: 4yz is for now, 5yz for good (RFC 5321 section 4.2.1)."""
    text = said.decode("utf-8", "replace") if isinstance(said, bytes) else said
    detail = f"{code} {' '.join(text.split())}"
    if code // 100 == 5 and permanently is not DeliveryReason.GATEWAY:
        return DeliveryError(permanently, detail, permanent=True)
    return DeliveryError(DeliveryReason.GATEWAY, detail, permanent=False)


def _line(error: smtplib.SMTPException) -> str:
    return " ".join(str(error).split())
