"""`kahriz export`: everything the service knows, as CSV or Parquet."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from difflib import get_close_matches
from enum import StrEnum
from pathlib import Path
from typing import Annotated, BinaryIO

import typer
from rich.console import Console
from rich.progress import Progress, TextColumn, TimeElapsedColumn

from kahriz.book import Book
from kahriz.cli.demo_clock import clock_beside_a_demo
from kahriz.cli.opened import DEMO, instant, settings_of
from kahriz.clock import iso
from kahriz.errors import NotFoundError
from kahriz.export import TABLES, Dialect, Format, Source, Table, Wanted, written
from kahriz.export.table import Part
from kahriz.export.water import BY
from kahriz.settings import Settings
from kahriz.sites import load_registry
from kahriz.stats.delivered import Period
from kahriz.store import open_store


class What(StrEnum):
    """Which table."""

    OBSERVATIONS = "observations"
    WATER = "water"
    ALERTS = "alerts"
    DATASTREAMS = "datastreams"
    EVERYTHING = "everything"


class Delimiter(StrEnum):
    """What stands between two cells."""

    COMMA = "comma"
    SEMICOLON = "semicolon"


def register(app: typer.Typer) -> None:
    """Add ``kahriz export``."""
    app.command("export")(export)


def export(
    to: Annotated[
        Path | None,
        typer.Argument(help="File to write, replaced whole; of everything a folder; without: CSV."),
    ] = None,
    what: Annotated[What, typer.Option(help="Which table.")] = What.OBSERVATIONS,
    by: Annotated[str, typer.Option(help=f"Of water: {', '.join(BY)}.")] = "day",
    format: Annotated[
        Format | None, typer.Option(help="Without: parquet for a name in .parquet, else csv.")
    ] = None,
    start: Annotated[
        str | None, typer.Option(help="First instant, ISO 8601; a date is midnight UTC.")
    ] = None,
    end: Annotated[str | None, typer.Option(help="The instant that is no longer part.")] = None,
    kahriz: Annotated[list[str] | None, typer.Option(help="Only this kahriz; repeatable.")] = None,
    datastream: Annotated[
        list[str] | None, typer.Option(help="Only this one's observations; repeatable.")
    ] = None,
    delimiter: Annotated[
        Delimiter, typer.Option(help="semicolon: decimal comma, for spreadsheets where 2,41 is.")
    ] = Delimiter.COMMA,
    bom: Annotated[bool, typer.Option(help="The mark by which Excel knows UTF-8.")] = True,
    metadata: Annotated[bool, typer.Option(help="Lines with # that say what it is.")] = True,
    demo: Annotated[bool, DEMO] = False,
) -> None:
    """Write what is measured, the water delivered, alerts and how people answered, what is where.

    Instants are UTC, units stand in the file. The same as the API's /api/v1/export.

    Example: kahriz export 2026.parquet --start 2026-01-01 --end 2027-01-01 --kahriz agh-dere
    """
    dialect = Dialect(";" if delimiter is Delimiter.SEMICOLON else ",", bom, metadata)
    format = _format(to, format, what)
    with _source(settings_of(demo)) as (source, wanted):
        wanted = replace(
            wanted,
            start=instant(start, "--start"),
            end=instant(end, "--end"),
            kahrizes=tuple(kahriz or ()),
            datastreams=tuple(datastream or ()),
            by=_by(by),
        )
        _check(wanted, what)
        if what is What.EVERYTHING:
            assert to is not None
            _everything(source, wanted, to, format, dialect)
        else:
            _one(source, wanted, what.value, to, format, dialect)


def _everything(source: Source, wanted: Wanted, to: Path, format: Format, dialect: Dialect) -> None:
    to.mkdir(exist_ok=True)
    for name in TABLES:
        for by in BY if name == What.WATER else (wanted.by,):
            stem = f"{name}-{by}" if name == What.WATER else name
            asked = replace(wanted, by=by)
            _one(source, asked, name, to / f"{stem}.{format}", format, dialect)


def _one(
    source: Source,
    wanted: Wanted,
    name: str,
    to: Path | None,
    format: Format,
    dialect: Dialect,
) -> None:
    table = _found(source, wanted, name)
    n = 0
    with _shown(table.name) as show, _opened(to) as file:

        def counted() -> Iterator[Part]:
            nonlocal n
            for part in table.parts:
                n += len(part[0])
                show(n)
                yield part

        for piece in written(replace(table, parts=counted()), format, dialect):
            file.write(piece)
    where = "" if to is None else f" to {to}"
    typer.echo(f"{n} rows of {table.name} written{where}", err=True)


@contextmanager
def _source(settings: Settings) -> Iterator[tuple[Source, Wanted]]:
    from api.exported import water_rows  # only this and the API itself need what a web server does

    registry = load_registry(settings.sites)
    token = settings.store.token.get_secret_value()
    store = open_store(settings.store_url, token, read_only=True)
    book = Book(settings.book_url)
    clock = clock_beside_a_demo(settings.data_dir) or settings.clock.clock()
    try:
        yield Source(registry, store, book, water_rows()), Wanted(clock())
    finally:
        store.close()
        book.close()


def _found(source: Source, wanted: Wanted, name: str) -> Table:
    if name in (What.WATER, What.ALERTS):
        source.book.migrate()
    try:
        return TABLES[name](source, wanted)
    except NotFoundError as error:
        known = {str(name) for name in source.store.latest()}
        known |= {str(d.id) for d in source.registry.datastreams}
        if error.kind == "kahriz":
            known = {name.partition(".")[0] for name in known}
        near = get_close_matches(error.id, sorted(known), 3, cutoff=0)
        raise typer.BadParameter(
            f"there is no {error.id!r}; the nearest are {', '.join(near)}",
            param_hint=f"--{error.kind}",
        ) from error


def _format(to: Path | None, format: Format | None, what: What) -> Format:
    if what is What.EVERYTHING:
        if to is None or (to.exists() and not to.is_dir()) or not to.absolute().parent.is_dir():
            raise typer.BadParameter(f"{str(to)!r} cannot be a folder here", param_hint="TO")
        return format or Format.CSV
    if to is None:
        if format is Format.PARQUET:
            raise typer.BadParameter("Parquet needs the name of a file", param_hint="TO")
        return Format.CSV
    if to.is_dir() or not to.parent.is_dir():
        raise typer.BadParameter(f"{str(to)!r} cannot be a file here", param_hint="TO")
    return format or (Format.PARQUET if to.suffix == ".parquet" else Format.CSV)


def _by(said: str) -> Period:
    found = next((by for by in BY if by == said), None)
    if found is None:
        raise typer.BadParameter(f"{said!r} is none of {', '.join(BY)}", param_hint="--by")
    return found


def _check(wanted: Wanted, what: What) -> None:
    if wanted.start and wanted.end and wanted.start >= wanted.end:
        raise typer.BadParameter(
            f"{iso(wanted.end)} is not after {iso(wanted.start)}", param_hint="--end"
        )
    if wanted.datastreams and what is not What.OBSERVATIONS:
        raise typer.BadParameter(f"{what} are not by datastream", param_hint="--datastream")


@contextmanager
def _opened(to: Path | None) -> Iterator[BinaryIO]:
    """Give what to write to; a file is written beside its name and put in its place at the end."""
    if to is None:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    part = to.with_name(to.name + ".part")
    try:
        with part.open("wb") as stream:
            yield stream
        part.replace(to)
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def _shown(name: str) -> Iterator[Callable[[int], None]]:
    """Give what is called with how many rows there are so far, for a terminal to show."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}: {task.completed} rows"), TimeElapsedColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task(name, total=None)
        yield lambda n: bar.update(task, completed=n)
