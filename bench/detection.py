"""Detection: what a reading costs, what is remembered of a kahriz, how long a replay takes."""

from __future__ import annotations

import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np

from bench.result import Result, compare
from bench.score import stations
from bench.score.data import Recording
from bench.score.peers import Hampel
from kahriz.alert.lifecycle import Alerts
from kahriz.alert.walk import walk
from kahriz.cli.replayed import replayed
from kahriz.clock import from_datetime64
from kahriz.contacts import Contact
from kahriz.detect import Detection, KahrizView
from kahriz.detect.gallery import Gallery, dump, load
from kahriz.detect.no_data import NoData
from kahriz.detect.ticks import Quarters
from kahriz.observations import DatastreamId, ObservationBatch, Quality, Series
from kahriz.sites import Kahriz, Sensor, Site, SiteKind
from kahriz.store.sqlite import SqliteStore

COST, STATE, REPLAY = "detect_us_per_reading", "detect_state_kb", "replay_year_s"
NAMES = (COST, STATE, REPLAY)

KAHRIZES = 3
YEAR = 365
LEARNED, MEASURED = 60, 30
"""Days that are walked through first, and days that are measured."""
MOST_KB, MOST_S = 16.0, 10.0
"""The bars that stand in for a peer."""

_SEED = stations.DEV_SEEDS[0]
_QUARTER = timedelta(minutes=15)
_JUST = timedelta(milliseconds=1)
_NO_DATA = NoData()
_PLACES = {
    stations.OUTLET: SiteKind.OUTLET,
    stations.SHAFT: SiteKind.SHAFT,
    stations.LINE: SiteKind.DELIVERY_LINE,
}

Say = Callable[[str], None]
Log = Mapping[DatastreamId, Series]


@dataclass(frozen=True, slots=True)
class Measured:
    """A kahriz and all that its instruments said."""

    kahriz: Kahriz
    log: Log

    @property
    def first(self) -> datetime:
        """When the first quarter of an hour is over."""
        quarters = Quarters(self.kahriz)
        oldest = min(from_datetime64(series.time[0]) for series in self.log.values())
        return quarters.end(quarters.of(oldest))


def rows(say: Say, wanted: set[str], rounds: int) -> list[Result]:
    """Measure what is `wanted`."""
    if not wanted & set(NAMES):
        return []
    year = [of(recording) for recording in _recordings()]
    results = []
    if COST in wanted:
        results.append(_cost(finer(year[0]), rounds))
    if STATE in wanted:
        results.append(_state(year))
    if REPLAY in wanted:
        results.append(_replay(year, rounds))
    for result in results:
        say(f"{result.name}: ours {result.ours:.2f} {result.unit}, peer {result.peer:.2f}")
    return results


def _recordings() -> list[Recording]:
    """Return fresh stations that have a line: outlet, shaft, line and battery, and their year."""
    found = stations.simulated(_SEED, 3 * KAHRIZES, YEAR).recordings.values()
    return [r for r in found if not np.isnan(r.channels.get("flow_dist", np.nan)).all()][:KAHRIZES]


def of(recording: Recording) -> Measured:
    """Return a station of the scoreboard as a kahriz with its instruments' readings."""
    kahriz = _kahriz(recording)
    log = {}
    for column, value in recording.channels.items():
        at, channel = stations.COLUMNS[column]
        sensor = Sensor(device=f"{recording.name}-{at}", channel=channel)
        name = DatastreamId(f"{kahriz.id}.{at}.{sensor.measures.value}")
        heard = np.isfinite(value)
        flags = np.full(heard.sum(), Quality.GOOD, np.uint8)
        log[name] = Series(
            name, recording.time_ms[heard].astype("datetime64[ms]"), value[heard], flags
        )
    return Measured(kahriz, log)


def _kahriz(recording: Recording) -> Kahriz:
    by_place: dict[str, list[str]] = {}
    for column in recording.channels:
        at, channel = stations.COLUMNS[column]
        by_place.setdefault(at, []).append(channel)
    sites = tuple(
        Site(
            id=at,
            kind=_PLACES[at],
            name=at,
            sensor=tuple(Sensor(device=f"{recording.name}-{at}", channel=c) for c in channels),
        )
        for at, channels in by_place.items()
    )
    chair = Contact(name="Chair", role="chair", phone="+994500000001")
    return Kahriz(
        id=recording.name, name="K", village="V", district="D", site=sites, contact=(chair,)
    )


# ---- the cost of a reading


def _cost(measured: Measured, rounds: int) -> Result:
    """Judge a month as ingest does, and let Hampel's filter flag the same readings."""
    month = [quarter for quarter in quarters(measured) if quarter]
    start = learned(measured)
    ours, peer = [], []
    for _ in range(rounds):
        began = time.process_time()
        state = judged(measured, start, month)
        ours.append(time.process_time() - began)
        if state != at_once(measured, start):
            raise RuntimeError("put away and taken up, a gallery comes to something else")
        values = [_values(series, measured) for series in measured.log.values()]
        began = time.process_time()
        for series in values:
            hampel(series)
        peer.append(time.process_time() - began)
    n = sum(len(series) for quarter in month for series in quarter.values())
    what = "every 5 min, all detectors, state and alerts; beside Hampel's filter alone"
    return compare(
        COST,
        what,
        "us",
        [spent / n * 1e6 for spent in ours],
        [spent / n * 1e6 for spent in peer],
        less_is_better=True,
    )


def _bounds(measured: Measured) -> tuple[datetime, datetime]:
    start = measured.first + timedelta(days=LEARNED)
    return start, start + timedelta(days=MEASURED)


def _values(series: Series, measured: Measured) -> list[float]:
    start, end = _bounds(measured)
    found: list[float] = series.between(start + _JUST, end + _JUST).value.tolist()
    return found


def quarters(measured: Measured) -> Iterator[Log]:
    """Yield what came in each quarter of an hour of the month."""
    start, end = _bounds(measured)
    while start < end:
        # As they are judged: those on the quarter belong to the one that ends.
        first, last = start + _JUST, start + _QUARTER + _JUST
        parts = {name: series.between(first, last) for name, series in measured.log.items()}
        yield {name: part for name, part in parts.items() if len(part)}
        start += _QUARTER


def learned(measured: Measured) -> bytes:
    """Return what is remembered when the month begins."""
    gallery = Gallery(measured.kahriz)
    gallery.state.at = gallery.quarters.of(measured.first) - 1
    last = gallery.quarters.of(_bounds(measured)[0])
    for _ in walk(gallery, measured.log, last, {}, _nobody):
        pass
    return dump(gallery.state)


def _nobody(now: datetime, alerts: Alerts) -> tuple[Detection, ...]:
    return ()


def finer(measured: Measured) -> Measured:
    """Return the same read every 5 minutes, on a line between what is known."""
    minutes = np.array([-600_000, -300_000, 0], "timedelta64[ms]")
    log = {}
    for name, series in measured.log.items():
        time = (series.time[:, None] + minutes).ravel()
        value = np.interp(time.astype(np.int64), series.time.astype(np.int64), series.value)
        log[name] = Series(name, time, value, np.full(len(time), Quality.GOOD, np.uint8))
    return Measured(measured.kahriz, log)


def judged(measured: Measured, state: bytes, month: list[Log]) -> bytes:
    """Return what is remembered after a month, put away after each quarter as ingest does."""
    alerts: Alerts = {}
    for log in month:
        gallery = Gallery(measured.kahriz, load(state))
        newest = max(from_datetime64(series.time[-1]) for series in log.values())
        last = gallery.quarters.of(newest)
        for _, became, _ in walk(gallery, log, last, alerts, _Silent(measured.kahriz, log)):
            alerts = became
        state = dump(gallery.state)
    return state


class _Silent:
    """Ask who is silent, all being heard now."""

    def __init__(self, kahriz: Kahriz, log: Log) -> None:
        self._kahriz, self._log = kahriz, log
        self._devices = [sensor.device for site in kahriz.site for sensor in site.sensor]

    def __call__(self, now: datetime, _: Alerts) -> tuple[Detection, ...]:
        last_seen = dict.fromkeys(self._devices, now)
        return _NO_DATA.detect(KahrizView(self._kahriz, self._log, last_seen), now)


def at_once(measured: Measured, state: bytes) -> bytes:
    """Return what is remembered after the month, walked through in one go."""
    gallery = Gallery(measured.kahriz, load(state))
    last = gallery.quarters.of(_bounds(measured)[1])
    for _ in walk(gallery, measured.log, last, {}, _nobody):
        pass
    return dump(gallery.state)


def hampel(values: list[float]) -> int:
    """Return how many readings are flagged, each when it comes, by the scoreboard's setting."""
    peer = Hampel()
    window: deque[float] = deque(maxlen=round(peer.hours * 12))
    flagged = 0
    for value in values:
        if len(window) == window.maxlen:
            before = np.array(window)
            middle = np.median(before)
            spread = 1.4826 * np.median(np.abs(before - middle))
            limit = peer.threshold * max(spread, peer.least * abs(middle))
            flagged += bool(abs(value - middle) > limit)
        window.append(value)
    return flagged


# ---- what is remembered, and the past


def _state(year: list[Measured]) -> Result:
    """Weigh what is remembered of each kahriz at every midnight of its year; the largest counts."""
    largest = 0
    for measured in year:
        gallery = Gallery(measured.kahriz)
        gallery.state.at = gallery.quarters.of(measured.first) - 1
        last = gallery.quarters.of(measured.first + timedelta(days=YEAR)) - 1
        for now, _, _ in walk(gallery, measured.log, last, {}, _nobody):
            if now.hour == 0 and now.minute == 0:
                largest = max(largest, len(dump(gallery.state)))
    what = f"remembered of a kahriz with three meters, most of a year, {KAHRIZES} kahrizes; the bar"
    return compare(STATE, what, "kB", [largest / 1000], [MOST_KB], less_is_better=True)


@contextmanager
def _stored(year: list[Measured]) -> Iterator[SqliteStore]:
    with tempfile.TemporaryDirectory(prefix="kahriz-bench-") as folder:
        store = SqliteStore(f"sqlite:///{Path(folder) / 'observations.sqlite'}")
        with closing(store):
            for measured in year:
                for series in measured.log.values():
                    stream = np.zeros(len(series), np.int32)
                    batch = (series.datastream,), stream, series.time, series.value, series.quality
                    store.write(ObservationBatch(*batch))
            while store.tidy(_end(year[0])):
                pass
            yield store


def _end(measured: Measured) -> datetime:
    return measured.first + timedelta(days=YEAR)


def _replay(year: list[Measured], rounds: int) -> Result:
    """Replay the year of each kahriz out of the embedded store, as the command does."""
    spent = []
    with _stored(year) as store:
        for _ in range(rounds):
            began = time.perf_counter()
            told = [replayed(m.kahriz, store, m.first, _end(m)).told for m in year]
            spent.append(time.perf_counter() - began)
            if not all(told):
                raise RuntimeError("a year of troubles, and nobody was told of any")
    what = f"a year of {KAHRIZES} kahrizes judged again, out of the embedded store; the bar"
    return compare(REPLAY, what, "s", spent, [MOST_S] * rounds, less_is_better=True)
