"""Judge the water of every kahriz as its readings come, and by a timer where none come.

The store is the log: each kahriz has a checkpoint, the instant through which it was judged and how
far each of its devices had told its story by then. What came late is walked through in event time,
so that nothing is missed; but only what still holds at the newest instant is told to anybody.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import numpy as np

from ingest.backlog import (
    BACKLOG,
    Mark,
    has_to_wait,
    instants,
    is_due,
    mark_from,
    start_of,
    told_by,
    value_of,
)
from kahriz.alert import lifecycle, pipeline
from kahriz.alert.lifecycle import Alerts, State, Transition
from kahriz.book import Book, checkpoints, devices
from kahriz.book.devices import DeviceRow
from kahriz.clock import from_ms, to_ms
from kahriz.detect import Detection, Detector, KahrizView
from kahriz.errors import StoreUnavailable
from kahriz.logs import Once
from kahriz.observations import DatastreamId, Series
from kahriz.sites import Kahriz, Registry, SiteKind
from kahriz.store import Store
from kahriz.units import Property

_LOG = logging.getLogger(__name__)

_WATER = (Property.DISCHARGE, Property.STAGE)
_HOUR_MS = 3_600_000
_JUST = timedelta(milliseconds=1)  # intervals are half-open, the newest reading belongs to now


class Watch:
    """Judge every kahriz whenever there is something new, and at least every five minutes.

    Parameters
    ----------
    registry, store, book
        What is measured, the observations, and where alerts are kept.
    detectors
        Each is asked at every instant judged; one that raises is logged, counted and skipped.

    Attributes
    ----------
    failures
        By detector how often it raised.
    """

    def __init__(
        self, registry: Registry, store: Store, book: Book, detectors: Sequence[Detector]
    ) -> None:
        self._kahrizes = registry.kahriz
        self._streams = _streams_by_kahriz(registry)
        self._devices = {
            k.id: tuple(d for d, owner in registry.devices.items() if owner.id == k.id)
            for k in registry.kahriz
        }
        self._store = store
        self._book = book
        self._detectors = tuple(detectors)
        self._look_back = max((d.look_back for d in detectors), default=timedelta(0))
        self._marks: dict[str, Mark] = {}
        self._heard: dict[str, tuple[datetime, datetime]] = {}
        self._once = Once(_LOG)
        self.failures: Counter[str] = Counter()

    def step(self, now: datetime) -> None:
        """Judge what is due at `now`; a store that is down is asked again the next time."""
        with self._book.begin() as connection:
            rows = {row.device: row for row in devices.list_devices(connection)}
        arriving = {d for d, row in rows.items() if self._is_arriving(row, now)}
        for kahriz in self._kahrizes:
            own = {d: rows[d] for d in self._devices[kahriz.id] if d in rows}
            mark = self._mark(kahriz, now)
            if not is_due(mark, own, now) or has_to_wait(mark, arriving & set(own), now):
                continue
            try:
                self._judge(kahriz, mark, own, now)
                self._once.worked(f"judging {kahriz.id}")
            except StoreUnavailable as error:
                self._once.failed(f"judging {kahriz.id}", error.reason)
        self._heard = {d: (now, t) for d, r in rows.items() if (t := told_by(r, now)) is not None}

    def _is_arriving(self, row: DeviceRow, now: datetime) -> bool:
        """Return whether a device is sending its backlog right now: late, heard, gaining on us."""
        told = told_by(row, now)
        if told is None or row.received_at_ms is None or now - told <= BACKLOG:
            return False
        if now - from_ms(row.received_at_ms) > BACKLOG:
            return False
        before = self._heard.get(row.device)
        # A device whose clock is slow is late for ever; it gains nothing on ours.
        return before is None or told - before[1] > 2 * (now - before[0])

    def _mark(self, kahriz: Kahriz, now: datetime) -> Mark:
        if kahriz.id not in self._marks:
            with self._book.begin() as connection:
                value = checkpoints.get(connection, _name(kahriz))
            self._marks[kahriz.id] = mark_from(value, now)
        return self._marks[kahriz.id]

    def _judge(
        self, kahriz: Kahriz, mark: Mark, rows: Mapping[str, DeviceRow], now: datetime
    ) -> None:
        start = start_of(mark, rows, now)
        log = self._read(kahriz, start - self._look_back, now + _JUST)
        with self._book.begin() as connection:
            alerts = pipeline.load(connection, kahriz.id, start - pipeline.LOOKS_BACK)
        moved: list[Transition] = []
        for instant in _worth_judging(log, instants(start, now)):
            last_seen = _last_seen(rows, now) if instant == now else {}
            view = self._view(kahriz, log, last_seen, alerts, instant)
            detections = self._ask(view, alerts, instant)
            alerts, new = lifecycle.judge(alerts, detections, instant)
            moved += new
        done = Mark(now, {d: t for d, r in rows.items() if (t := told_by(r, now)) is not None})
        judgement = pipeline.Judgement(kahriz, now, alerts, moved, _flow_now(kahriz, log, now))
        with self._book.begin() as connection:
            pipeline.write(connection, judgement)
            checkpoints.put(connection, _name(kahriz), value_of(done))
        self._marks[kahriz.id] = done
        _report(kahriz, moved)

    def _read(self, kahriz: Kahriz, start: datetime, end: datetime) -> dict[DatastreamId, Series]:
        return {s: self._store.series(s, start, end) for s in self._streams[kahriz.id]}

    def _view(
        self,
        kahriz: Kahriz,
        log: Mapping[DatastreamId, Series],
        last_seen: Mapping[str, datetime],
        alerts: Alerts,
        instant: datetime,
    ) -> KahrizView:
        start = instant - self._look_back
        series = {s: whole.between(start, instant + _JUST) for s, whole in log.items()}
        known = lifecycle.episodes(alerts, start)
        begun = tuple(episode for episode in known if episode.since <= instant)
        return KahrizView(kahriz, series, last_seen, begun)

    def _ask(self, view: KahrizView, alerts: Alerts, instant: datetime) -> list[Detection]:
        found: list[Detection] = []
        for detector in self._detectors:
            name = getattr(detector, "name", type(detector).__name__)
            what = f"detector {name} at {view.kahriz.id}"
            try:
                found += detector.detect(view, instant)
                self._once.worked(what)
            except (
                Exception
            ) as error:  # a detector may be anybody's: whatever it does, others go on
                self.failures[name] += 1
                self._once.failed(what, f"{type(error).__name__}: {error}")
                found += _still_firing(alerts, name)
        return found


def _streams_by_kahriz(registry: Registry) -> dict[str, tuple[DatastreamId, ...]]:
    return {
        k.id: tuple(
            d.id for d in registry.datastreams if d.kahriz.id == k.id and d.measures in _WATER
        )
        for k in registry.kahriz
    }


def _name(kahriz: Kahriz) -> str:
    return f"watch:{kahriz.id}"


def _last_seen(rows: Mapping[str, DeviceRow], now: datetime) -> dict[str, datetime]:
    """Return when each device was last heard: one that sends old readings now is not silent."""
    seen: dict[str, datetime] = {}
    for device, row in rows.items():
        told = told_by(row, now)
        if told is not None:
            heard = told if row.received_at_ms is None else from_ms(row.received_at_ms)
            seen[device] = min(max(told, heard), now)
    return seen


def _worth_judging(
    log: Mapping[DatastreamId, Series], candidates: Sequence[datetime]
) -> list[datetime]:
    """Return those of `candidates` whose last hour has any reading, and the last one always."""
    ends = np.array([to_ms(instant) for instant in candidates], np.int64)
    has_any = np.zeros(len(candidates), np.bool_)
    has_any[-1] = True
    for series in log.values():
        time_ms = series.time.astype(np.int64)
        before = np.searchsorted(time_ms, ends - _HOUR_MS)
        has_any |= np.searchsorted(time_ms, ends, side="right") > before
    return [instant for instant, has in zip(candidates, has_any.tolist(), strict=True) if has]


def _still_firing(alerts: Alerts, detector: str) -> list[Detection]:
    """Return what a detector said last where it fails: its failing repairs nothing."""
    return [
        Detection(a.kind, a.detector, a.since, a.evidence, a.explanation, a.key)
        for a in alerts.values()
        if a.state is State.FIRING and a.detector == detector
    ]


def _flow_now(kahriz: Kahriz, log: Mapping[DatastreamId, Series], now: datetime) -> float | None:
    """Return the outlet's flow [L/s], the median of the last hour; None: not known."""
    for site in kahriz.sites_of(SiteKind.OUTLET):
        series = log.get(DatastreamId(f"{kahriz.id}.{site.id}.{Property.DISCHARGE.value}"))
        if series is not None:
            recent = series.between(now - timedelta(hours=1), now + _JUST).usable().value
            if len(recent):
                return float(sorted(recent)[len(recent) // 2])
    return None


def _report(kahriz: Kahriz, moved: Sequence[Transition]) -> None:
    for transition in moved:
        _LOG.info(
            "alert",
            extra={
                "kahriz": kahriz.id,
                "kind": transition.standing.kind.value,
                "key": transition.standing.key,
                "step": transition.step.value,
                "at": transition.at.isoformat(timespec="seconds"),
            },
        )
