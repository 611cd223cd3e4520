"""`kahriz sms`: what people sent, and a text put into the book as a gateway would."""

from __future__ import annotations

import uuid
from typing import Annotated

import typer

from kahriz.book import inbound
from kahriz.book.inbound import Inbound
from kahriz.cli.demo_clock import clock_beside_a_demo
from kahriz.cli.opened import DEMO, opened_book, print_rows, settings_of
from kahriz.clock import iso
from kahriz.contacts import e164
from kahriz.errors import ConfigError

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
    demo: Annotated[bool, DEMO] = False,
) -> None:
    """Put a text into the book as if it had come from a phone; a running ingest answers it.

    Example: kahriz sms receive --from +994500000001 SU
    """
    try:
        number = e164(sender)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--from") from error
    settings = settings_of(demo)
    if demo and clock_beside_a_demo(settings.data_dir) is None:
        raise ConfigError("--demo", f"no demo runs in {settings.data_dir}", "kahriz demo")
    with opened_book(None, settings) as house, house.book.begin() as connection:
        inbound.arrive(connection, GATEWAY, uuid.uuid4().hex, number, text, house.now)
    typer.echo(f"A text from {number} is in the book; a running ingest answers it.")


def show(
    limit: Annotated[int, typer.Option(min=1, help="The newest so many.")] = 30,
    kahriz: Annotated[str | None, typer.Option(help="Only those about this one.")] = None,
    demo: Annotated[bool, DEMO] = False,
) -> None:
    """List what people sent and what was made of it, the newest first.

    Example: kahriz sms list --kahriz agh-dere
    """
    with opened_book(kahriz, settings_of(demo)) as house, house.book.read() as connection:
        found = inbound.list_inbound(connection, kahriz=kahriz, limit=limit)
    head = ("id", "received", "from", "text", "state", "command", "kahriz", "made of it")
    print_rows(head, map(_row, found))


def _row(text: Inbound) -> tuple[str, ...]:
    made = (text.command or "", text.kahriz or "", text.outcome)
    return (str(text.id), iso(text.received_at), text.address, text.text, text.state, *made)
