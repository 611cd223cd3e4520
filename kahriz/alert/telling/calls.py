"""What alerts call for: who should be told of each, and for which reason. Pure.

A committee is called one after the other: the chair, after 15 minutes without an answer deputy and
digger, after 30 the engineer; whoever cannot be reached is passed over at once. What is about
sensors goes to engineers alone. Engineers with an e-mail address get everything by mail as well,
at once: it costs nothing and wakes nobody.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta

from kahriz.alert.reason import EndedAs, Reason, levels_of
from kahriz.alert.telling.world import Case, Told, Wish, Withdrawal, World
from kahriz.book.contacts import CHANNELS, Person
from kahriz.detect import Kind

ESCALATES_AFTER = timedelta(minutes=15)
"""Without an answer, for each level."""

REPEATS_AFTER: dict[Kind, timedelta] = {
    Kind.BLOCKAGE: timedelta(hours=4),
    Kind.SURGE: timedelta(hours=4),
    Kind.DECLINE: timedelta(hours=12),
    Kind.OVERABSTRACTION: timedelta(hours=24),
    Kind.TAP_LEAK: timedelta(hours=24),
    Kind.DROUGHT: timedelta(days=7),
    Kind.SENSOR: timedelta(days=2),
    Kind.OFFLINE: timedelta(days=1),
    Kind.BATTERY: timedelta(days=7),
}
"""After the last text, while nobody has answered."""

MOST_REPEATS = 3
"""Then it is said by the page alone: who has not answered three times will not the fourth."""

MOST_WORSE = 2
WORSE_LEAVES = 0.5
"""It is worse when half of the water that was left when people were told is gone as well."""

_ROUNDING = 1e-9
_IS_LESS_WATER = (Kind.BLOCKAGE, Kind.DECLINE, Kind.OVERABSTRACTION, Kind.DROUGHT)
_NEWS = (Reason.FIRST, Reason.ESCALATED)


def wishes(world: World) -> Iterator[Wish]:
    """Yield what every alert calls for now."""
    for case in world.cases:
        if case.is_firing:
            yield from _while_it_fires(world, case)
        elif case.ended_as is EndedAs.OVER and not case.is_false_alarm:
            yield from _when_it_is_over(world, case)


def withdrawals(world: World) -> Iterator[Withdrawal]:
    """Yield the texts that wait and are not true any more."""
    for case in world.cases:
        waiting = {told.reason for told in world.told_of(case) if told.state == "queued"}
        if case.is_firing:
            if Reason.RESOLVED in waiting:
                yield Withdrawal(case.id, Reason.RESOLVED, "the trouble came back")
            if case.answered_at or case.is_false_alarm:
                for reason in waiting & {Reason.ESCALATED, Reason.REPEAT}:
                    yield Withdrawal(case.id, reason, "somebody has answered")
            continue
        why = "over before it left"
        if case.ended_as is EndedAs.SUPERSEDED:
            why = "a graver alert took its place"
        for reason in waiting - {Reason.RESOLVED}:
            yield Withdrawal(case.id, reason, why)


# ---- while it fires


def _while_it_fires(world: World, case: Case) -> Iterator[Wish]:
    if not case.is_fresh:
        return
    told = world.told_of(case)
    yield from _by_mail(world, case, told)
    levels = _levels(world, case)
    if not levels:
        return
    reached = _reached(levels, told)
    if reached == 0:
        yield from (_first(case, person, "sms", told) for person in levels[0])
        return
    addresses = {person.phone for level in levels[:reached] for person in level}
    here = [t for t in told if t.address in addresses]
    yield from _worse(case, levels[:reached], here)
    if case.is_false_alarm or case.answered_at is not None:
        return
    began = min(t.at for t in here if t.reason in _NEWS)
    waited = world.now - began
    if reached < len(levels):
        if _has_to_go_on(levels[reached - 1], here, world):
            before = tuple(person.name for level in levels[:reached] for person in level)
            for person in levels[reached]:
                yield Wish(case, person, "sms", Reason.ESCALATED, reached, waited, before)
        return
    yield from _repeats(world, case, levels, here, waited)


def _levels(world: World, case: Case) -> list[list[Person]]:
    """Return who can be reached by phone and wants to be, by level."""
    people = world.people.get(case.kahriz, ())
    return levels_of(case.kind, [p for p in people if not p.is_opted_out])


def _knows(told: Sequence[Told], address: str) -> bool:
    """Return whether somebody's last word of an alert is that it is there.

    A text that failed is not tried again: somebody else is called. One that could not leave in
    time has to be made anew, with the figures of now.
    """
    mine = [t for t in told if t.address == address and _counts(t)]
    return bool(mine) and mine[-1].reason is not Reason.RESOLVED


def _counts(told: Told) -> bool:
    if told.reason is Reason.RESOLVED:
        return told.has_left and told.state != "queued"  # one that waits is withdrawn
    return told.state != "expired"


def _reached(levels: Sequence[Sequence[Person]], told: Sequence[Told]) -> int:
    """Return how many levels know of it: all up to the highest at which anybody does."""
    found = [
        number
        for number, level in enumerate(levels, start=1)
        if any(_knows(told, person.phone or "") for person in level)
    ]
    return max(found, default=0)


def _first(case: Case, person: Person, channel: str, told: Sequence[Told]) -> Wish:
    """Return that somebody hears of it first, or again: after its end, or what did not leave."""
    address = person.reached_by(channel)
    step = sum(t.address == address and t.reason is Reason.FIRST for t in told)
    return Wish(case, person, channel, Reason.FIRST, step)


def _has_to_go_on(level: Sequence[Person], told: Sequence[Told], world: World) -> bool:
    """Return whether a level has had its time, or none of its texts can arrive."""
    phones = {person.phone for person in level}
    news = [t for t in told if t.address in phones and t.reason in _NEWS]
    if not news:
        return True  # nobody of it was told: they came after it was their turn
    if all(t.state == "failed" for t in news):
        return True
    return world.now - max(t.at for t in news) >= ESCALATES_AFTER


def _worse(case: Case, levels: Sequence[Sequence[Person]], told: Sequence[Told]) -> Iterator[Wish]:
    if case.kind not in _IS_LESS_WATER or not told:
        return
    known = max(t.gravity for t in told)
    n = max((t.step for t in told if t.reason is Reason.WORSE), default=0)
    if n >= MOST_WORSE or not known or 1 - case.gravity > WORSE_LEAVES * (1 - known) + _ROUNDING:
        return
    for level in levels:
        for person in level:
            yield Wish(case, person, "sms", Reason.WORSE, n + 1)


def _repeats(
    world: World,
    case: Case,
    levels: Sequence[Sequence[Person]],
    told: Sequence[Told],
    waited: timedelta,
) -> Iterator[Wish]:
    n = max((t.step for t in told if t.reason is Reason.REPEAT), default=0)
    last = max(t.at for t in told)
    if n >= MOST_REPEATS or world.now - last < REPEATS_AFTER[case.kind]:
        return
    for level in levels:
        for person in level:
            yield Wish(case, person, "sms", Reason.REPEAT, n + 1, waited)


def _by_mail(world: World, case: Case, told: Sequence[Told]) -> Iterator[Wish]:
    for person in world.people.get(case.kahriz, ()):
        if person.role != "engineer" or person.email is None:
            continue
        if not _knows(told, person.email):
            yield _first(case, person, "email", told)


# ---- when it is over


def _was_called(told: Sequence[Told], address: str) -> bool:
    """Return whether somebody was to be told, and not of the end yet.

    A text that waits is withdrawn; that it is over takes its place.
    """
    mine = [t for t in told if t.address == address]
    mine = [t for t in mine if t.has_left or t.reason is not Reason.RESOLVED]
    return bool(mine) and mine[-1].reason is not Reason.RESOLVED


def _when_it_is_over(world: World, case: Case) -> Iterator[Wish]:
    told = world.told_of(case)
    for person in world.people.get(case.kahriz, ()):
        if person.is_opted_out:
            continue
        for channel in CHANNELS:
            address = person.reached_by(channel)
            if address is None or not _was_called(told, address):
                continue
            step = sum(t.address == address and t.reason is Reason.RESOLVED for t in told)
            yield Wish(case, person, channel, Reason.RESOLVED, step)
