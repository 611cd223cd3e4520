"""Tell people: what the book says of alerts and of what was told, to texts in the outbox.

It looks at the state, never at what happened: whatever a crash cut short is done at the next step,
and whatever was done is in the book already. A plan is written down in one transaction.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from sqlalchemy import Connection

from ingest.backlog import mark_from
from ingest.queued import queue
from kahriz.alert.lifecycle import gravity
from kahriz.alert.pipeline import LOOKS_BACK
from kahriz.alert.reason import EXPIRES_AFTER, EndedAs, Reason
from kahriz.alert.telling import plan
from kahriz.alert.telling.words import words_of
from kahriz.alert.telling.world import Case, Held, Limits, Place, Sent, Text, Told, World
from kahriz.book import Book, alerts, checkpoints, contacts, maintenance, messages, silences
from kahriz.book.alerts import Alert
from kahriz.clock import from_ms, to_ms
from kahriz.detect import Kind
from kahriz.sites import Registry

_LOG = logging.getLogger(__name__)

STALE = timedelta(hours=1)
"""A judgement older than this is no ground to call anybody."""


class Teller:
    """Queue what people have to know.

    Parameters
    ----------
    registry
        The kahrizes.
    book
        Alerts, contacts, silences, works, and what was told.
    limits
        How much may be sent in a month.
    can_answer
        What is sent to the number texts come from is read.
    """

    def __init__(
        self, registry: Registry, book: Book, limits: Limits, *, can_answer: bool = False
    ) -> None:
        self._kahrizes = {k.id: k for k in registry.kahriz}
        self._book = book
        self._limits = limits
        self._can_answer = can_answer
        self._noted: dict[int, set[str]] = {}

    def step(self, now: datetime) -> int:
        """Queue what has to be said at `now`; return how many texts."""
        with self._book.read() as connection:
            rows = self._alerts(connection, now)
            if not rows:
                return 0
            world = self._world(connection, rows, now)
            planned = plan(world)
        held = [one for one in planned.held if not self._is_noted(one)]
        if not (planned.texts or planned.withdrawals or held):
            return 0
        queued = 0
        with self._book.begin() as connection:
            for one in planned.withdrawals:
                messages.withdraw(connection, one.alert, one.reason, one.why)
            for text in planned.texts:
                queued += self._queue(connection, text, rows, world)
            self._note(connection, held, now)
        return queued

    # ---- what there is

    def _alerts(self, connection: Connection, now: datetime) -> dict[int, Alert]:
        found = alerts.to_tell(connection, now - LOOKS_BACK)
        return {row.id: row for row in found if row.kahriz in self._kahrizes}

    def _world(self, connection: Connection, rows: Mapping[int, Alert], now: datetime) -> World:
        judged = self._judged(connection, {row.kahriz for row in rows.values()}, now)
        told: dict[int, list[Told]] = {}
        for one in messages.told(connection, rows):
            told.setdefault(one.alert_id, []).append(
                Told(
                    one.address,
                    Reason(one.reason),
                    one.step,
                    from_ms(one.at_ms),
                    one.state,
                    one.gravity,
                )
            )
        to_person, of_kahriz, last = messages.sums_of_month(connection, now)
        return World(
            now,
            [_case(row, judged.get(row.kahriz)) for row in rows.values()],
            told,
            _by_kahriz(contacts.list_contacts(connection)),
            self._places(connection, now),
            silences.list_silences(connection, now),
            last,
            {address: Sent(*sums) for address, sums in to_person.items()},
            {kahriz: Sent(*sums) for kahriz, sums in of_kahriz.items()},
            self._limits,
        )

    def _judged(
        self, connection: Connection, kahrizes: Iterable[str], now: datetime
    ) -> dict[str, datetime]:
        """Return until when each kahriz is judged, where that is not long ago."""
        found: dict[str, datetime] = {}
        for kahriz in kahrizes:
            value = checkpoints.get(connection, checkpoints.watch_of(kahriz))
            judged = None if value is None else mark_from(value, now).judged
            if judged is not None and now - judged <= STALE:
                found[kahriz] = judged
        return found

    def _places(self, connection: Connection, now: datetime) -> dict[str, Place]:
        on = {
            works.kahriz
            for works in maintenance.list_works(connection)
            if works.start <= now and (works.end is None or now < works.end)
        }
        return {
            id: Place(kahriz.district, kahriz.zone, id in on)
            for id, kahriz in self._kahrizes.items()
        }

    # ---- what is done

    def _queue(
        self, connection: Connection, text: Text, rows: Mapping[int, Alert], world: World
    ) -> int:
        first, now = text.first, world.now
        about = [rows[wish.case.id] for wish in text.wishes]
        kahrizes = [self._kahrizes[row.kahriz] for row in about]
        told_before = world.told_of(first.case)
        words = words_of(text, kahrizes, about, told_before, now, can_answer=self._can_answer)
        id = queue(
            connection,
            first.person,
            first.channel,
            words,
            key=messages.key_of(first.case.id, first.address, first.reason, first.step),
            reason=first.reason.value,
            now=now,
            expires=now + EXPIRES_AFTER[first.reason],
            alert_id=None if text.is_digest else first.case.id,
            kahriz=None if text.is_digest else first.case.kahriz,
            step=first.step,
        )
        if id is None:
            return 0
        told = [
            {
                "alert_id": wish.case.id,
                "address": wish.address,
                "reason": wish.reason.value,
                "step": wish.step,
                "at_ms": to_ms(now),
                "gravity": wish.case.gravity,
            }
            for wish in text.wishes
        ]
        messages.note(connection, id, told)
        return 1

    def _is_noted(self, held: Held) -> bool:
        return _said(held) in self._noted.get(held.wish.case.id, ())

    def _note(self, connection: Connection, held: Sequence[Held], now: datetime) -> None:
        """Write into the timeline why somebody is not told, each reason once."""
        for one in held:
            id, said = one.wish.case.id, _said(one)
            if id not in self._noted:
                known = alerts.timeline(connection, id)
                self._noted[id] = {e.detail for e in known if e.what == "held"}
            if said not in self._noted[id]:
                alerts.note(connection, id, [(now, "held", said)])
                self._noted[id].add(said)


def _said(held: Held) -> str:
    wish = held.wish
    return f"{wish.reason.value} to {wish.person.name}: {held.stage}: {held.why}"


def _case(row: Alert, judged: datetime | None) -> Case:
    answered = [ms for ms in (row.acknowledged_at_ms, row.on_site_at_ms) if ms is not None]
    assert row.fired_at_ms is not None
    return Case(
        row.id,
        row.kahriz,
        Kind(row.kind),
        row.key,
        is_fresh=judged is not None and row.last_seen_ms >= to_ms(judged),
        fired_at=from_ms(row.fired_at_ms),
        gravity=gravity(row.evidence),
        ended_at=None if row.resolved_at_ms is None else from_ms(row.resolved_at_ms),
        ended_as=None if row.ended_as is None else EndedAs(row.ended_as),
        answered_at=from_ms(min(answered)) if answered else None,
        is_false_alarm=row.false_alarm_at_ms is not None,
    )


def _by_kahriz(people: Iterable[contacts.Person]) -> dict[str, list[contacts.Person]]:
    found: dict[str, list[contacts.Person]] = {}
    for person in people:
        found.setdefault(person.kahriz, []).append(person)
    return found
