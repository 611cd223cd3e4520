"""How far each kahriz has been judged, and from where on its late readings have to be.

Pure: the watch asks it what is due, what has to wait for the rest of a backlog, and how far back a
device's news may go.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from kahriz.book.devices import DeviceRow
from kahriz.clock import from_ms, to_ms

TIMER = timedelta(minutes=5)
"""A kahriz that says nothing is judged so often."""

PAUSE = timedelta(minutes=1)
"""A kahriz whose readings stream in is judged at most so often: trouble takes minutes to show."""

BACKLOG = timedelta(minutes=30)
"""Readings this late are a backlog: the rest of it is waited for."""

GRACE = timedelta(minutes=1)
"""So long after its end a quarter of an hour is judged: what was measured in it has to come."""

OLDEST = timedelta(days=45)
"""What is older is kept and counted, but no longer judged."""

QUIET = timedelta(minutes=2)
"""So long after the last late reading its past is judged again, while the present goes on."""

PATIENCE = timedelta(hours=3)
"""So long the judgement waits for a backlog that is still arriving."""


@dataclass(slots=True)
class Mark:
    """How far one kahriz was judged, and when each device was how far.

    ``said`` are the (kind, key) that detectors beside the gallery said then; None: not known.
    """

    judged: datetime
    told: dict[str, datetime] = field(default_factory=dict)
    waiting_since: datetime | None = None
    said: frozenset[tuple[str, str]] | None = None


def mark_from(value: Any, now: datetime) -> Mark:
    """Return the mark a checkpoint's value says; without one everything is new."""
    if value is None:
        return Mark(now - OLDEST)
    told = {device: from_ms(ms) for device, ms in value["told"].items()}
    said = None if "said" not in value else frozenset((k, key) for k, key in value["said"])
    return Mark(min(from_ms(value["judged_ms"]), now), told, said=said)


def value_of(mark: Mark) -> dict[str, Any]:
    """Return a mark as a checkpoint's value."""
    told = {device: to_ms(instant) for device, instant in mark.told.items()}
    value: dict[str, Any] = {"judged_ms": to_ms(mark.judged), "told": told}
    return value if mark.said is None else value | {"said": sorted(map(list, mark.said))}


def told_by(row: DeviceRow, now: datetime) -> datetime | None:
    """Return the time of a device's newest reading; not beyond now, whatever its clock says."""
    return None if row.last_time_ms is None else min(from_ms(row.last_time_ms), now)


def is_due(mark: Mark, rows: Mapping[str, DeviceRow], now: datetime, *, is_over: bool) -> bool:
    """Return whether to judge: the timer has run out, or there is news and a quarter is over."""
    since = now - mark.judged
    if since >= TIMER:
        return True
    is_news = any(told_by(row, now) != mark.told.get(device) for device, row in rows.items())
    return is_over and since >= PAUSE and is_news


def has_to_wait(mark: Mark, arriving: set[str], now: datetime) -> bool:
    """Return whether to wait for the rest of a backlog: half of a story names the wrong culprit."""
    if not arriving:
        mark.waiting_since = None
        return False
    mark.waiting_since = mark.waiting_since or now
    return now - mark.waiting_since < PATIENCE


def unheard_since(mark: Mark, row: DeviceRow, now: datetime) -> datetime | None:
    """Return from where on a device has told something not judged yet; None: it has not."""
    told, before = told_by(row, now), mark.told.get(row.device)
    if told is None or told == before:
        return None
    # Nothing is known of how far back a device goes that was never heard before.
    oldest = now - OLDEST
    return oldest if before is None else max(before, oldest)
