"""Which readings of each device are durable: ranges of sequence numbers by boot."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import Connection, delete, select

from kahriz.book.tables import boot as boot_table
from kahriz.book.tables import received_range
from kahriz.book.upsert import upsert


@dataclass(frozen=True, slots=True)
class BootRecord:
    """What is known of one boot of one device.

    ``floor_seq`` is the oldest reading it still held when last heard (or the first one we ever
    heard); ``ranges`` are the inclusive ranges of sequence numbers that are durable, in order.
    """

    floor_seq: int
    ranges: tuple[tuple[int, int], ...]


def find_boot(connection: Connection, device: str, boot: int) -> BootRecord | None:
    """Return what is known of one boot, or None if it was never heard."""
    floor = connection.execute(
        select(boot_table.c.floor_seq).where(
            boot_table.c.device == device, boot_table.c.boot == boot
        )
    ).scalar()
    if floor is None:
        return None
    rows = connection.execute(
        select(received_range.c.first_seq, received_range.c.last_seq)
        .where(received_range.c.device == device, received_range.c.boot == boot)
        .order_by(received_range.c.first_seq)
    )
    return BootRecord(floor, tuple((first, last) for first, last in rows))


def put_ranges(
    connection: Connection,
    added: Iterable[tuple[str, int, int, int]],
    removed: Iterable[tuple[str, int, int]],
) -> None:
    """Write ranges (device, boot, first, last), after taking out those (device, boot, first)."""
    for device, boot, first in removed:
        connection.execute(
            delete(received_range).where(
                received_range.c.device == device,
                received_range.c.boot == boot,
                received_range.c.first_seq == first,
            )
        )
    rows = [
        {"device": device, "boot": boot, "first_seq": first, "last_seq": last}
        for device, boot, first, last in added
    ]
    if rows:
        upsert(connection, received_range, rows, ("device", "boot", "first_seq"), ("last_seq",))


def put_floors(
    connection: Connection, floors: Iterable[tuple[str, int, int, int]], heard_ms: int
) -> None:
    """Write (device, boot, first, floor); when a boot was first heard, and its first, are kept."""
    rows = [
        {
            "device": device,
            "boot": boot,
            "first_seq": first,
            "floor_seq": floor,
            "first_heard_ms": heard_ms,
        }
        for device, boot, first, floor in floors
    ]
    if rows:
        upsert(connection, boot_table, rows, ("device", "boot"), ("floor_seq",))
