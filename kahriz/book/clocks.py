"""By how much the clock of a device was wrong: decided once, so that a redelivery changes nothing.

A segment holds from one reading of a boot on, until the next segment: its readings' times plus
`offset_ms` are when the water was measured. Without a segment a time is as the device said it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from sqlalchemy import Connection, func, select

from kahriz.book.tables import device_clock
from kahriz.book.upsert import upsert


class Segment(NamedTuple):
    """From reading `first_seq` on `offset_ms` is added; the boot began at `booted_at_ms`."""

    first_seq: int
    offset_ms: int
    booted_at_ms: int


def list_segments(connection: Connection) -> dict[tuple[str, int], list[Segment]]:
    """Return the segments of every (device, boot) that has any, in the order of readings."""
    c = device_clock.c
    rows = connection.execute(
        select(c.device, c.boot, c.first_seq, c.offset_ms, c.booted_at_ms).order_by(
            c.device, c.boot, c.first_seq
        )
    )
    found: dict[tuple[str, int], list[Segment]] = {}
    for device, boot, *segment in rows:
        found.setdefault((device, boot), []).append(Segment(*segment))
    return found


def find_segments(connection: Connection, device: str, boot: int) -> list[Segment]:
    """Return the segments of one boot, in the order of readings."""
    c = device_clock.c
    rows = connection.execute(
        select(c.first_seq, c.offset_ms, c.booted_at_ms)
        .where(c.device == device, c.boot == boot)
        .order_by(c.first_seq)
    )
    return [Segment(*row) for row in rows]


def lock(connection: Connection, device: str) -> None:
    """Let nobody else decide about `device` until this transaction ends."""
    if connection.dialect.name == "postgresql":  # SQLite has one writer at a time anyhow
        key = func.hashtext(f"device_clock:{device}")
        connection.execute(select(func.pg_advisory_xact_lock(key)))


def put_segments(
    connection: Connection, device: str, boot: int, segments: Iterable[Segment], decided_at_ms: int
) -> None:
    """Write `segments`; one that begins with the same reading gives way."""
    rows = [
        {"device": device, "boot": boot, "decided_at_ms": decided_at_ms} | segment._asdict()
        for segment in segments
    ]
    changed = ("offset_ms", "booted_at_ms", "decided_at_ms")
    upsert(connection, device_clock, rows, ("device", "boot", "first_seq"), changed)
