"""`kahriz silences`: hold back what is known already, for a while."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

import typer

from kahriz.book import silences
from kahriz.book.silences import Role, Silence
from kahriz.cli.opened import instant, opened_book, print_rows
from kahriz.clock import iso
from kahriz.detect import Kind

_HEAD = ("id", "kahriz", "kind", "start", "end", "note", "by")

_By = Annotated[str, typer.Option(help="Who says so.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(help="Nobody is told, for a while.", no_args_is_help=True)
    group.command("list")(show)
    group.command("add")(add)
    group.command("end")(end)
    app.add_typer(group, name="silences")


def show(
    every: Annotated[bool, typer.Option("--all", help="Those that are over, too.")] = False,
) -> None:
    """List the silences that are on or still to come.

    Example: kahriz silences list --all
    """
    with opened_book(None) as house, house.book.read() as connection:
        found = silences.list_silences(connection, after=None if every else house.now)
    print_rows(_HEAD, map(_row, found))


def add(
    hours: Annotated[float, typer.Option(min=0.01, help="How long; at most 720, 30 days.")],
    kahriz: Annotated[str | None, typer.Option(help="Of this one; without: of every one.")] = None,
    kind: Annotated[Kind | None, typer.Option(help="Of this trouble; without: of any.")] = None,
    start: Annotated[str | None, typer.Option(help="Instant, ISO 8601; without: now.")] = None,
    note: Annotated[str, typer.Option(help="What is known.")] = "",
    by: _By = "command line",
) -> None:
    """Tell nobody for some hours; what happens is judged and shown as ever.

    Example: kahriz silences add --kahriz agh-dere --kind offline --hours 48 --note "new SIM"
    """
    at = instant(start, "--start")
    with opened_book(kahriz) as house, house.book.begin() as connection:
        begun = at or house.now
        kept = silences.add(
            connection,
            kahriz,
            None if kind is None else kind.value,
            begun,
            begun + timedelta(hours=hours),
            note=note,
            by=by,
            role=Role.ENGINEER,
            now=house.now,
        )
    whose = f"{kahriz or 'every kahriz'}, {kind or 'every trouble'}"
    typer.echo(f"Silence {kept.id}: {whose} from {iso(kept.start)} to {iso(kept.end)}.")


def end(
    id: Annotated[int, typer.Argument(help="The id that `kahriz silences list` shows.")],
    by: _By = "command line",
) -> None:
    """Tell again from now on.

    Example: kahriz silences end 3
    """
    with opened_book(None) as house, house.book.begin() as connection:
        over = silences.end(connection, id, by=by, now=house.now)
    typer.echo(f"Silence {over.id} is over at {iso(over.end)}.")


def _row(each: Silence) -> list[str]:
    whose = (each.kahriz or "every one", each.kind or "every one")
    return [str(each.id), *whose, iso(each.start), iso(each.end), each.note, each.by]
