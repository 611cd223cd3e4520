"""The clocks of all devices: which readings' times are corrected, and by how much.

A time is kept as the device said it, unless it cannot be true or the uptime disagrees
(`ingest.boot_clock`). What was decided once is kept in the book before the first observation is
written by it, and looked up from then on: the same reading has the same time at every delivery.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from sqlalchemy import Connection

from ingest.boot_clock import BootClock
from ingest.clock_times import Bounds, Mark, Said, Verdict, offset_at, said_by
from ingest.ledger import Ranges
from kahriz.book import Book, devices
from kahriz.book import clocks as book_clocks
from kahriz.book.clocks import Segment
from kahriz.codec.json_columns import NONE, PayloadColumns
from kahriz.observations import Readings

_LOG = logging.getLogger(__name__)

MAX_BOOTS = 20_000
"""Boots remembered whose clocks are right; those that were corrected are all kept."""

Key = tuple[str, int]
Keep = Callable[[Key, Sequence[Segment], Sequence[Segment], int], list[Segment]]
"""``keep(key, known, decided, now_ms)`` -> the segments of a boot that are in the book now.

`decided` are written if the book holds just the `known` ones; else somebody else has decided.
"""


@dataclass(frozen=True, slots=True)
class Corrected:
    """The times of a payload by value, and which of them are not as the device said."""

    time_ms: list[int]
    is_corrected: list[bool]


def keep_nothing(
    _key: Key, known: Sequence[Segment], decided: Sequence[Segment], _now_ms: int
) -> list[Segment]:
    """Decide for the life of this process only; for what has no book."""
    return sorted([*known, *decided])


class Clocks:
    """Corrects times; not for several threads at once.

    Parameters
    ----------
    tolerance_ms
        A clock this far off is right.
    oldest_ms
        A time longer ago is not believed.
    keep
        Makes durable what is decided; what it raises goes through, and nothing has changed.
    """

    def __init__(self, tolerance_ms: int, oldest_ms: int, keep: Keep = keep_nothing) -> None:
        self._tolerance_ms = tolerance_ms
        self._oldest_ms = oldest_ms
        self._keep = keep
        self._boots: dict[Key, BootClock] = {}
        self._corrected: dict[Key, list[Segment]] = {}
        self._devices: set[str] = set()
        self._newest: dict[Key, Mark] = {}
        self._taken: Mapping[Key, Ranges] = {}

    def recall(
        self, segments: dict[Key, list[Segment]], newest: Iterable[tuple[str, int, int, int]]
    ) -> None:
        """Take in what the book knows: the segments, each device's (boot, last seq, its time)."""
        self._boots.clear()
        self._corrected = dict(segments)
        self._devices = {device for device, _ in segments}
        self._newest = {(d, boot): Mark(seq, time_ms) for d, boot, seq, time_ms in newest}

    def leave_as_decided(self, taken: Mapping[Key, Ranges]) -> None:
        """Decide nothing anew about readings that were `taken` in before: for old messages.

        What ingest knew of a clock when these came, across its restarts, is not to be said any
        more; what it decided by that is in the book.
        """
        self._taken = taken

    def corrected(self, device: str, readings: Readings, received_at_ms: int) -> Corrected | None:
        """Return the times that count in place of the device's; None: the device's do.

        Parameters
        ----------
        received_at_ms
            By our clock; a message that is read again later has that of its first reading.
        """
        if readings.boot is None or readings.first_seq is None:
            return None
        key = (device, readings.boot)
        if readings.uptime_ms is None and key not in self._corrected:
            return None
        said = said_by(readings, received_at_ms)
        taken = self._taken.get(key)
        if taken is not None and taken.has_all(said.first_seq, said.last_seq):
            segments = self._corrected.get(key, ())
            numbers = range(said.first_seq, said.last_seq + 1)
            return _moved(readings, [offset_at(segments, seq) for seq in numbers])
        if self.passes(key, said):
            return None
        clock = self._boots.get(key) or self._meet(key)
        bounds = Bounds(
            received_at_ms - self._oldest_ms,
            received_at_ms + self._tolerance_ms,
            self._tolerance_ms,
        )
        clock.remember_calm(bounds)
        verdict = self._decide(key, clock, said, bounds)
        found = _moved(readings, [offset or 0 for offset in verdict.offsets_ms])
        if found is None and None not in verdict.offsets_ms and not verdict.doubtful:
            clock.calm_down(said)
        return found

    def passes(self, key: Key, said: Said) -> bool:
        """Say whether a payload is just the next one in time, and needs no look by `corrected`."""
        clock = self._boots.get(key)
        return clock is not None and clock.passes(said, self._tolerance_ms)

    def disturbed(
        self, native: PayloadColumns, device: Sequence[str], is_odd: Sequence[bool], now_ms: int
    ) -> list[int]:
        """Return which of many payloads `corrected` has to look at, one by one.

        Parameters
        ----------
        device, is_odd
            (p,) whose each payload is, and whether it is looked at anyhow. After one of those
            the others of its device are too, so that they are looked at in the order they came.
        """
        if not self._devices and not (native.uptime_ms != NONE).any():
            return []
        found: list[int] = []
        stirred = {name for name, is_it in zip(device, is_odd, strict=True) if is_it}
        stirred |= self._devices
        # Lists: this is done for every message, and a number out of an array costs as much as it.
        boots, firsts, uptimes = (
            column.tolist() for column in (native.boot, native.first_seq, native.uptime_ms)
        )
        times_ms, ends = native.time_ms.tolist(), np.cumsum(native.n_rows).tolist()
        begin = 0
        for i, name in enumerate(device):
            end = ends[i]
            if name in stirred:
                found.append(i)
            elif uptimes[i] != NONE:
                said = Said(firsts[i], times_ms[begin:end], uptimes[i], now_ms)
                if not self.passes((name, boots[i]), said):
                    found.append(i)
                    stirred.add(name)
            begin = end
        self._hear_boots(native, device, found, now_ms)
        return found

    def _hear_boots(
        self, native: PayloadColumns, device: Sequence[str], places: Sequence[int], now_ms: int
    ) -> None:
        """Learn when boots began from all that came together, before the first is judged.

        After a while without ingest the oldest come first, and have waited at the broker longest.
        """
        for i in places:
            if (uptime_ms := int(native.uptime_ms[i])) != NONE:
                key = (device[i], int(native.boot[i]))
                clock = self._boots.get(key) or self._meet(key)
                clock.booted_at_ms = min(clock.booted_at_ms, now_ms - uptime_ms)

    def _decide(self, key: Key, clock: BootClock, said: Said, bounds: Bounds) -> Verdict:
        verdict = clock.judge(said, bounds)
        while verdict.decided:
            known = clock.segments
            kept = self._keep(key, known, verdict.decided, said.received_at_ms)
            self._corrected[key] = kept
            self._devices.add(key[0])
            if set(kept) >= set(verdict.decided):
                _report(key, known, verdict.decided)
                break
            clock.segments = list(kept)  # another process has decided; its word goes
            verdict = clock.judge(said, bounds)
        clock.hear(said, verdict, bounds)
        return verdict

    def _meet(self, key: Key) -> BootClock:
        while len(self._boots) >= MAX_BOOTS:
            del self._boots[next(iter(self._boots))]
        clock = BootClock(list(self._corrected.get(key, ())), self._newest.get(key))
        self._boots[key] = clock
        return clock


def _moved(readings: Readings, offsets: Sequence[int]) -> Corrected | None:
    """Return the times of `readings` with the offset of each added; None: they stay."""
    if not any(offsets):
        return None
    return Corrected(
        [t + offsets[row] for row, t in zip(readings.row, readings.time_ms, strict=True)],
        [offsets[row] != 0 for row in readings.row],
    )


def _report(key: Key, known: Sequence[Segment], decided: Sequence[Segment]) -> None:
    """Say once a boot that its clock is wrong; the book has every change of it."""
    wrong = [segment for segment in decided if segment.offset_ms]
    if wrong and not any(segment.offset_ms for segment in known):
        _LOG.warning(
            "device clock corrected",
            extra={
                "device": key[0],
                "boot": key[1],
                "seq": wrong[0].first_seq,
                "offset_s": round(wrong[0].offset_ms / 1000),
            },
        )


def keep_in(book: Book) -> Keep:
    """Return what makes decisions durable in `book`, a small transaction for each."""

    def keep(
        key: Key, known: Sequence[Segment], decided: Sequence[Segment], now_ms: int
    ) -> list[Segment]:
        with book.begin() as connection:
            book_clocks.lock(connection, key[0])
            if book_clocks.find_segments(connection, *key) == list(known):
                book_clocks.put_segments(connection, *key, decided, now_ms)
            return book_clocks.find_segments(connection, *key)

    return keep


def recall_from(book: Book, clocks: Clocks) -> None:
    """Let `clocks` know what `book` knows of every device."""
    with book.read() as connection:
        segments = book_clocks.list_segments(connection)
        rows = devices.list_devices(connection)
    newest = [
        (row.device, row.boot, row.last_seq, row.last_time_ms)
        for row in rows
        if row.boot is not None and row.last_seq is not None and row.last_time_ms is not None
    ]
    clocks.recall(segments, newest)


def recall_decisions(connection: Connection, clocks: Clocks) -> None:
    """Let `clocks` know what was decided, and not where devices are now: for old readings."""
    clocks.recall(book_clocks.list_segments(connection), ())
