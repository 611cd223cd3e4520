"""A village in trouble, for tests: who is told what, when, and what keeps it from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from kahriz.alert.reason import EndedAs
from kahriz.alert.telling import plan
from kahriz.alert.telling.world import Case, Limits, Place, Plan, Sent, Told, World
from kahriz.book.contacts import Person
from kahriz.book.silences import Silence
from kahriz.detect import Kind

NOON = datetime(2026, 11, 22, 8, tzinfo=UTC)
"""Midday in Baku."""

NIGHT = datetime(2026, 11, 22, 20, tzinfo=UTC)
"""Midnight in Baku."""

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
BAKU = ZoneInfo("Asia/Baku")


def person(name: str, role: str, number: int, kahriz: str = "k", **changes: Any) -> Person:
    made = Person(
        number,
        kahriz,
        name,
        role,
        f"+9945000000{number:02}",
        None,
        "az",
        "folded",
        "22:00-08:00",
        None,
        "file",
        number,
    )
    return replace(made, **changes)


CHAIR = person("Chair", "chair", 1)
DEPUTY = person("Deputy", "deputy", 2)
DIGGER = person("Digger", "digger", 3)
ENGINEER = person("Engineer", "engineer", 9)


@dataclass
class Village:
    """Kahrizes of one district, and a clock that the test moves.

    What is told is written down as the book would: `go` plans once and lets everything leave.
    """

    now: datetime = NOON
    cases: list[Case] = field(default_factory=list)
    people: dict[str, list[Person]] = field(
        default_factory=lambda: {"k": [CHAIR, DEPUTY, DIGGER, ENGINEER]}
    )
    places: dict[str, Place] = field(default_factory=lambda: {"k": Place("Goygol", BAKU)})
    silences: list[Silence] = field(default_factory=list)
    limits: Limits = field(default_factory=Limits)
    told: dict[int, list[Told]] = field(default_factory=dict)
    last: dict[tuple[str, str], datetime] = field(default_factory=dict)
    sent: dict[str, Sent] = field(default_factory=dict)
    of_kahriz: dict[str, Sent] = field(default_factory=dict)

    def trouble(self, kind: Kind = Kind.BLOCKAGE, kahriz: str = "k", **changes: Any) -> int:
        """Let an alert fire now; return its id."""
        id = len(self.cases) + 1
        case = Case(id, kahriz, kind, "", is_fresh=True, fired_at=self.now, gravity=0.4)
        self.cases.append(replace(case, **changes))
        return id

    def change(self, id: int, **changes: Any) -> None:
        self.cases[id - 1] = replace(self.cases[id - 1], **changes)

    def end(self, id: int, how: EndedAs = EndedAs.OVER) -> None:
        self.change(id, ended_at=self.now, ended_as=how)

    def plan(self) -> Plan:
        return plan(
            World(
                self.now,
                self.cases,
                self.told,
                self.people,
                self.places,
                self.silences,
                self.last,
                self.sent,
                self.of_kahriz,
                self.limits,
            )
        )

    def go(self, state: str = "accepted") -> list[str]:
        """Tell what is to be told now; return ``reason name, name`` by text."""
        planned = self.plan()
        for withdrawal in planned.withdrawals:
            self.told[withdrawal.alert] = [
                replace(t, state="expired")
                if t.reason is withdrawal.reason and t.state == "queued"
                else t
                for t in self.told[withdrawal.alert]
            ]
        said: list[str] = []
        for text in planned.texts:
            for wish in text.wishes:
                told = Told(
                    wish.address, wish.reason, wish.step, self.now, state, wish.case.gravity
                )
                self.told.setdefault(wish.case.id, []).append(told)
                if wish.channel == "sms":
                    self.last[wish.address, wish.case.kahriz] = self.now
            first = text.first
            about = f" of {len(text.wishes)}" if text.is_digest else ""
            said.append(f"{first.reason.value}{about} to {first.person.name}")
        return said

    def after(self, time: timedelta, state: str = "accepted") -> list[str]:
        """Tell what is to be told so much later."""
        self.now += time
        return self.go(state)

    def through(self, time: timedelta, step: timedelta = MINUTE) -> list[tuple[timedelta, str]]:
        """Tell on for some time; return when, from now, and what."""
        began, found = self.now, list[tuple[timedelta, str]]()
        while self.now < began + time:
            found += [(self.now - began, said) for said in self.go()]
            self.now += step
        return found

    def why_held(self) -> list[str]:
        return [f"{held.stage}: {held.why}" for held in self.plan().held]


def names(texts: Sequence[str]) -> list[str]:
    return [text.rpartition(" to ")[2] for text in texts]
