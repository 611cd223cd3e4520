"""Detectors beside the gallery's own: asked at the newest instant, each may fail by itself."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from ingest.backlog import told_by
from kahriz.alert import lifecycle
from kahriz.alert.lifecycle import Alerts, State
from kahriz.book.devices import DeviceRow
from kahriz.clock import from_ms
from kahriz.detect import Detection, Detector, KahrizView
from kahriz.detect.gallery import Gallery
from kahriz.errors import StoreUnavailable
from kahriz.logs import Once
from kahriz.observations import DatastreamId, Series
from kahriz.store import Store

_LOG = logging.getLogger(__name__)

_JUST = timedelta(milliseconds=1)  # intervals are half-open, the newest reading belongs to now


class Others:
    """Asks each of `detectors`; one that raises is logged, counted and skipped.

    Attributes
    ----------
    names
        Who they are, as their alerts say it.
    failures
        By detector how often it raised.
    """

    def __init__(self, store: Store, detectors: Sequence[Detector]) -> None:
        self._store = store
        self._detectors = tuple(detectors)
        self._look_back = max((d.look_back for d in detectors), default=timedelta(0))
        self._once = Once(_LOG)
        self.names = frozenset(_name_of(detector) for detector in detectors)
        self.failures: Counter[str] = Counter()

    def standing(
        self, said: frozenset[tuple[str, str]] | None, _: datetime, alerts: Alerts
    ) -> list[Detection]:
        """Return what plug-in detectors `said` last: they are asked at the newest instant only.

        What they said no more then is absent, and over after a while.
        """
        standing = [d for one in self._detectors for d in _still_firing(alerts, _name_of(one))]
        return [d for d in standing if said is None or (d.kind.value, d.key) in said]

    def ask(
        self, gallery: Gallery, rows: Mapping[str, DeviceRow], alerts: Alerts, now: datetime
    ) -> list[Detection]:
        """Return what they say at the newest instant; one that raises says what it said before.

        Raises
        ------
        StoreUnavailable
            What they look at cannot be read now.
        """
        kahriz = gallery.kahriz
        start = now - self._look_back
        known = lifecycle.episodes(alerts, start)
        episodes = tuple(episode for episode in known if episode.since <= now)
        log = _Asked(self._store, gallery.streams, start, now + _JUST)
        view = KahrizView(kahriz, log, _last_seen(rows, now), episodes)
        found: list[Detection] = []
        for detector in self._detectors:
            name = _name_of(detector)
            what = f"detector {name} at {kahriz.id}"
            try:
                found += detector.detect(view, now)
                self._once.worked(what)
            except StoreUnavailable:
                raise
            except (
                Exception
            ) as error:  # a detector may be anybody's: whatever it does, others go on
                self.failures[name] += 1
                self._once.failed(what, f"{type(error).__name__}: {error}")
                found += _still_firing(alerts, name)
        return found


class _Asked(Mapping[DatastreamId, Series]):
    """Series read from the store when somebody looks at them: mostly nobody does."""

    def __init__(
        self, store: Store, streams: Sequence[DatastreamId], start: datetime, end: datetime
    ) -> None:
        self._store = store
        self._streams = streams
        self._bounds = (start, end)
        self._read: dict[DatastreamId, Series] = {}

    def __getitem__(self, stream: DatastreamId) -> Series:
        if stream not in self._streams:
            raise KeyError(stream)
        if stream not in self._read:
            self._read[stream] = self._store.series(stream, *self._bounds)
        return self._read[stream]

    def __iter__(self) -> Iterator[DatastreamId]:
        return iter(self._streams)

    def __len__(self) -> int:
        return len(self._streams)


def _name_of(detector: Detector) -> str:
    return getattr(detector, "name", type(detector).__name__)


def _last_seen(rows: Mapping[str, DeviceRow], now: datetime) -> dict[str, datetime]:
    """Return when each device was last heard: one that sends old readings now is not silent."""
    seen: dict[str, datetime] = {}
    for device, row in rows.items():
        told = told_by(row, now)
        if told is not None:
            heard = told if row.received_at_ms is None else from_ms(row.received_at_ms)
            seen[device] = min(max(told, heard), now)
    return seen


def _still_firing(alerts: Alerts, detector: str) -> list[Detection]:
    """Return what a detector said last where it is not asked: silence repairs nothing."""
    return [
        Detection(a.kind, a.detector, a.since, a.evidence, a.explanation, a.key)
        for a in alerts.values()
        if a.state is State.FIRING and a.detector == detector
    ]
