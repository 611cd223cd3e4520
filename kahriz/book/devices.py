"""What is known of each device: when it was last heard, how far it has counted, what came."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, case, select

from kahriz.book.tables import device as device_table
from kahriz.book.upsert import excluded, statement_of, upsert


@dataclass(slots=True)
class Heard:
    """What one batch adds to what is known of one device; counts are readings.

    ``received_at_ms`` is None where nothing that could be read came from it: a device that speaks
    nonsense is as silent about the water as one that says nothing.
    """

    device: str
    received_at_ms: int | None = None
    boot: int | None = None
    last_seq: int | None = None
    last_time_ms: int | None = None
    firmware: str | None = None
    received: int = 0
    duplicate: int = 0
    quarantined: int = 0
    lost: int = 0
    shed: int = 0


@dataclass(frozen=True, slots=True)
class DeviceRow:
    """One device as the book knows it; the columns of the table."""

    device: str
    boot: int | None
    last_seq: int | None
    last_time_ms: int | None
    received_at_ms: int | None
    status: str | None
    firmware: str | None
    received: int
    duplicate: int
    quarantined: int
    lost: int
    shed: int = 0

    @property
    def stored(self) -> int:
        """Readings that are in the store."""
        return self.received - self.duplicate - self.quarantined - self.shed


_HEARD = tuple(f.name for f in fields(Heard))
_COUNTS = ("received", "duplicate", "quarantined", "lost", "shed")


def put_heard(connection: Connection, heard: Iterable[Heard]) -> None:
    """Add what was heard: counts add up, the newest boot and time stay.

    A boot is newer by its number; but one that was drawn says so by a later reading only.
    """
    rows = [{name: getattr(h, name) for name in _HEARD} for h in heard]
    if rows:
        connection.execute(_put_heard(connection.dialect.name), rows)


@lru_cache(maxsize=2)
def _put_heard(dialect: str) -> Any:
    # Once a batch, and making it takes longer than running it for a hundred devices.
    old, new = device_table.c, excluded(device_table)
    further = (new.boot == old.boot) & (new.last_seq > old.last_seq)
    later = (old.last_time_ms.is_(None)) | (new.last_time_ms > old.last_time_ms)
    drawn_anew = (new.boot != old.boot) & (new.last_time_ms > old.last_time_ms)
    newer_boot = (old.boot.is_(None)) | (new.boot > old.boot) | drawn_anew
    update = {name: old[name] + new[name] for name in _COUNTS} | {
        "received_at_ms": case(
            (new.received_at_ms.is_not(None), new.received_at_ms), else_=old.received_at_ms
        ),
        "last_seq": case((newer_boot | further, new.last_seq), else_=old.last_seq),
        "boot": case((newer_boot, new.boot), else_=old.boot),
        "last_time_ms": case((later, new.last_time_ms), else_=old.last_time_ms),
        "firmware": case((new.firmware.is_not(None), new.firmware), else_=old.firmware),
    }
    return statement_of(dialect, device_table, ("device",), update)


def put_status(
    connection: Connection, device: str, status: str, firmware: str | None, at_ms: int
) -> None:
    """Write a device's own word about itself, or its last will."""
    row = {"device": device, "status": status, "firmware": firmware, "received_at_ms": at_ms}
    old, new = device_table.c, excluded(device_table)
    update = {
        "status": new.status,
        "firmware": case((new.firmware.is_not(None), new.firmware), else_=old.firmware),
    }
    upsert(connection, device_table, [row], ("device",), update)


def list_devices(connection: Connection) -> list[DeviceRow]:
    """Return every device ever heard, by name."""
    columns = [device_table.c[f.name] for f in fields(DeviceRow)]
    rows = connection.execute(select(*columns).order_by(device_table.c.device))
    return [DeviceRow(*row) for row in rows]
