"""From alert to repair: how long until people are told, take it on, are there, and it is over.

What has not happened yet counts as well: an alert that has been open for three weeks says that its
repair takes more than three weeks. Leaving it out would make the slowest repairs look like none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

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
    """

    stage: str
    n: int
    n_reached: int
    median_min: float | None
    slow_min: float | None


def stage_times(alerts: Sequence[Handled], now: datetime) -> list[StageTime]:
    """Return how long each stage takes, those who wait still counted.

    Formula: the Kaplan-Meier product limit S(t) = prod (1 - d_i / n_i) over the instants t_i <= t
    at which d_i of the n_i alerts that had waited so long reached the stage; the median is the
    first t with S(t) <= 0.5, the slow one with S(t) <= 0.1. An alert that has not reached the stage
    waits until `now`, or until it was resolved without it. False alarms are repaired by nobody: of
    them it is only counted when people were told and took them on.

    Uncertainty: n is given with it; with fewer than about ten alerts a median is an anecdote.
    Source: Kaplan & Meier 1958, J. Am. Stat. Assoc. 53, 457.

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
    return StageTime(
        stage,
        len(waits),
        sum(is_reached for _, is_reached in waits),
        _within(waits, 0.5),
        _within(waits, 0.9),
    )


def _within(waits: Sequence[tuple[timedelta, bool]], part: float) -> float | None:
    """Return the minutes in which so large a part reached the stage; None: it has not so far."""
    waiting = 1.0
    for wait in sorted({wait for wait, is_reached in waits if is_reached}):
        at_risk = sum(other >= wait for other, _ in waits)
        reached = sum(other == wait and is_reached for other, is_reached in waits)
        waiting *= 1.0 - reached / at_risk
        if waiting <= 1.0 - part + 1e-12:
            return wait / timedelta(minutes=1)
    return None
