"""Whether the book's file is there, is of this release, and is whole."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import text

from kahriz.book import Book, migrations
from kahriz.errors import StoreUnavailable

_MOST = 20


def is_there(book: Book) -> bool:
    """Return whether there may be a book to open: opening a file that is not there makes one."""
    name = book.url.database or ""
    if book.url.get_backend_name() != "sqlite" or name.startswith("file:"):
        return True
    return Path(name).exists()


def problems(book: Book) -> list[str]:
    """Return what is wrong with the book as a whole, in words; nothing is changed or made."""
    is_sqlite = book.url.get_backend_name() == "sqlite"
    name = book.url.database or ""
    if not is_there(book):
        return [f"{name}: no such file"]
    try:
        with book.read() as connection:
            if not migrations.is_current(connection):
                return [f"{book.url}: not of this release; ingest brings it up to date"]
            if not is_sqlite:
                return []
            said = connection.execute(text(f"PRAGMA quick_check({_MOST})")).scalars().all()
    except StoreUnavailable as error:
        return [error.reason]
    return [f"{name}: {line}" for line in said if line != "ok"]
