"""Detections at an instant, and the alerts there are, to the alerts there will be. Pure.

::

    detected              held for `fires_after`        absent for `clears_after`
    --------> pending -------------------------> firing ------------------------> resolved
                 | absent for half an hour          ^  |                             |
                 v                                  |  +--> superseded by a graver   |
               dropped                              +-------------------------------+
                                                         again within 24 h: reopened

Every duration is event time. An instant before what is already known of an alert changes nothing:
late readings may add closed past alerts, they never unsettle present ones.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from kahriz.detect import Detection, Episode, Kind


class State(StrEnum):
    """Where an alert is in its life."""

    PENDING = "pending"
    FIRING = "firing"
    RESOLVED = "resolved"


class Step(StrEnum):
    """What happened to an alert at one instant."""

    PENDING = "pending"
    FIRING = "firing"
    RESOLVED = "resolved"
    DROPPED = "dropped"
    REOPENED = "reopened"
    SUPERSEDED = "superseded"


@dataclass(frozen=True, slots=True)
class Rule:
    """How long a kind is held before it is believed, and absent before it is over."""

    fires_after: timedelta
    clears_after: timedelta


RULES: dict[Kind, Rule] = {
    Kind.BLOCKAGE: Rule(timedelta(minutes=15), timedelta(hours=2)),
    Kind.DECLINE: Rule(timedelta(hours=1), timedelta(hours=3)),
    Kind.SURGE: Rule(timedelta(minutes=30), timedelta(hours=3)),
    Kind.DROUGHT: Rule(timedelta(0), timedelta(days=1)),
    Kind.OVERABSTRACTION: Rule(timedelta(hours=1), timedelta(hours=3)),
    Kind.TAP_LEAK: Rule(timedelta(hours=1), timedelta(hours=3)),
    Kind.SENSOR: Rule(timedelta(hours=1), timedelta(hours=6)),
    Kind.OFFLINE: Rule(timedelta(0), timedelta(minutes=30)),
    Kind.BATTERY: Rule(timedelta(0), timedelta(hours=1)),
}

DROPS_AFTER = timedelta(minutes=30)
"""A pending alert absent for so long was nothing."""

REOPENS_WITHIN = timedelta(hours=24)
"""The same trouble again within this time is the same alert, and is not told anew."""

_WATER = (Kind.BLOCKAGE, Kind.DECLINE, Kind.OVERABSTRACTION, Kind.SURGE)

Place = tuple[Kind, str]
"""(kind, key): at one kahriz at most one alert is open at a place."""


@dataclass(frozen=True, slots=True)
class Standing:
    """One alert as the lifecycle knows it; ``row`` is its id in the book, None before it has one.

    ``last_seen`` is the last instant a detector said so; ``resolved_at`` is None while it is open.
    """

    kind: Kind
    key: str
    state: State
    since: datetime
    pending_at: datetime
    last_seen: datetime
    detector: str
    evidence: Mapping[str, float | str]
    explanation: str
    fired_at: datetime | None = None
    resolved_at: datetime | None = None
    row: int | None = None

    @property
    def place(self) -> Place:
        """Where it stands."""
        return (self.kind, self.key)

    @property
    def is_open(self) -> bool:
        """Whether it is pending or firing."""
        return self.state is not State.RESOLVED

    @property
    def is_about_water(self) -> bool:
        """Whether it judges the outlet's flow, so that another such kind can take its place."""
        return self.kind in _WATER or "expected_lps" in self.evidence


@dataclass(frozen=True, slots=True)
class Transition:
    """An alert moved at an instant; `standing` is what it became, `detail` says it in words."""

    at: datetime
    step: Step
    standing: Standing
    detail: str = ""


Alerts = dict[Place, Standing]


def judge(
    known: Mapping[Place, Standing], detections: Iterable[Detection], now: datetime
) -> tuple[Alerts, list[Transition]]:
    """Return the alerts after one instant, and what moved.

    Parameters
    ----------
    known
        By place the newest alert: open, or resolved not longer ago than `REOPENS_WITHIN`.
    detections
        Everything the detectors say at `now`.
    now
        Event time.
    """
    alerts = dict(known)
    moved: list[Transition] = []
    said = {(d.kind, d.key): d for d in detections}
    for place, detection in said.items():
        moved += _seen(alerts, place, detection, now)
    graver = [p for p in said if _is_firing_water(alerts.get(p))]
    waiting = [p for p in said if (a := alerts.get(p)) is not None and a.is_about_water]
    for place, alert in list(alerts.items()):
        if alert.is_open and place not in said and alert.last_seen < now:
            moved += _unseen(alerts, alert, now, graver, waiting)
    return alerts, moved


def stand(known: Mapping[Place, Standing], now: datetime) -> tuple[Alerts, list[Transition]]:
    """Return the alerts after an instant of which nobody may judge, and what moved.

    What fires stands, its end is not nearer than before; what was pending was nothing yet.
    """
    alerts = dict(known)
    moved: list[Transition] = []
    for place, alert in known.items():
        if not alert.is_open or now <= alert.last_seen:
            continue
        if alert.state is State.FIRING:
            alerts[place] = replace(alert, last_seen=now)
        else:
            moved += _end(alerts, alert, Step.DROPPED, now, "somebody works there")
    return alerts, moved


def _is_firing_water(alert: Standing | None) -> bool:
    return alert is not None and alert.state is State.FIRING and alert.is_about_water


def _seen(alerts: Alerts, place: Place, detection: Detection, now: datetime) -> list[Transition]:
    alert = alerts.get(place)
    if alert is None or (alert.resolved_at is not None and _is_over(alert, now)):
        return _move(alerts, _begun(detection, now), Step.PENDING, now, detection.explanation) + (
            _fired(alerts, place, now, detection)
        )
    if now < alert.last_seen or (alert.resolved_at is not None and now < alert.resolved_at):
        return []
    alert = _told(alert, detection, now)
    if alert.state is State.RESOLVED:
        again = replace(alert, state=State.FIRING, resolved_at=None)
        return _move(alerts, again, Step.REOPENED, now, detection.explanation)
    alerts[place] = alert
    return _fired(alerts, place, now, detection)


def _is_over(alert: Standing, now: datetime) -> bool:
    # What was dropped before it fired leaves nothing to reopen.
    if alert.resolved_at is None or alert.fired_at is None:
        return True
    return now - alert.resolved_at > REOPENS_WITHIN


def _begun(detection: Detection, now: datetime) -> Standing:
    return Standing(
        detection.kind,
        detection.key,
        State.PENDING,
        since=min(detection.since, now),
        pending_at=now,
        last_seen=now,
        detector=detection.detector,
        evidence=dict(detection.evidence),
        explanation=detection.explanation,
    )


def _told(alert: Standing, detection: Detection, now: datetime) -> Standing:
    """Return the alert seen again; the gravest figures stay, not the last ones before its end."""
    alert = replace(alert, last_seen=now)
    if gravity(detection.evidence) < 0.9 * gravity(alert.evidence):
        return alert
    return replace(alert, evidence=dict(detection.evidence), explanation=detection.explanation)


def gravity(evidence: Mapping[str, float | str]) -> float:
    """Return the part of the water that is gone, or by which there is more; 0: not known."""
    names = ("deviation", "loss", "below_season")
    value = next((evidence[name] for name in names if name in evidence), 0.0)
    return abs(value) if isinstance(value, int | float) else 0.0


def _fired(alerts: Alerts, place: Place, now: datetime, detection: Detection) -> list[Transition]:
    alert = alerts[place]
    if alert.state is not State.PENDING:
        return []
    if not detection.is_held and now - alert.pending_at < RULES[alert.kind].fires_after:
        return []
    alert = replace(alert, state=State.FIRING, fired_at=now)
    return _move(alerts, alert, Step.FIRING, now, alert.explanation)


def _unseen(
    alerts: Alerts, alert: Standing, now: datetime, graver: list[Place], waiting: list[Place]
) -> list[Transition]:
    if alert.is_about_water and graver:
        return _end(alerts, alert, Step.SUPERSEDED, now, f"it is a {graver[0][0].value}")
    if alert.is_about_water and waiting and alert.state is State.FIRING:
        # The other kind is not believed yet; the water is not right either way.
        alerts[alert.place] = replace(alert, last_seen=now)
        return []
    absent = now - alert.last_seen
    if alert.state is State.PENDING:
        return _end(alerts, alert, Step.DROPPED, now) if absent >= DROPS_AFTER else []
    if absent < RULES[alert.kind].clears_after:
        return []
    return _end(alerts, alert, Step.RESOLVED, now)


def _end(
    alerts: Alerts, alert: Standing, step: Step, now: datetime, detail: str = ""
) -> list[Transition]:
    ended = replace(alert, state=State.RESOLVED, resolved_at=now)
    return _move(alerts, ended, step, now, detail)


def _move(
    alerts: Alerts, alert: Standing, step: Step, now: datetime, detail: str
) -> list[Transition]:
    alerts[alert.place] = alert
    return [Transition(now, step, alert, detail)]


def episodes(known: Mapping[Place, Standing], after: datetime) -> tuple[Episode, ...]:
    """Return what detectors have to know of the alerts: those open, and those ended since `after`.

    Oldest first; what was dropped without having fired was nothing, and is left out.
    """
    told = [
        a for a in known.values() if a.is_open or (a.fired_at is not None and a.last_seen >= after)
    ]
    told.sort(key=lambda a: a.since)
    return tuple(
        Episode(a.kind, a.key, a.since, None if a.is_open else a.last_seen, a.evidence)
        for a in told
    )
