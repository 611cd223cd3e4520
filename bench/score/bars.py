"""What detection has to reach before people can trust it, and whether it does.

The bars are those of docs/detectors.md. Each is asked of the collections that can answer it: a
station with witnesses, a stage sensor alone, or the inflow of a network alone. Types are named as
the simulator and as the labelled series name them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from bench.score.data import Collection
from bench.score.metric import AlarmScore, quantile, share
from bench.score.quality_metric import QualityScore

SUDDEN = ("blockage", "blockage_sudden", "debris")
GRADUAL = ("gradual_blockage", "blockage_gradual")
LOST_ON_THE_WAY = ("leak", "illegal_tap")
DROUGHT = ("drought",)
OVER_USE = ("overabstraction",)
DEAD_SENSOR = ("out_of_range", "flat_line", "flatline", "gap")
SILENCE = ("gap",)

DAY_H = 24.0


@dataclass(frozen=True, slots=True)
class Scores:
    """Everything known of one detector on one collection, or on several together."""

    everybody: AlarmScore
    audiences: Mapping[str, AlarmScore]
    quality: QualityScore | None = None


Measure = Callable[[Scores], float]


@dataclass(frozen=True, slots=True)
class Bar:
    """One thing to reach: a figure, and the side of the limit it has to be on."""

    what: str
    measure: Measure
    limit: float
    side: Literal["at least", "at most"]
    unit: str = ""

    def is_met(self, value: float) -> bool:
        """Whether a figure reaches it; what could not be measured does not."""
        if math.isnan(value):
            return False
        return value >= self.limit if self.side == "at least" else value <= self.limit


def _at_least(what: str, limit: float, measure: Measure) -> Bar:
    return Bar(what, measure, limit, "at least")


def _at_most(what: str, limit: float, unit: str, measure: Measure) -> Bar:
    return Bar(what, measure, limit, "at most", unit)


def _found(types: Iterable[str], within_h: float = math.inf) -> Measure:
    def measure(scores: Scores) -> float:
        its = scores.everybody.of(types)
        return share(its.found_within(within_h), its.incidents)

    return measure


def _delay(types: Iterable[str], part: float) -> Measure:
    return lambda scores: quantile(scores.everybody.of(types).delays_h, part)


def _named(types: Iterable[str]) -> Measure:
    def measure(scores: Scores) -> float:
        its = scores.everybody.of(types)
        return share(its.named_right, its.named.total())

    return measure


def _committee(figure: Callable[[AlarmScore], float]) -> Measure:
    return lambda scores: figure(scores.audiences["committee"])


def _technician(figure: Callable[[AlarmScore], float]) -> Measure:
    return lambda scores: figure(scores.audiences["technician"])


def _everybody(figure: Callable[[AlarmScore], float]) -> Measure:
    return lambda scores: figure(scores.everybody)


def _quality(figure: Callable[[QualityScore], float]) -> Measure:
    return lambda scores: figure(scores.quality) if scores.quality else math.nan


def _good_flagged(quality: QualityScore) -> float:
    return quality.good_flagged_share


STATION = (
    _at_least("committee: precision", 0.85, _committee(lambda s: s.precision)),
    _at_least("committee: recall", 0.85, _committee(lambda s: s.recall)),
    _at_most("committee: false messages", 0.05, "/month", _committee(lambda s: s.false_per_month)),
    _at_least("sudden blockage: found", 0.95, _found(SUDDEN)),
    _at_most("sudden blockage: median delay", 1.5, "h", _delay(SUDDEN, 0.5)),
    _at_most("sudden blockage: p90 delay", 6.0, "h", _delay(SUDDEN, 0.9)),
    _at_least("sudden blockage: named right", 0.95, _named(SUDDEN)),
    _at_least("tap and leak: found", 0.85, _found(LOST_ON_THE_WAY)),
    _at_most("tap and leak: median delay", 48.0, "h", _delay(LOST_ON_THE_WAY, 0.5)),
    _at_least("drought: found in 30 days", 0.80, _found(DROUGHT, 30 * DAY_H)),
    _at_least("gradual blockage: found in 3 days", 0.90, _found(GRADUAL, 3 * DAY_H)),
    _at_least("over-abstraction: found in 12 h", 0.90, _found(OVER_USE, 12.0)),
    _at_least("technician: F1", 0.80, _technician(lambda s: s.f1)),
    _at_most("silence: median delay", 2.25, "h", _delay(SILENCE, 0.5)),
    _at_least("out of range, flat line, gap: found", 0.95, _found(DEAD_SENSOR)),
    _at_least("kind named right, of the found", 0.92, _everybody(lambda s: s.named_right)),
)
"""A station with outlet, shaft and perhaps a line."""

STAGE = (
    _at_least("F1", 0.60, _everybody(lambda s: s.f1)),
    _at_most("false messages", 0.15, "/month", _everybody(lambda s: s.false_per_month)),
    _at_least("quality flags: event recall", 0.85, _quality(lambda q: q.event_recall)),
    _at_most(
        "quality flags: false runs", 1.5, "/month", _quality(lambda q: q.false_runs_per_month)
    ),
    _at_most("quality flags: good readings flagged", 0.05, "", _quality(_good_flagged)),
)
"""One stage sensor in a river, judged by a technician."""

INFLOW = (
    _at_least("F1", 0.80, _everybody(lambda s: s.f1)),
    _at_most("false messages", 0.02, "/month", _everybody(lambda s: s.false_per_month)),
)
"""The inflow of a network that leaks."""

QUIET = (_at_most("false messages", 0.10, "/month", _everybody(lambda s: s.false_per_month)),)
"""Series in which nothing happened; floods are named ``surge`` and not counted."""


def bars_for(collection: Collection) -> tuple[Bar, ...]:
    """Return the bars that can be asked of a collection, by what its truth and rules hold."""
    if not collection.events:
        return QUIET
    if {"committee", "technician"} <= collection.rules.audience.keys():
        return STATION
    if "tap_leak" in {name for names in collection.rules.kinds.values() for name in names}:
        return INFLOW
    return STAGE
