"""All that telling looks at, and what it comes to. Plain values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from kahriz.alert.reason import EndedAs, Reason
from kahriz.book.contacts import Person
from kahriz.book.silences import Silence
from kahriz.detect import Kind


@dataclass(frozen=True, slots=True)
class Case:
    """One alert that fires or has ended.

    Attributes
    ----------
    key
        The device, for kinds that are about devices.
    is_fresh
        The newest readings still say so.
    gravity
        Part of the water that is gone (0 to 1), or by which there is more; 0: not known.
    ended_as
        None while it fires.
    answered_at
        When somebody acknowledged it or was on site; None: nobody yet.
    is_false_alarm
        Somebody looked, and there is nothing.
    """

    id: int
    kahriz: str
    kind: Kind
    key: str
    is_fresh: bool
    fired_at: datetime
    gravity: float = 0.0
    ended_at: datetime | None = None
    ended_as: EndedAs | None = None
    answered_at: datetime | None = None
    is_false_alarm: bool = False

    @property
    def is_firing(self) -> bool:
        """Whether it stands."""
        return self.ended_as is None


@dataclass(frozen=True, slots=True)
class Told:
    """Somebody was told of an alert: ``state`` is that of the text in the outbox."""

    address: str
    reason: Reason
    step: int
    at: datetime
    state: str
    gravity: float = 0.0

    @property
    def has_left(self) -> bool:
        """Whether it was sent, or still may be."""
        return self.state not in ("expired", "failed")


@dataclass(frozen=True, slots=True)
class Place:
    """What telling has to know of a kahriz."""

    district: str
    zone: ZoneInfo
    is_worked_at: bool = False


@dataclass(frozen=True, slots=True)
class Sent:
    """Texts of this month to one address, or of one kahriz."""

    texts: int = 0
    parts: int = 0


@dataclass(frozen=True, slots=True)
class Limits:
    """How much may be sent in a month; see `kahriz.settings.NotifySettings`."""

    texts_a_person: int = 60
    parts_a_kahriz: int = 200


@dataclass(frozen=True, slots=True)
class World:
    """Everything at one instant.

    Attributes
    ----------
    cases
        All that fire, and those that ended within four days.
    told
        By alert, oldest first.
    people
        By kahriz, in the order in which they are called.
    last_text
        By (address, kahriz): when its last text was made.
    to_person, of_kahriz
        This month's texts.
    """

    now: datetime
    cases: Sequence[Case]
    told: Mapping[int, Sequence[Told]]
    people: Mapping[str, Sequence[Person]]
    places: Mapping[str, Place]
    silences: Sequence[Silence] = ()
    last_text: Mapping[tuple[str, str], datetime] = field(default_factory=dict)
    to_person: Mapping[str, Sent] = field(default_factory=dict)
    of_kahriz: Mapping[str, Sent] = field(default_factory=dict)
    limits: Limits = Limits()

    def told_of(self, case: Case) -> Sequence[Told]:
        """Return who was told of an alert."""
        return self.told.get(case.id, ())


@dataclass(frozen=True, slots=True)
class Wish:
    """One person should be told of one alert, for one reason.

    ``step`` tells texts of one reason apart; ``waited`` is for how long nobody has answered, of
    those who were ``told``, by name.
    """

    case: Case
    person: Person
    channel: str
    reason: Reason
    step: int = 0
    waited: timedelta | None = None
    told: tuple[str, ...] = ()

    @property
    def address(self) -> str:
        """The number or the e-mail address."""
        found = self.person.reached_by(self.channel)
        assert found is not None
        return found


@dataclass(frozen=True, slots=True)
class Held:
    """A wish that a stage did not let pass, and why, in words that stay the same while it holds."""

    wish: Wish
    stage: str
    why: str


@dataclass(frozen=True, slots=True)
class Text:
    """One text: wishes of one address, reason and kind; several where it is a digest."""

    wishes: tuple[Wish, ...]
    is_digest: bool = False

    @property
    def first(self) -> Wish:
        """The wish whose alert names it."""
        return self.wishes[0]


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """Texts of one alert and reason that are not to leave any more."""

    alert: int
    reason: Reason
    why: str


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be done now."""

    texts: tuple[Text, ...]
    held: tuple[Held, ...]
    withdrawals: tuple[Withdrawal, ...]
