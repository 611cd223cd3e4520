"""What the book is told of one batch, in one transaction, and what devices may free after it."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta

import numpy as np
from sqlalchemy import Connection

from ingest.backlog import OLDEST
from ingest.gathered import Gathered
from ingest.hours import Hour, hours_of
from ingest.judge import Judged
from ingest.ledger import BootLedger, Ledger, Ranges
from ingest.outbox import Note
from ingest.parts import Parts
from ingest.topics import ack_topic
from kahriz.book import days, dead_letters, devices, late, ledger, rollups
from kahriz.book.days import STRANGERS, DayCount, Fate, Reason
from kahriz.book.devices import Heard
from kahriz.clock import to_ms
from kahriz.codec.json_columns import NONE, Longs
from kahriz.observations import ObservationBatch


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

    def acknowledgements(self, deaf: Container[str] = ()) -> Iterator[Note]:
        """Yield what to tell each device on ``down/ack``, where there is anything to free.

        Those in `deaf` have nothing to hear it with.
        """
        for key, state in self.boots.items():
            if key[0] not in deaf and (upto_also := state.acknowledgement()) != (None, []):
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


def entry_of(
    batch: Gathered,
    names: Sequence[str],
    boots: Ledger,
    shed: Mapping[tuple[str, Reason], int] | None = None,
) -> Entry:
    """Return what `batch` adds to the ledger `boots`, which is changed by it.

    `names` are the devices that the batch's parts point into; `shed` is how many messages of each
    device were let go of since the last batch, and why.
    """
    entry = Entry(batch.received_at.date(), _heard(batch.parts, names, to_ms(batch.received_at)))
    refused = _refused(batch)
    for device_at, n_rows in _uncounted_rows(batch.parts):
        count = entry.count(names[device_at])
        reasons = refused.pop((device_at, NONE), {})
        count.received += n_rows
        count.stored += n_rows - len(reasons)
        count.reasons.update(reasons.values())
    for part in _by_boot(batch.parts):
        device = names[part.device]
        state = boots.boot(device, part.boot, part.begins_at)
        entry.boots[device, part.boot] = state
        spans = zip(part.firsts, part.lasts, strict=True)
        reasons = {
            number: reason
            for number, reason in refused.get((part.device, part.boot), {}).items()
            if not state.ranges.count_between(number, number)
        }
        n_new = sum(state.ranges.add(first, last) for first, last in spans)
        count = entry.count(device)
        count.received += part.n_rows
        count.duplicate += part.n_rows - n_new
        count.stored += n_new - len(reasons)
        if reasons:
            count.reasons.update(reasons.values())
        if part.oldest != NONE:
            count.lost += state.raise_floor(part.oldest)
    for device, reason in batch.set_aside:
        entry.count(device).refuse(reason)
    for (device, reason), n in (shed or {}).items():
        entry.count(device).refuse(reason, n)
    _sum_up(entry)
    return entry


def _refused(batch: Gathered) -> dict[tuple[int, int], dict[int, Reason]]:
    """Return by (device, boot) the numbers that were refused when they first came, and why.

    Without a count of the device's own (boot `NONE`) a reading's name is its message and row.
    """
    found: dict[tuple[int, int], dict[int, Reason]] = {}
    if not batch.refused:
        return found
    came: dict[tuple[int, int], Ranges] = {}
    p = batch.parts
    order = np.argsort(p.message, kind="stable")
    columns = (p.message, p.device, p.boot, p.first_seq, p.n_rows)
    for message, device, boot, first, n in zip(*(c[order].tolist() for c in columns), strict=True):
        key, begin = (device, boot), message << 32 if boot == NONE else first
        before = came.setdefault(key, Ranges())
        for row, reason in batch.refused.get(message, {}).items():
            if not before.count_between(begin + row, begin + row):
                found.setdefault(key, {})[begin + row] = reason
        before.add(begin, begin + n - 1)
    return found


def _uncounted_rows(parts: Parts) -> list[tuple[int, int]]:
    """Return (device, readings) of the payloads that have no place in a device's count."""
    rows = np.flatnonzero(parts.boot == NONE)
    if not len(rows):
        return []
    device, at = np.unique(parts.device[rows], return_inverse=True)
    n = np.bincount(at, parts.n_rows[rows]).astype(np.int64)
    return list(zip(device.tolist(), n.tolist(), strict=True))


def _sum_up(entry: Entry) -> None:
    for count in entry.days.values():
        if count.device != STRANGERS:
            heard = entry.heard.setdefault(count.device, Heard(count.device))
            heard.received, heard.duplicate = count.received, count.duplicate
            heard.lost = count.lost
            if count.reasons:
                heard.quarantined, heard.shed = count.of(Fate.QUARANTINED), count.of(Fate.SHED)


def write(
    connection: Connection,
    entry: Entry,
    batch: Gathered,
    judged: Judged | None,
    written: ObservationBatch | None,
    *,
    is_replay: bool = False,
) -> None:
    """Enter a batch as it was `judged`; what of it is `written` is durable. None: nothing was.

    In a replay nothing is counted: the day on which it came says already what became of it. Nor
    does a device's word about itself hold any longer, or tell when it was last heard.
    """
    now_ms = to_ms(batch.received_at)
    added, removed, floors = _changes(entry.boots)
    ledger.put_ranges(connection, added, removed)
    ledger.put_floors(connection, floors, now_ms)
    rollups.mark_dirty(connection, dirty_hours(written))
    if judged is not None:
        late.mark(connection, judged.unsettled, now_ms)
        # What is older than is ever judged sends nobody back.
        oldest_ms = now_ms - OLDEST // timedelta(milliseconds=1)
        late.tell(connection, [hour for hour in judged.late if hour[1] >= oldest_ms], now_ms)
        late.mark_corrected(connection, judged.corrected)
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


def dirty_hours(written: ObservationBatch | None) -> list[Hour]:
    """Return each (datastream, hour in ms) that `written` touches, once."""
    if written is None:
        return []
    return hours_of(written.datastreams, written.stream, written.time.astype(np.int64))


def _heard(parts: Parts, names: Sequence[str], received_at_ms: int) -> dict[str, Heard]:
    """Return what was heard of each device, without its counts."""
    if not len(parts):
        return {}
    last_seq = np.where(parts.boot == NONE, NONE, parts.first_seq + parts.n_rows - 1)
    order = np.lexsort((last_seq, parts.boot, parts.device))
    device = parts.device[order]
    begins = _begins(device)
    ends = np.append(begins[1:], len(device)) - 1
    last_ms = np.maximum.reduceat(parts.last_time_ms[order], begins)
    firmware = _firmware(parts)
    rows = zip(
        device[begins].tolist(),
        _said(parts.boot[order][ends]),
        _said(last_seq[order][ends]),
        _said(last_ms),
        strict=True,
    )
    return {
        names[d]: Heard(names[d], received_at_ms, boot, seq, last, firmware.get(d))
        for d, boot, seq, last in rows
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
    said = f'{{"boot":{boot}'
    if upto is not None:
        said += f',"upto":{upto}'
    if also:
        said += ',"also":[' + ",".join(f"[{first},{last}]" for first, last in also) + "]"
    return (said + "}").encode()
