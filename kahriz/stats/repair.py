"""From alert to repair: how long until people are told, take it on, are there, and it is over.

What has not happened yet counts as well: an alert that has been open for three weeks says that its
repair takes more than three weeks. Leaving it out would make the slowest repairs look like none.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import NormalDist

_NORMAL = NormalDist().inv_cdf(0.975)
_ROUNDING = 1e-12

STAGES = ("told", "acknowledged", "on_site", "resolved")


@dataclass(frozen=True, slots=True)
class Handled:
    """The instants of one alert; None: not yet, or never."""

    fired: datetime
    told: datetime | None
    acknowledged: datetime | None
    on_site: datetime | None
    resolved: datetime | None
    is_false_alarm: bool = False


@dataclass(frozen=True, slots=True)
class StageTime:
    """How long a stage takes from when an alert fires.

    Attributes
    ----------
    stage
        One of `STAGES`.
    n, n_reached
        Alerts that say anything of it, and those that reached it; the others are still open or
        ended without it.
    median_min, slow_min
        Minutes within which half, and nine of ten, have reached it; None: fewer have so far.
    median_low_min, median_high_min
        95 % interval of the median; None: it has no such end yet.
    """

    stage: str
    n: int
    n_reached: int
    median_min: float | None
    slow_min: float | None
    median_low_min: float | None
    median_high_min: float | None


@dataclass(frozen=True, slots=True)
class _Point:
    """Which part still waits after a wait, and its 95 % interval."""

    wait: timedelta
    waiting: float
    low: float
    high: float


def stage_times(alerts: Sequence[Handled], now: datetime) -> list[StageTime]:
    """Return how long each stage takes, those who wait still counted.

    Formula: the Kaplan-Meier product limit S(t) = prod (1 - d_i / n_i) over the instants t_i <= t
    at which d_i of the n_i alerts that had waited so long reached the stage; the median is the
    first t with S(t) <= 0.5, the slow one with S(t) <= 0.1. An alert that has not reached the stage
    waits until `now`, or until it was resolved without it. False alarms are repaired by nobody: of
    them it is only counted when people were told and took them on.

    Uncertainty: of the median, the instants at which 0.5 lies in the interval of S (Brookmeyer &
    Crowley 1982); that is S^exp(-+ 1.96 s / ln S), s^2 = sum of d_i / (n_i (n_i - d_i)) by
    Greenwood (Kalbfleisch & Prentice's log-log interval, as libraries have it). With fewer than
    about ten alerts it is wide, and a median an anecdote. Source: Kaplan & Meier 1958, J. Am. Stat.
    Assoc. 53, 457.

    Parameters
    ----------
    alerts
        That fired by `now`, in any order.
    now
        Until when it is known what happened.
    """
    return [_stage(stage, alerts, now) for stage in STAGES]


def _stage(stage: str, alerts: Sequence[Handled], now: datetime) -> StageTime:
    waits: list[tuple[timedelta, bool]] = []
    for alert in alerts:
        if alert.is_false_alarm and stage in ("on_site", "resolved"):
            continue
        at: datetime | None = getattr(alert, stage)
        is_reached = at is not None and at <= now
        until = at if is_reached and at is not None else min(alert.resolved or now, now)
        # Somebody may have taken it on while it was only watched.
        waits.append((max(until - alert.fired, timedelta(0)), is_reached))
    curve = _curve(waits)
    return StageTime(
        stage,
        len(waits),
        sum(is_reached for _, is_reached in waits),
        _first((point.wait, point.waiting) for point in curve),
        _first(((point.wait, point.waiting) for point in curve), 0.1),
        _first((point.wait, point.low) for point in curve),
        _first((point.wait, point.high) for point in curve),
    )


def _curve(waits: Sequence[tuple[timedelta, bool]]) -> list[_Point]:
    """Return the product limit at each wait that ended by reaching the stage."""
    waiting, greenwood, found = 1.0, 0.0, []
    for wait in sorted({wait for wait, is_reached in waits if is_reached}):
        at_risk = sum(other >= wait for other, _ in waits)
        reached = sum(other == wait and is_reached for other, is_reached in waits)
        waiting *= 1.0 - reached / at_risk
        if reached < at_risk:
            greenwood += reached / (at_risk * (at_risk - reached))
        found.append(_Point(wait, waiting, *_interval(waiting, greenwood)))
    return found


def _interval(waiting: float, greenwood: float) -> tuple[float, float]:
    if waiting <= _ROUNDING:  # nobody waits any more: the interval is not defined there
        return 0.0, 0.0
    reach = _NORMAL * math.sqrt(greenwood) / math.log(waiting)
    return waiting ** math.exp(-reach), waiting ** math.exp(reach)


def _first(curve: Iterable[tuple[timedelta, float]], part: float = 0.5) -> float | None:
    """Return the minutes after which at most this part waits; None: more do so far."""
    for wait, waiting in curve:
        if waiting <= part + _ROUNDING:
            return wait / timedelta(minutes=1)
    return None
