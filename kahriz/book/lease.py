"""Who of several processes is at work: one row by name, taken and renewed conditionally.

No clock is compared with another: who wants the lease watches whether its `beat` still moves.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

from sqlalchemy import Connection, delete, select, update

from kahriz.book.tables import lease
from kahriz.book.upsert import upsert


@dataclass(frozen=True, slots=True)
class Holder:
    """One process: `pid` means something within `place` only, and there `started` tells it apart.

    Both are empty where the operating system does not tell.
    """

    host: str
    pid: int
    place: str = ""
    started: str = ""


@dataclass(frozen=True, slots=True)
class Lease:
    """A lease as it stands in the book."""

    name: str
    token: str
    holder: Holder
    beat: int
    taken_at_ms: int


def find(connection: Connection, name: str) -> Lease | None:
    """Return the lease called `name`; None where nobody has it."""
    c = lease.c
    row = connection.execute(
        select(c.token, c.holder, c.beat, c.taken_at_ms).where(c.name == name)
    ).one_or_none()
    if row is None:
        return None
    return Lease(name, row.token, Holder(**row.holder), row.beat, row.taken_at_ms)


def take(connection: Connection, wanted: Lease, instead_of: Lease | None) -> bool:
    """Write `wanted` if nobody has the lease, or if `instead_of` is still how it stands."""
    row = asdict(wanted)
    if instead_of is None:
        upsert(connection, lease, [row], ("name",), ())
    else:
        c = lease.c
        as_it_was = (c.token == instead_of.token) & (c.beat == instead_of.beat)
        connection.execute(update(lease).where(c.name == wanted.name, as_it_was).values(row))
    return holds(connection, wanted.name, wanted.token)


def renew(connection: Connection, name: str, token: str) -> None:
    """Let the beat move."""
    c = lease.c
    connection.execute(
        update(lease).where(c.name == name, c.token == token).values(beat=c.beat + 1)
    )


def holds(connection: Connection, name: str, token: str) -> bool:
    """Say whether the lease is still the one taken under `token`.

    Until this transaction ends nobody else can take it.
    """
    c = lease.c
    # SQLite has one writer at a time anyhow, and knows no such lock.
    held = select(c.token).where(c.name == name).with_for_update(read=True)
    return connection.scalar(held) == token


def release(connection: Connection, name: str, token: str) -> None:
    """Give the lease back."""
    connection.execute(delete(lease).where(lease.c.name == name, lease.c.token == token))
