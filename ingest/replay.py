"""Take in once more what came before: dead letters, or the raw intake after a store was lost.

It goes through the pipeline of ingest, with the instant at which it came as the clock. Everything
on the way is idempotent: the store by (datastream, time), the ledger by (device, boot, seq), the
hours to re-do. Nothing is counted a second time: the books say of a day what became of that day's
readings on that day, and a replay does not change it.

Ingest has to be stopped meanwhile: it keeps the ledger in memory, and the store has one writer.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, cast

from ingest.allowance import Allowance
from ingest.clocks import Clocks, Keep, keep_in, keep_nothing, recall_decisions
from ingest.gather import Gatherer
from ingest.history import History
from ingest.judge import Assessor
from ingest.lease import ASK_S, Lease
from ingest.ledger import ranges_of
from ingest.metrics import Health, Metrics
from ingest.outbox import Note
from ingest.pipeline import Pipeline
from ingest.waiting import Incoming
from kahriz.book import Book, dead_letters, devices, ledger
from kahriz.book import lease as book_lease
from kahriz.book.dead_letters import KeptLetter
from kahriz.clock import from_ms
from kahriz.intake_log import Found, read
from kahriz.quality.flagger import Flagger
from kahriz.quality.learned import LearnedLimits, learnable
from kahriz.quality.limits import limits_of
from kahriz.settings import IngestSettings
from kahriz.sites import Registry
from kahriz.store import Store


class _Silent:
    """Tells nobody: the broker and the devices had their acknowledgement long ago."""

    def acknowledge(self, messages: Sequence[Incoming]) -> None:
        """Do nothing."""

    def publish(self, notes: Iterable[Note]) -> None:
        """Do nothing."""


class _Then:
    """The clock: it stands at the instant at which the batch in hand came."""

    def __init__(self) -> None:
        self.now = from_ms(0)

    def __call__(self) -> datetime:
        return self.now


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one dead letter; ``reason`` is why it is still one, None: it no longer is."""

    letter: KeptLetter
    reason: str | None


class Replay:
    """The pipeline of ingest without a broker.

    Parameters
    ----------
    registry, store, book, settings
        As ingest has them; the registry as it is now.
    """

    def __init__(
        self, registry: Registry, store: Store, book: Book, settings: IngestSettings
    ) -> None:
        self._book = book
        self._clock = _Then()
        self._metrics = Metrics()
        # Nothing is learned here: what can be is judged again by the ingest that comes after.
        learned = LearnedLimits(limits_of(registry), learnable(registry))
        limits = learned.table
        gatherer = gatherer_of(registry, settings, keep_in(book))
        self._clocks = gatherer.clocks
        with book.read() as connection:
            recall_decisions(connection, gatherer.clocks)
            gatherer.one_by_one.lorawan.leave_uncounted(devices.list_devices(connection))
        self._pipeline = Pipeline(
            gatherer,
            Assessor(registry, Flagger(limits, History(registry, store, limits)), learned),
            store,
            book,
            _Silent(),
            self._clock,
            self._metrics,
            Health(),
            Allowance(rate=0.0, burst=sys.maxsize),
            timedelta(seconds=settings.retry_max_s),
            is_replay=True,
        )

    @property
    def n_readings(self) -> int:
        """Readings taken in so far."""
        return int(self._value("readings"))

    @property
    def n_set_aside(self) -> int:
        """Messages so far of which something could not be used."""
        return int(self._value("dead_letters"))

    def intake(self, folder: Path, since_ms: int, until_ms: int, found: Found) -> Iterator[int]:
        """Take in what was received in [since, until); yield the instant reached, in ms."""
        with self._book.read() as connection:
            self._clocks.leave_as_decided(ranges_of(ledger.all_boots(connection)))
        for record in read(folder, since_ms, until_ms, found):
            self._take(record.received_at_ms, zip(record.topics, record.payloads, strict=True))
            yield record.received_at_ms

    def letters(self, letters: Iterable[KeptLetter]) -> Iterator[Outcome]:
        """Take in dead letters one by one; what can be used now is no dead letter any more."""
        for letter in letters:
            if not letter.is_whole:
                kept, size = len(letter.payload), letter.size
                yield Outcome(letter, f"only the first {kept} of {size} bytes were kept")
                continue
            before = self.n_set_aside
            self._take(letter.received_at_ms, [(letter.topic, letter.payload)])
            # Not from within: whoever hears it may write to the book too.
            yield self._outcome(letter, is_taken=self.n_set_aside == before)

    def _outcome(self, letter: KeptLetter, *, is_taken: bool) -> Outcome:
        with self._book.begin() as connection:
            if is_taken:
                dead_letters.remove(connection, [letter.id])
                return Outcome(letter, None)
            return Outcome(letter, dead_letters.find(connection, letter.id).reason)

    def _take(self, received_at_ms: int, messages: Iterable[tuple[str, bytes]]) -> None:
        self._clock.now = from_ms(received_at_ms)
        self._pipeline.process([incoming(topic, payload) for topic, payload in messages])

    def _value(self, name: str) -> float:
        return self._metrics.registry.get_sample_value(f"kahriz_{name}_total") or 0.0


def gatherer_of(
    registry: Registry, settings: IngestSettings, keep: Keep = keep_nothing
) -> Gatherer:
    """Return what decodes and resolves, as ingest does it.

    What ingest decided about the clocks of devices is in the book: see `recall_decisions`.
    """
    clocks = Clocks(
        round(settings.future_tolerance_s * 1000), round(settings.oldest_days * 86_400_000), keep
    )
    return Gatherer(
        registry,
        timedelta(seconds=settings.future_tolerance_s),
        timedelta(days=settings.oldest_days),
        clocks,
    )


def incoming(topic: str, payload: bytes) -> Incoming:
    """Return a message that needs no acknowledgement any more."""
    return Incoming(topic, payload, 0, 0, cast(Any, None))


def take_lease(
    lease: Lease, book: Book, name: str, sleep: Callable[[float], None] = time.sleep
) -> str:
    """Take the lease of an ingest that is stopped; return who is at work, empty: it is ours.

    One whose holder cannot be seen from here is ours once its beat has stood still for long enough.
    """
    beat: int | None = None
    while reason := lease.take():
        with book.read() as connection:
            found = book_lease.find(connection, name)
        if found is not None:
            if beat is not None and found.beat != beat:
                return reason.removeprefix("standing by: ")
            beat = found.beat
        sleep(ASK_S)
    return ""
