"""The month lived through: judgements into the book, texts out of it, answers back into it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from bench.month.district import District
from bench.month.judged import Judged, Log, flow, judged, log_of
from bench.month.people import People
from bench.month.truth import Truth
from ingest.answers import Answers
from ingest.backlog import Mark, value_of
from ingest.notices import Notices
from ingest.sender import Sender
from ingest.teller import Teller
from kahriz.alert import pipeline
from kahriz.alert.lifecycle import Alerts, Place, Standing, State
from kahriz.alert.telling.world import Limits
from kahriz.book import Book, checkpoints, contacts
from kahriz.notify.null import NullNotifier
from kahriz.sites import Kahriz
from kahriz.store.memory import MemoryStore

AWAKE = timedelta(minutes=75)
"""After anything has happened people are told by the minute, else by the quarter of an hour."""

_MINUTE = timedelta(minutes=1)
_QUARTER = timedelta(minutes=15)


@contextmanager
def new_book(district: District) -> Iterator[Book]:
    """Open a book of its own, with the district's contacts."""
    with TemporaryDirectory(prefix="kahriz-month-") as folder:
        book = Book(f"sqlite:///{Path(folder) / 'book.sqlite'}")
        book.migrate()
        with book.begin() as connection:
            contacts.import_file(connection, district.registry, district.start)
        yield book
        book.close()


def live(district: District, book: Book, seed: int) -> None:
    """Let the district live through its month; all that is told stands in the book."""
    logs = {k.id: log_of(district, k) for k in district.registry.kahriz}
    Life(district, book, logs, seed).through()


class Life:
    """One month: the clock is the event time, and who is told and answers moves with it.

    Parameters
    ----------
    district, book
        Who lives there, and where all is written down.
    logs
        By kahriz all that is measured.
    seed
        Chance of people.
    """

    def __init__(self, district: District, book: Book, logs: Mapping[str, Log], seed: int) -> None:
        limits = Limits()
        registry = district.registry
        self._district, self._book, self._logs = district, book, logs
        self._teller = Teller(registry, book, limits, can_answer=True)
        self._sender = Sender(book, [NullNotifier()])
        roads = {"null": NullNotifier.channels}
        self._notices = Notices(registry, book, limits, self._sender.troubles, roads)
        self._answers = Answers(registry, book, MemoryStore("memory://"))
        chance = np.random.default_rng([seed, 6])
        self._people = People(registry, book, chance, Truth(district).is_true)
        self._rows: dict[tuple[str, Place, datetime], int] = {}
        self._awake_until = district.start

    def through(self) -> None:
        """Live it."""
        kahrizes = self._district.registry.kahriz
        walks = [judged(self._district, k, self._logs[k.id]) for k in kahrizes]
        for steps in zip(*walks, strict=True):
            now = steps[0][0]
            if self._write(now, list(zip(kahrizes, steps, strict=True))):
                self._awake_until = now + AWAKE
            self._quarter(now)

    def _quarter(self, now: datetime) -> None:
        """Pass the minutes until the next judgement."""
        self._tell(now)
        at = now + _MINUTE
        while at < now + _QUARTER:
            due = self._people.next_at
            if at <= self._awake_until or (due is not None and due <= at):
                self._tell(at)
            at += _MINUTE

    def _tell(self, now: datetime) -> None:
        if self._people.step(now):
            self._answers.step(now)
            self._awake_until = now + AWAKE
        queued = self._teller.step(now)
        if now.minute == 0:
            queued += self._notices.step(now)
        if queued or self._awake_until == now + AWAKE:
            self._sender.step(now)
            self._people.look(now)
            self._awake_until = max(self._awake_until, now + AWAKE)

    # ---- detection into the book

    def _write(self, now: datetime, steps: Sequence[tuple[Kahriz, Judged]]) -> bool:
        """Write down what every kahriz was judged to be; return whether anything moved."""
        has_moved = False
        with self._book.begin() as connection:
            for kahriz, (_, alerts, moved) in steps:
                if not moved and not any(a.state is State.FIRING for a in alerts.values()):
                    continue
                judgement = pipeline.Judgement(
                    kahriz,
                    now,
                    {place: self._known(kahriz, a) for place, a in alerts.items()},
                    [replace(t, standing=self._known(kahriz, t.standing)) for t in moved],
                    flow(self._logs[kahriz.id], kahriz.id, now) if moved else None,
                )
                pipeline.write(connection, judgement)
                checkpoints.put(connection, checkpoints.watch_of(kahriz.id), value_of(Mark(now)))
                if moved:
                    has_moved = True
                    found = pipeline.load(connection, kahriz.id, now - pipeline.LOOKS_BACK)
                    self._learn_rows(kahriz, found)
        return has_moved

    def _known(self, kahriz: Kahriz, alert: Standing) -> Standing:
        return replace(alert, row=self._rows.get((kahriz.id, alert.place, alert.pending_at)))

    def _learn_rows(self, kahriz: Kahriz, found: Alerts) -> None:
        for alert in found.values():
            if alert.row is not None:
                self._rows[kahriz.id, alert.place, alert.pending_at] = alert.row
