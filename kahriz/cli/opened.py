"""Settings, registry, store and book of a command, opened together and closed again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import typer

from ingest.replay import is_ingest_running
from kahriz import logs
from kahriz.book import Book, audit
from kahriz.clock import system_clock
from kahriz.errors import ConfigError
from kahriz.settings import Settings, load_settings
from kahriz.sites import Registry, load_registry
from kahriz.store import Store, open_store


@dataclass(frozen=True, slots=True)
class Opened:
    """What a command works with."""

    settings: Settings
    registry: Registry
    store: Store
    book: Book


@contextmanager
def opened(*, read_only: bool = False) -> Iterator[Opened]:
    """Open everything; only where it may be written to the book is brought up to date."""
    settings = load_settings()
    logs.setup(settings.log_level)
    registry = load_registry(settings.sites)
    token = settings.store.token.get_secret_value()
    store = open_store(settings.store_url, token, read_only=read_only)
    book = Book(settings.book_url)
    try:
        if not read_only:
            book.migrate()
        yield Opened(settings, registry, store, book)
    finally:
        store.close()
        book.close()


@contextmanager
def opened_alone() -> Iterator[Opened]:
    """Open everything to write to it, as nobody may while ingest runs."""
    with opened() as house:
        if is_ingest_running(house.book):
            raise ConfigError("ingest", "it is running, and keeps the ledger", "stop it first")
        yield house


def note(house: Opened, what: str, detail: Mapping[str, Any]) -> None:
    """Write into the audit log what somebody did here."""
    with house.book.begin() as connection:
        audit.append(connection, system_clock(), "command line", what, detail)


def instant(said: str | None, option: str) -> datetime | None:
    """Return the instant an option says: ISO 8601, in UTC where it has no zone."""
    if said is None:
        return None
    try:
        at = datetime.fromisoformat(said)
    except ValueError as error:
        hint = "like 2026-11-24T00:00Z"
        raise typer.BadParameter(f"{said!r} is no instant, {hint}", param_hint=option) from error
    return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
