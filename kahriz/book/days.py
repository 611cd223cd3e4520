"""What became of every reading, by device and day: the books that have to balance.

For each device and each UTC day on which readings came in::

    received = stored + duplicate + quarantined(reason) + shed(reason)

Each reading has one fate. One whose number was there before is a duplicate, whatever else is wrong
with it; of the others one of which anything could not be used is quarantined, and the rest is
stored. What could not be taken apart at all, or was not even looked at, is no number of readings
yet: such a message counts as one. A device that the registry does not have is counted under the
name "", because anybody can make up names and the book must not grow with them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Select, Table, select

from kahriz.book.tables import device_day, device_day_reason
from kahriz.book.upsert import upsert

STRANGERS = ""
"""The name under which everything is counted that no known device sent."""


class Fate(StrEnum):
    """Why a reading is not among the stored, apart from its being there already."""

    QUARANTINED = "quarantined"
    SHED = "shed"


class Reason(StrEnum):
    """The kinds of reasons; few and fixed, so that the book does not grow with what is sent."""

    DECODE_ERROR = "decode_error"
    UNKNOWN_DEVICE = "unknown_device"
    UNKNOWN_CHANNEL = "unknown_channel"
    WRONG_UNIT = "wrong_unit"
    TIME_PAST = "time_past"
    TIME_FUTURE = "time_future"
    STORE_REFUSED = "store_refused"
    SERVICE_FAULT = "service_fault"
    OVERFLOW = "overflow"
    RATE = "rate"

    @property
    def fate(self) -> Fate:
        """What becomes of a reading for this reason."""
        return Fate.SHED if self in (Reason.OVERFLOW, Reason.RATE) else Fate.QUARANTINED


@dataclass(slots=True)
class DayCount:
    """What one day's readings of one device came to, or what a batch adds to that."""

    device: str
    day: date
    received: int = 0
    stored: int = 0
    duplicate: int = 0
    lost: int = 0
    reasons: Counter[Reason] = field(default_factory=Counter)

    def of(self, fate: Fate) -> int:
        """Return how many readings had this fate."""
        return sum(n for reason, n in self.reasons.items() if reason.fate is fate)

    @property
    def unaccounted(self) -> int:
        """Received but without a fate; 0 where the books balance."""
        return self.received - self.stored - self.duplicate - self.reasons.total()

    def refuse(self, reason: Reason, n: int = 1) -> None:
        """Count `n` messages that were never taken apart, as a reading each."""
        self.received += n
        self.reasons[reason] += n


_COUNTS = ("received", "stored", "duplicate", "lost")


def put_days(connection: Connection, counts: Iterable[DayCount]) -> None:
    """Add `counts` to what is known of their devices and days: two statements, however many."""
    rows: list[dict[str, Any]] = []
    reasons: list[dict[str, Any]] = []
    # In one order, whoever writes: two instances on PostgreSQL would wait for each other else.
    for count in sorted(counts, key=lambda count: (count.device, count.day)):
        key = {"device": count.device, "day": count.day}
        rows.append(key | {name: getattr(count, name) for name in _COUNTS})
        reasons += [
            key | {"fate": reason.fate.value, "reason": reason.value, "n": n}
            for reason, n in count.reasons.items()
            if n
        ]
    upsert(connection, device_day, rows, ("device", "day"), (), adding=_COUNTS)
    upsert(
        connection,
        device_day_reason,
        reasons,
        ("device", "day", "fate", "reason"),
        (),
        adding=("n",),
    )


def days(
    connection: Connection, device: str | None = None, since: date | None = None
) -> list[DayCount]:
    """Return the days in order, each with its devices by name.

    Parameters
    ----------
    connection
        The book.
    device
        Only this device; ``STRANGERS``: all that no known device sent; None: every one.
    since
        Only days from this one on; None: all.
    """
    found: dict[tuple[str, date], DayCount] = {}
    for row in connection.execute(_chosen(device_day, device, since)).mappings():
        count = DayCount(row["device"], row["day"], *(row[name] for name in _COUNTS))
        found[count.device, count.day] = count
    for row in connection.execute(_chosen(device_day_reason, device, since)).mappings():
        key = (row["device"], row["day"])
        count = found.setdefault(key, DayCount(*key))
        count.reasons[Reason(row["reason"])] += row["n"]
    return sorted(found.values(), key=lambda count: (count.day, count.device))


def totals(counts: Iterable[DayCount]) -> Mapping[str, DayCount]:
    """Return what `counts` add up to by device; ``day`` is the last one that had anything."""
    found: dict[str, DayCount] = {}
    for count in counts:
        total = found.setdefault(count.device, DayCount(count.device, count.day))
        total.day = max(total.day, count.day)
        for name in _COUNTS:
            setattr(total, name, getattr(total, name) + getattr(count, name))
        total.reasons += count.reasons
    return found


def _chosen(table: Table, device: str | None, since: date | None) -> Select[Any]:
    query = select(table)
    if device is not None:
        query = query.where(table.c.device == device)
    return query if since is None else query.where(table.c.day >= since)
