"""Hear from the gateways what became of texts, and what people answered; write it into the book."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import Connection

from ingest.sender import GatewayTrouble, by_name
from kahriz.book import Book, inbound, messages
from kahriz.errors import DeliveryError, DeliveryReason
from kahriz.notify import Fate, Listener, News, Notifier
from kahriz.notify.retry import pause

_LOG = logging.getLogger(__name__)

PATIENCE = timedelta(minutes=10)
"""So long the fate of a text that nobody knows is told again; then it is nobody's."""


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
        self._early: dict[str, datetime] = {}

    def step(self, now: datetime) -> int:
        """Take in what there is; return how many fates and answers were new."""
        return sum(self._hear(name, listener, now) for name, listener in self._listeners.items())

    def troubles(self) -> list[GatewayTrouble]:
        """Return the gateways whose texts do not leave, longest first."""
        return sorted(self._troubles.values(), key=lambda trouble: trouble.since)

    def _hear(self, name: str, listener: Listener, now: datetime) -> int:
        try:
            news = listener.news(now)
            new, written = self._write(name, news, now)
            if written:
                listener.taken(written)
            trouble = listener.trouble()
        except DeliveryError as error:
            new, trouble = 0, error.detail
        self._note(name, trouble, now)
        return new

    def _write(self, name: str, news: News, now: datetime) -> tuple[int, list[str]]:
        """Return how many were new, and the references of all that need not be told again."""
        if news == News():
            return 0, []
        new = 0
        written = [text.reference for text in news.arrived]
        with self._book.begin() as connection:
            for fate in news.fates:
                reference = f"{name}-{fate.reference}"
                told = _tell(connection, reference, fate)
                new += told
                if told:
                    self._early.pop(reference, None)
                if told or self._is_idle(connection, reference, now):
                    written.append(fate.reference)
            for text in news.arrived:
                new += inbound.arrive(
                    connection, name, text.reference, text.address, text.text, text.received_at
                )
        return new, written

    def _is_idle(self, connection: Connection, reference: str, now: datetime) -> bool:
        """Return whether a fate that changed nothing never will.

        After a crash a text is still on its way here that its gateway has sent long since: then
        the fate is told again, until the text is ready for it.
        """
        since = self._early.setdefault(reference, now)
        waits = now - since < PATIENCE and not messages.is_handed_over(connection, reference)
        if not waits:
            del self._early[reference]
        return not waits

    def _note(self, name: str, reason: str | None, now: datetime) -> None:
        if reason is None:
            self._troubles.pop(name, None)
            return
        before = self._troubles.get(name)
        if before is None:
            _LOG.warning("gateway in trouble", extra={"gateway": name, "reason": reason})
        since = now if before is None else before.since
        self._troubles[name] = GatewayTrouble(name, since, reason)


def _tell(connection: Connection, reference: str, fate: Fate) -> int:
    if fate.unsent is not None:
        return _again(connection, reference, fate, fate.unsent)
    return messages.tell_fate(connection, reference, fate.state, fate.at, fate.detail)


def _again(connection: Connection, reference: str, fate: Fate, reason: DeliveryReason) -> int:
    """Let a text be tried again that never left its gateway, as if that had not taken it."""
    error = DeliveryError(reason, fate.detail, permanent=False)
    why = f"{reference}: {error}"
    return messages.untake(
        connection, reference, fate.at, why, lambda attempts: pause(error, attempts)
    )
