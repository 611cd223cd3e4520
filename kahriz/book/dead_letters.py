"""Payloads nobody could use: kept raw, with the reason, so that they can be played again."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from kahriz.book.tables import dead_letter
from kahriz.book.upsert import excluded, upsert

KEPT_WHOLE = 16 * 1024
KEPT_OF_LARGER = 4 * 1024


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One payload, who sent it and why it could not be used."""

    received_at_ms: int
    topic: str
    device: str | None
    reason: str
    payload: bytes


def put(connection: Connection, letters: Iterable[DeadLetter]) -> None:
    """Keep `letters`; the same payload on the same topic is one row that counts its times."""
    rows: dict[str, dict[str, object]] = {}
    for letter in letters:
        digest = hashlib.sha256(letter.topic.encode() + b"\0" + letter.payload).hexdigest()
        if digest in rows:
            continue
        rows[digest] = {
            "received_at_ms": letter.received_at_ms,
            "topic": letter.topic,
            "device": letter.device,
            "reason": letter.reason,
            "payload": _kept(letter.payload),
            "size": len(letter.payload),
            "digest": digest,
            "times": 1,
        }
    if rows:
        new = excluded(dead_letter)
        update = {
            "times": dead_letter.c.times + 1,
            "reason": new.reason,
            "received_at_ms": new.received_at_ms,
        }
        upsert(connection, dead_letter, list(rows.values()), ("digest",), update)


def count(connection: Connection) -> int:
    """Return how many different payloads are kept."""
    return int(connection.execute(select(func.count()).select_from(dead_letter)).scalar_one())


def newest(connection: Connection, limit: int) -> list[DeadLetter]:
    """Return the newest letters, newest first."""
    rows = connection.execute(select(dead_letter).order_by(dead_letter.c.id.desc()).limit(limit))
    return [
        DeadLetter(r.received_at_ms, r.topic, r.device, r.reason, bytes(r.payload)) for r in rows
    ]


def _kept(payload: bytes) -> bytes:
    return payload if len(payload) <= KEPT_WHOLE else payload[:KEPT_OF_LARGER]
