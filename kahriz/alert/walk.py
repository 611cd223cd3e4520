"""Walk through what a kahriz said, quarter by quarter: one code live, in a replay, over files."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta

import numpy as np

from kahriz.alert import lifecycle
from kahriz.alert.lifecycle import Alerts, Transition
from kahriz.alert.past import Past
from kahriz.alert.works import Calendar
from kahriz.book.maintenance import Works
from kahriz.clock import from_ms, to_ms
from kahriz.detect import Detection, KahrizView
from kahriz.detect.gallery import Gallery
from kahriz.detect.no_data import NoData
from kahriz.detect.ticks import steps
from kahriz.observations import DatastreamId, Series, datastream_id
from kahriz.sites import Kahriz, Sensor, Site
from kahriz.units import Property

Others = Callable[[datetime, Alerts], Iterable[Detection]]
"""What other detectors say at an instant, the alerts being as they are."""


def walk(
    gallery: Gallery,
    log: Mapping[DatastreamId, Series],
    last: int,
    alerts: Alerts,
    others: Others,
    told_until: datetime | None = None,
    works: Sequence[Works] = (),
    past: Past | None = None,
) -> Iterator[tuple[datetime, Alerts, list[Transition]]]:
    """Judge each quarter after the gallery's own up to `last`; yield what the alerts became.

    Parameters
    ----------
    gallery
        Remembers all before; it has judged `last` in the end.
    log
        What was said, by datastream, from the first quarter on.
    last
        The last quarter that is over.
    alerts
        As they were.
    others
        Beside the gallery's own findings.
    told_until
        Up to then everything was told: it is walked through to learn, and moves no alert.
    works
        All that somebody did at this kahriz: meanwhile no alert comes and none goes.
    past
        Led through the same instants by the gallery's findings alone.
    """
    calendar = Calendar(works, gallery.quarters)
    for at, values in steps(gallery.quarters, log, gallery.state.at + 1, last):
        now = gallery.quarters.end(at)
        is_worked_at = calendar.is_on(at)
        anew = calendar.normal_since(at)
        if anew > gallery.state.anew:
            gallery.start_anew()
            gallery.state.anew = anew
        gallery.step(at, values, is_worked_at=is_worked_at)
        if told_until is not None and now <= told_until:
            yield now, alerts, []
            continue
        if is_worked_at:
            alerts, moved = lifecycle.stand(alerts, now)
            if past is not None:
                past.stand(now)
        else:
            detections = gallery.detections()
            if past is not None:
                past.judge(detections, now)
            alerts, moved = lifecycle.judge(alerts, [*detections, *others(now, alerts)], now)
        yield now, alerts, moved


class Silences:
    """Says which devices were silent at an instant of the past, by what is recorded.

    Live, a device is heard when its payload comes; of the past only the times of the readings are
    known, and those are what this goes by.
    """

    def __init__(self, gallery: Gallery, log: Mapping[DatastreamId, Series]) -> None:
        self._kahriz = gallery.kahriz
        self._log = log
        self._detector = NoData()
        self._heard = {device: times for device, times in _times(gallery, log) if len(times)}

    def __call__(self, now: datetime, alerts: Alerts) -> Iterable[Detection]:
        """Return the devices silent at `now`."""
        now_ms = to_ms(now)
        seen: dict[str, int] = {}
        for device, times in self._heard.items():
            n = int(np.searchsorted(times, now_ms, side="right"))
            if n:
                seen[device] = int(times[n - 1])
        if all(now_ms - last_ms < 7_200_000 for last_ms in seen.values()):
            return ()
        start, end = now - self._detector.look_back, now + timedelta(milliseconds=1)
        series = {name: whole.between(start, end) for name, whole in self._log.items()}
        last_seen = {device: from_ms(last_ms) for device, last_ms in seen.items()}
        return self._detector.detect(KahrizView(self._kahriz, series, last_seen), now)


def _times(
    gallery: Gallery, log: Mapping[DatastreamId, Series]
) -> Iterator[tuple[str, np.ndarray]]:
    kahriz = gallery.kahriz
    devices = dict.fromkeys(sensor.device for site in kahriz.site for sensor in site.sensor)
    for device in devices:
        names = {
            name
            for site in kahriz.site
            for sensor in site.sensor
            if sensor.device == device
            for name in _spoken(kahriz, site, sensor)
        }
        own = [s.time[np.isfinite(s.value)] for name, s in log.items() if name in names]
        whole = np.concatenate(own) if own else np.empty(0, "datetime64[ms]")
        yield device, np.unique(whole.astype("datetime64[ms]").astype(np.int64))


def _spoken(kahriz: Kahriz, site: Site, sensor: Sensor) -> Iterator[DatastreamId]:
    yield datastream_id(kahriz.id, site.id, sensor.measures)
    if sensor.measures is Property.STAGE and site.rating:
        yield datastream_id(kahriz.id, site.id, Property.DISCHARGE)


def first_of(log: Mapping[DatastreamId, Series]) -> datetime | None:
    """Return the oldest instant of a log; None where it is empty."""
    oldest = [series.time[0] for series in log.values() if len(series)]
    if not oldest:
        return None
    first = min(oldest)
    assert first == first
    return from_ms(int(first.astype("datetime64[ms]").astype(np.int64)))
