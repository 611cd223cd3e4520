"""`kahriz maintenance`: say when somebody works at a kahriz, so that nobody is called for it."""

from __future__ import annotations

from typing import Annotated

import typer

from kahriz.book import maintenance
from kahriz.book.maintenance import Works
from kahriz.cli.opened import instant, opened_book, print_rows
from kahriz.clock import iso, system_clock

_Id = Annotated[str, typer.Argument(help="Id of the kahriz.", metavar="KAHRIZ")]
_At = Annotated[str | None, typer.Option(help="Instant, ISO 8601; without: now.")]
_By = Annotated[str, typer.Option(help="Who says so.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(help="While somebody works at a kahriz.", no_args_is_help=True)
    group.command("start")(start)
    group.command("end")(end)
    group.command("list")(show)
    app.add_typer(group, name="maintenance")


def start(
    kahriz: _Id,
    at: _At = None,
    note: Annotated[str, typer.Option(help="What is done.")] = "",
    by: _By = "command line",
) -> None:
    """Say that works begin: nothing is told of the kahriz, and nothing learned, until they end.

    Example: kahriz maintenance start agh-dere --note "cleaning between shafts 3 and 4"
    """
    when = instant(at, "--at")
    with opened_book(kahriz) as house, house.book.begin() as connection:
        begun = maintenance.start(
            connection, kahriz, when or house.now, by=by, note=note, now=system_clock()
        )
    typer.echo(f"{kahriz}: works are on since {iso(begun.start)}.")


def end(
    kahriz: _Id,
    at: _At = None,
    new_normal: Annotated[
        bool,
        typer.Option("--new-normal", help="The gallery is another one now: learn it anew."),
    ] = False,
    by: _By = "command line",
) -> None:
    """Say that works are over: what is measured is judged again.

    Example: kahriz maintenance end agh-dere --new-normal
    """
    when = instant(at, "--at")
    with opened_book(kahriz) as house, house.book.begin() as connection:
        ended = maintenance.end(
            connection,
            kahriz,
            when or house.now,
            is_new_normal=new_normal,
            by=by,
            now=system_clock(),
        )
    assert ended.end is not None
    after = "learned anew" if new_normal else "what was usual before them is usual again"
    typer.echo(f"{kahriz}: works are over at {iso(ended.end)}; {after}.")


def show(kahriz: Annotated[str | None, typer.Argument(help="Only of this one.")] = None) -> None:
    """List all works, the oldest first.

    Example: kahriz maintenance list agh-dere
    """
    with opened_book(kahriz) as house, house.book.read() as connection:
        found = maintenance.list_works(connection, kahriz)
    print_rows(("kahriz", "start", "end", "new normal", "note", "by"), map(_row, found))


def _row(works: Works) -> list[str]:
    until = "still on" if works.end is None else iso(works.end)
    is_new = "yes" if works.is_new_normal else ""
    return [works.kahriz, iso(works.start), until, is_new, works.note, works.by]
