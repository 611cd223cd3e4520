"""Series to detections: what the water, or a sensor, is doing wrong.

Contract of every detector:

- Pure: no I/O, no clock. `now` is event time; the memory is the look-back window in the view.
- Says None when nothing is wrong or it cannot tell; a `Detection` carries the figures it rests on.
- Durations, never sample counts: steps of 1 to 15 minutes mix, and readings are missing.
- Uses what the kahriz has (one sensor, two, more) and says in its docstring what it cannot see.
- A detector that raises is logged, counted and skipped by its caller.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

from kahriz.observations import DatastreamId, Series
from kahriz.sites import Kahriz

DETECTORS: dict[str, str] = {
    "no_data": "kahriz.detect.no_data:NoData",
}


class Kind(StrEnum):
    """What is wrong, as the committee or the engineer would name it."""

    BLOCKAGE = "blockage"
    DECLINE = "decline"
    SURGE = "surge"
    DROUGHT = "drought"
    OVERABSTRACTION = "overabstraction"
    TAP_LEAK = "tap_leak"
    SENSOR = "sensor"
    OFFLINE = "offline"
    BATTERY = "battery"


class Audience(StrEnum):
    """Who has to act."""

    COMMITTEE = "committee"
    TECHNICIAN = "technician"


AUDIENCE: dict[Kind, Audience] = {
    Kind.BLOCKAGE: Audience.COMMITTEE,
    Kind.DECLINE: Audience.COMMITTEE,
    Kind.SURGE: Audience.COMMITTEE,
    Kind.DROUGHT: Audience.COMMITTEE,
    Kind.OVERABSTRACTION: Audience.COMMITTEE,
    Kind.TAP_LEAK: Audience.COMMITTEE,
    Kind.SENSOR: Audience.TECHNICIAN,
    Kind.OFFLINE: Audience.TECHNICIAN,
    Kind.BATTERY: Audience.TECHNICIAN,
}


@dataclass(frozen=True, slots=True)
class Episode:
    """Trouble already known: what the water did from `since` to `until` is no normal to learn from.

    ``evidence`` is that of the detection that began it, the figures expected then included: a
    baseline stays frozen at them while the episode lasts (``until`` is None).
    """

    kind: Kind
    key: str
    since: datetime
    until: datetime | None
    evidence: Mapping[str, float | str]


@dataclass(frozen=True, slots=True)
class KahrizView:
    """What a detector may look at: one kahriz up to `now`.

    Attributes
    ----------
    kahriz
        Its sites, sensors and ratings.
    series
        Every datastream's observations in [now - look-back, now], derived discharge included.
    last_seen
        By device: when it was last heard; a device never heard is absent.
    episodes
        Alerts that stand, or ended within the look-back, oldest first.
    """

    kahriz: Kahriz
    series: Mapping[DatastreamId, Series]
    last_seen: Mapping[str, datetime] = field(default_factory=dict)
    episodes: tuple[Episode, ...] = ()


@dataclass(frozen=True, slots=True)
class Detection:
    """A detector's statement at one instant, with the figures it rests on.

    ``evidence`` holds numbers under names with their unit, e.g. ``observed_lps``, ``expected_lps``,
    ``deviation`` (a fraction, -0.38), ``upstream_stage_change_m``; ``explanation`` is one sentence
    for engineers with the same figures; ``key`` separates several alerts of one kind at one kahriz
    (a device id for ``offline``), empty where there can be one only; ``is_held`` says that the
    detector itself has waited until it was sure: nobody has to wait once more.
    """

    kind: Kind
    detector: str
    since: datetime
    evidence: Mapping[str, float | str]
    explanation: str
    key: str = ""
    is_held: bool = False


class Detector(Protocol):
    """One way to see that something is wrong; see the module for the contract."""

    look_back: timedelta
    """How much history the view must hold."""

    def detect(self, view: KahrizView, now: datetime) -> tuple[Detection, ...]:
        """Return everything that is wrong at `now`; usually nothing."""
        ...
