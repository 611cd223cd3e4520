"""The metric of flags: quality flags send nobody a message, they say which readings to trust.

An event is *found* by any flag within it, a step before and after included. A *false run* is a
stretch of flags farther than an hour from everything labelled; its length does not matter, because
each is one look of an engineer. That alone would praise who flags everything, one long run between
two events: so the part of the good readings that is flagged is told as well.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from bench.score.data import Collection, Event, Flags, Recording
from bench.score.metric import share
from bench.score.rules import DAY_MS, MINUTE_MS, MONTH_DAYS, Rules

_FEWEST = 5
"""Readings after the learning period that a station must have to be judged."""
_NEAR_MIN = 60.0


@dataclass(slots=True)
class QualityScore:
    """What the flags of one or more stations were worth."""

    months: float = 0.0
    readings: int = 0
    flagged: int = 0
    false_runs: int = 0
    good: int = 0
    good_flagged: int = 0
    """Readings farther than an hour from everything labelled, and how many of them are flagged."""
    events: Counter[str] = field(default_factory=Counter)
    found: Counter[str] = field(default_factory=Counter)
    """By type."""

    @property
    def event_recall(self) -> float:
        """Of the labelled events: the part with a flag in it."""
        return share(self.found.total(), self.events.total())

    @property
    def false_runs_per_month(self) -> float:
        """Stretches of flags about nothing, a station and month."""
        return share(self.false_runs, self.months)

    @property
    def flagged_share(self) -> float:
        """Part of all readings that is flagged."""
        return share(self.flagged, self.readings)

    @property
    def good_flagged_share(self) -> float:
        """Part of the good readings that is flagged: 1 for who flags everything."""
        return share(self.good_flagged, self.good)

    def add(self, other: QualityScore) -> None:
        """Take in what was counted at other stations."""
        self.months += other.months
        self.readings += other.readings
        self.flagged += other.flagged
        self.false_runs += other.false_runs
        self.good += other.good
        self.good_flagged += other.good_flagged
        self.events += other.events
        self.found += other.found


def quality_score(collection: Collection, flags: Mapping[str, Flags]) -> QualityScore:
    """Judge the flags (n,) of every station that has any said of it."""
    total = QualityScore()
    for name, recording in collection.recordings.items():
        if name in flags:
            events = collection.events_of(name)
            total.add(_station(recording, events, flags[name], collection.rules))
    return total


def _station(
    recording: Recording, events: tuple[Event, ...], is_flagged: Flags, rules: Rules
) -> QualityScore:
    learned = recording.time_ms >= recording.time_ms[0] + rules.warmup_d * DAY_MS
    time_ms, is_flagged = recording.time_ms[learned], is_flagged[learned]
    if len(time_ms) < _FEWEST:
        return QualityScore()
    events = tuple(e for e in events if e.kind not in rules.neutral)
    labelled = _labelled(recording, events)[learned]
    good = ~_widened(labelled, int(_NEAR_MIN / rules.step_min))
    far = is_flagged & good
    result = QualityScore(
        months=float(time_ms[-1] - time_ms[0]) / DAY_MS / MONTH_DAYS,
        readings=len(time_ms),
        flagged=int(is_flagged.sum()),
        false_runs=int(np.count_nonzero(np.diff(far.astype(np.int8), prepend=0) == 1)),
        good=int(good.sum()),
        good_flagged=int(far.sum()),
    )
    for event in events:
        if event.start_ms < time_ms[0]:
            continue
        step_ms = round(rules.step_min * MINUTE_MS)
        near = (time_ms >= event.start_ms - step_ms) & (time_ms <= event.end_ms + step_ms)
        result.events[event.kind] += 1
        result.found[event.kind] += int(is_flagged[near].any())
    return result


def _labelled(recording: Recording, events: tuple[Event, ...]) -> Flags:
    if recording.is_labelled is not None:
        return recording.is_labelled
    marked = np.zeros(len(recording.time_ms), dtype=bool)
    for event in events:
        marked |= (recording.time_ms >= event.start_ms) & (recording.time_ms <= event.end_ms)
    return marked


def _widened(marked: Flags, steps: int) -> Flags:
    """Return where a marked reading is at most so many readings away (n,)."""
    wide = np.convolve(marked.astype(np.int64), np.ones(2 * steps + 1, dtype=np.int64))
    return np.asarray(wide[steps : steps + len(marked)] > 0)
