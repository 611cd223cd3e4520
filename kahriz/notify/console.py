"""The text in a frame on the console: what a phone in the village would show."""

from __future__ import annotations

import sys
import textwrap
from typing import ClassVar, Self, TextIO

from kahriz.clock import iso
from kahriz.errors import DeliveryError, DeliveryReason
from kahriz.notify import EMAIL, SMS, Message, Receipt
from kahriz.settings import Settings

_WIDTH = 64
_CALLED = {SMS: "SMS", EMAIL: "E-mail"}


class ConsoleNotifier:
    """Print each text; for the demo, and to watch a deployment.

    Parameters
    ----------
    stream
        Where to print; standard output, asked for at each text, when None: the log has the other.
    """

    name: ClassVar[str] = "console"
    channels: ClassVar[frozenset[str]] = frozenset({SMS, EMAIL})

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream

    @classmethod
    def from_settings(cls, _settings: Settings) -> Self:
        """Return the notifier a process uses."""
        return cls()

    def send(self, message: Message) -> Receipt:
        """Print `message` and flush it; DeliveryError where the console is gone."""
        stream = self._stream or sys.stdout
        try:
            stream.write(framed(message))
            stream.flush()
        except (OSError, ValueError) as error:
            raise DeliveryError(DeliveryReason.GATEWAY, str(error), permanent=False) from error
        return Receipt(str(message.id))


def framed(message: Message) -> str:
    """Return the message in a frame: to whom, when, the text, what it costs."""
    cost = f"{len(message.text)} characters"
    if message.channel == SMS:
        cost = f"{message.parts} SMS, {message.encoding}, {cost}"
    lines = [
        f"{_CALLED[message.channel]} to {message.contact} {message.address} ({message.language})",
        iso(message.created_at.replace(microsecond=0)),
        "",
        *textwrap.wrap(message.text, _WIDTH),
        "",
        cost,
    ]
    edge = "+" + "-" * (_WIDTH + 2) + "+"
    body = [f"| {line:<{_WIDTH}} |" for line in lines]
    return "\n".join(["", edge, *body, edge, ""])
