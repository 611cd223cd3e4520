"""Which readings of each device are durable: ranges of sequence numbers by boot."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, case, delete, func, select

from kahriz.book.tables import boot as boot_table
from kahriz.book.tables import received_range
from kahriz.book.upsert import upsert


@dataclass(frozen=True, slots=True)
class BootRecord:
    """What is known of one boot of one device.

    ``floor_seq`` is the oldest reading it still held when last heard (or the first one we ever
    heard); ``ranges`` are the inclusive ranges of sequence numbers that are durable, in order.
    ``first_seq`` is the floor it began with, when it was first heard.
    """

    floor_seq: int
    ranges: tuple[tuple[int, int], ...]
    first_seq: int = 0
    first_heard_ms: int = 0


@dataclass(frozen=True, slots=True)
class Gaps:
    """How complete one boot of one device is; counts are readings.

    Attributes
    ----------
    device, boot
        Whose count this is.
    first, last
        The first number that was to come when it was first heard, and the highest that came.
    received
        How many of them came.
    lost
        Holes that the device said it can no longer fill.
    pending
        Holes that may still be filled.
    """

    device: str
    boot: int
    first: int
    last: int
    received: int
    lost: int
    pending: int

    @property
    def due(self) -> int:
        """How many there would be without a hole."""
        return self.received + self.lost + self.pending


def gaps(connection: Connection, device: str | None = None) -> list[Gaps]:
    """Return how complete each boot is, of one device or of all, in their order."""
    return [_gaps(*key, record) for key, record in all_boots(connection, device).items()]


def _gaps(device: str, boot: int, record: BootRecord) -> Gaps:
    last = max([record.floor_seq - 1, *(last for _, last in record.ranges)])

    def between(first: int, end: int) -> int:
        return sum(max(0, min(b, end - 1) - max(a, first) + 1) for a, b in record.ranges)

    floor, first = record.floor_seq, record.first_seq
    return Gaps(
        device,
        boot,
        first,
        last,
        received=sum(b - a + 1 for a, b in record.ranges),
        lost=max(floor - first, 0) - between(first, floor),
        pending=last - floor + 1 - between(floor, last + 1),
    )


_BEYOND = received_range.c.last_seq >= boot_table.c.floor_seq
_FIRST_BEYOND = case(
    (received_range.c.first_seq < boot_table.c.floor_seq, boot_table.c.floor_seq),
    else_=received_range.c.first_seq,
)
# Of every boot, what lies between its floor and its end, less what of that has come.
_PENDING = (
    select(
        boot_table.c.device,
        func.max(received_range.c.last_seq)
        - boot_table.c.floor_seq
        + 1
        - func.sum(received_range.c.last_seq - _FIRST_BEYOND + 1),
    )
    .join_from(
        boot_table,
        received_range,
        (received_range.c.device == boot_table.c.device)
        & (received_range.c.boot == boot_table.c.boot)
        & _BEYOND,
    )
    .group_by(boot_table.c.device, boot_table.c.boot, boot_table.c.floor_seq)
)


def pending(connection: Connection) -> Counter[str]:
    """Return how many holes of each device may still be filled, over all its boots."""
    found: Counter[str] = Counter()
    for device, n in connection.execute(_PENDING):
        found[device] += int(n)
    return found


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


def all_boots(
    connection: Connection, device: str | None = None
) -> dict[tuple[str, int], BootRecord]:
    """Return what is known of every boot, of one device or of all, by (device, boot)."""
    boots, ranges = select(boot_table), select(received_range)
    if device is not None:
        boots = boots.where(boot_table.c.device == device)
        ranges = ranges.where(received_range.c.device == device)
    found: dict[tuple[str, int], list[tuple[int, int]]] = {}
    for row in connection.execute(ranges.order_by(received_range.c.first_seq)):
        found.setdefault((row.device, row.boot), []).append((row.first_seq, row.last_seq))
    return {
        key: BootRecord(row.floor_seq, tuple(found.get(key, ())), row.first_seq, row.first_heard_ms)
        for row in connection.execute(boots.order_by(boot_table.c.device, boot_table.c.boot))
        for key in [(row.device, row.boot)]
    }


_REMOVE = delete(received_range).where(
    received_range.c.device == bindparam("of"),
    received_range.c.boot == bindparam("by"),
    received_range.c.first_seq == bindparam("at"),
)


def put_ranges(
    connection: Connection,
    added: Iterable[tuple[str, int, int, int]],
    removed: Iterable[tuple[str, int, int]],
) -> None:
    """Write ranges (device, boot, first, last), after taking out those (device, boot, first)."""
    gone = [{"of": device, "by": boot, "at": first} for device, boot, first in removed]
    if gone:
        connection.execute(_REMOVE, gone)
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
