"""`kahriz contacts`: who is told, beside and after what sites.toml says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import typer
from pydantic import ValidationError

from kahriz.book import contacts
from kahriz.book.contacts import Person
from kahriz.cli.opened import OpenedBook, opened_book, print_rows
from kahriz.clock import system_clock
from kahriz.configured import first_error, problem_of
from kahriz.contacts import Contact
from kahriz.errors import ConfigError

_HEAD = ("id", "kahriz", "no.", "name", "role", "address", "texts", "quiet", "consent", "")

_Id = Annotated[int, typer.Argument(help="The id that `kahriz contacts list` shows.")]
_Kahriz = Annotated[str, typer.Argument(help="Id of the kahriz.", metavar="KAHRIZ")]
_Role = Annotated[str | None, typer.Option(help="chair, deputy, digger or engineer.")]
_Phone = Annotated[str | None, typer.Option(help="As it is dialled, or with +994.")]
_Email = Annotated[str | None, typer.Option(help="For engineers; or in place of a phone.")]
_Language = Annotated[str | None, typer.Option(help="az, en or ru.")]
_Alphabet = Annotated[str | None, typer.Option(help="folded (one SMS) or full (up to two).")]
_Quiet = Annotated[str | None, typer.Option(help='Local, like 22:00-08:00; "": none.')]
_Consent = Annotated[str | None, typer.Option(help="The day they agreed, like 2026-05-01.")]
_Position = Annotated[int | None, typer.Option(min=0, help="Who is called first has the lowest.")]
_By = Annotated[str, typer.Option(help="Who says so.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(help="Who is told.", no_args_is_help=True)
    group.command("list")(show)
    group.command("add")(add)
    group.command("change")(change)
    group.command("remove")(remove)
    group.command("import")(import_file)
    app.add_typer(group, name="contacts")


def show(kahriz: Annotated[str | None, typer.Argument(help="Only of this one.")] = None) -> None:
    """List contacts, who is called first first; "stopped": they said stop, nothing is sent.

    Example: kahriz contacts list agh-dere
    """
    with opened_book(kahriz) as house, house.book.read() as connection:
        people = contacts.list_contacts(connection, kahriz)
    print_rows(_HEAD, map(_row, people))


def add(
    kahriz: _Kahriz,
    name: Annotated[str, typer.Option(help="At most 40 characters.")],
    role: Annotated[str, typer.Option(help="chair, deputy, digger or engineer.")],
    phone: _Phone = None,
    email: _Email = None,
    language: _Language = None,
    alphabet: _Alphabet = None,
    quiet_hours: _Quiet = None,
    consent_on: _Consent = None,
    position: _Position = None,
    by: _By = "command line",
) -> None:
    """Add a contact; the file never takes it away again.

    Example: kahriz contacts add agh-dere --name "Vəli" --role deputy --phone "050 000 00 07"
    """
    said = _given(
        name=name,
        role=role,
        phone=phone,
        email=email,
        language=language,
        alphabet=alphabet,
        quiet_hours=quiet_hours,
        consent_on=consent_on,
    )
    with opened_book(kahriz) as house:
        contact = _contact(house, kahriz, said)
        with house.book.begin() as connection:
            person = contacts.add(
                connection, kahriz, contact, by=by, now=system_clock(), position=position
            )
    typer.echo(f"{kahriz}: {person.name} is contact {person.id}, {person.address}.")


def change(
    id: _Id,
    name: Annotated[str | None, typer.Option(help="At most 40 characters.")] = None,
    role: _Role = None,
    phone: _Phone = None,
    email: _Email = None,
    language: _Language = None,
    alphabet: _Alphabet = None,
    quiet_hours: _Quiet = None,
    consent_on: _Consent = None,
    position: _Position = None,
    stopped: Annotated[
        bool | None, typer.Option("--stop/--start", help="They said stop, or start again.")
    ] = None,
    by: _By = "command line",
) -> None:
    """Change what is given, and leave the rest; the file never changes it back.

    Example: kahriz contacts change 3 --language ru --quiet-hours 21:00-07:00
    """
    said = _given(
        name=name,
        role=role,
        phone=phone,
        email=email,
        language=language,
        alphabet=alphabet,
        quiet_hours=quiet_hours,
        consent_on=consent_on,
    )
    now = system_clock()
    with opened_book(None) as house, house.book.begin() as connection:
        before = contacts.find(connection, id)
        contact = _contact(house, before.kahriz, _said_of(before) | said)
        person = contacts.change(connection, id, contact, by=by, now=now, position=position)
        if stopped is not None:
            person = contacts.stop(connection, id, is_stopped=stopped, by=by, now=now)
        left = contacts.list_contacts(connection, person.kahriz)
    typer.echo(f"{person.kahriz}: {person.name} is contact {person.id}, {person.address}.")
    _warn(person.kahriz, left)


def remove(id: _Id, by: _By = "command line") -> None:
    """Tell a contact nothing more, also where sites.toml goes on naming it.

    Example: kahriz contacts remove 3
    """
    with opened_book(None) as house, house.book.begin() as connection:
        person = contacts.find(connection, id)
        contacts.remove(connection, id, by=by, now=system_clock())
        left = contacts.list_contacts(connection, person.kahriz)
    typer.echo(f"{person.kahriz}: {person.name} is told nothing more.")
    _warn(person.kahriz, left)


def import_file() -> None:
    """Take over what sites.toml says now, as ingest does when it starts.

    Example: kahriz contacts import
    """
    with opened_book(None) as house, house.book.begin() as connection:
        done = contacts.import_file(connection, house.registry, system_clock())
    typer.echo(f"{done.added} added, {done.changed} changed, {done.removed} removed.")


def _warn(kahriz: str, left: Sequence[Person]) -> None:
    if not contacts.is_village_told(left):
        typer.echo(f"{kahriz}: nobody of the village is told any more: add somebody.", err=True)


def _given(**said: Any) -> dict[str, Any]:
    return {name: value for name, value in said.items() if value is not None}


def _said_of(person: Person) -> dict[str, Any]:
    # Without its country: numbers are dialled as at the kahriz.
    return person.as_contact().model_dump(exclude={"country"})


def _contact(house: OpenedBook, kahriz: str, said: dict[str, Any]) -> Contact:
    country = house.registry.find(kahriz).country
    if not said.get("consent_on"):
        said["consent_on"] = None
    try:
        return Contact.model_validate({"country": country} | said)
    except ValidationError as error:
        first = first_error(error)
        where = " ".join(["contact", *map(str, first["loc"])])
        raise ConfigError(where, problem_of(first)) from error


def _row(person: Person) -> list[str]:
    return [
        str(person.id),
        person.kahriz,
        str(person.position),
        person.name,
        person.role,
        " ".join(filter(None, (person.phone, person.email))),
        f"{person.language} {person.alphabet}",
        person.quiet_hours,
        "" if person.consent_on is None else person.consent_on.isoformat(),
        "stopped" if person.is_opted_out else "",
    ]
