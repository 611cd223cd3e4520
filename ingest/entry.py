"""What the book is told of one batch, in one transaction, and what devices may free after it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from sqlalchemy import Connection

from ingest.gather import Gathered
from ingest.ledger import BootLedger, Ledger
from ingest.outbox import Note
from ingest.parts import NONE, Longs, Parts
from ingest.topics import ack_topic
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

    def acknowledgements(self) -> Iterator[Note]:
        """Yield what to tell each device on ``down/ack``, where there is anything to free."""
        for key, state in self.boots.items():
            if (upto_also := state.acknowledgement()) != (None, []):
                yield Note(key, ack_topic(key[0]), _ack_payload(key[1], *upto_also))


@dataclass(frozen=True, slots=True)
class _BootPart:
    """What a batch holds of one boot of one device: runs of numbers without a hole."""

    device: int
    boot: int
    firsts: list[int]
    lasts: list[int]
    n_rows: int
    begins_at: int
    oldest: int


def entry_of(batch: Gathered, names: Sequence[str], boots: Ledger) -> Entry:
    """Return what `batch` adds to the ledger `boots`, which is changed by it.

    `names` are the devices that the batch's parts point into.
    """
    entry = Entry(_heard(batch.parts, names, to_ms(batch.received_at)))
    for part in _by_boot(batch.parts):
        device = names[part.device]
        state = boots.boot(device, part.boot, part.begins_at)
        entry.boots[device, part.boot] = state
        spans = zip(part.firsts, part.lasts, strict=True)
        n_new = sum(state.ranges.add(first, last) for first, last in spans)
        heard = entry.heard[device]
        heard.duplicate += part.n_rows - n_new
        if part.oldest != NONE:
            heard.lost += state.raise_floor(part.oldest)
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
    least = int(hours.min())
    span = int(hours.max()) - least + 1
    keys = np.unique(written.stream.astype(np.int64) * span + (hours - least))
    return [
        (written.datastreams[stream], (hour + least) * HOUR_MS)
        for stream, hour in zip((keys // span).tolist(), (keys % span).tolist(), strict=True)
    ]


def _heard(parts: Parts, names: Sequence[str], received_at_ms: int) -> dict[str, Heard]:
    """Return what was heard of each device; duplicates and losses only its ledger knows."""
    if not len(parts):
        return {}
    last_seq = np.where(parts.boot == NONE, NONE, parts.first_seq + parts.n_rows - 1)
    order = np.lexsort((last_seq, parts.boot, parts.device))
    device = parts.device[order]
    begins = _begins(device)
    ends = np.append(begins[1:], len(device)) - 1
    received = np.add.reduceat(parts.n_rows[order], begins)
    quarantined = np.add.reduceat(parts.n_quarantined[order], begins)
    last_ms = np.maximum.reduceat(parts.last_time_ms[order], begins)
    firmware = _firmware(parts)
    rows = zip(
        device[begins].tolist(),
        _said(parts.boot[order][ends]),
        _said(last_seq[order][ends]),
        _said(last_ms),
        received.tolist(),
        quarantined.tolist(),
        strict=True,
    )
    return {
        names[d]: Heard(
            names[d], received_at_ms, boot, seq, last, firmware.get(d), n, 0, n_quarantined
        )
        for d, boot, seq, last, n, n_quarantined in rows
    }


def _firmware(parts: Parts) -> dict[int, str]:
    """Return the last firmware each device named, by the order its messages came in."""
    if parts.firmware.count(None) == len(parts.firmware):
        return {}
    said = zip(parts.message.tolist(), parts.device.tolist(), parts.firmware, strict=True)
    return {device: fw for _, device, fw in sorted(s for s in said if s[2] is not None) if fw}


def _by_boot(parts: Parts) -> Iterator[_BootPart]:
    """Yield what the batch holds of each boot, in the order the boots were first heard."""
    counted = np.flatnonzero(parts.boot != NONE)
    if not len(counted):
        return
    first, boot, device = parts.first_seq[counted], parts.boot[counted], parts.device[counted]
    order = np.lexsort((first, boot, device))
    first, boot, device = first[order], boot[order], device[order]
    n_rows, arrival = parts.n_rows[counted][order], parts.message[counted][order]
    stop = first + n_rows
    # A device still holds what it sends: an `oldest` beyond that is a fault of its firmware, and
    # believing it would free readings that never came.
    oldest = np.minimum(parts.oldest_seq[counted][order], first)
    is_boot = np.ones(len(order), np.bool_)
    is_boot[1:] = (device[1:] != device[:-1]) | (boot[1:] != boot[:-1])
    is_run = is_boot.copy()
    is_run[1:] |= first[1:] != stop[:-1]
    runs = np.flatnonzero(is_run)
    run_first = first[runs].tolist()
    run_last = (stop[np.append(runs[1:], len(order)) - 1] - 1).tolist()
    boots = np.flatnonzero(is_boot)
    bounds = [*np.searchsorted(runs, boots).tolist(), len(runs)]
    ends = np.append(boots[1:], len(order))
    found: list[tuple[int, _BootPart]] = []
    for i, (begin, end) in enumerate(zip(boots.tolist(), ends.tolist(), strict=True)):
        came_first = begin + int(arrival[begin:end].argmin())
        said = int(oldest[came_first])
        part = _BootPart(
            int(device[begin]),
            int(boot[begin]),
            run_first[bounds[i] : bounds[i + 1]],
            run_last[bounds[i] : bounds[i + 1]],
            int(n_rows[begin:end].sum()),
            int(first[came_first]) if said == NONE else said,
            int(oldest[begin:end].max()),
        )
        found.append((int(arrival[came_first]), part))
    yield from (part for _, part in sorted(found, key=lambda pair: pair[0]))


def _begins(sorted_column: Longs) -> Longs:
    """Return where each run of equal values begins."""
    begins = np.ones(len(sorted_column), np.bool_)
    begins[1:] = sorted_column[1:] != sorted_column[:-1]
    return np.flatnonzero(begins)


def _said(column: Longs) -> list[int | None]:
    return [None if number == NONE else number for number in column.tolist()]


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
    said = f'{{"boot":{boot}'
    if upto is not None:
        said += f',"upto":{upto}'
    if also:
        said += ',"also":[' + ",".join(f"[{first},{last}]" for first, last in also) + "]"
    return (said + "}").encode()
