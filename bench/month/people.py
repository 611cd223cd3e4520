"""People who answer like people: not at once, not always, less by night; and who go and look."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence
from datetime import datetime, time, timedelta
from itertools import count

import numpy as np

from kahriz.book import Book, alerts, inbound, messages
from kahriz.book.alerts import Alert
from kahriz.book.messages import OutboxMessage
from kahriz.clock import from_ms
from kahriz.contacts import QuietHours
from kahriz.detect import AUDIENCE, Audience, Kind
from kahriz.sites import Registry

ANSWERS_BY_DAY, ANSWERS_BY_NIGHT = 0.8, 0.4
"""With such a chance a text is answered."""

AFTER_MIN = (2.0, 40.0)
"""So long after it."""

ON_SITE_MIN = {Audience.COMMITTEE: (20.0, 90.0), Audience.TECHNICIAN: (240.0, 1800.0)}
LOOKS_MIN = (10.0, 30.0)
"""Then whoever took it is there, and so much later knows what is wrong, or that nothing is."""

NIGHT = QuietHours(time(22), time(8))

_ASKED = ("first", "escalated", "repeat", "worse")
_MOST = 1000

IsTrue = Callable[[Alert], bool]


class People:
    """Everybody who has a phone.

    Parameters
    ----------
    registry, book
        Whose phones, and where what they send arrives.
    chance
        Who answers when.
    is_true
        What somebody sees who goes to look.
    """

    def __init__(
        self, registry: Registry, book: Book, chance: np.random.Generator, is_true: IsTrue
    ) -> None:
        self._zone = registry.kahriz[0].zone
        self._book = book
        self._chance = chance
        self._is_true = is_true
        self._turn = count(1)
        self._read = 0
        self._next: list[tuple[datetime, int, Callable[[datetime], None]]] = []

    @property
    def next_at(self) -> datetime | None:
        """When somebody does something next; None: nobody is about to."""
        return self._next[0][0] if self._next else None

    def step(self, now: datetime) -> bool:
        """Do what is due; return whether anybody sent a text."""
        before = self._sent
        while self._next and self._next[0][0] <= now:
            _, _, does = heapq.heappop(self._next)
            does(now)
        return self._sent > before

    _sent = 0

    def look(self, now: datetime) -> None:
        """Read the texts that arrived since the last time."""
        with self._book.read() as connection:
            newest = messages.list_messages(connection, limit=_MOST)
        new = [m for m in newest if m.id > self._read and m.sent_at_ms is not None]
        for text in sorted(new, key=lambda m: m.id):
            self._read = text.id
            if text.reason in _ASKED:
                self._think(text, now)

    # ---- one text

    def _think(self, text: OutboxMessage, now: datetime) -> None:
        is_night = NIGHT.covers(now.astimezone(self._zone).time())
        answers = self._chance.random() < (ANSWERS_BY_NIGHT if is_night else ANSWERS_BY_DAY)
        after, names_it = self._minutes(AFTER_MIN), self._chance.random() < 0.5
        if not answers:
            return
        code = text.text.split()[0].lstrip("#") if text.alert_id is not None and names_it else ""

        def take(at: datetime) -> None:
            self._send(text.address, f"1 {code}".strip(), at)
            if text.alert_id is not None:
                self._set_out(text, text.alert_id, at)

        self._later(now + after, take)

    def _set_out(self, text: OutboxMessage, alert: int, now: datetime) -> None:
        with self._book.read() as connection:
            kind = Kind(alerts.find(connection, alert).kind)
        arrives = now + self._minutes(ON_SITE_MIN[AUDIENCE[kind]])
        looks = arrives + self._minutes(LOOKS_MIN)

        def arrive(at: datetime) -> None:
            if (found := self._own(text, alert)) is not None:
                self._send(text.address, f"2 {found.code}", at)

        def see(at: datetime) -> None:
            found = self._own(text, alert)
            if found is not None and not self._is_true(found):
                self._send(text.address, f"0 {found.code}", at)

        self._later(arrives, arrive)
        self._later(looks, see)

    def _own(self, text: OutboxMessage, alert: int) -> Alert | None:
        """Return the alert if it stands and it was this person who took it."""
        with self._book.read() as connection:
            found = alerts.find(connection, alert)
        is_theirs = found.acknowledged_by is not None and text.contact in found.acknowledged_by
        return found if found.state == "firing" and is_theirs else None

    def _later(self, at: datetime, does: Callable[[datetime], None]) -> None:
        heapq.heappush(self._next, (at, next(self._turn), does))

    def _minutes(self, bounds: Sequence[float]) -> timedelta:
        return timedelta(minutes=float(self._chance.uniform(bounds[0], bounds[1])))

    def _send(self, address: str, said: str, at: datetime) -> None:
        self._sent += 1
        with self._book.begin() as connection:
            inbound.arrive(connection, "phones", str(self._sent), address, said, at)


def fired_at(alert: Alert) -> datetime:
    """Return when an alert of the book fired."""
    assert alert.fired_at_ms is not None
    return from_ms(alert.fired_at_ms)
