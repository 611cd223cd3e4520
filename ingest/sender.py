"""Hand texts over to the gateways, one by one, and write down what became of each."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from kahriz.book import Book, alerts, messages
from kahriz.book.messages import OutboxMessage
from kahriz.clock import from_ms
from kahriz.errors import DeliveryError, DeliveryReason
from kahriz.notify import Message, Notifier
from kahriz.notify.retry import THE_TEXTS_OWN, pause

_LOG = logging.getLogger(__name__)

MOST_A_STEP = 50


@dataclass(frozen=True, slots=True)
class GatewayTrouble:
    """A gateway that takes nothing: since when, and what it said last."""

    name: str
    since: datetime
    reason: str


class Sender:
    """Carry the outbox to every notifier that takes a text's channel.

    A text is claimed and committed before it is handed over, and marked after: a crash in between
    sends it at most once more. It is accepted when every notifier has it; one that cannot take it
    now is asked again, alone, as `kahriz.notify.retry` says. Which ones have it already is in the
    book, written after each: neither a retry nor a restart asks those again.

    Parameters
    ----------
    book
        The outbox.
    notifiers
        Each gets every text of its channels.
    at
        Called where a crash could come: ``claimed``, ``handed over`` (a gateway has it), ``noted``
        (and the book says so), ``marked``. For tests.
    """

    def __init__(
        self,
        book: Book,
        notifiers: Sequence[Notifier],
        at: Callable[[str], object] = lambda name: None,
    ) -> None:
        self._book = book
        self._notifiers = by_name(notifiers)
        self._at = at
        self._troubles: dict[str, GatewayTrouble] = {}

    def recover(self, _now: datetime) -> None:
        """Sort out what a crash left half handed over; to be called once, before the first step."""
        with self._book.begin() as connection:
            again, unknown = messages.recover(connection)
        if again or unknown:
            _LOG.warning("texts were interrupted", extra={"again": again, "unknown": unknown})

    def troubles(self) -> list[GatewayTrouble]:
        """Return the gateways that took nothing since they were asked first, longest first."""
        return sorted(self._troubles.values(), key=lambda trouble: trouble.since)

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
            self._at("claimed")
            accepted += self._hand_over(claimed, _message(claimed, code), now)
            self._at("marked")
        return accepted

    def _hand_over(self, claimed: OutboxMessage, message: Message, now: datetime) -> bool:
        takers = [name for name, n in self._notifiers.items() if message.channel in n.channels]
        if not takers:
            self._give_up(claimed, f"no notifier takes {message.channel}")
            return False
        references = _references(claimed.reference, takers)
        errors: dict[str, DeliveryError] = {}
        for name in takers:
            if name in references:
                continue
            try:
                references[name] = self._ask(name, message, now)
            except DeliveryError as error:
                errors[name] = error
            else:
                self._at("handed over")
                self._note(claimed, references, is_last=len(references) == len(takers))
        if errors:
            self._failed(claimed, errors, now)
            return False
        with self._book.begin() as connection:
            said = " ".join(references.values())
            messages.mark_accepted(connection, claimed.id, said, now, " ".join(takers)[:40])
        _LOG.info("text accepted", extra={"alert": message.alert_code, "reason": claimed.reason})
        return True

    def _ask(self, name: str, message: Message, now: datetime) -> str:
        """Return the reference of the notifier that is asked now, and remember how it is."""
        try:
            reference = _sent(self._notifiers[name], message)
        except DeliveryError as error:
            if error.reason not in THE_TEXTS_OWN:
                before = self._troubles.get(name)
                since = now if before is None else before.since
                self._troubles[name] = GatewayTrouble(name, since, str(error))
            raise
        self._troubles.pop(name, None)
        return f"{name}-{reference}"

    def _note(self, claimed: OutboxMessage, references: dict[str, str], *, is_last: bool) -> None:
        if is_last:  # marked at once
            return
        with self._book.begin() as connection:
            messages.note_taken(connection, claimed.id, " ".join(references.values()))
        self._at("noted")

    def _failed(
        self, claimed: OutboxMessage, errors: dict[str, DeliveryError], now: datetime
    ) -> None:
        said = "; ".join(f"{name}: {error}" for name, error in errors.items())
        _LOG.warning(
            "text not taken",
            extra={"text": claimed.id, "attempt": claimed.attempts, "reason": said},
        )
        pauses = [pause(error, claimed.attempts) for error in errors.values()]
        if None in pauses:
            self._give_up(claimed, said)
            return
        longest = max(p for p in pauses if p is not None)
        with self._book.begin() as connection:
            messages.try_again(connection, claimed.id, now + longest, said)

    def _give_up(self, claimed: OutboxMessage, why: str) -> None:
        with self._book.begin() as connection:
            messages.mark_failed(connection, claimed.id, why)


def by_name(notifiers: Sequence[Notifier]) -> dict[str, Notifier]:
    """Return notifiers by their names; a second one of a name is ``NAME2``."""
    found: dict[str, Notifier] = {}
    for notifier in notifiers:
        count = sum(1 for other in found.values() if other.name == notifier.name)
        found[notifier.name + (str(count + 1) if count else "")] = notifier
    return found


def _references(noted: str | None, takers: Sequence[str]) -> dict[str, str]:
    """Return by name the references that the book has of a text."""
    said = (noted or "").split()
    return {name: ref for name in takers for ref in said if ref.startswith(f"{name}-")}


def _sent(notifier: Notifier, message: Message) -> str:
    try:
        reference = notifier.send(message).reference
    except DeliveryError:
        raise
    except Exception as error:  # a notifier may be anybody's; the text must not be stuck in it
        what = f"{type(error).__name__}: {error}"
        raise DeliveryError(DeliveryReason.GATEWAY, what, permanent=False) from error
    return "".join(reference.split())


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
        expires_at=from_ms(claimed.expires_at_ms),
    )
