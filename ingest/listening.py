"""Hear from the gateways what became of texts, and what people answered; write it into the book."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime

from ingest.sender import GatewayTrouble, by_name
from kahriz.book import Book, inbound, messages
from kahriz.errors import DeliveryError
from kahriz.notify import Listener, News, Notifier

_LOG = logging.getLogger(__name__)


def hears_answers(notifiers: Sequence[Notifier], callback: str) -> bool:
    """Return whether what people send back is read: by a gateway itself, or pushed to the API."""
    return bool(callback) or any(isinstance(one, Listener) for one in notifiers)


class Listening:
    """Carry news of every notifier that hears into the book; nothing is lost by a crash.

    What was told is written first and taken off the gateway afterwards: after a crash in between
    it is told once more, and changes nothing.
    """

    def __init__(self, book: Book, notifiers: Sequence[Notifier]) -> None:
        self._book = book
        self._listeners = {
            name: notifier
            for name, notifier in by_name(notifiers).items()
            if isinstance(notifier, Listener)
        }
        self._troubles: dict[str, GatewayTrouble] = {}

    def step(self, now: datetime) -> int:
        """Take in what there is; return how many fates and answers were new."""
        return sum(self._hear(name, listener, now) for name, listener in self._listeners.items())

    def troubles(self) -> list[GatewayTrouble]:
        """Return the gateways whose texts do not leave, longest first."""
        return sorted(self._troubles.values(), key=lambda trouble: trouble.since)

    def _hear(self, name: str, listener: Listener, now: datetime) -> int:
        try:
            news = listener.news(now)
            new = self._write(name, news)
            references = [f.reference for f in news.fates] + [a.reference for a in news.arrived]
            if references:
                listener.taken(references)
            trouble = listener.trouble()
        except DeliveryError as error:
            new, trouble = 0, error.detail
        self._note(name, trouble, now)
        return new

    def _write(self, name: str, news: News) -> int:
        if news == News():
            return 0
        new = 0
        with self._book.begin() as connection:
            for fate in news.fates:
                reference = f"{name}-{fate.reference}"
                new += messages.tell_fate(connection, reference, fate.state, fate.at, fate.detail)
            for text in news.arrived:
                new += inbound.arrive(
                    connection, name, text.reference, text.address, text.text, text.received_at
                )
        return new

    def _note(self, name: str, reason: str | None, now: datetime) -> None:
        if reason is None:
            self._troubles.pop(name, None)
            return
        before = self._troubles.get(name)
        if before is None:
            _LOG.warning("gateway in trouble", extra={"gateway": name, "reason": reason})
        since = now if before is None else before.since
        self._troubles[name] = GatewayTrouble(name, since, reason)
