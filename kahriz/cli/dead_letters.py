"""`kahriz dead-letters`: look at payloads nobody could use, and take them in again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ingest.replay import Replay
from kahriz.book import Book, dead_letters
from kahriz.book.dead_letters import KeptLetter
from kahriz.cli.opened import instant, note, opened, opened_alone
from kahriz.clock import from_ms, iso, to_ms

_LINE = 16
_SHOWN = 100
_WIDE = 400
_HEAD = ("id", "received", "device", "kind", "times", "bytes", "reason")

Device = Annotated[str | None, typer.Option(help="Only what came on this device's topics.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(help="Payloads nobody could use, kept as they came.", no_args_is_help=True)
    group.command("list")(show_all)
    group.command("show")(show)
    group.command("replay")(replay)
    app.add_typer(group, name="dead-letters")


def show_all(
    device: Device = None,
    reason: Annotated[
        str | None, typer.Option(help="A kind, like decode_error, or words of the reason.")
    ] = None,
    since: Annotated[str | None, typer.Option(help="Since this instant, ISO 8601.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many, the newest.")] = 50,
) -> None:
    """List dead letters, the newest first.

    Example: kahriz dead-letters list --device agh-dere-outlet --reason wrong_unit
    """
    start = instant(since, "--since")
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in _HEAD[:5]:
        table.add_column(name, no_wrap=True)
    table.add_column("reason", overflow="fold")
    with opened() as house, house.book.read() as connection:
        since_ms = None if start is None else to_ms(start)
        for letter in dead_letters.chosen(connection, device, reason, since_ms, limit):
            row = _row(letter)
            reason = row[-1].removeprefix(f"device '{row[2]}': ")
            table.add_row(*(escape(text) for text in (*row[:5], reason)))
        n, dropped = dead_letters.count(connection), dead_letters.dropped(connection)
    console = Console()
    if not console.is_terminal:
        console.width = _WIDE  # what is read by grep keeps one letter a line
    console.print(table)
    more = f", {dropped} older ones had to go" if dropped else ""
    typer.echo(f"{table.row_count} of {n}{more}")


def show(id: Annotated[int, typer.Argument(help="The id that `list` shows.")]) -> None:
    """Show one dead letter whole: what is no printable ASCII in hexadecimal.

    Example: kahriz dead-letters show 17
    """
    with opened() as house, house.book.read() as connection:
        letter = dead_letters.find(connection, id)
    for name, value in zip(_HEAD, _row(letter, None), strict=True):
        typer.echo(f"{name:9}{value}")
    typer.echo(f"topic    {printable(letter.topic)}\n")
    typer.echo(dump(letter.payload))
    if not letter.is_whole:
        typer.echo(f"... the first {len(letter.payload)} of {letter.size} bytes were kept")


def replay(
    ids: Annotated[list[int] | None, typer.Argument(help="Which; `list` shows them.")] = None,
    device: Device = None,
    everything: Annotated[bool, typer.Option("--all", help="Every one there is.")] = False,
) -> None:
    """Take dead letters in again, with sites.toml as it is now; ingest has to be stopped.

    What can be used now is stored and is no dead letter any more; exit 1 where some still are.

    Example: kahriz dead-letters replay --device agh-dere-outlet
    """
    if sum((bool(ids), device is not None, everything)) != 1:
        raise typer.BadParameter("give ids, or --device, or --all", param_hint="ID...")
    with opened_alone() as (house, keep):
        chosen = _chosen(house.book, ids, device)
        again = Replay(house.registry, house.store, house.book, house.settings.ingest)
        failed = []
        for outcome in again.letters(chosen):
            keep()
            failed += [outcome] if outcome.reason is not None else []
        note(house, "dead_letters.replay", {"taken": len(chosen), "failed": len(failed)})
    for outcome in failed[:_SHOWN]:
        typer.echo(f"{outcome.letter.id}: {printable(outcome.reason or '')}")
    if len(failed) > _SHOWN:
        typer.echo(f"... and {len(failed) - _SHOWN} more")
    typer.echo(f"{len(chosen) - len(failed)} taken in, {len(failed)} still cannot be used")
    if failed:
        raise typer.Exit(1)


def _chosen(book: Book, ids: Sequence[int] | None, device: str | None) -> list[KeptLetter]:
    with book.read() as connection:
        if ids:
            return [dead_letters.find(connection, id) for id in ids]
        # In the order they came: of two values for one instant the later counts.
        return dead_letters.chosen(connection, device)[::-1]


def _row(letter: KeptLetter, shown: int | None = _SHOWN) -> tuple[str, ...]:
    return (
        str(letter.id),
        iso(from_ms(letter.received_at_ms // 1000 * 1000)),
        printable(letter.device or "-"),
        letter.kind or "-",
        str(letter.times),
        str(letter.size),
        printable(letter.reason)[:shown],
    )


def printable(said: str) -> str:
    """Return text that does nothing to a terminal, whoever wrote it."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in said)


def dump(payload: bytes) -> str:
    """Return bytes as text if all of them are printable ASCII, else beside their hexadecimal."""
    if payload and all(0x20 <= byte < 0x7F for byte in payload):
        return payload.decode("ascii")
    lines = []
    for at in range(0, len(payload), _LINE):
        part = payload[at : at + _LINE]
        text = "".join(chr(byte) if 0x20 <= byte < 0x7F else "." for byte in part)
        lines.append(f"{at:06x}  {part.hex(' '):{3 * _LINE}} {text}")
    return "\n".join(lines) or "(empty)"
