"""`kahriz sms`: what people sent, and a text put into the book as a gateway would."""

from __future__ import annotations

import uuid
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from kahriz.book import inbound
from kahriz.cli.opened import opened_book
from kahriz.clock import iso
from kahriz.contacts import e164

GATEWAY = "command line"
"""Whence such a text comes, in the book."""


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(help="What people send by SMS.", no_args_is_help=True)
    group.command("receive")(receive)
    group.command("list")(show)
    app.add_typer(group, name="sms")


def receive(
    text: Annotated[str, typer.Argument(help="What is sent: 1, SU, VEDRE 10 12 ...")],
    sender: Annotated[str, typer.Option("--from", help="The sender's number, +994...")],
) -> None:
    """Put a text into the book as if it had come from a phone; a running ingest answers it.

    Example: kahriz sms receive --from +994500000001 SU
    """
    try:
        number = e164(sender)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--from") from error
    with opened_book(None) as house, house.book.begin() as connection:
        inbound.arrive(connection, GATEWAY, uuid.uuid4().hex, number, text, house.now)
    typer.echo(f"A text from {number} is in the book; a running ingest answers it.")


def show(
    limit: Annotated[int, typer.Option(min=1, help="The newest so many.")] = 30,
    kahriz: Annotated[str | None, typer.Option(help="Only those about this one.")] = None,
) -> None:
    """List what people sent and what was made of it, the newest first.

    Example: kahriz sms list --kahriz agh-dere
    """
    table = Table("id", "received", "from", "text", "state", "command", "kahriz", "made of it")
    with opened_book(kahriz) as house, house.book.read() as connection:
        for t in inbound.list_inbound(connection, kahriz=kahriz, limit=limit):
            row = (str(t.id), iso(t.received_at), t.address, t.text, t.state)
            table.add_row(*map(escape, (*row, t.command or "", t.kahriz or "", t.outcome)))
    Console().print(table)
