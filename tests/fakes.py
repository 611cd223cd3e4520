"""Fakes that behave: in memory, and able to fail on request."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from ingest.outbox import Note
from ingest.waiting import Incoming
from kahriz.observations import DatastreamId, Observation, ObservationBatch, Series
from kahriz.store import Store


@dataclass
class FakeClock:
    """A clock that stands until it is moved."""

    now: datetime

    def __call__(self) -> datetime:
        return self.now

    def advance(self, by: timedelta) -> None:
        self.now += by


@dataclass
class FakeBroker:
    """Remembers what was acknowledged and what was published."""

    acknowledged: list[Incoming] = field(default_factory=list)
    published: list[tuple[str, bytes]] = field(default_factory=list)

    def acknowledge(self, messages: Sequence[Incoming]) -> None:
        self.acknowledged += messages

    def publish(self, notes: Iterable[Note]) -> None:
        self.published += [(note.topic, note.payload) for note in notes]


@dataclass
class FailingStore:
    """A store that raises the errors it was given, one a write, and then works."""

    behind: Store
    errors: list[Exception] = field(default_factory=list)

    def write(self, batch: ObservationBatch) -> None:
        if self.errors:
            raise self.errors.pop(0)
        self.behind.write(batch)

    def series(self, datastream: DatastreamId, start: datetime, end: datetime) -> Series:
        return self.behind.series(datastream, start, end)

    def latest(self) -> Mapping[DatastreamId, Observation]:
        return self.behind.latest()

    def check(self) -> None:
        self.behind.check()

    def tidy(self, now: datetime) -> bool:
        return self.behind.tidy(now)

    def close(self) -> None:
        self.behind.close()
