"""Judge the water of every kahriz as its readings come, and by a timer where none come.

The store is the log. Of each kahriz the book holds how far it was judged, how far each of its
devices had told its story by then, and what was remembered at quarters of an hour past. Readings
that come late are judged in event time: the walk goes back to what was remembered before them and
comes forward again. Only what still holds at the newest instant is told to anybody.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from sqlalchemy import Connection

from ingest.backlog import (
    BACKLOG,
    GRACE,
    OLDEST,
    PATIENCE,
    QUIET,
    Mark,
    has_to_wait,
    is_due,
    mark_from,
    told_by,
    unheard_since,
    value_of,
)
from ingest.others import Others
from kahriz.alert import lifecycle, pipeline
from kahriz.alert.flowing import lately
from kahriz.alert.lifecycle import Standing, Transition
from kahriz.alert.past import Past, known_better
from kahriz.alert.walk import first_of, walk
from kahriz.alert.works import Calendar
from kahriz.book import Book, checkpoints, devices, late, maintenance, snapshots
from kahriz.book.devices import DeviceRow
from kahriz.book.late import LateSince
from kahriz.clock import from_datetime64, from_ms, to_ms
from kahriz.detect import Detector
from kahriz.detect.gallery import Gallery, dump, load
from kahriz.errors import StoreUnavailable
from kahriz.logs import Once
from kahriz.observations import DatastreamId, datastream_id
from kahriz.sites import Kahriz, Registry, SiteKind
from kahriz.store import Store
from kahriz.units import Property

_LOG = logging.getLogger(__name__)

LEARNS = timedelta(days=100)
"""Where nothing is remembered, so much of what is stored is walked through to learn."""

_WATER = (Property.DISCHARGE, Property.STAGE)
_JUST = timedelta(milliseconds=1)  # intervals are half-open, the newest reading belongs to now


@dataclass(frozen=True, slots=True)
class _Way:
    """From where a kahriz is walked: what is remembered, and until when everything was told.

    ``seen`` are the late values that are behind that; ``goes_back`` whether it was judged before,
    ``is_new`` whether nothing is remembered at all.
    """

    gallery: Gallery
    told_until: datetime
    seen: tuple[LateSince, ...] = ()
    goes_back: bool = False
    is_new: bool = False


class Watch:
    """Judge every kahriz whenever a quarter of an hour is over, and at least every five minutes.

    Parameters
    ----------
    registry, store, book
        What is measured, the observations, and where alerts are kept.
    detectors
        Beside the gallery's own; see `Others`.

    Attributes
    ----------
    others
        Those detectors, with how often each raised.
    """

    def __init__(
        self, registry: Registry, store: Store, book: Book, detectors: Sequence[Detector]
    ) -> None:
        self._kahrizes = registry.kahriz
        self._galleries = {k.id: Gallery(k) for k in registry.kahriz}
        self._streams = _streams_by_device(registry)
        # As they are measured: a stage that is late makes a discharge that is.
        self._measured = {
            k.id: tuple(d.id for d in registry.datastreams if d.kahriz.id == k.id)
            for k in registry.kahriz
        }
        self._devices = {
            k.id: tuple(d for d, owner in registry.devices.items() if owner.id == k.id)
            for k in registry.kahriz
        }
        self._store = store
        self._book = book
        self.others = Others(store, detectors)
        self._marks: dict[str, Mark] = {}
        self._states: dict[str, tuple[int, bytes]] = {}
        self._heard: dict[str, tuple[datetime, datetime]] = {}
        self._once = Once(_LOG)

    def step(self, now: datetime) -> None:
        """Judge what is due at `now`; a store that is down is asked again the next time."""
        with self._book.begin() as connection:
            rows = {row.device: row for row in devices.list_devices(connection)}
        arriving = {d for d, row in rows.items() if self._is_arriving(row, now)}
        for kahriz in self._kahrizes:
            own = {d: rows[d] for d in self._devices[kahriz.id] if d in rows}
            mark = self._mark(kahriz, now)
            is_over = self._is_over(kahriz, now)
            if not is_due(mark, own, now, is_over=is_over):
                continue
            if has_to_wait(mark, arriving & set(own), now):
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

    def _is_over(self, kahriz: Kahriz, now: datetime) -> bool:
        quarters = self._galleries[kahriz.id].quarters
        known = self._states.get(kahriz.id)
        return known is None or quarters.over(now - GRACE) > known[0]

    # ---- one kahriz

    def _judge(
        self, kahriz: Kahriz, mark: Mark, rows: Mapping[str, DeviceRow], now: datetime
    ) -> None:
        way = self._way(kahriz, mark, rows, now)
        gallery, after = way.gallery, way.gallery.state.at
        last = gallery.quarters.over(now - GRACE)
        start = gallery.quarters.end(after)
        log = {s: self._store.series(s, start + _JUST, now + _JUST) for s in gallery.streams}
        if way.is_new:  # of what was before the first reading there is nothing to learn
            gallery.state.at = max(after, gallery.quarters.of(first_of(log) or now) - 1)
        with self._book.begin() as connection:
            told_until = min(way.told_until, now)
            alerts = pipeline.load(connection, kahriz.id, told_until - pipeline.LOOKS_BACK)
            past = self._past(connection, kahriz, way)
            works = maintenance.list_works(connection, kahriz.id)
        moved: list[Transition] = []
        states: list[tuple[int, bytes]] = []
        others = partial(self.others.standing, mark.said)
        steps = walk(gallery, log, last, alerts, others, way.told_until, works, past)
        for _, after_step, new in steps:
            alerts = after_step
            moved += new
            if snapshots.is_kept(gallery.state.at, last):
                states.append((gallery.state.at, dump(gallery.state)))
        said = mark.said
        if not Calendar(works, gallery.quarters).is_on(gallery.quarters.of(now)):
            asked = self.others.ask(gallery, rows, alerts, now)
            said = frozenset((d.kind.value, d.key) for d in asked)
            alerts, new = lifecycle.judge(alerts, [*gallery.detections(), *asked], now)
            moved += new
        told = {d: t for d, r in rows.items() if (t := told_by(r, now)) is not None}
        done = Mark(now, told, said=said)
        flow = self._flow_now(kahriz, now) if moved or past else None
        judgement = pipeline.Judgement(kahriz, now, alerts, moved, flow)
        with self._book.begin() as connection:
            pipeline.write(connection, judgement)
            if past is not None:
                known = self._on_record(connection, kahriz, past.since)
                pipeline.put_right(connection, judgement, known_better(known, past))
            checkpoints.put(connection, _name(kahriz), value_of(done))
            late.clear_told(connection, way.seen)
            if states:
                snapshots.put(connection, kahriz.id, after, states)
        if states:
            self._states[kahriz.id] = states[-1]
        self._marks[kahriz.id] = done
        _report(kahriz, moved)

    def _way(
        self, kahriz: Kahriz, mark: Mark, rows: Mapping[str, DeviceRow], now: datetime
    ) -> _Way:
        """Return what is remembered from before everything that is not judged yet."""
        quarters = self._galleries[kahriz.id].quarters
        known = self._remembered(kahriz, None)
        if known is None:
            return self._unknown(kahriz, mark, now)
        told_until = quarters.end(known.state.at)
        seen = self._came_late(kahriz, now)
        oldest = self._oldest(kahriz, mark, rows, told_until, seen, now)
        if oldest is None:
            return _Way(known, told_until, seen)
        before = quarters.of(oldest) - 1
        remembered = self._remembered(kahriz, before)
        told_until = min(told_until, quarters.end(before))
        if remembered is None:
            return _Way(self._unknown(kahriz, mark, now).gallery, told_until, seen, is_new=True)
        return _Way(remembered, told_until, seen, goes_back=True)

    def _past(self, connection: Connection, kahriz: Kahriz, way: _Way) -> Past | None:
        if not way.goes_back:
            return None
        # What ended shortly before may be opened again.
        ended_after = way.told_until - lifecycle.REOPENS_WITHIN
        return Past(self._on_record(connection, kahriz, ended_after), way.told_until)

    def _on_record(self, connection: Connection, kahriz: Kahriz, since: datetime) -> list[Standing]:
        """Return alerts since an instant, but those of detectors that know only the present."""
        return pipeline.on_record(connection, kahriz.id, since, self.others.names)

    def _came_late(self, kahriz: Kahriz, now: datetime) -> tuple[LateSince, ...]:
        """Return since when there are late values behind newer ones, once no more of them come."""
        quiet_ms, patient_ms = to_ms(now - QUIET), to_ms(now - PATIENCE)
        with self._book.read() as connection:
            return tuple(late.untold(connection, self._measured[kahriz.id], quiet_ms, patient_ms))

    def _remembered(self, kahriz: Kahriz, until: int | None) -> Gallery | None:
        known = self._states.get(kahriz.id)
        if until is None and known is not None:
            return Gallery(kahriz, load(known[1]))
        with self._book.begin() as connection:
            state = snapshots.newest(connection, kahriz.id, until)
        if state is None:
            return None
        try:
            gallery = Gallery(kahriz, load(state))
        except ValueError as error:
            self._once.failed(f"what was learned of {kahriz.id}", f"{error}; learned anew")
            return None
        if until is None:
            self._states[kahriz.id] = (gallery.state.at, state)
        return gallery

    def _unknown(self, kahriz: Kahriz, mark: Mark, now: datetime) -> _Way:
        """Return a gallery that has to learn from what is stored."""
        gallery = Gallery(kahriz)
        gallery.state.at = gallery.quarters.of(now - LEARNS) - 1
        return _Way(gallery, mark.judged, is_new=True)

    def _oldest(
        self,
        kahriz: Kahriz,
        mark: Mark,
        rows: Mapping[str, DeviceRow],
        judged: datetime,
        seen: Sequence[LateSince],
        now: datetime,
    ) -> datetime | None:
        """Return the instant of the oldest reading that came after its quarter was judged."""
        came_late = [from_ms(one.oldest_ms) for one in seen if from_ms(one.oldest_ms) < judged]
        oldest = min(came_late, default=None)
        for device, row in rows.items():
            since = unheard_since(mark, row, now)
            if since is None or since >= judged:
                continue
            for stream in self._streams.get(device, ()):
                found = self._store.series(stream, since + _JUST, judged + _JUST)
                if len(found):
                    first = from_datetime64(found.time[0])
                    oldest = first if oldest is None else min(oldest, first)
        return None if oldest is None else max(oldest, now - OLDEST)

    def _flow_now(self, kahriz: Kahriz, now: datetime) -> float | None:
        """Return the outlet's flow [L/s], the median of the last hour; None: not known."""
        for site in kahriz.sites_of(SiteKind.OUTLET):
            stream = datastream_id(kahriz.id, site.id, Property.DISCHARGE)
            if found := lately(self._store, stream, now):
                return found[0]
        return None


def _streams_by_device(registry: Registry) -> dict[str, tuple[DatastreamId, ...]]:
    found: dict[str, list[DatastreamId]] = {}
    for d in registry.datastreams:
        if d.sensor is not None and d.measures in _WATER:
            found.setdefault(d.sensor.device, []).append(d.id)
    return {device: tuple(streams) for device, streams in found.items()}


def _name(kahriz: Kahriz) -> str:
    return checkpoints.watch_of(kahriz.id)


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
