"""Who is told: contacts of the registry's file, and those added or changed by hand.

The file is the start. A contact is known there by its kahriz and its address (the number, else the
e-mail address); what somebody changed, added or removed by hand (source ``api``) the file never
takes back. Whoever says stop hears nothing more at that address, whatever the file says.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Literal

from sqlalchemy import Connection, delete, func, insert, or_, select, update

from kahriz.book import audit
from kahriz.book.tables import contact
from kahriz.book.tables import opt_out as opted
from kahriz.book.upsert import upsert
from kahriz.clock import to_ms
from kahriz.contacts import Contact, QuietHours, quiet_hours
from kahriz.errors import KahrizError, NotFoundError
from kahriz.sites import Registry

Source = Literal["file", "api"]

FILE = "sites.toml"
"""Who changed a contact, in the audit log, where the file did."""

CHANNELS = ("sms", "email")
"""The ways to a contact."""

_SAID = ("name", "role", "phone", "email", "language", "alphabet", "quiet_hours", "consent_on")


class ContactRefused(KahrizError):  # noqa: N818 - the name says a decision, not a mistake
    """A kahriz has a contact of this address already."""


@dataclass(frozen=True, slots=True)
class Person:
    """One contact of one kahriz.

    Attributes
    ----------
    phone, email
        E.164, and an address of e-mail; one of them may be None.
    quiet_hours
        Local, ``22:00-08:00``; empty: none.
    source
        ``file`` as long as nobody changed it by hand, else ``api``.
    position
        Who is called first has the lowest.
    is_opted_out
        Somebody said stop at one of the addresses: nothing is sent to this contact.
    """

    id: int
    kahriz: str
    name: str
    role: str
    phone: str | None
    email: str | None
    language: str
    alphabet: str
    quiet_hours: str
    consent_on: date | None
    source: str
    position: int
    is_opted_out: bool = False

    @property
    def address(self) -> str:
        """What it is known by: the number, else the e-mail address."""
        return self.phone or self.email or ""

    @property
    def quiet(self) -> QuietHours | None:
        """When they are left to sleep; None: never."""
        return quiet_hours(self.quiet_hours)

    def reached_by(self, channel: str) -> str | None:
        """Return the address for ``sms`` or ``email``; None: there is none."""
        return self.phone if channel == "sms" else self.email

    def as_contact(self) -> Contact:
        """Return what is said of it, as the registry's file would."""
        said = {name: getattr(self, name) for name in _SAID}
        return Contact(**said | {"phone": self.phone or "", "email": self.email or ""})


@dataclass(frozen=True, slots=True)
class Imported:
    """How many contacts the file added, changed and removed."""

    added: int = 0
    changed: int = 0
    removed: int = 0


def list_contacts(connection: Connection, kahriz: str | None = None) -> list[Person]:
    """Return the contacts of a kahriz, or of every one, who is called first first."""
    c = contact.c
    found = select(contact).where(c.removed_at_ms.is_(None)).order_by(c.kahriz, c.position, c.id)
    if kahriz is not None:
        found = found.where(c.kahriz == kahriz)
    return _people(connection, found)


def by_address(connection: Connection, address: str) -> list[Person]:
    """Return the contacts, of any kahriz, that a number or an e-mail address belongs to."""
    c = contact.c
    is_theirs = or_(c.phone == address, func.lower(c.email) == address.lower())
    found = select(contact).where(c.removed_at_ms.is_(None), is_theirs)
    return _people(connection, found.order_by(c.kahriz, c.position, c.id))


def find(connection: Connection, id: int) -> Person:
    """Return one contact; NotFoundError if there is none of that id, or not any more."""
    found = select(contact).where(contact.c.id == id, contact.c.removed_at_ms.is_(None))
    people = _people(connection, found)
    if not people:
        raise NotFoundError("contact", str(id))
    return people[0]


def add(
    connection: Connection,
    kahriz: str,
    said: Contact,
    *,
    by: str,
    now: datetime,
    position: int | None = None,
    source: Source = "api",
) -> Person:
    """Add a contact, at the end where no position is given, and return it.

    Raises
    ------
    ContactRefused
        The kahriz has one of this address.
    """
    others = list_contacts(connection, kahriz)
    _refuse_twice(kahriz, said, others)
    if position is None:
        position = max((other.position for other in others), default=-1) + 1
    values = _columns(said) | {"position": position}
    row = values | {
        "kahriz": kahriz,
        "source": source,
        "created_at_ms": to_ms(now),
        "changed_at_ms": to_ms(now),
    }
    id = connection.execute(insert(contact).returning(contact.c.id), row).scalar_one()
    detail = {"contact": id, "kahriz": kahriz} | _spelt(values)
    audit.append(connection, now, by, "contact.add", detail)
    return find(connection, id)


def change(
    connection: Connection,
    id: int,
    said: Contact,
    *,
    by: str,
    now: datetime,
    position: int | None = None,
    source: Source = "api",
) -> Person:
    """Let a contact be as `said`, and return it; where nothing differs nothing is written.

    Raises
    ------
    NotFoundError
        There is none of that id.
    ContactRefused
        Another one of the kahriz has this address.
    """
    before = find(connection, id)
    others = [p for p in list_contacts(connection, before.kahriz) if p.id != id]
    _refuse_twice(before.kahriz, said, others)
    values = _columns(said) | ({} if position is None else {"position": position})
    new = {name: value for name, value in values.items() if getattr(before, name) != value}
    if not new:
        return before
    if source == "api" and before.source == "file" and address_of(said) != before.address:
        _keep_out(connection, before, now)
    _set(connection, id, new | {"source": source, "changed_at_ms": to_ms(now)})
    old = {name: getattr(before, name) for name in new}
    who = {"contact": id, "kahriz": before.kahriz, "name": before.name}
    audit.append(
        connection, now, by, "contact.change", who | {"from": _spelt(old), "to": _spelt(new)}
    )
    return find(connection, id)


def remove(
    connection: Connection, id: int, *, by: str, now: datetime, source: Source = "api"
) -> None:
    """Tell a contact nothing more; by hand, also where the file goes on naming it.

    Raises
    ------
    NotFoundError
        There is none of that id.
    """
    before = find(connection, id)
    _set(connection, id, {"source": source, "removed_at_ms": to_ms(now)})
    detail = {"contact": id, "kahriz": before.kahriz} | _spelt(
        {name: getattr(before, name) for name in _SAID}
    )
    audit.append(connection, now, by, "contact.remove", detail)


def opted_out(connection: Connection) -> set[str]:
    """Return the addresses at which somebody said stop."""
    return set(connection.scalars(select(opted.c.address)))


def opt_out(connection: Connection, address: str, by: str, now: datetime) -> bool:
    """Send nothing more to an address; return whether that is new."""
    address = address.lower()
    if connection.scalar(select(opted.c.since_ms).where(opted.c.address == address)):
        return False
    row = {"address": address, "since_ms": to_ms(now), "by": by}
    upsert(connection, opted, [row], ("address",), ())
    audit.append(connection, now, by, "contact.opt_out", {"address": address})
    return True


def opt_in(connection: Connection, address: str, by: str, now: datetime) -> bool:
    """Send to an address again; return whether anything was held back there."""
    address = address.lower()
    if not connection.execute(delete(opted).where(opted.c.address == address)).rowcount:
        return False
    audit.append(connection, now, by, "contact.opt_in", {"address": address})
    return True


def stop(connection: Connection, id: int, *, is_stopped: bool, by: str, now: datetime) -> Person:
    """Send a contact nothing more, or something again, at each of its addresses; return it.

    Raises
    ------
    NotFoundError
        There is none of that id.
    """
    person = find(connection, id)
    for address in filter(None, (person.phone, person.email)):
        (opt_out if is_stopped else opt_in)(connection, address, by, now)
    return find(connection, id)


def import_file(connection: Connection, registry: Registry, now: datetime) -> Imported:
    """Let the contacts be those of the registry's file, but for what was done by hand.

    Of two contacts of one kahriz with the same address the first counts. Again is harmless.
    """
    added = changed = removed = 0
    kept_out = _kept_out(connection)
    known = {(p.kahriz, p.address): p for p in list_contacts(connection)}
    named: set[tuple[str, str]] = set()
    for kahriz in registry.kahriz:
        for position, said in enumerate(kahriz.contact):
            key = (kahriz.id, address_of(said))
            if key in named or key in kept_out:
                continue
            named.add(key)
            person = known.get(key)
            if person is None:
                _add_from_file(connection, kahriz.id, said, position, now)
                added += 1
            elif person.source == "file":
                changed += _change_from_file(connection, person, said, position, now)
    for key, person in known.items():
        if person.source == "file" and key not in named:
            remove(connection, person.id, by=FILE, now=now, source="file")
            removed += 1
    return Imported(added, changed, removed)


def is_village_told(people: Iterable[Person]) -> bool:
    """Return whether anybody of the village hears of its water: by phone, and not only engineers.

    Who has only an e-mail address reads it some day.
    """
    return any(p.role != "engineer" and p.phone and not p.is_opted_out for p in people)


def address_of(said: Contact) -> str:
    """Return what a contact is known by: the number, else the e-mail address."""
    return said.phone or said.email


def _add_from_file(
    connection: Connection, kahriz: str, said: Contact, position: int, now: datetime
) -> None:
    add(connection, kahriz, said, by=FILE, now=now, position=position, source="file")


def _change_from_file(
    connection: Connection, person: Person, said: Contact, position: int, now: datetime
) -> bool:
    after = change(connection, person.id, said, by=FILE, now=now, position=position, source="file")
    return after != person


def _keep_out(connection: Connection, before: Person, now: datetime) -> None:
    """Leave a removed contact behind, so that the file does not bring the old address back."""
    row = _columns(before.as_contact()) | {
        "kahriz": before.kahriz,
        "source": "api",
        "position": before.position,
        "created_at_ms": to_ms(now),
        "changed_at_ms": to_ms(now),
        "removed_at_ms": to_ms(now),
    }
    connection.execute(insert(contact).values(row))


def _kept_out(connection: Connection) -> set[tuple[str, str]]:
    c = contact.c
    gone = select(c.kahriz, c.phone, c.email).where(c.removed_at_ms.is_not(None), c.source == "api")
    return {(row.kahriz, row.phone or row.email) for row in connection.execute(gone)}


def _people(connection: Connection, found: Any) -> list[Person]:
    silent = opted_out(connection)
    people = []
    for row in connection.execute(found):
        said = {name: getattr(row, name) for name in _SAID}
        addresses = {a.lower() for a in (row.phone, row.email) if a}
        people.append(
            Person(
                id=row.id,
                kahriz=row.kahriz,
                source=row.source,
                position=row.position,
                is_opted_out=not addresses.isdisjoint(silent),
                **said,
            )
        )
    return people


def _refuse_twice(kahriz: str, said: Contact, others: Iterable[Person]) -> None:
    for other in others:
        if other.address == address_of(said):
            raise ContactRefused(f"{kahriz}: {other.address} is {other.name!r} already")


def _columns(said: Contact) -> dict[str, Any]:
    values = {name: getattr(said, name) for name in _SAID}
    return values | {"phone": said.phone or None, "email": said.email or None}


def _spelt(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return values as JSON can say them."""
    return {k: v.isoformat() if isinstance(v, date) else v for k, v in values.items()}


def _set(connection: Connection, id: int, values: Mapping[str, Any]) -> None:
    connection.execute(update(contact).where(contact.c.id == id).values(**values))
