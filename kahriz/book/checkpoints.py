"""Where each consumer stands, and what each process last said of itself: a value by name."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, select

from kahriz.book.tables import checkpoint
from kahriz.book.upsert import upsert


def watch_of(kahriz: str) -> str:
    """Return the name under which ingest keeps how far it has judged a kahriz."""
    return f"watch:{kahriz}"


def get(connection: Connection, name: str) -> Any | None:
    """Return the value last put under `name`; None where there is none."""
    return connection.scalar(select(checkpoint.c.value).where(checkpoint.c.name == name))


def put(connection: Connection, name: str, value: Any) -> None:
    """Keep `value` (anything JSON can say) under `name` in place of what was there."""
    upsert(connection, checkpoint, [{"name": name, "value": value}], ("name",), ("value",))
