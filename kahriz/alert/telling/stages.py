"""What may keep a text from leaving now: each stage lets one wish pass, or says why not.

What is held is looked at again the next time; a stage keeps nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from kahriz.alert.reason import Reason
from kahriz.alert.telling.world import Case, Wish, World
from kahriz.book import silences
from kahriz.clock import iso
from kahriz.detect import Kind

CRITICAL = (Kind.BLOCKAGE, Kind.SURGE)
"""What nobody may sleep through: a gallery that is closing, water that comes at once."""

CRITICAL_LOSS = 0.5
"""So is a sudden loss of half of the water, whatever its cause."""

HIDES: dict[Kind, tuple[Kind, ...]] = {
    Kind.BLOCKAGE: (Kind.DECLINE, Kind.DROUGHT, Kind.OVERABSTRACTION, Kind.TAP_LEAK),
    Kind.DECLINE: (Kind.DROUGHT, Kind.OVERABSTRACTION),
    Kind.OVERABSTRACTION: (Kind.DROUGHT,),
}
"""While one fires, the others at the same kahriz are its consequences."""

HIDES_AT_DEVICE: dict[Kind, tuple[Kind, ...]] = {
    Kind.OFFLINE: (Kind.SENSOR, Kind.BATTERY),
}
"""The same, of one device."""

GATHERS: dict[Kind, timedelta] = {Kind.OFFLINE: timedelta(minutes=15)}
"""How long it has to be quiet in a district before such alerts are told, all at once."""

GATHERS_AT_MOST = timedelta(minutes=45)

A_MINUTE = timedelta(minutes=1)

Stage = Callable[[World, Wish], str | None]


def is_critical(case: Case) -> bool:
    """Return whether an alert may wake people."""
    if case.kind in CRITICAL:
        return True
    return case.kind is Kind.DECLINE and case.gravity >= CRITICAL_LOSS


def _is_urgent(wish: Wish) -> bool:
    news = (Reason.FIRST, Reason.ESCALATED, Reason.WORSE)
    return is_critical(wish.case) and wish.reason in news


def stopped(_: World, wish: Wish) -> str | None:
    """Hold what goes to somebody who asked for no more texts."""
    return f"{wish.person.name} wants no texts" if wish.person.is_opted_out else None


def worked_at(world: World, wish: Wish) -> str | None:
    """Hold all about a kahriz while somebody works there."""
    place = world.places[wish.case.kahriz]
    return "somebody works there" if place.is_worked_at else None


def inhibited(world: World, wish: Wish) -> str | None:
    """Hold what is only the consequence of something graver that people are told of."""
    if wish.reason is Reason.RESOLVED:
        return None
    case = wish.case
    for other in world.cases:
        if other.kahriz != case.kahriz or not other.is_firing or other.is_false_alarm:
            continue
        at_device = other.key == case.key and case.kind in HIDES_AT_DEVICE.get(other.kind, ())
        if at_device or case.kind in HIDES.get(other.kind, ()):
            return f"hidden by {other.kind.value} {other.key}".rstrip()
    return None


def silenced(world: World, wish: Wish) -> str | None:
    """Hold what somebody does not want to hear for a while."""
    if wish.reason is Reason.RESOLVED:
        return None
    case = wish.case
    for one in silences.that_hide(world.silences, case.kahriz, case.kind.value, world.now):
        return f"silenced by {one.by} until {iso(one.end)}"
    return None


def gathering(world: World, wish: Wish) -> str | None:
    """Hold what comes in storms until nothing more of it comes, so that it is one text."""
    wait = GATHERS.get(wish.case.kind)
    if wait is None or wish.reason not in (Reason.FIRST, Reason.RESOLVED):
        return None
    district = world.places[wish.case.kahriz].district
    newest = max(
        _moved_at(case)
        for case in world.cases
        if case.kind is wish.case.kind
        and case.is_firing == wish.case.is_firing
        and world.places[case.kahriz].district == district
    )
    if world.now - newest >= wait:
        return None
    if world.now - _moved_at(wish.case) >= GATHERS_AT_MOST:
        return None
    return "gathered with others of the district"


def _moved_at(case: Case) -> datetime:
    return case.fired_at if case.ended_at is None else case.ended_at


def quiet_hours(world: World, wish: Wish) -> str | None:
    """Hold until the morning what is not worth waking somebody for."""
    if wish.channel != "sms" or _is_urgent(wish):
        return None
    hours = wish.person.quiet
    local = world.now.astimezone(world.places[wish.case.kahriz].zone).time()
    return wish.person.quiet_hours if hours is not None and hours.covers(local) else None


def one_a_minute(world: World, wish: Wish) -> str | None:
    """Hold a further text about a kahriz within a minute of the last one to the same person."""
    if wish.channel != "sms":
        return None
    last = world.last_text.get((wish.address, wish.case.kahriz))
    if last is None or world.now - last >= A_MINUTE:
        return None
    return "one text a kahriz and minute"


def budget(world: World, wish: Wish) -> str | None:
    """Hold what is not urgent once the month's texts are used up."""
    if wish.channel != "sms" or _is_urgent(wish):
        return None
    to_person = world.to_person.get(wish.address)
    if to_person is not None and to_person.texts >= world.limits.texts_a_person:
        return f"{wish.person.name} has had this month's {world.limits.texts_a_person} texts"
    of_kahriz = world.of_kahriz.get(wish.case.kahriz)
    if of_kahriz is not None and of_kahriz.parts >= world.limits.parts_a_kahriz:
        return f"{wish.case.kahriz} has used this month's {world.limits.parts_a_kahriz} SMS"
    return None


STAGES: tuple[tuple[str, Stage], ...] = (
    ("stopped", stopped),
    ("maintenance", worked_at),
    ("inhibition", inhibited),
    ("silence", silenced),
    ("gathering", gathering),
    ("quiet hours", quiet_hours),
    ("rate", one_a_minute),
    ("budget", budget),
)
"""In this order; the first that holds a wish names the reason."""
