"""What the service's own detection makes of a kahriz's month, quarter by quarter.

Readings that the mast kept back are judged as ingest judges a backlog: silence while it lasts, and
when it is over the walk goes back to what was remembered before it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime

import numpy as np

from bench.month.district import District
from firmware_sim.conditions import Conditions
from firmware_sim.scenario import DeviceSpec, KahrizSpec
from kahriz.alert.lifecycle import Alerts, Transition
from kahriz.alert.walk import Silences, first_of, walk
from kahriz.clock import from_ms, to_ms
from kahriz.detect import Detection
from kahriz.detect.gallery import Gallery, dump, load
from kahriz.observations import DatastreamId, Quality, Series, combine_flags, datastream_id
from kahriz.quality.recorded import flag_recorded
from kahriz.rating.dated import DatedRating
from kahriz.sites import Kahriz
from kahriz.units import Property, property_of

Log = dict[DatastreamId, Series]
Judged = tuple[datetime, Alerts, list[Transition]]

_MINUTE_MS = 60_000


def log_of(district: District, kahriz: Kahriz) -> Log:
    """Return all that a kahriz's devices measure before the month and in it, flagged and rated."""
    spec = next(k for k in district.world.scenario.kahriz if k.id == kahriz.id)
    conditions = Conditions(district.world)
    log: Log = {}
    for device in spec.device:
        log |= _said(district, conditions, spec, device)
    for site in kahriz.site:
        if site.rating:
            log |= _rated(kahriz, site.id, DatedRating(site.rating, kahriz.zone), log)
    return log


def _said(
    district: District, conditions: Conditions, kahriz: KahrizSpec, device: DeviceSpec
) -> Log:
    world = district.world
    step = (device.interval_s or world.scenario.interval_s) * 1000
    begin = to_ms(district.start) - round(world.scenario.history_days * 86_400_000)
    times = np.arange(-(-begin // step) * step, to_ms(district.end), step, dtype=np.int64)
    is_on = conditions.measures(device.id, times)
    found: Log = {}
    for channel, value in world.measure(device.id, times).items():
        measures = property_of(channel)
        name = datastream_id(kahriz.id, device.at.replace("_", "-"), measures)
        flags = flag_recorded(measures, times[is_on], value[is_on])
        found[name] = Series(name, times[is_on].astype("datetime64[ms]"), value[is_on], flags)
    return found


def _rated(
    kahriz: Kahriz, site: str, rating: DatedRating, log: Mapping[DatastreamId, Series]
) -> Log:
    stage = log[datastream_id(kahriz.id, site, Property.STAGE)]
    rated = rating.discharge(stage.time.astype(np.int64), stage.value)
    known = np.isfinite(rated.discharge_lps)
    flags = combine_flags([stage.quality[known], rated.quality[known]])
    name = datastream_id(kahriz.id, site, Property.DISCHARGE)
    return {name: Series(name, stage.time[known], rated.discharge_lps[known], flags)}


def judged(district: District, kahriz: Kahriz, log: Log) -> Iterator[Judged]:
    """Yield for each quarter of the month what the alerts became, and how."""
    gallery = Gallery(kahriz)
    first = first_of(log)
    assert first is not None
    quarters = gallery.quarters
    gallery.state.at = quarters.of(first) - 1
    for _ in walk(gallery, log, quarters.of(district.start), {}, _nobody):
        pass
    alerts: Alerts = {}
    for start_ms, end_ms in district.outages(kahriz.id):
        for step in walk(gallery, log, _quarter(gallery, start_ms), alerts, Silences(gallery, log)):
            alerts = step[1]
            yield step
        before = dump(gallery.state)
        heard = {name: _without(series, start_ms, end_ms) for name, series in log.items()}
        until = _quarter(gallery, end_ms)
        for step in walk(gallery, heard, until, alerts, Silences(gallery, heard)):
            alerts = step[1]
            yield step
        # All of it has come by now: it is walked through once more, and tells nothing.
        gallery = Gallery(kahriz, load(before))
        for _ in walk(gallery, log, until, alerts, _nobody, told_until=quarters.end(until)):
            pass
    yield from walk(gallery, log, quarters.of(district.end) - 1, alerts, Silences(gallery, log))


def _nobody(now: datetime, alerts: Alerts) -> tuple[Detection, ...]:
    return ()


def _quarter(gallery: Gallery, time_ms: int) -> int:
    return gallery.quarters.over(from_ms(time_ms))


def _without(series: Series, start_ms: int, end_ms: int) -> Series:
    times = series.time.astype(np.int64)
    kept = (times < start_ms) | (times >= end_ms)
    return Series(series.datastream, series.time[kept], series.value[kept], series.quality[kept])


def flow(log: Mapping[DatastreamId, Series], kahriz: str, now: datetime) -> float | None:
    """Return the median [L/s] of the outlet's last hour; None: it was not measured."""
    series = log[datastream_id(kahriz, "outlet", Property.DISCHARGE)]
    times = series.time.astype(np.int64)
    first, last = np.searchsorted(times, (to_ms(now) - 60 * _MINUTE_MS, to_ms(now)), side="right")
    good = series.quality[first:last] != Quality.FAIL
    said = series.value[first:last][good]
    return float(np.median(said)) if len(said) else None
