"""What the book is told of one batch, in one transaction, and what devices may free after it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date

import numpy as np
from sqlalchemy import Connection

from ingest.gather import Gathered, Part
from ingest.ledger import BootLedger, Ledger
from kahriz.book import days, dead_letters, devices, ledger, rollups
from kahriz.book.days import STRANGERS, DayCount, Fate, Reason
from kahriz.book.devices import Heard
from kahriz.clock import to_ms
from kahriz.observations import DatastreamId, ObservationBatch

HOUR_MS = 3_600_000


@dataclass(slots=True)
class Entry:
    """What was heard of each device, what became of its readings, and the boots it touches."""

    day: date
    heard: dict[str, Heard] = field(default_factory=dict)
    days: dict[str, DayCount] = field(default_factory=dict)
    boots: dict[tuple[str, int], BootLedger] = field(default_factory=dict)

    def count(self, device: str) -> DayCount:
        """Return the counts of `device`, to be added to."""
        return self.days.setdefault(device, DayCount(device, self.day))

    def acknowledgements(self) -> Iterator[tuple[str, bytes]]:
        """Yield (device, payload of ``down/ack``) where there is anything to free."""
        for (device, boot), state in self.boots.items():
            if (upto_also := state.acknowledgement()) != (None, []):
                yield device, _ack_payload(boot, *upto_also)


def entry_of(
    batch: Gathered, boots: Ledger, shed: Mapping[tuple[str, Reason], int] | None = None
) -> Entry:
    """Return what `batch` adds to the ledger `boots`, which is changed by it.

    `shed` is how many messages of each device were let go of since the last batch, and why.
    """
    entry = Entry(batch.received_at.date())
    received_at_ms = to_ms(batch.received_at)
    for part in batch.parts:
        _add(entry.heard.setdefault(part.device, Heard(part.device, received_at_ms)), part)
        _count(entry, part, boots)
    for device, reason in batch.set_aside:
        entry.count(device).refuse(reason)
    for (device, reason), n in (shed or {}).items():
        entry.count(device).refuse(reason, n)
    _sum_up(entry)
    return entry


def write(
    connection: Connection,
    entry: Entry,
    batch: Gathered,
    written: ObservationBatch | None,
    *,
    is_replay: bool = False,
) -> None:
    """Enter a batch whose observations `written` are durable; None: it has none.

    In a replay nothing is counted: the day on which it came says already what became of it. Nor
    does a device's word about itself hold any longer, or tell when it was last heard.
    """
    now_ms = to_ms(batch.received_at)
    added, removed, floors = _changes(entry.boots)
    ledger.put_ranges(connection, added, removed)
    ledger.put_floors(connection, floors, now_ms)
    rollups.mark_dirty(connection, dirty_hours(written))
    if is_replay:
        devices.put_heard(connection, [_uncounted(heard) for heard in entry.heard.values()])
        dead_letters.put_again(connection, batch.letters)
        return
    devices.put_heard(connection, entry.heard.values())
    days.put_days(connection, entry.days.values())
    for status in batch.statuses:
        devices.put_status(connection, status.device, status.status, status.firmware, now_ms)
    dead_letters.put(connection, batch.letters)


def _uncounted(heard: Heard) -> Heard:
    return Heard(
        heard.device,
        boot=heard.boot,
        last_seq=heard.last_seq,
        last_time_ms=heard.last_time_ms,
        firmware=heard.firmware,
    )


def dirty_hours(written: ObservationBatch | None) -> list[tuple[DatastreamId, int]]:
    """Return each (datastream, hour in ms) that `written` touches, once."""
    if written is None or not len(written):
        return []
    hours = written.time.astype(np.int64) // HOUR_MS
    pairs = np.unique(np.stack([written.stream.astype(np.int64), hours]), axis=1)
    return [
        (written.datastreams[stream], hour * HOUR_MS)
        for stream, hour in zip(*pairs.tolist(), strict=True)
    ]


def _add(heard: Heard, part: Part) -> None:
    r = part.readings
    heard.firmware = r.firmware or heard.firmware
    if part.last_time_ms is not None:
        heard.last_time_ms = max(heard.last_time_ms or part.last_time_ms, part.last_time_ms)
    if r.boot is not None and r.first_seq is not None:
        place = (r.boot, r.first_seq + r.n_rows - 1)
        heard.boot, heard.last_seq = max(place, (heard.boot or 0, heard.last_seq or 0))


def _count(entry: Entry, part: Part, boots: Ledger) -> None:
    """Enter a payload's numbers, and give each of its readings its one fate."""
    r, count = part.readings, entry.count(part.device)
    n_new, refused = r.n_rows, part.refused
    if r.boot is not None and (first := r.first_seq) is not None:
        # A device still holds what it sends: an `oldest` beyond that is a fault of its
        # firmware, and believing it would free readings that never came.
        oldest = None if r.oldest_seq is None else min(r.oldest_seq, first)
        state = boots.boot(part.device, r.boot, oldest, first)
        entry.boots[part.device, r.boot] = state
        refused = {
            row: reason
            for row, reason in refused.items()
            if not state.ranges.count_between(first + row, first + row)
        }
        n_new = state.ranges.add(first, first + r.n_rows - 1)
        if oldest is not None:
            count.lost += state.raise_floor(oldest)
    count.received += r.n_rows
    count.duplicate += r.n_rows - n_new
    count.stored += n_new - len(refused)
    count.reasons.update(refused.values())


def _sum_up(entry: Entry) -> None:
    for count in entry.days.values():
        if count.device != STRANGERS:
            heard = entry.heard.setdefault(count.device, Heard(count.device))
            heard.received, heard.duplicate = count.received, count.duplicate
            heard.quarantined, heard.shed = count.of(Fate.QUARANTINED), count.of(Fate.SHED)
            heard.lost = count.lost


def _changes(
    boots: dict[tuple[str, int], BootLedger],
) -> tuple[
    list[tuple[str, int, int, int]], list[tuple[str, int, int]], list[tuple[str, int, int, int]]
]:
    """Return (ranges to write, ranges to take out, floors to write) of the touched boots."""
    added: list[tuple[str, int, int, int]] = []
    removed: list[tuple[str, int, int]] = []
    floors: list[tuple[str, int, int, int]] = []
    for (device, boot), state in boots.items():
        ranges, gone = state.ranges.changes()
        added += [(device, boot, first, last) for first, last in ranges]
        removed += [(device, boot, first) for first in gone]
        if state.is_new:
            floors.append((device, boot, state.first, state.floor))
            state.is_new = False
    return added, removed, floors


def _ack_payload(boot: int, upto: int | None, also: Iterable[tuple[int, int]]) -> bytes:
    said: dict[str, object] = {"boot": boot}
    if upto is not None:
        said["upto"] = upto
    if also:
        said["also"] = [list(pair) for pair in also]
    return json.dumps(said, separators=(",", ":")).encode()
