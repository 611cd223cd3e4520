"""Tell engineers of the service itself: a gateway that takes nothing, a month's texts used up.

What is told is kept in the book with the texts it made, so that a restart tells nothing twice.
Who cannot be told by a gateway that is dead is told by the other road: by e-mail that no SMS
leave, by SMS that no e-mail does. Where there is no other road the heartbeat falls silent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection

from ingest.queued import queue
from ingest.sender import GatewayTrouble
from kahriz.alert.telling.world import Limits
from kahriz.book import Book, checkpoints, contacts, messages
from kahriz.book.contacts import CHANNELS, Person
from kahriz.clock import from_ms, to_ms
from kahriz.notify.texts.answers import Known, Notice, render_notice
from kahriz.sites import Kahriz, Registry

TELLS_AFTER = timedelta(minutes=10)
"""A gateway that takes nothing for a shorter time is let be."""

WARNS_AT = 0.8
"""Part of the month's texts."""

EXPIRES_AFTER = timedelta(hours=12)

_CHECKPOINT = "notices"


class Notices:
    """Queue what engineers have to know of the service.

    Parameters
    ----------
    registry, book
        The kahrizes; contacts, texts and what was told.
    limits
        Of the month.
    troubles
        The gateways that take nothing now.
    roads
        By gateway: which channels its texts take.
    """

    def __init__(
        self,
        registry: Registry,
        book: Book,
        limits: Limits,
        troubles: Callable[[], Sequence[GatewayTrouble]],
        roads: Mapping[str, frozenset[str]],
    ) -> None:
        self._kahrizes = {k.id: k for k in registry.kahriz}
        self._book = book
        self._limits = limits
        self._troubles = troubles
        self._roads = roads

    def step(self, now: datetime) -> int:
        """Queue what is new at `now`; return how many texts."""
        dead = {t.name: t for t in self._troubles() if now - t.since >= TELLS_AFTER}
        with self._book.read() as connection:
            told: dict[str, Any] = checkpoints.get(connection, _CHECKPOINT) or {}
            _, of_kahriz, _ = messages.sums_of_month(connection, now)
        gateways = {name: to_ms(trouble.since) for name, trouble in dead.items()}
        spent = _spent(of_kahriz, self._limits.parts_a_kahriz)
        state = {"gateways": gateways, "month": f"{now:%Y-%m}", "spent": spent}
        if state == told or (not told and not gateways and not spent):
            return 0
        with self._book.begin() as connection:
            n = self._of_gateways(connection, dead, told.get("gateways", {}), now)
            before = told.get("spent", {}) if told.get("month") == state["month"] else {}
            n += self._of_spent(connection, spent, before, of_kahriz, now)
            checkpoints.put(connection, _CHECKPOINT, state)
        return n

    # ---- gateways

    def _of_gateways(
        self,
        connection: Connection,
        dead: Mapping[str, GatewayTrouble],
        told: Mapping[str, int],
        now: datetime,
    ) -> int:
        n = 0
        everybody = self._engineers(connection, self._kahrizes)
        for name in sorted({*dead, *told}):
            channels = self._other_roads(name, dead)
            since_ms = told.get(name, to_ms(dead[name].since) if name in dead else 0)
            if name in dead and name not in told:
                waiting = messages.count_waiting(connection)
                notice, cause = Notice.GATEWAY_DEAD, dead[name].reason
            elif name in told and name not in dead:
                waiting, notice, cause = None, Notice.GATEWAY_BACK, ""
            else:
                continue
            for person in everybody:
                known = self._known(
                    person,
                    now,
                    gateway=name,
                    since=from_ms(since_ms),
                    cause=cause,
                    count=waiting,
                )
                key = f"{notice.value} {name} {since_ms}"
                n += _queue(connection, person, channels, notice, known, key)
        return n

    def _other_roads(self, name: str, dead: Mapping[str, GatewayTrouble]) -> frozenset[str]:
        """Return the channels that every one of their gateways still takes."""
        blocked = frozenset[str]().union(*(self._roads.get(d, frozenset()) for d in dead))
        every = frozenset[str]().union(*self._roads.values())
        return every - blocked

    # ---- the month's texts

    def _of_spent(
        self,
        connection: Connection,
        spent: Mapping[str, str],
        before: Mapping[str, str],
        sums: Mapping[str, tuple[int, int]],
        now: datetime,
    ) -> int:
        n = 0
        for kahriz, how in spent.items():
            if before.get(kahriz) == how or kahriz not in self._kahrizes:
                continue
            for person in self._engineers(connection, [kahriz]):
                known = self._known(
                    person,
                    now,
                    kahriz=self._kahrizes[kahriz].name,
                    village=self._kahrizes[kahriz].village,
                    count=sums[kahriz][1],
                    limit=self._limits.parts_a_kahriz,
                )
                key = f"{how} {kahriz} {now:%Y-%m}"
                n += _queue(connection, person, {"sms", "email"}, Notice(how), known, key)
        return n

    # ---- whom

    def _engineers(self, connection: Connection, kahrizes: Iterable[str]) -> list[Person]:
        """Return the engineers of some kahrizes, each address once."""
        chosen, found = set(kahrizes), dict[str, Person]()
        for person in contacts.list_contacts(connection):
            is_meant = person.role == "engineer" and person.kahriz in chosen
            if is_meant and not person.is_opted_out:
                found.setdefault(person.address, person)
        return list(found.values())

    def _known(self, person: Person, now: datetime, **said: Any) -> Known:
        kahriz: Kahriz = self._kahrizes[person.kahriz]
        return Known(kahriz.zone, now, **said)


def _spent(sums: Mapping[str, tuple[int, int]], limit: int) -> dict[str, str]:
    """Return by kahriz whether its month's texts are nearly or wholly used up."""
    found: dict[str, str] = {}
    for kahriz, (_, parts) in sorted(sums.items()):
        if parts >= limit:
            found[kahriz] = Notice.BUDGET_SPENT.value
        elif parts >= WARNS_AT * limit:
            found[kahriz] = Notice.BUDGET_WARNING.value
    return found


def _queue(
    connection: Connection,
    person: Person,
    channels: Iterable[str],
    notice: Notice,
    known: Known,
    key: str,
) -> int:
    """Queue a notice by every channel that may be used and the person has; return how many."""
    words = render_notice(notice, person.language, person.alphabet, known)
    n = 0
    for channel in CHANNELS:
        address = person.reached_by(channel)
        if channel not in channels or address is None:
            continue
        id = queue(
            connection,
            person,
            channel,
            words,
            key=f"notice {key}/{address}",
            reason="notice",
            now=known.now,
            expires=known.now + EXPIRES_AFTER,
        )
        n += id is not None
    return n
