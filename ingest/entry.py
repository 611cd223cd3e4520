"""What the book is told of one batch, in one transaction, and what devices may free after it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
from sqlalchemy import Connection

from ingest.gather import Gathered, Part
from ingest.ledger import BootLedger, Ledger
from kahriz.book import dead_letters, devices, ledger, rollups
from kahriz.book.devices import Heard
from kahriz.clock import to_ms
from kahriz.observations import DatastreamId, ObservationBatch

HOUR_MS = 3_600_000


@dataclass(slots=True)
class Entry:
    """What was heard of each device, and the boots it touches."""

    heard: dict[str, Heard] = field(default_factory=dict)
    boots: dict[tuple[str, int], BootLedger] = field(default_factory=dict)

    def acknowledgements(self) -> Iterator[tuple[str, bytes]]:
        """Yield (device, payload of ``down/ack``) where there is anything to free."""
        for (device, boot), state in self.boots.items():
            if (upto_also := state.acknowledgement()) != (None, []):
                yield device, _ack_payload(boot, *upto_also)


def entry_of(batch: Gathered, boots: Ledger) -> Entry:
    """Return what `batch` adds to the ledger `boots`, which is changed by it."""
    entry = Entry()
    received_at_ms = to_ms(batch.received_at)
    for part in batch.parts:
        heard = entry.heard.setdefault(part.device, Heard(part.device, received_at_ms))
        _add(heard, part)
        r = part.readings
        if r.boot is not None and r.first_seq is not None:
            # A device still holds what it sends: an `oldest` beyond that is a fault of its
            # firmware, and believing it would free readings that never came.
            oldest = None if r.oldest_seq is None else min(r.oldest_seq, r.first_seq)
            state = boots.boot(part.device, r.boot, oldest, r.first_seq)
            entry.boots[part.device, r.boot] = state
            n_new = state.ranges.add(r.first_seq, r.first_seq + r.n_rows - 1)
            heard.duplicate += r.n_rows - n_new
            if oldest is not None:
                heard.lost += state.raise_floor(oldest)
    return entry


def write(connection: Connection, entry: Entry, batch: Gathered, written: ObservationBatch) -> None:
    """Enter a batch whose observations `written` are durable."""
    now_ms = to_ms(batch.received_at)
    added, removed, floors = _changes(entry.boots)
    ledger.put_ranges(connection, added, removed)
    ledger.put_floors(connection, floors, now_ms)
    rollups.mark_dirty(connection, dirty_hours(written))
    devices.put_heard(connection, entry.heard.values())
    for status in batch.statuses:
        devices.put_status(connection, status.device, status.status, status.firmware, now_ms)
    dead_letters.put(connection, batch.letters)


def dirty_hours(written: ObservationBatch) -> list[tuple[DatastreamId, int]]:
    """Return each (datastream, hour in ms) that `written` touches, once."""
    if not len(written):
        return []
    hours = written.time.astype(np.int64) // HOUR_MS
    pairs = np.unique(np.stack([written.stream.astype(np.int64), hours]), axis=1)
    return [
        (written.datastreams[stream], hour * HOUR_MS)
        for stream, hour in zip(*pairs.tolist(), strict=True)
    ]


def _add(heard: Heard, part: Part) -> None:
    r = part.readings
    heard.received += r.n_rows
    heard.quarantined += part.n_quarantined
    heard.firmware = r.firmware or heard.firmware
    if part.last_time_ms is not None:
        heard.last_time_ms = max(heard.last_time_ms or part.last_time_ms, part.last_time_ms)
    if r.boot is not None and r.first_seq is not None:
        place = (r.boot, r.first_seq + r.n_rows - 1)
        heard.boot, heard.last_seq = max(place, (heard.boot or 0, heard.last_seq or 0))


def _changes(
    boots: dict[tuple[str, int], BootLedger],
) -> tuple[list[tuple[str, int, int, int]], list[tuple[str, int, int]], list[tuple[str, int, int]]]:
    """Return (ranges to write, ranges to take out, floors to write) of the touched boots."""
    added: list[tuple[str, int, int, int]] = []
    removed: list[tuple[str, int, int]] = []
    floors: list[tuple[str, int, int]] = []
    for (device, boot), state in boots.items():
        ranges, gone = state.ranges.changes()
        added += [(device, boot, first, last) for first, last in ranges]
        removed += [(device, boot, first) for first in gone]
        if state.is_new:
            floors.append((device, boot, state.floor))
            state.is_new = False
    return added, removed, floors


def _ack_payload(boot: int, upto: int | None, also: Iterable[tuple[int, int]]) -> bytes:
    said: dict[str, object] = {"boot": boot}
    if upto is not None:
        said["upto"] = upto
    if also:
        said["also"] = [list(pair) for pair in also]
    return json.dumps(said, separators=(",", ":")).encode()
