"""`kahriz keys`: make, list and revoke the keys that machines use on the API."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from kahriz.book import Book, audit, keys
from kahriz.clock import system_clock
from kahriz.settings import load_settings

_WHO = "command line"


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(help="Keys for the HTTP API.", no_args_is_help=True)
    group.command("create")(create)
    group.command("list")(show)
    group.command("revoke")(revoke)
    app.add_typer(group, name="keys")


def create(
    name: Annotated[str, typer.Option(help="Whose key it is; acknowledgements carry it.")],
    scope: Annotated[keys.Scope, typer.Option(help="write may read as well.")] = keys.Scope.READ,
    days: Annotated[
        int | None, typer.Option(min=1, max=36500, help="Days until it expires; without: never.")
    ] = None,
) -> None:
    """Make a key and print it: this is the only time it is shown.

    Example: kahriz keys create --name "district office" --scope write --days 365
    """
    if not name.strip():
        raise typer.BadParameter(f"{name!r} is empty", param_hint="--name")
    lifetime = None if days is None else timedelta(days=days)
    with _opened() as (book, now), book.begin() as connection:
        id, token = keys.create(connection, name, scope, now, lifetime)
        detail = {"id": id, "name": name, "scope": scope.value, "days": days}
        audit.append(connection, now, _WHO, "key.create", detail)
    typer.echo(token)
    typer.echo(
        f"Keep it now: only its hash is stored. Revoke with: kahriz keys revoke {id}", err=True
    )


def show() -> None:
    """List every key, without its secret.

    Example: kahriz keys list
    """
    table = Table("id", "name", "scope", "state", "created", "expires")
    with _opened() as (book, now), book.read() as connection:
        for key in keys.list_keys(connection):
            expires = "never" if key.expires_at is None else f"{key.expires_at:%Y-%m-%d}"
            created = f"{key.created_at:%Y-%m-%d}"
            table.add_row(key.id, key.name, key.scope, key.state(now), created, expires)
    Console().print(table)


def revoke(
    id: Annotated[str, typer.Argument(help="The id that `kahriz keys list` shows.")],
) -> None:
    """Make a key open nothing, from the next request on.

    Example: kahriz keys revoke 3f9a1c2e
    """
    with _opened() as (book, now), book.begin() as connection:
        key = keys.revoke(connection, id, now)
        audit.append(connection, now, _WHO, "key.revoke", {"id": id, "name": key.name})
    typer.echo(f"Key {key.id} ({key.name}) is revoked.")


@contextmanager
def _opened() -> Iterator[tuple[Book, datetime]]:
    # Keys live by the wall clock, also where a demonstration's time runs faster.
    book = Book(load_settings().book_url)
    try:
        book.migrate()
        yield book, system_clock()
    finally:
        book.close()
