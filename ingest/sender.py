"""Hand texts over to the gateways, one by one, and write down what became of each."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import Connection

from kahriz.book import Book, alerts, messages
from kahriz.book.messages import OutboxMessage
from kahriz.clock import from_ms
from kahriz.errors import DeliveryError, DeliveryReason
from kahriz.notify import Message, Notifier

_LOG = logging.getLogger(__name__)

MOST_ATTEMPTS = 8
MOST_A_STEP = 50
LONGEST_PAUSE = timedelta(hours=1)


class Sender:
    """Carry the outbox to every notifier.

    A text is claimed and committed before it is handed over, and marked after: a crash in between
    sends it at most once more. It is accepted when every notifier has it; one that cannot take it
    now is asked again, alone, after 1, 2, 4 ... minutes, until the text expires.

    Parameters
    ----------
    book
        The outbox.
    notifiers
        Each gets every text.
    """

    def __init__(self, book: Book, notifiers: Sequence[Notifier]) -> None:
        self._book = book
        self._notifiers = tuple(notifiers)
        # Which notifiers have which text already, while another one is being asked again.
        self._taken: dict[int, dict[int, str]] = {}

    def recover(self, _now: datetime) -> None:
        """Sort out what a crash left half handed over; to be called once, before the first step."""
        with self._book.begin() as connection:
            again, unknown = messages.recover(connection)
        if again or unknown:
            _LOG.warning("texts were interrupted", extra={"again": again, "unknown": unknown})

    def step(self, now: datetime) -> int:
        """Hand over the texts that are due at `now`; return how many were accepted."""
        with self._book.begin() as connection:
            late = messages.expire(connection, now)
        if late:
            _LOG.warning("texts expired", extra={"count": late})
        accepted = 0
        for _ in range(MOST_A_STEP):
            with self._book.begin() as connection:
                claimed = messages.claim(connection, now)
                code = "" if claimed is None else _code(connection, claimed)
            if claimed is None:
                break
            accepted += self._hand_over(claimed, _message(claimed, code), now)
        return accepted

    def _hand_over(self, claimed: OutboxMessage, message: Message, now: datetime) -> bool:
        taken = self._taken.setdefault(claimed.id, {})
        errors: list[tuple[Notifier, DeliveryError]] = []
        for position, notifier in enumerate(self._notifiers):
            if position in taken:
                continue
            try:
                taken[position] = _sent(notifier, message)
            except DeliveryError as error:
                errors.append((notifier, error))
        if errors:
            self._failed(claimed, errors, now)
            return False
        with self._book.begin() as connection:
            messages.mark_accepted(connection, claimed.id, " ".join(taken.values()), now)
        del self._taken[claimed.id]
        _LOG.info("text accepted", extra={"alert": message.alert_code, "reason": claimed.reason})
        return True

    def _failed(
        self, claimed: OutboxMessage, errors: list[tuple[Notifier, DeliveryError]], now: datetime
    ) -> None:
        said = "; ".join(f"{type(notifier).__name__}: {error}" for notifier, error in errors)
        is_over = claimed.attempts >= MOST_ATTEMPTS or any(e.permanent for _, e in errors)
        pause = min(timedelta(minutes=2 ** (claimed.attempts - 1)), LONGEST_PAUSE)
        with self._book.begin() as connection:
            if is_over:
                messages.mark_failed(connection, claimed.id, said)
            else:
                messages.try_again(connection, claimed.id, now + pause, said)
        if is_over:
            self._taken.pop(claimed.id, None)
        _LOG.warning(
            "text not taken",
            extra={"text": claimed.id, "attempt": claimed.attempts, "reason": said},
        )


def _sent(notifier: Notifier, message: Message) -> str:
    try:
        return notifier.send(message).reference
    except DeliveryError:
        raise
    except Exception as error:  # a notifier may be anybody's; the text must not be stuck in it
        what = f"{type(error).__name__}: {error}"
        raise DeliveryError(DeliveryReason.GATEWAY, what, permanent=False) from error


def _code(connection: Connection, claimed: OutboxMessage) -> str:
    return "" if claimed.alert_id is None else alerts.find(connection, claimed.alert_id).code


def _message(claimed: OutboxMessage, code: str) -> Message:
    return Message(
        claimed.id,
        claimed.address,
        claimed.contact,
        claimed.language,
        claimed.text,
        claimed.encoding,
        claimed.parts,
        from_ms(claimed.created_at_ms),
        code,
        claimed.channel,
    )
