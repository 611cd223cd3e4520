"""A sensor that says one thing for ever, or impossible things only: it is not the water."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

import numpy as np

from kahriz.clock import from_datetime64
from kahriz.detect import Detection, KahrizView, Kind
from kahriz.detect.scene import repeated
from kahriz.observations import Quality, Series, datastream_id
from kahriz.sites import Sensor, Site, SiteKind, flat_line_limit
from kahriz.units import Property

_FRESH = timedelta(hours=1)
_IMPOSSIBLE = timedelta(hours=1)
_DETECTOR = "abrupt_drop"
_DRY_LPS = 0.02
_DRY_HEAD_M = 0.003


def stuck_sensors(view: KahrizView, now: datetime) -> Iterator[Detection]:
    """Yield one detection for each device whose flow or stage sensor is stuck at `now`."""
    said: set[str] = set()
    for site in view.kahriz.site:
        for sensor in site.sensor:
            name = datastream_id(view.kahriz.id, site.id, sensor.measures)
            series = view.series.get(name)
            if series is None or sensor.measures is Property.BATTERY_VOLTAGE:
                continue
            if _is_stale(series, now):
                found = _as_it_was(view, sensor.device)
            else:
                found = _judged(site, sensor, series, now)
            if found is not None and found.key not in said:
                said.add(found.key)
                yield found


def _is_stale(series: Series, now: datetime) -> bool:
    return len(series) < 4 or now - from_datetime64(series.time[-1]) > _FRESH


def _as_it_was(view: KahrizView, device: str) -> Detection | None:
    """Return what stood when a sensor fell silent: silence does not repair it."""
    for episode in view.episodes:
        is_stuck = episode.evidence.get("fault") in ("flat_line", "out_of_range")
        if episode.until is None and episode.key == device and is_stuck:
            return repeated(episode)
    return None


def _judged(site: Site, sensor: Sensor, series: Series, now: datetime) -> Detection | None:
    impossible = _impossible_since(series)
    if impossible is not None:
        evidence: dict[str, float | str] = {"site": site.id, "fault": "out_of_range"}
        text = f"{sensor.channel} has been impossible for {_hours(now - impossible)} h."
        return Detection(Kind.SENSOR, _DETECTOR, impossible, evidence, text, sensor.device)
    limit = flat_line_limit(sensor)
    flat = None if limit is None else _flat_since(series, limit)
    if flat is None or _is_dry(site, sensor, float(series.value[-1])):
        return None
    value = float(series.value[-1])
    evidence = {
        "site": site.id,
        "fault": "flat_line",
        "observed": value,
        "flat_h": _hours(now - flat),
    }
    text = f"{sensor.channel} has said {value:g} for {_hours(now - flat)} h without any change."
    return Detection(Kind.SENSOR, _DETECTOR, flat, evidence, text, sensor.device)


def _hours(span: timedelta) -> float:
    return round(span / timedelta(hours=1), 1)


def _impossible_since(series: Series) -> datetime | None:
    possible = np.flatnonzero(series.quality != Quality.FAIL)
    first = int(possible[-1]) + 1 if len(possible) else 0
    if len(series) - first < 4:
        return None
    since = series.time[first]
    if series.time[-1] - since < np.timedelta64(_IMPOSSIBLE):
        return None
    return from_datetime64(since)


def _flat_since(series: Series, limit: timedelta) -> datetime | None:
    clean = series.usable()
    changes = np.flatnonzero(np.abs(np.diff(clean.value)) > 1e-9)
    first = int(changes[-1]) + 1 if len(changes) else 0
    if len(clean) - first < 8:
        return None
    since = clean.time[first]
    if clean.time[-1] - since < np.timedelta64(limit):
        return None
    return from_datetime64(since)


def _is_dry(site: Site, sensor: Sensor, value: float) -> bool:
    """Return whether flatness is the truth: no water at an outlet or a line does not move."""
    if sensor.measures is Property.DISCHARGE:
        return value <= _DRY_LPS
    if site.kind is SiteKind.OUTLET and site.rating:
        return value <= max(entry.zero_offset_m for entry in site.rating) + _DRY_HEAD_M
    return False
