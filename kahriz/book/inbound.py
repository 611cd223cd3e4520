"""Texts that people sent us, as they came; what is made of each is written beside it later."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection
from sqlalchemy.dialects import postgresql, sqlite

from kahriz.book.tables import inbound
from kahriz.clock import to_ms

LONGEST_TEXT = 1600
"""Letters kept of one text; ten SMS, more than anybody answers."""
LONGEST_REFERENCE = 140
_LONGEST_ADDRESS = 254


def arrive(
    connection: Connection,
    gateway: str,
    reference: str,
    address: str,
    text: str,
    received_at: datetime,
) -> bool:
    """Keep a text that came in; False: it is here already, under its gateway's reference."""
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    values = {
        "gateway": gateway,
        "reference": reference[:LONGEST_REFERENCE],
        "address": _storable(address)[:_LONGEST_ADDRESS],
        "text": _storable(text)[:LONGEST_TEXT],
        "received_at_ms": to_ms(received_at),
        "state": "new",
    }
    query = dialect.insert(inbound).values(values).on_conflict_do_nothing()
    return connection.execute(query).rowcount == 1


def _storable(text: str) -> str:
    # PostgreSQL knows no NUL, and nobody a half surrogate pair.
    return text.replace("\0", "").encode("utf-8", "replace").decode("utf-8")
