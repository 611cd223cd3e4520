"""What became of every reading: the devices' own ledger held against the store and the book.

What the service acknowledged to a device is stored; what is stored was sent, with equal values; no
time twice; and the book's counts of each device add up to what the device sent.
"""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

import numpy as np
import pytest

from kahriz.book import Book
from kahriz.book.devices import DeviceRow, list_devices
from kahriz.observations import datastream_id
from kahriz.sites import Registry
from kahriz.store import open_store

_ALWAYS = (datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC))


@dataclass(frozen=True, slots=True)
class Sent:
    """One reading a device sent, or still has to."""

    device: str
    boot: int
    seq: int
    time_ms: int
    values: Mapping[str, float | None]
    is_sent: bool = True
    is_acked: bool = False


@dataclass(frozen=True, slots=True)
class Counts:
    """Readings of the simulated devices."""

    measured: int = 0
    acked: int = 0

    @property
    def behind(self) -> int:
        """Readings not acknowledged to their devices yet."""
        return self.measured - self.acked


def counts(ledger: Path) -> Counts:
    """Return how far the simulated devices are; zeros before there is a ledger."""
    try:
        with closing(sqlite3.connect(f"file:{ledger}?mode=ro", uri=True, timeout=10)) as db:
            sums = "SELECT count(*), coalesce(sum(app_acked), 0) FROM reading"
            return Counts(*db.execute(sums).fetchone())
    except sqlite3.OperationalError:
        return Counts()


def n_waiting(ledger: Path, until_ms: int) -> int:
    """Return how many readings measured by then the devices still hold."""
    with closing(sqlite3.connect(f"file:{ledger}?mode=ro", uri=True, timeout=10)) as db:
        held = "app_acked = 0 AND gone IS NULL AND time_ms <= ?"
        row = db.execute(f"SELECT count(*) FROM reading WHERE {held}", (until_ms,)).fetchone()
    return int(row[0])


def sent_readings(ledger: Path, where: str = "1") -> Iterator[Sent]:
    """Yield every reading of the simulated devices that meets an SQL condition, sent or not."""
    with closing(sqlite3.connect(f"file:{ledger}?mode=ro", uri=True, timeout=10)) as db:
        columns = 'device, boot, seq, time_ms, "values", sent, app_acked'
        rows = db.execute(f"SELECT {columns} FROM reading WHERE {where}")
        for device, boot, seq, time_ms, values, n_sent, acked in rows:
            yield Sent(device, boot, seq, time_ms, json.loads(values), n_sent > 0, bool(acked))


@dataclass(slots=True)
class Found:
    """How many values are how; all but `values` ought to be 0, and nothing unbalanced."""

    values: int = 0
    lost: int = 0
    altered: int = 0
    never_sent: int = 0
    duplicated: int = 0
    unbalanced: list[str] = field(default_factory=list)

    @property
    def is_right(self) -> bool:
        wrong = (self.lost, self.altered, self.never_sent, self.duplicated)
        return self.values > 0 and not any(wrong) and not self.unbalanced


def compare(store_url: str, registry: Registry, readings: Iterable[Sent]) -> Found:
    """Hold every reading against the store."""
    found = Found()
    stored = _stored(store_url, registry, found)
    sent: dict[str, set[int]] = {key: set() for key in stored}
    for reading in readings:
        for channel, value in reading.values.items():
            key = f"{reading.device}/{channel}"
            if reading.is_sent:
                sent[key].add(reading.time_ms)
            if value is None:
                continue
            is_stored = reading.time_ms in stored[key]
            found.values += reading.is_acked
            found.lost += reading.is_acked and not is_stored
            if is_stored:
                found.altered += stored[key][reading.time_ms] != pytest.approx(value)
    found.never_sent = sum(len(set(stored[key]) - sent[key]) for key in stored)
    return found


def _stored(store_url: str, registry: Registry, found: Found) -> dict[str, dict[int, float]]:
    """Return time -> value of each ``device/channel``."""
    stored: dict[str, dict[int, float]] = {}
    with closing(open_store(store_url, read_only=True)) as store:
        for d in registry.datastreams:
            if d.sensor is None:
                continue
            series = store.series(datastream_id(d.kahriz.id, d.site.id, d.measures), *_ALWAYS)
            times = series.time.astype(np.int64).tolist()
            by_time = dict(zip(times, series.value.tolist(), strict=True))
            found.duplicated += len(series) - len(by_time)
            stored[f"{d.sensor.device}/{d.sensor.channel}"] = by_time
    return stored


def device_rows(book_url: str) -> dict[str, DeviceRow]:
    """Return what the book counts of each device."""
    with closing(Book(book_url)) as book, book.read() as connection:
        return {row.device: row for row in list_devices(connection)}


def sent_by_device(readings: Iterable[Sent]) -> Counter[str]:
    """Return how many readings each device sent."""
    return Counter(reading.device for reading in readings if reading.is_sent)


class Counted(Protocol):
    """What the book counts of one device's readings."""

    @property
    def received(self) -> int: ...
    @property
    def duplicate(self) -> int: ...
    @property
    def quarantined(self) -> int: ...
    @property
    def shed(self) -> int: ...
    @property
    def lost(self) -> int: ...


def unbalanced(rows: Mapping[str, Counted], n_sent: Mapping[str, int]) -> list[str]:
    """Return where received = stored + duplicate + quarantined + shed does not hold, by device.

    Exactly the readings a device sent are received once that is not a duplicate; none is lost or
    quarantined. It holds once everything that was sent has arrived.
    """
    wrong = []
    for device, n in n_sent.items():
        row = rows.get(device)
        if row is None:
            wrong.append(f"{device}: {n} sent, never heard of")
        elif (row.received - row.duplicate - row.shed, row.quarantined, row.lost) != (n, 0, 0):
            wrong.append(f"{device}: {n} sent, but {row}")
    return wrong
