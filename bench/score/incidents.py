"""From events to incidents: what people would call one trouble, and until when it can be found."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import dataclass

from bench.score.data import Event
from bench.score.rules import HOUR_MS, MINUTE_MS, Rules

FOREVER_MS = sys.maxsize


@dataclass(frozen=True, slots=True)
class Incident:
    """One trouble at one station.

    Attributes
    ----------
    kind
        The type that lasted longest of the events it was put together from.
    duration_min
        Of those events together, not of the time between them.
    limit_ms
        A first alarm after this instant came too late to count as found.
    """

    start_ms: int
    end_ms: int
    kind: str
    duration_min: float
    limit_ms: int


def incidents(events: Iterable[Event], rules: Rules) -> list[Incident]:
    """Return the events put together where they are at most ``merge_h`` apart, in order."""
    groups: list[list[Event]] = []
    end_ms = 0
    for event in sorted(events, key=lambda e: e.start_ms):
        if groups and _is_near(event.start_ms - end_ms, rules):
            groups[-1].append(event)
            end_ms = max(end_ms, event.end_ms)
        else:
            groups.append([event])
            end_ms = event.end_ms
    return [_together(group, rules) for group in groups]


def _is_near(gap_ms: int, rules: Rules) -> bool:
    return rules.merge_h is not None and gap_ms <= rules.merge_h * HOUR_MS


def _together(group: list[Event], rules: Rules) -> Incident:
    minutes: dict[str, float] = {}
    for event in group:
        # Both ends are readings: one reading alone lasts a step.
        lasts = (event.end_ms - event.start_ms) / MINUTE_MS + rules.step_min
        minutes[event.kind] = minutes.get(event.kind, 0.0) + lasts
    return Incident(
        start_ms=group[0].start_ms,
        end_ms=max(event.end_ms for event in group),
        kind=max(minutes, key=minutes.__getitem__),
        duration_min=sum(minutes.values()),
        limit_ms=max(_limit(event, rules) for event in group),
    )


def _limit(event: Event, rules: Rules) -> int:
    hours = rules.horizon(event.kind)
    return FOREVER_MS if not hours else event.start_ms + round(hours * HOUR_MS)
