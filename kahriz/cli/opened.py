"""Settings, registry, store and book of a command, opened together and closed again."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ingest.lease import RENEW_S, Lease, this_process
from ingest.replay import take_lease
from kahriz import logs
from kahriz.book import Book, audit
from kahriz.cli.demo import demo_settings
from kahriz.cli.demo_clock import clock_beside_a_demo
from kahriz.clock import system_clock
from kahriz.errors import ConfigError
from kahriz.settings import Settings, load_settings
from kahriz.sites import Registry, load_registry
from kahriz.store import Store, open_store

_WIDE = 400

DEMO = typer.Option("--demo", help="That of `kahriz demo`, in its time.")
"""An option: whose settings are meant."""


def settings_of(demo: bool) -> Settings:
    """Return the settings there are, or those of the demonstration in this folder."""
    return demo_settings() if demo else load_settings()


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
def opened_alone() -> Iterator[tuple[Opened, Callable[[], None]]]:
    """Open everything to write to it in the place of ingest, which has to be stopped.

    What is yielded beside it is to be called often: it keeps an ingest that stands by from
    thinking that nobody is at work.
    """
    with opened() as house, _hushed():
        name = f"ingest:{house.settings.mqtt.client_id}"
        lease = Lease(house.book, name, this_process())
        if at_work := take_lease(lease, house.book, name):
            raise ConfigError("ingest", at_work, "stop it first")
        # A command that was stopped for a while must not write beside the ingest that took over.
        house.book.fence(lease.fence)
        last = time.monotonic()

        def keep() -> None:
            nonlocal last
            if time.monotonic() - last >= RENEW_S:
                lease.renew()
                last = time.monotonic()

        try:
            yield house, keep
        finally:
            lease.release()


@contextmanager
def _hushed() -> Iterator[None]:
    # What cannot be used and who is at work is the command's own answer: not said twice.
    log = logging.getLogger("ingest")
    before = log.level
    log.setLevel(logging.ERROR)
    try:
        yield
    finally:
        log.setLevel(before)


@dataclass(frozen=True, slots=True)
class OpenedBook:
    """The book, brought up to date; `now` is the water's."""

    registry: Registry
    book: Book
    now: datetime


@contextmanager
def opened_book(kahriz: str | None, settings: Settings | None = None) -> Iterator[OpenedBook]:
    """Open the book alone; ConfigError where `kahriz` is named and none of the registry's."""
    settings = settings or load_settings()
    registry = load_registry(settings.sites)
    ids = [each.id for each in registry.kahriz]
    if kahriz is not None and kahriz not in ids:
        raise ConfigError("KAHRIZ", f"{kahriz!r} is not in the registry", ", ".join(ids))
    book = Book(settings.book_url)
    try:
        book.migrate()
        clock = clock_beside_a_demo(settings.data_dir) or settings.clock.clock()
        yield OpenedBook(registry, book, clock())
    finally:
        book.close()


def print_rows(head: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a table in which nothing is cut: what is read by grep keeps one row a line."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in head:
        table.add_column(name, overflow="fold")
    for row in rows:
        table.add_row(*map(escape, row))
    console = Console()
    if not console.is_terminal:
        console.width = _WIDE
    console.print(table)


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
