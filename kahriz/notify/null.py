"""Nowhere: for tests and rehearsals."""

from __future__ import annotations

from typing import ClassVar, Self

from kahriz.notify import EMAIL, SMS, Message, Receipt
from kahriz.settings import Settings


class NullNotifier:
    """Take every text and keep it in `sent`, in memory."""

    name: ClassVar[str] = "null"
    channels: ClassVar[frozenset[str]] = frozenset({SMS, EMAIL})

    def __init__(self) -> None:
        self.sent: list[Message] = []

    @classmethod
    def from_settings(cls, _settings: Settings) -> Self:
        """Return the notifier a process uses."""
        return cls()

    def send(self, message: Message) -> Receipt:
        """Take `message`."""
        self.sent.append(message)
        return Receipt(str(message.id))
