"""From a batch of messages to durable observations, and only then to acknowledgements.

Order, and why a crash between any two steps loses and doubles nothing:

1. the store has the observations (idempotent on datastream and time);
2. one transaction of the book: ledger ranges, hours to re-do, device rows, dead letters;
3. the broker is told (PUBACK), then the devices (``down/ack``).

A crash before 3 means the broker, or the device, delivers again.
"""

from __future__ import annotations

import json
import logging
import re
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Protocol, TypeVar

import numpy as np
from sqlalchemy.exc import SQLAlchemyError

from ingest.gather import Gathered, Gatherer, Part
from ingest.judge import Assessor, Judged
from ingest.ledger import BootLedger, Ledger
from ingest.metrics import Health, Metrics
from ingest.mqtt import Incoming
from ingest.topics import ack_topic, parse
from kahriz.book import Book, dead_letters, devices, ledger, rollups
from kahriz.book.dead_letters import DeadLetter
from kahriz.book.devices import Heard
from kahriz.clock import Clock, to_ms
from kahriz.errors import StoreRejected, StoreUnavailable
from kahriz.logs import Once, in_one_line
from kahriz.observations import DatastreamId, ObservationBatch, Quality
from kahriz.store import Store

_LOG = logging.getLogger(__name__)
HOUR_MS = 3_600_000
T = TypeVar("T")
_FIGURES = re.compile(r"\d+")  # times and values differ each time, the fault does not


class Stopped(Exception):  # noqa: N818 - a way out, not an error
    """The pipeline was told to stop while something it needs was away; nothing was acknowledged."""


class Acknowledger(Protocol):
    """Where acknowledgements go; `ingest.mqtt.Intake` in earnest."""

    def acknowledge(self, messages: Sequence[Incoming]) -> None:
        """Tell the broker that `messages` need not be delivered again."""
        ...

    def publish(self, topic: str, payload: bytes) -> None:
        """Send `payload`, as far as there is a connection now."""
        ...


@dataclass(slots=True)
class _Entry:
    """What the book is told of one batch."""

    heard: dict[str, Heard] = field(default_factory=dict)
    boots: dict[tuple[str, int], BootLedger] = field(default_factory=dict)


class Pipeline:
    """Makes batches of messages durable, in order, and retries for as long as it takes.

    Parameters
    ----------
    gatherer, assessor
        Decode and judge.
    store, book
        Where observations and everything else become durable.
    acknowledger
        Whoever is told afterwards.
    clock
        The one clock of the process.
    retry_max
        Longest pause between two tries at a store that is away.
    """

    def __init__(
        self,
        gatherer: Gatherer,
        assessor: Assessor,
        store: Store,
        book: Book,
        acknowledger: Acknowledger,
        clock: Clock,
        metrics: Metrics,
        health: Health,
        retry_max: timedelta = timedelta(seconds=30),
    ) -> None:
        self._gatherer = gatherer
        self._assessor = assessor
        self._store = store
        self._book = book
        self._acknowledger = acknowledger
        self._clock = clock
        self._metrics = metrics
        self._health = health
        self._retry_max_s = retry_max.total_seconds()
        self._ledger = Ledger(self._find_boot)
        self._stopping = threading.Event()
        self._once = Once(_LOG)
        self._said: dict[str, None] = {}

    def stop(self) -> None:
        """Give up waiting for what is away; `process` then raises Stopped."""
        self._stopping.set()

    def process(self, messages: Sequence[Incoming]) -> None:
        """Make `messages` durable and acknowledge them.

        Raises
        ------
        Stopped
            `stop` was called while the store or the book was away.
        """
        began = time.perf_counter()
        batch = self._gatherer.gather(messages, self._clock())
        judged = self._until_available("store", lambda: self._assess(batch))
        written = self._until_available("store", lambda: self._write(judged, messages, batch))
        entry = self._until_available("book", lambda: self._record(batch, written))
        self._acknowledger.acknowledge(messages)
        for (device, boot), state in entry.boots.items():
            if (upto_also := state.acknowledgement()) != (None, []):
                self._acknowledger.publish(ack_topic(device), _ack_payload(boot, *upto_also))
        self._metrics.messages.inc(len(messages))
        self._metrics.batch.observe(len(messages))
        self._metrics.write_seconds.observe(time.perf_counter() - began)
        self._metrics.unratable.inc(judged.n_unratable)
        self._count(batch, written, entry)

    def _assess(self, batch: Gathered) -> Judged:
        return self._assessor.assess(batch)

    def _write(
        self, judged: Judged, messages: Sequence[Incoming], batch: Gathered
    ) -> ObservationBatch:
        """Write; return what is durable. What the store refuses for good goes to dead letters."""
        observations = judged.observations
        if not len(observations):
            return observations
        try:
            self._store.write(observations)
        except StoreRejected as error:
            refused = np.array(error.rows, np.intp)
            for position in np.unique(judged.source[refused]):
                reason = f"the store refuses it: {error.reason}"
                batch.letters.append(_letter(messages[int(position)], reason, batch))
            kept = np.ones(len(observations), dtype=bool)
            kept[refused] = False
            return observations.take(kept)
        return observations

    def _record(self, batch: Gathered, written: ObservationBatch) -> _Entry:
        """Enter the batch in the book; return what it was told."""
        try:
            entry = self._enter(batch)
            with self._book.begin() as connection:
                added, removed, floors = _changes(entry.boots)
                ledger.put_ranges(connection, added, removed)
                now_ms = to_ms(batch.received_at)
                ledger.put_floors(connection, floors, now_ms)
                rollups.mark_dirty(connection, dirty_hours(written))
                devices.put_heard(connection, entry.heard.values())
                for status in batch.statuses:
                    devices.put_status(
                        connection, status.device, status.status, status.firmware, now_ms
                    )
                dead_letters.put(connection, batch.letters)
        except BaseException:
            self._ledger.forget()  # what is in memory ran ahead of the book
            raise
        self._ledger.trim()
        return entry

    def _enter(self, batch: Gathered) -> _Entry:
        entry = _Entry()
        received_at_ms = to_ms(batch.received_at)
        for part in batch.parts:
            heard = entry.heard.setdefault(part.device, Heard(part.device, received_at_ms))
            _add(heard, part)
            r = part.readings
            if r.boot is not None and r.first_seq is not None:
                # A device still holds what it sends: an `oldest` beyond that is a fault of its
                # firmware, and believing it would free readings that never came.
                oldest = None if r.oldest_seq is None else min(r.oldest_seq, r.first_seq)
                state = self._ledger.boot(part.device, r.boot, oldest, r.first_seq)
                entry.boots[part.device, r.boot] = state
                n_new = state.ranges.add(r.first_seq, r.first_seq + r.n_rows - 1)
                heard.duplicate += r.n_rows - n_new
                if oldest is not None:
                    heard.lost += state.raise_floor(oldest)
        return entry

    def _find_boot(self, device: str, boot: int) -> ledger.BootRecord | None:
        with self._book.read() as connection:
            return ledger.find_boot(connection, device, boot)

    def _until_available(self, part: str, attempt: Callable[[], T]) -> T:
        """Try until it works; back off meanwhile. The broker keeps what is not acknowledged."""
        pause = 0.2
        while True:
            try:
                done = attempt()
            except (StoreUnavailable, SQLAlchemyError) as error:
                reason = in_one_line(error)
                self._once.failed(part, reason)
                self._health.failed(part, reason)
                self._metrics.retries.inc()
                after = getattr(error, "retry_after", None)
                wait = max(pause, after.total_seconds()) if after else pause
                if self._stopping.wait(min(wait, self._retry_max_s)):
                    raise Stopped from error
                pause = min(pause * 2, self._retry_max_s)
            else:
                self._once.worked(part)
                self._health.worked(part)
                return done

    def _count(self, batch: Gathered, written: ObservationBatch, entry: _Entry) -> None:
        metrics, heard = self._metrics, entry.heard.values()
        metrics.readings.inc(sum(h.received for h in heard))
        metrics.duplicates.inc(sum(h.duplicate for h in heard))
        metrics.quarantined.inc(sum(h.quarantined for h in heard))
        metrics.lost.inc(sum(h.lost for h in heard))
        metrics.observations.inc(int(np.count_nonzero(written.quality != Quality.MISSING)))
        metrics.dead_letters.inc(len(batch.letters))
        self._health.wrote()
        for letter in batch.letters:
            self._say(letter)

    def _say(self, letter: DeadLetter) -> None:
        """One line for each way a payload was wrong, not one for each payload."""
        way = _FIGURES.sub("#", f"{letter.topic}: {letter.reason}")
        if way not in self._said:
            if len(self._said) >= 1000:
                self._said.pop(next(iter(self._said)))
            self._said[way] = None
            _LOG.warning("dead letter", extra={"topic": letter.topic, "reason": letter.reason})


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


def _letter(message: Incoming, reason: str, batch: Gathered) -> DeadLetter:
    topic = parse(message.topic)
    device = None if topic is None else topic.device
    return DeadLetter(to_ms(batch.received_at), message.topic, device, reason, message.payload)


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
