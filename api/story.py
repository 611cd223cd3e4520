"""An alert from the first sign to its end: what happened, who was told by which text, how fast."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from api.reads import Connection
from api.shapes import Shape, instant, masked
from kahriz.book import alerts
from kahriz.book.alerts import Alert, AlertEvent
from kahriz.book.messages import OutboxMessage

_UNTOLD = ("failed", "expired", "unknown")


def timeline(
    book: Connection, id: int, texts: Sequence[OutboxMessage], *, is_whole: bool
) -> list[Shape]:
    """Return what happened to an alert and to its texts, in the order of its instants.

    Parameters
    ----------
    book
        The book.
    id
        Of the alert.
    texts
        That tell of it.
    is_whole
        Whether numbers are shown whole.
    """
    found = [_happened(event) for event in alerts.timeline(book, id)]
    for text in texts:
        shown = text.address if is_whole else masked(text.address)
        found += [
            (at_ms, _of_text(text, at_ms, what, detail)) for at_ms, what, detail in _of(text, shown)
        ]
    return [shape for _, shape in sorted(found, key=lambda each: each[0])]


def response(row: Alert, texts: Sequence[OutboxMessage]) -> Shape:
    """Return the minutes from when an alert fired until each answer; null: not yet, or never."""
    first = [text for text in texts if text.reason != "resolved"]
    return {
        "told_min": row.minutes_until(_first(text.sent_at_ms for text in first)),
        "delivered_min": row.minutes_until(_first(text.delivered_at_ms for text in first)),
        "acknowledged_min": row.minutes_until(row.acknowledged_at_ms),
        "on_site_min": row.minutes_until(row.on_site_at_ms),
        "resolved_min": row.minutes_until(row.resolved_at_ms),
    }


def _of(text: OutboxMessage, shown: str) -> Iterator[tuple[int, str, str]]:
    if text.sent_at_ms is not None:
        yield text.sent_at_ms, "told", shown
    if text.delivered_at_ms is not None:
        yield text.delivered_at_ms, "delivered", shown
    if text.state in _UNTOLD:
        # The outbox does not keep when it was given up.
        at_ms = text.sent_at_ms or text.created_at_ms
        yield at_ms, text.state, ": ".join(filter(None, (shown, text.error)))
    elif text.sent_at_ms is None:
        yield text.created_at_ms, "queued", shown


def _happened(event: AlertEvent) -> tuple[int, Shape]:
    of_nobody = {"message": None, "contact": None, "reason": None}
    said = {"at": instant(event.at_ms), "what": event.what, "detail": event.detail}
    return event.at_ms, said | of_nobody


def _of_text(text: OutboxMessage, at_ms: int, what: str, detail: str) -> Shape:
    return {
        "at": instant(at_ms),
        "what": what,
        "detail": detail,
        "message": text.id,
        "contact": text.contact,
        "reason": text.reason,
    }


def _first(instants: Iterator[int | None]) -> int | None:
    return min((at for at in instants if at is not None), default=None)
