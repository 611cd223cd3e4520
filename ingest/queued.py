"""A text to one person, into the outbox: the one place where its row is made."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from kahriz.book import messages
from kahriz.book.contacts import Person
from kahriz.clock import to_ms
from kahriz.notify.texts.catalogue import Text


def queue(
    connection: Connection,
    person: Person,
    channel: str,
    words: Text,
    *,
    key: str,
    reason: str,
    now: datetime,
    expires: datetime,
    due: datetime | None = None,
    address: str | None = None,
    **about: Any,
) -> int | None:
    """Queue a text and return its id; None if one of this key is there already.

    Parameters
    ----------
    connection
        The book, in a transaction.
    person, channel, words
        Who reads it, by which way, in their words.
    key, reason
        What makes it this text and no other, and why it is sent.
    now, due, expires
        When it is written, may leave (None: at once), and is too late.
    address
        None: the person's own for this channel.
    about
        ``alert_id kahriz step``, where they are something.
    """
    values = {
        "key": key,
        "contact": person.name,
        "address": person.reached_by(channel) if address is None else address,
        "channel": channel,
        "reason": reason,
        "language": person.language,
        "text": words.text,
        "encoding": words.encoding,
        "parts": words.parts,
        "created_at_ms": to_ms(now),
        "due_at_ms": to_ms(now if due is None else due),
        "expires_at_ms": to_ms(expires),
    }
    return messages.queue(connection, values | about)
