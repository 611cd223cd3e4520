"""Why somebody is told of an alert, and who is called first. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta
from enum import StrEnum
from typing import Protocol, TypeVar

from kahriz.contacts import Contact
from kahriz.detect import AUDIENCE, Audience, Kind
from kahriz.sites import Kahriz


class Reason(StrEnum):
    """Why somebody gets a text."""

    FIRST = "first"
    WORSE = "worse"
    REPEAT = "repeat"
    ESCALATED = "escalated"
    RESOLVED = "resolved"


class EndedAs(StrEnum):
    """What the end of an alert was."""

    OVER = "over"
    """The trouble is gone: people are told."""
    SUPERSEDED = "superseded"
    """A graver kind took its place."""
    ACCEPTED = "accepted"
    """Not back to what was expected: everybody got used to it."""


LEVELS: dict[Audience, tuple[tuple[str, ...], ...]] = {
    Audience.COMMITTEE: (("chair",), ("deputy", "digger"), ("engineer",)),
    Audience.TECHNICIAN: (("engineer",),),
}
"""Who is called after whom; a broken sensor is the engineer's alone."""

EXPIRES_AFTER: dict[Reason, timedelta] = {
    Reason.FIRST: timedelta(hours=12),
    Reason.WORSE: timedelta(hours=12),
    Reason.REPEAT: timedelta(hours=4),
    Reason.ESCALATED: timedelta(hours=12),
    Reason.RESOLVED: timedelta(hours=24),
}
"""A text that could not leave for so long is not sent any more."""

RETURNED = 0.85
"""The flow is back when it is at least this share of what was expected."""


class Reachable(Protocol):
    """Somebody with a role, and a number or none."""

    @property
    def role(self) -> str:
        """A role of `LEVELS`."""
        ...

    @property
    def phone(self) -> str | None:
        """The number; whoever has none is not called."""
        ...


P = TypeVar("P", bound=Reachable)


def levels_of(kind: Kind, people: Iterable[P]) -> list[list[P]]:
    """Return who is called of a kind, those of one level after those of another, each number once.

    A level without anybody is passed over.
    """
    everybody, seen, found = list(people), set[str](), list[list[P]]()
    for roles in LEVELS[AUDIENCE[kind]]:
        level: list[P] = []
        for person in everybody:
            if person.role in roles and person.phone and person.phone not in seen:
                seen.add(person.phone)
                level.append(person)
        if level:
            found.append(level)
    return found


def called_first(kahriz: Kahriz, kind: Kind) -> tuple[Contact, ...]:
    """Return the contacts of the file who are told of a kind first, each number once."""
    return tuple(next(iter(levels_of(kind, kahriz.contact)), ()))


def is_worth_telling_the_end(
    kind: Kind,
    evidence: Mapping[str, float | str],
    observed_lps: float | None,
    lasted: timedelta = timedelta(0),
) -> bool:
    """Return whether the end of an alert is good news, and not trouble everybody got used to.

    Parameters
    ----------
    kind
        Of the alert.
    evidence
        Of the alert; ``expected_lps`` is what the flow was before.
    observed_lps
        Flow at the outlet now; None: not known.
    lasted
        From when it fired until it was last seen.
    """
    if lasted >= _used_to_after(kind, evidence):
        return False
    if kind not in (Kind.BLOCKAGE, Kind.DECLINE, Kind.OVERABSTRACTION):
        return True
    expected = evidence.get("expected_lps")
    if observed_lps is None or not isinstance(expected, int | float):
        return False
    return observed_lps >= RETURNED * expected


def _used_to_after(kind: Kind, evidence: Mapping[str, float | str]) -> timedelta:
    """Return after how long a detector takes what it reported for normal, less a day to be sure.

    Of water that is gone the flow itself decides.
    """
    if kind is Kind.TAP_LEAK:
        return timedelta(days=13 if "night_lps" in evidence else 33)
    if kind is Kind.SURGE:
        return timedelta(days=20)
    if kind is Kind.SENSOR:
        return _SENSOR_USED_TO.get(str(evidence.get("fault")), timedelta.max)
    return timedelta.max


_SENSOR_USED_TO = {
    "alone": timedelta(days=39),
    "fell": timedelta(days=2),
    "moved": timedelta(days=2),
}
"""A level is calm where it has been for two days; what does not move stays wrong."""
