"""Payloads nobody could use: kept raw, with the reason, so that they can be played again."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from kahriz.book.tables import dead_letter
from kahriz.book.upsert import excluded, upsert

KEPT_WHOLE = 16 * 1024
KEPT_OF_LARGER = 4 * 1024
_LONGEST_DEVICE = 40  # as in sites.toml; a longer name is a stranger's, and stands in the topic


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
    times: Counter[str] = Counter()
    for letter in letters:
        topic = _text(letter.topic)
        digest = hashlib.sha256(topic.encode() + b"\0" + letter.payload).hexdigest()
        times[digest] += 1
        rows[digest] = {
            "received_at_ms": letter.received_at_ms,
            "topic": topic,
            "device": _device(letter.device),
            "reason": _text(letter.reason),
            "payload": _kept(letter.payload),
            "size": len(letter.payload),
            "digest": digest,
            "times": times[digest],
        }
    if rows:
        new = excluded(dead_letter)
        update = {
            "times": dead_letter.c.times + new.times,
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


def _text(said: str) -> str:
    """Return what every database takes as text: anybody may put anything into a bad payload."""
    return said.encode(errors="backslashreplace").decode().replace("\0", "\\x00")


def _device(name: str | None) -> str | None:
    shown = None if name is None else _text(name)
    return shown if shown is not None and len(shown) <= _LONGEST_DEVICE else None
