"""A message to a person, and what comes back: its fate, and answers.

Contract of every notifier: `send` hands one message over and returns the gateway's receipt once
the gateway has it; DeliveryError(reason, permanent) says that it has not and whether another try
can help. It is given only messages of its `channels`. A notifier keeps no queue: the outbox in the
book does. ``from_settings`` builds it, or raises ConfigError where settings are missing.

A notifier that hears as well is a `Listener`: `news` tells each fate and each answer at least once,
until `taken` says that it is written down; the same one always carries the same reference. Where a
gateway calls us instead, `kahriz.notify.pushed` reads what it says.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import ClassVar, Protocol, Self, runtime_checkable

from kahriz import plugins
from kahriz.errors import DeliveryReason
from kahriz.settings import NotifySettings, Settings

NOTIFIERS: dict[str, str] = {
    "console": "kahriz.notify.console:ConsoleNotifier",
    "email": "kahriz.notify.email:EmailNotifier",
    "file": "kahriz.notify.file:FileNotifier",
    "gammu": "kahriz.notify.gammu:GammuNotifier",
    "http": "kahriz.notify.http:HttpNotifier",
    "null": "kahriz.notify.null:NullNotifier",
}


SMS = "sms"
EMAIL = "email"


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
    channel: str = SMS
    """``sms`` or ``email``."""
    expires_at: datetime | None = None
    """From then on it is too late for it."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """The gateway's answer: it has the message, under its own reference."""

    reference: str


class FateState(StrEnum):
    """What became of a message that a gateway had taken; none of them changes any more."""

    DELIVERED = "delivered"
    FAILED = "failed"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class Fate:
    """What became of the message that the gateway took under `reference`."""

    reference: str
    state: FateState
    at: datetime
    detail: str = ""
    unsent: DeliveryReason | None = None
    """Why it never left its gateway, of one that failed so: it is tried again as if not taken."""


@dataclass(frozen=True, slots=True)
class Arrived:
    """A text that somebody sent us."""

    reference: str
    """The gateway's own; the same text never comes under two."""
    address: str
    text: str
    received_at: datetime


@dataclass(frozen=True, slots=True)
class News:
    """What a gateway has to tell."""

    fates: tuple[Fate, ...] = ()
    arrived: tuple[Arrived, ...] = ()


class Notifier(Protocol):
    """A way out for messages; see the module for the contract."""

    name: ClassVar[str]
    """Stands before the gateway's reference in the book."""
    channels: ClassVar[frozenset[str]]
    """Which messages it takes."""

    @classmethod
    def from_settings(cls, settings: Settings, /) -> Self:
        """Return the notifier that a process with these settings uses."""
        ...

    def send(self, message: Message) -> Receipt:
        """Hand `message` over, or raise DeliveryError."""
        ...


@runtime_checkable
class Listener(Protocol):
    """A notifier that hears what became of messages, and answers; see the module."""

    def news(self, now: datetime, /) -> News:
        """Return what is not taken yet, a bounded part of it at a time."""
        ...

    def taken(self, references: Collection[str], /) -> None:
        """Take note that these are written down and need not be told again."""
        ...

    def trouble(self) -> str | None:
        """Return what keeps texts from leaving although they are taken; None: nothing known."""
        ...


def hears_answers(notify: NotifySettings) -> bool:
    """Return whether what people send back is read: by a gateway itself, or pushed to the API."""
    gateways = [plugins.load("notifier", name, NOTIFIERS) for name in notify.notifiers]
    return bool(notify.http.callback) or any(issubclass(each, Listener) for each in gateways)
