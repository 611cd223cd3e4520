"""A kahriz's past, judged again: which texts would have gone out, and on what grounds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo

from kahriz.alert.lifecycle import Standing, Step
from kahriz.alert.reason import called_first, is_worth_telling_the_end
from kahriz.alert.walk import Silences, first_of, walk
from kahriz.book.maintenance import Works
from kahriz.detect.gallery import Gallery
from kahriz.sites import Kahriz
from kahriz.store import Store

LEARNS = timedelta(days=100)
"""So long before the first instant the walk begins."""

_OVER = (Step.RESOLVED, Step.SUPERSEDED)


@dataclass(slots=True)
class Told:
    """An alert that would have been told: `alert` as it was last seen, `until` None: it stands."""

    at: datetime
    alert: Standing
    until: datetime | None = None
    texts: int = 0


@dataclass(frozen=True, slots=True)
class Past:
    """What a walk through a kahriz's past came to; `quarters` is how many were judged."""

    kahriz: Kahriz
    told: Sequence[Told]
    quarters: int


def replayed(
    kahriz: Kahriz, store: Store, start: datetime, end: datetime, works: Sequence[Works] = ()
) -> Past:
    """Return what would have been told of a kahriz in [start, end), all its works being known."""
    gallery = Gallery(kahriz)
    begin = start - LEARNS
    log = {name: store.series(name, begin, end) for name in gallery.streams}
    # A silence before the first reading teaches nothing.
    gallery.state.at = gallery.quarters.of(max(begin, first_of(log) or begin)) - 1
    last = gallery.quarters.over(end)
    told: dict[tuple[str, str], Told] = {}
    every: list[Told] = []
    n = 0
    silences = Silences(gallery, log)
    for now, alerts, moved in walk(gallery, log, last, {}, silences, works=works):
        n += 1
        for transition in moved:
            alert = transition.standing
            place = (alert.kind.value, alert.key)
            if transition.step is Step.FIRING and now >= start:
                told[place] = Told(now, alert, texts=len(called_first(kahriz, alert.kind)))
                every.append(told[place])
            elif transition.step is Step.REOPENED and place in told:
                told[place].until = None
            elif transition.step in _OVER and place in told:
                _end(told[place], alert, now, kahriz, is_told=transition.step is Step.RESOLVED)
        for place, alert in alerts.items():
            known = told.get((place[0].value, place[1]))
            if known is not None and known.until is None:
                known.alert = alert
    return Past(kahriz, every, n)


def _end(told: Told, alert: Standing, now: datetime, kahriz: Kahriz, *, is_told: bool) -> None:
    was_told = told.until is not None
    told.until, told.alert = now, alert
    expected = alert.evidence.get("expected_lps")
    observed = float(expected) if isinstance(expected, int | float) else None
    # That the flow is back is why it ended; the end of what was reopened is told once.
    if is_told and not was_told and is_worth_telling_the_end(alert.kind, alert.evidence, observed):
        told.texts += len(called_first(kahriz, alert.kind))


def report(past: Past, start: datetime, end: datetime) -> str:
    """Return the replay as text: a line of sum, and an alert with its grounds a paragraph."""
    kahriz = past.kahriz
    zone = kahriz.zone
    texts = sum(told.texts for told in past.told)
    first, last = (at.astimezone(zone).date().isoformat() for at in (start, end))
    lines = [
        f"{kahriz.id}: {first} to {last}: {len(past.told)} alerts, {texts} SMS"
        " if whoever is called first answers"
    ]
    for told in past.told:
        until = "still on" if told.until is None else f"until {_local(told.until, zone)}"
        lines.append(
            f"  {_local(told.at, zone)}  {told.alert.kind.value}"
            f"{' ' + told.alert.key if told.alert.key else ''}, {until}, {told.texts} SMS"
        )
        lines.append(f"      {told.alert.explanation}")
    return "\n".join(lines)


def _local(at: datetime, zone: tzinfo) -> str:
    return at.astimezone(zone).strftime("%Y-%m-%d %H:%M")
