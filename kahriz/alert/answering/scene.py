"""All that an answer to somebody's text looks at, and what it comes to. Plain values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property

from kahriz.alert.answer import Command, Gauging, Said
from kahriz.book.alerts import Alert
from kahriz.book.contacts import Person
from kahriz.notify.texts.catalogue import Text
from kahriz.sites import Kahriz


@dataclass(frozen=True)
class Scene:
    """One text of somebody who is told of some kahriz, and what there is around it.

    Attributes
    ----------
    now
        When it is looked at.
    at
        When it came; not after `now`.
    said
        What it means, but for the kahriz it names.
    named
        Kahrizes it names, of the sender's.
    address
        The sender's number.
    people
        The contacts that the number belongs to, one a kahriz; at least one.
    kahrizes
        Every one of the registry.
    firing
        Alerts of the sender's kahrizes that had fired when the text came, oldest first.
    told
        Alerts that the sender was told of.
    last_told, last_kahrizes
        Alerts that the newest text to the sender told of, and their kahrizes.
    answers
        What was answered to this number within the hour, oldest first.
    answers_today
        How many within a day.
    everybody
        All contacts there are; looked at where somebody wants no more texts.
    """

    now: datetime
    at: datetime
    said: Said
    address: str
    people: Sequence[Person]
    kahrizes: Mapping[str, Kahriz]
    named: tuple[str, ...] = ()
    firing: Sequence[Alert] = ()
    told: frozenset[int] = frozenset()
    last_told: frozenset[int] = frozenset()
    last_kahrizes: frozenset[str] = frozenset()
    answers: Sequence[str] = ()
    answers_today: int = 0
    everybody: Sequence[Person] = field(default=(), repr=False)

    @cached_property
    def own(self) -> Mapping[str, Person]:
        """Who the sender is at each kahriz of theirs."""
        return {person.kahriz: person for person in self.people}

    @property
    def is_stopped(self) -> bool:
        """Whether this number said stop."""
        return any(person.is_opted_out for person in self.people)


@dataclass(frozen=True, slots=True)
class Water:
    """What a kahriz's own instruments say.

    Attributes
    ----------
    flow_lps
        Median of the outlet's last hour [L/s]; None: nothing was measured.
    measured_at
        When the newest value was measured, within the last week.
    rated_lps, stage_m, uncertainty_lps
        Of a gauging: what the outlet said at that moment, and its standard uncertainty.
    """

    flow_lps: float | None = None
    measured_at: datetime | None = None
    rated_lps: float | None = None
    stage_m: float | None = None
    uncertainty_lps: float | None = None


@dataclass(frozen=True, slots=True)
class Mark:
    """Write on an alert that somebody takes it, is on site, or found nothing wrong."""

    what: Command
    alert: int
    by: str


@dataclass(frozen=True, slots=True)
class Mute:
    """Tell nobody of a kahriz, or of one kind there, until an instant."""

    kahriz: str
    kind: str | None
    until: datetime
    by: str


@dataclass(frozen=True, slots=True)
class Stop:
    """Send nothing more to the sender, what waits included."""

    by: str


@dataclass(frozen=True, slots=True)
class Start:
    """Send to the sender again."""

    by: str


@dataclass(frozen=True, slots=True)
class Gauge:
    """Keep a flow measured by hand, beside what the site said."""

    site: str
    gauging: Gauging
    water: Water
    by: str


@dataclass(frozen=True, slots=True)
class Tell:
    """Tell an engineer that a kahriz has lost its last contact."""

    kahriz: str
    person: Person
    channel: str
    text: Text


Act = Mark | Mute | Stop | Start | Gauge | Tell


@dataclass(frozen=True, slots=True)
class Decision:
    """What one text comes to.

    Attributes
    ----------
    outcome
        For engineers, who read what was made of it.
    acts
        What it changes.
    reader, reply
        Who is answered what; None: nobody, `outcome` says why.
    kahriz, alert
        What it is about, where that is one.
    """

    outcome: str
    acts: tuple[Act, ...] = ()
    reader: Person | None = None
    reply: Text | None = None
    kahriz: str | None = None
    alert: int | None = None
