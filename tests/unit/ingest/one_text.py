"""A book with one alert and one text about it that waits."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kahriz.book import Book, alerts, messages
from kahriz.book.messages import OutboxMessage
from tests.unit.book import test_alerts, test_messages


@contextmanager
def book_with_one_text(folder: Path) -> Iterator[Book]:
    """Open it, and close it afterwards."""
    opened = Book(f"sqlite:///{folder / 'book.sqlite'}")
    opened.migrate()
    with opened.begin() as connection:
        alerts.add(connection, test_alerts.values())
        messages.queue(connection, test_messages.values())
    yield opened
    opened.close()


def row(book: Book) -> OutboxMessage:
    """Return the first text as it is now."""
    with book.begin() as connection:
        return messages.list_messages(connection)[-1]
