"""Open the book: its engine, its transactions, and its schema brought up to date."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

from sqlalchemy import Connection, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from kahriz.book.tables import metadata
from kahriz.errors import ConfigError


class Book:
    """The book at one SQLAlchemy URL; safe to use from several threads and processes."""

    def __init__(self, url: str) -> None:
        try:
            self.url = make_url(url)
        except ArgumentError as error:
            raise ConfigError("book.url", f"{url!r}: {error}") from error
        self.engine = create_engine(self.url)
        if self.url.get_backend_name() == "sqlite":
            event.listen(self.engine, "connect", _durable_sqlite)

    def begin(self) -> AbstractContextManager[Connection]:
        """Return a transaction: committed at the end of the block, undone when it raises."""
        return self.engine.begin()

    def migrate(self) -> None:
        """Bring the schema up to date."""
        metadata.create_all(self.engine)

    def close(self) -> None:
        """Let go of every connection."""
        self.engine.dispose()


def _durable_sqlite(connection: Any, _record: Any) -> None:
    # WAL lets the API read while ingest writes; FULL makes a commit survive a power cut.
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",
        "busy_timeout=10000",
        "foreign_keys=ON",
    ):
        connection.execute(f"PRAGMA {pragma}")
