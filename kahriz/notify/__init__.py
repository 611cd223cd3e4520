"""A message to a person.

Contract of every notifier: `send` hands one message over and returns the gateway's receipt once
the gateway has it; DeliveryError(reason, permanent) says that it has not and whether another try
can help. A notifier keeps no queue: the outbox in the book does. ``from_settings`` builds it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, Self

from kahriz.settings import Settings

NOTIFIERS: dict[str, str] = {
    "console": "kahriz.notify.console:ConsoleNotifier",
    "file": "kahriz.notify.file:FileNotifier",
    "null": "kahriz.notify.null:NullNotifier",
}


@dataclass(frozen=True, slots=True)
class Message:
    """Text to one address, as it will leave: `id` is stable over retries."""

    id: int
    address: str
    """A number in E.164, or an e-mail address."""
    contact: str
    language: str
    text: str
    encoding: str
    """``gsm7`` or ``ucs2``."""
    parts: int
    created_at: datetime
    alert_code: str = ""
    channel: str = "sms"
    """``sms`` or ``email``."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """The gateway's answer: it has the message, under its own reference."""

    reference: str


class Notifier(Protocol):
    """A way out for messages; see the module for the contract."""

    @classmethod
    def from_settings(cls, settings: Settings, /) -> Self:
        """Return the notifier that a process with these settings uses."""
        ...

    def send(self, message: Message) -> Receipt:
        """Hand `message` over, or raise DeliveryError."""
        ...
