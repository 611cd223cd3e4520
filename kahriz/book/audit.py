"""Who did what, when: rows are appended and never changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, insert, select

from kahriz.book.tables import audit_log
from kahriz.clock import from_ms, to_ms


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing somebody did."""

    id: int
    at: datetime
    who: str
    what: str
    detail: Mapping[str, Any]


def append(
    connection: Connection, at: datetime, who: str, what: str, detail: Mapping[str, Any]
) -> None:
    """Write that `who` did `what` at `at`; `detail` is anything JSON can say, without secrets."""
    row = {"at_ms": to_ms(at), "who": who, "what": what, "detail": dict(detail)}
    connection.execute(insert(audit_log).values(row))


def list_entries(
    connection: Connection, limit: int = 100, before: int | None = None
) -> list[Entry]:
    """Return the last `limit` entries, newest first; only older ones than that of id `before`."""
    newest = select(audit_log).order_by(audit_log.c.id.desc()).limit(limit)
    if before is not None:
        newest = newest.where(audit_log.c.id < before)
    return [
        Entry(row.id, from_ms(row.at_ms), row.who, row.what, row.detail)
        for row in connection.execute(newest)
    ]
