"""`kahriz replay`: make a lost store anew from what came."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from ingest.replay import Replay
from kahriz.cli.opened import instant, note, opened_alone
from kahriz.clock import from_ms, iso, to_ms
from kahriz.intake_log import Found


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(replay)


def replay(
    since: Annotated[str, typer.Option(help="First instant of receipt, ISO 8601.")],
    until: Annotated[
        str | None, typer.Option(help="Instant of receipt to end before; without: now.")
    ] = None,
) -> None:
    """Take in again what came since an instant, from the raw intake; ingest has to be stopped.

    Again is harmless: nothing is stored or counted twice.

    Example: kahriz replay --since 2026-11-24T00:00Z
    """
    start = instant(since, "--since")
    end = instant(until, "--until")
    assert start is not None
    with opened_alone() as house:
        last = end or house.settings.clock.clock()()
        bounds = (to_ms(start), to_ms(last) + (end is None))
        if bounds[0] >= bounds[1]:
            raise typer.BadParameter(f"{since} is not before the end", param_hint="--since")
        found, again = (
            Found(),
            Replay(house.registry, house.store, house.book, house.settings.ingest),
        )
        folder = house.settings.intake_log
        with _progress() as progress:
            task = progress.add_task("", total=bounds[1] - bounds[0])
            for reached_ms in again.intake(folder, *bounds, found):
                said = f"{iso(from_ms(reached_ms))}, {again.n_readings} readings"
                progress.update(task, completed=reached_ms - bounds[0], description=said)
            progress.update(task, completed=bounds[1] - bounds[0])
        detail = {"since": iso(start), "until": iso(last), "readings": again.n_readings}
        note(house, "intake.replay", detail)
    typer.echo(
        f"{again.n_readings} readings taken in again;"
        f" of {again.n_set_aside} messages something could not be used (kahriz dead-letters list)"
    )
    _say(found, bounds[0])
    if found.damaged or again.n_readings == 0:
        raise typer.Exit(1)


def _progress() -> Progress:
    columns = (BarColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    return Progress(*columns, console=Console(stderr=True), transient=True)


def _say(found: Found, since_ms: int) -> None:
    if found.oldest_ms is None:
        typer.echo("the raw intake is empty", err=True)
    elif found.oldest_ms > since_ms:
        oldest = iso(from_ms(found.oldest_ms))
        typer.echo(f"the raw intake begins at {oldest}: nothing before it came back", err=True)
    for gap in found.missing:
        before = iso(from_ms(gap.received_at_ms))
        typer.echo(f"{gap.n} messages could not be written down before {before}", err=True)
    for where in found.damaged:
        typer.echo(f"damaged, stepped over: {where}", err=True)
