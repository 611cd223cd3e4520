"""Small collections told by hours, so that what they are worth can be counted by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from bench.score.alarms import Alarm
from bench.score.data import Collection, Event, Flags, Recording
from bench.score.rules import HOUR_MS, Audience, Rules

STEP_MS = HOUR_MS // 4


def at(hour: float) -> int:
    return round(hour * HOUR_MS)


def event(start_h: float, end_h: float, kind: str = "blockage") -> Event:
    return Event(at(start_h), at(end_h), kind)


def alarm(hour: float, kind: str = "") -> Alarm:
    return Alarm(at(hour), at(hour), kind)


def recording(days: float, labelled: Flags | None = None) -> Recording:
    time_ms = np.arange(round(days * 96) + 1, dtype=np.int64) * STEP_MS
    return Recording("a", time_ms, {"value": np.ones(len(time_ms))}, labelled)


def rules(
    merge_h: float | None = None,
    warmup_d: float = 0.0,
    horizon_h: Mapping[str, float] | None = None,
    neutral: tuple[str, ...] = (),
    exclude: tuple[str, ...] = (),
    audience: Mapping[str, Audience] | None = None,
    kinds: Mapping[str, tuple[str, ...]] | None = None,
) -> Rules:
    return Rules(
        merge_h=merge_h,
        warmup_d=warmup_d,
        horizon_h=horizon_h,
        neutral=neutral,
        exclude=exclude,
        audience=audience or {},
        kinds=kinds or {},
    )


def collection(
    events: Sequence[Event], its: Rules | None = None, days: float = 30, stations: int = 1
) -> Collection:
    names = [chr(ord("a") + i) for i in range(stations)]
    return Collection(
        "hand",
        {name: recording(days) for name in names},
        {"a": tuple(events)},
        its or rules(),
    )
