"""`kahriz export`: every observation out of any store, as CSV or Parquet."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from kahriz.cli.export_files import Format, table
from kahriz.clock import iso
from kahriz.observations import DatastreamId, Observation, Series
from kahriz.settings import load_settings
from kahriz.store import Store, open_store

_FIRST = datetime.min.replace(tzinfo=UTC)
_LAST = datetime.max.replace(tzinfo=UTC)
# Before there were sensors that send: asked for at once. Then quarter by quarter, so that the
# memory it takes does not grow with the history.
_SENSORS_SEND = datetime(2000, 1, 1, tzinfo=UTC)
_AT_ONCE = timedelta(days=92)
_MILLISECOND = timedelta(milliseconds=1)


def register(app: typer.Typer) -> None:
    """Add ``kahriz export``."""
    app.command("export")(export)


def export(
    to: Annotated[
        Path | None, typer.Argument(help="File to write, replaced whole; without: CSV to stdout.")
    ] = None,
    format: Annotated[
        Format | None, typer.Option(help="Without: parquet for a name in .parquet, else csv.")
    ] = None,
    start: Annotated[
        str | None, typer.Option(help="First instant, ISO 8601; a date is midnight UTC.")
    ] = None,
    end: Annotated[str | None, typer.Option(help="The instant that is no longer part.")] = None,
    kahriz: Annotated[list[str] | None, typer.Option(help="Only this kahriz; repeatable.")] = None,
    datastream: Annotated[
        list[str] | None, typer.Option(help="Only this datastream; repeatable.")
    ] = None,
) -> None:
    """Write every observation: datastream, time (UTC), value in its own unit, QARTOD flag.

    Example: kahriz export 2026.parquet --start 2026-01-01 --end 2027-01-01 --kahriz agh-dere
    """
    first = _FIRST if start is None else _instant(start, "--start")
    last = None if end is None else _instant(end, "--end")
    if last is not None and first >= last:
        raise typer.BadParameter(f"{end!r} is not after {iso(first)}", param_hint="--end")
    format = _format(to, format)
    settings = load_settings()
    token = settings.store.token.get_secret_value()
    with closing(open_store(settings.store_url, token, read_only=True)) as store:
        wanted = _wanted(store, kahriz or [], datastream or [])
        n = 0
        with table(to, format) as rows, _shown(len(wanted)) as show:
            for done, newest in enumerate(wanted):
                until = _later(newest.time, _MILLISECOND)
                for series in _parts(store, newest.datastream, first, min(last or until, until)):
                    rows.add(series)
                    n += len(series)
                    show(done, n)
    where = "" if to is None else f" to {to}"
    typer.echo(f"{n} observations of {len(wanted)} datastreams written{where}", err=True)


def _format(to: Path | None, format: Format | None) -> Format:
    if to is None:
        if format is Format.PARQUET:
            raise typer.BadParameter("Parquet needs the name of a file", param_hint="TO")
        return Format.CSV
    if to.is_dir() or not to.parent.is_dir():
        raise typer.BadParameter(f"{str(to)!r} cannot be a file here", param_hint="TO")
    return format or (Format.PARQUET if to.suffix == ".parquet" else Format.CSV)


def _instant(text: str, option: str) -> datetime:
    try:
        instant = datetime.fromisoformat(text)
    except ValueError as error:
        raise typer.BadParameter(
            f"{text!r} is no instant like 2026-11-22 or 2026-11-22T06:00:00Z", param_hint=option
        ) from error
    return instant.replace(tzinfo=instant.tzinfo or UTC).astimezone(UTC)


def _wanted(
    store: Store, kahrizes: Collection[str], datastreams: Collection[str]
) -> list[Observation]:
    """Return the newest observation of every datastream that is asked for, by name."""
    held = dict(store.latest())
    _check(kahrizes, {_kahriz_of(name) for name in held}, "--kahriz")
    _check(datastreams, set(held), "--datastream")
    is_all = not kahrizes and not datastreams
    return [
        held[name]
        for name in sorted(held)
        if is_all or name in datastreams or _kahriz_of(name) in kahrizes
    ]


def _kahriz_of(datastream: DatastreamId) -> str:
    return datastream.partition(".")[0]


def _check(asked: Collection[str], held: Collection[str], option: str) -> None:
    for name in asked:
        if name not in held:
            near = get_close_matches(name, sorted(held), 3, cutoff=0)
            has = f"of its {len(held)} the nearest: {', '.join(near)}" if near else "it is empty"
            raise typer.BadParameter(f"the store has no {name!r}; {has}", param_hint=option)


def _parts(
    store: Store, datastream: DatastreamId, start: datetime, end: datetime
) -> Iterator[Series]:
    """Yield what there is in [start, end), in order and in parts that fit into memory."""
    while start < end:
        until = min(end, max(_SENSORS_SEND, _later(start, _AT_ONCE)))
        if len(series := store.series(datastream, start, until)):
            yield series
        start = until


def _later(instant: datetime, by: timedelta) -> datetime:
    return instant + by if instant <= _LAST - by else _LAST


@contextmanager
def _shown(total: int) -> Iterator[Callable[[int, int], None]]:
    """Give what is called with (datastreams done, observations so far), for a terminal to show."""
    console = Console(stderr=True)
    columns = (
        TextColumn("exporting"),
        BarColumn(),
        TextColumn("{task.completed}/{task.total} datastreams, {task.fields[n]} observations"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task("export", total=total, n=0)
        yield lambda done, n: bar.update(task, completed=done, n=n)
