"""Who is told of what, now: alerts, people and what they know already to texts. Pure.

::

    alerts, people, log --calls--> wishes --stages--> wishes --grouped--> texts
                                      |  stopped maintenance inhibition silence
                                      |  gathering quiet hours rate budget
                                      +--> held, each with its reason

It is a function of the state, as in Alertmanager: nothing is remembered between two calls but what
the book says, so a crash or a restart repeats nothing and forgets nothing. A wish that is in the
log already is none: that is the deduplication.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from kahriz.alert.reason import Reason
from kahriz.alert.telling import calls
from kahriz.alert.telling.stages import STAGES
from kahriz.alert.telling.world import Held, Plan, Text, Wish, World
from kahriz.detect import Kind

__all__ = ["DIGEST_FROM", "plan"]

DIGEST_FROM = 3
"""Kahrizes in one text to one person; below, each has its own."""

_GRAVEST = (
    Kind.BLOCKAGE,
    Kind.SURGE,
    Kind.DECLINE,
    Kind.OVERABSTRACTION,
    Kind.TAP_LEAK,
    Kind.DROUGHT,
    Kind.OFFLINE,
    Kind.SENSOR,
    Kind.BATTERY,
)


def plan(world: World) -> Plan:
    """Return what has to be said now, what is held and why, and what is not to leave any more."""
    passed: list[Wish] = []
    held: list[Held] = []
    for wish in _in_order(calls.wishes(world)):
        verdict = _verdict(world, wish)
        if verdict is None:
            passed.append(wish)
        else:
            held.append(verdict)
    texts, late = _one_at_a_time(_grouped(world, passed))
    return Plan(tuple(texts), (*held, *late), tuple(calls.withdrawals(world)))


def _in_order(found: Iterator[Wish]) -> list[Wish]:
    return sorted(found, key=lambda w: (_GRAVEST.index(w.case.kind), w.case.fired_at, w.case.id))


def _verdict(world: World, wish: Wish) -> Held | None:
    for name, stage in STAGES:
        why = stage(world, wish)
        if why is not None:
            return Held(wish, name, why)
    return None


def _grouped(world: World, wishes: Sequence[Wish]) -> Iterator[Text]:
    """Yield a text a kahriz, or one for a district where it is the same at many."""
    groups: dict[tuple[str, Kind, Reason, str], list[Wish]] = {}
    for wish in wishes:
        district = world.places[wish.case.kahriz].district
        groups.setdefault((wish.address, wish.case.kind, wish.reason, district), []).append(wish)
    for group in groups.values():
        by_kahriz: dict[str, list[Wish]] = {}
        for wish in group:
            by_kahriz.setdefault(wish.case.kahriz, []).append(wish)
        if len(by_kahriz) >= DIGEST_FROM:
            yield Text(tuple(group), is_digest=True)
        else:
            yield from (Text(tuple(own)) for own in by_kahriz.values())


def _one_at_a_time(texts: Iterator[Text]) -> tuple[list[Text], list[Held]]:
    """Let one text a kahriz and address go, the gravest; the others a minute later."""
    kept: list[Text] = []
    held: list[Held] = []
    taken: set[tuple[str, str]] = set()
    for text in texts:
        own = {(wish.address, wish.case.kahriz) for wish in text.wishes}
        if text.first.channel == "sms" and own & taken:
            held += [Held(w, "rate", "one text a kahriz and minute") for w in text.wishes]
            continue
        taken |= own
        kept.append(text)
    return kept, held
