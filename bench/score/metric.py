"""The metric of messages: only an alarm's onset counts, because it is one SMS to people who walk.

An incident is *found* by an onset from ``early_min`` before its start until ``late_h`` after its
end, and not later than its type's horizon. Another onset in that time is a *repeat*; an onset in
no incident's time, nor in that of what nobody has to care for (too short, in the learning period,
nature's own), is *false*. A detector that is always on has one onset, while it learns: it finds
nothing. One that never speaks finds nothing either.

What this does not see: how long an alarm lasts, and whether its figures are right.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from bench.score.alarms import Alarm, Alarms
from bench.score.data import Collection, Event, Recording
from bench.score.incidents import Incident, incidents
from bench.score.rules import DAY_MS, HOUR_MS, MINUTE_MS, MONTH_DAYS, Audience, Rules


def share(part: float, whole: float) -> float:
    """Return part / whole; NaN where there is nothing to have a share of."""
    return part / whole if whole else float("nan")


@dataclass(slots=True)
class TypeScore:
    """One type of trouble: what was found of it, after how many hours, and how it was named."""

    incidents: int = 0
    delays_h: list[float] = field(default_factory=list)
    named: Counter[str] = field(default_factory=Counter)
    """By kind: how many of the found were called so by the first message that counts."""
    named_right: int = 0
    """Of the found: how many had a message with a right name, first or later."""

    @property
    def found(self) -> int:
        """How many were found."""
        return len(self.delays_h)

    def found_within(self, hours: float) -> int:
        """Return how many were found at most `hours` after their start."""
        return sum(delay <= hours for delay in self.delays_h)

    def add(self, other: TypeScore) -> None:
        """Take in what was counted at other stations."""
        self.incidents += other.incidents
        self.delays_h += other.delays_h
        self.named += other.named
        self.named_right += other.named_right


@dataclass(slots=True)
class AlarmScore:
    """What the messages of one or more stations were worth."""

    months: float = 0.0
    types: dict[str, TypeScore] = field(default_factory=dict)
    false: Counter[str] = field(default_factory=Counter)
    """By kind: messages about nothing."""
    repeats: int = 0
    ignored: int = 0
    """Messages in the time of what nobody has to care for."""

    @property
    def incidents(self) -> int:
        """How many incidents there were to find."""
        return sum(t.incidents for t in self.types.values())

    @property
    def found(self) -> int:
        """How many were found."""
        return sum(t.found for t in self.types.values())

    @property
    def false_messages(self) -> int:
        """How many messages were about nothing."""
        return self.false.total()

    @property
    def precision(self) -> float:
        """Of the messages that opened something: the part that was about something."""
        return share(self.found, self.found + self.false_messages)

    @property
    def recall(self) -> float:
        """Of the incidents: the part that was found."""
        return share(self.found, self.incidents)

    @property
    def f1(self) -> float:
        """Harmonic mean of the two; 0 where nothing was found."""
        return share(2 * self.found, self.found + self.false_messages + self.incidents)

    @property
    def false_per_month(self) -> float:
        """Messages about nothing a station and month."""
        return share(self.false_messages, self.months)

    @property
    def delays_h(self) -> list[float]:
        """Hours from start to message of everything found."""
        return [delay for t in self.types.values() for delay in t.delays_h]

    @property
    def named_right(self) -> float:
        """Of the found whose messages name anything: the part named right."""
        return share(
            sum(t.named_right for t in self.types.values()),
            sum(t.named.total() for t in self.types.values()),
        )

    def of(self, kinds: Iterable[str]) -> TypeScore:
        """Return the score of several types together."""
        together = TypeScore()
        for kind in kinds:
            together.add(self.types.get(kind, TypeScore()))
        return together

    def add(self, other: AlarmScore) -> None:
        """Take in what was counted at other stations."""
        self.months += other.months
        self.false += other.false
        self.repeats += other.repeats
        self.ignored += other.ignored
        for kind, its in other.types.items():
            self.types.setdefault(kind, TypeScore()).add(its)


def quantile(delays_h: Sequence[float], part: float) -> float:
    """Return the delay [h] that `part` of the found stay below; NaN where nothing was found."""
    return float(np.quantile(delays_h, part)) if delays_h else float("nan")


def score(collection: Collection, alarms: Alarms, audience: str | None = None) -> AlarmScore:
    """Judge a detector's alarms at every station, all of them or those of one audience.

    For an audience only its types are incidents and only its kinds are messages; a message without
    a name reaches everybody. Its messages about another audience's trouble are false.
    """
    rules = collection.rules
    who = rules.audience[audience] if audience else None
    total = AlarmScore()
    for name, recording in collection.recordings.items():
        events, heard = collection.events_of(name), alarms.get(name, ())
        if who:
            events = tuple(e for e in events if e.kind in who.types or e.kind in rules.neutral)
            heard = _reaching(who, heard)
        total.add(_station(recording, events, heard, rules))
    return total


def _reaching(who: Audience, alarms: Iterable[Alarm]) -> tuple[Alarm, ...]:
    return tuple(a for a in alarms if not a.kind or a.kind in who.kinds)


def _station(
    recording: Recording, events: Sequence[Event], alarms: Iterable[Alarm], rules: Rules
) -> AlarmScore:
    first_ms, last_ms = int(recording.time_ms[0]), int(recording.time_ms[-1])
    begin_ms = first_ms + round(rules.warmup_d * DAY_MS)
    ours = incidents((e for e in events if e.kind not in rules.ignored), rules)
    wanted = [i for i in ours if i.start_ms >= begin_ms and i.duration_min >= rules.min_dur_min]
    spans = [(i.start_ms, i.end_ms) for i in ours]
    spans += [(e.start_ms, e.end_ms) for e in events if e.kind in rules.ignored]

    result = AlarmScore(months=max(0, last_ms - begin_ms) / DAY_MS / MONTH_DAYS)
    heard: list[list[Alarm]] = [[] for _ in wanted]
    for alarm in sorted(a for a in alarms if a.onset_ms >= begin_ms):
        at = _incident_of(alarm, wanted, heard, rules)
        if at is not None:
            heard[at].append(alarm)
        elif any(_is_within(alarm, start, end, rules) for start, end in spans):
            result.ignored += 1
        else:
            result.false[alarm.kind] += 1
    for incident, messages in zip(wanted, heard, strict=True):
        its = result.types.setdefault(incident.kind, TypeScore())
        its.add(_judged(incident, messages, rules))
        result.repeats += max(0, len(messages) - 1)
    return result


def _is_within(alarm: Alarm, start_ms: int, end_ms: int, rules: Rules) -> bool:
    earliest = start_ms - rules.early_min * MINUTE_MS
    return earliest <= alarm.onset_ms <= end_ms + rules.late_h * HOUR_MS


def _incident_of(
    alarm: Alarm, wanted: Sequence[Incident], heard: Sequence[Sequence[Alarm]], rules: Rules
) -> int | None:
    """Return the incident the alarm counts for: the newest one not yet found, else the newest."""
    fits = [
        at
        for at, i in enumerate(wanted)
        if _is_within(alarm, i.start_ms, i.end_ms, rules) and alarm.onset_ms <= i.limit_ms
    ]
    fresh = [at for at in fits if not heard[at]]
    return max(fresh or fits, default=None)


def _judged(incident: Incident, messages: Sequence[Alarm], rules: Rules) -> TypeScore:
    if not messages:
        return TypeScore(incidents=1)
    first = messages[0]
    delay_h = max(0, first.onset_ms - incident.start_ms) / HOUR_MS
    result = TypeScore(incidents=1, delays_h=[delay_h])
    if first.kind:
        right = rules.right_names(incident.kind)
        result.named[first.kind] += 1
        result.named_right = int(any(m.kind in right for m in messages))
    return result
