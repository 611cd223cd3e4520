"""Late values have their flags, and those of their neighbours, judged again by all there is now.

A value that comes is judged by what came before it. Of a backlog behind live data, of what comes in
any order, after a start and just after midnight that is not all that was measured before it: ingest
marks such hours in the book. Here they are judged as if everything had come one by one, in time,
with the limits learned for each day from the days before; flags that differ are stored, those of
derived discharge too, and the hours they are in summed up again.

Limits
------
- It waits `REST` for the rest of a backlog.
- Values up to `look_back_ms` after a late one are looked at: a day, or a flat line's hours and one;
  where the flat line's hours are learned, `AHEAD`.
- What was learned for days after a late one is not learned again.
- In an hour in which a time was corrected what is SUSPECT stays SUSPECT.
- A value that is delivered again and contradicts what is stored may lose to it, if it comes within
  the milliseconds in which its flag is changed.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from ingest.hours import HOUR_MS, hours_of
from ingest.judge import Derived, derived_of
from kahriz.book import Book, late, rollups
from kahriz.book.late import LateHour
from kahriz.clock import from_ms, to_ms
from kahriz.errors import StoreUnavailable
from kahriz.observations import (
    Flags,
    ObservationBatch,
    Quality,
    Series,
    combine_flags,
)
from kahriz.quality import LimitTable
from kahriz.quality.learned import LOOK_BACK, LearnedLimits, learnable
from kahriz.quality.limits import limits_of, look_back_ms
from kahriz.quality.recorded import flag_again
from kahriz.sites import Registry
from kahriz.store import Store

_log = logging.getLogger(__name__)

REST = timedelta(seconds=15)
"""An hour is left alone for so long after it was last marked: a backlog comes in many pieces."""

AHEAD = timedelta(days=5)
"""What is learned of a flat line takes days at a still spring."""

_DAY = timedelta(days=1)
_DAY_MS = _DAY // timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class _Stretch:
    """Unsettled hours of one datastream, and what has to be looked at because of them [ms)."""

    stream: int
    start_ms: int
    end_ms: int
    hours: list[LateHour]


class Rejudging:
    """Settles the flags of hours that are marked, a chunk a step.

    It shares its thread with `Rollups`: hours are marked for summing up before their flags are
    stored, and nobody may sum them up in between.

    Parameters
    ----------
    registry, store, book
        What is measured, where it is, and where the marks are kept.
    chunk
        Hours taken in one step: bounds its time and what it reads.
    """

    def __init__(self, registry: Registry, store: Store, book: Book, chunk: int = 200) -> None:
        self._ids = tuple(d.id for d in registry.datastreams)
        self._index = registry.index
        self._given = limits_of(registry)
        self._may_learn = learnable(registry)
        self._derived = {one.stage: one for one in derived_of(registry)}
        self._store = store
        self._book = book
        self._chunk = chunk

    def step(self, now: datetime) -> int:
        """Settle one chunk of hours; return how many, 0 when all that may be is.

        Raises
        ------
        StoreUnavailable
            Store or book cannot be read or written now; what is not settled stays marked. The
            others of the chunk are settled: a part of a store may be damaged.
        """
        with self._book.read() as connection:
            read = late.unsettled(connection, to_ms(now - REST), self._chunk)
        failed: StoreUnavailable | None = None
        for stretch in self._stretches(read):
            try:
                self._settle(stretch)
            except StoreUnavailable as error:
                self._store.check()  # away as a whole: the others need not be tried
                failed = error
                self._put_back(stretch, now)
        with self._book.begin() as connection:
            late.clear(connection, [hour for hour in read if hour.datastream not in self._index])
        if failed is not None:
            raise failed
        return len(read)

    def _put_back(self, stretch: _Stretch, now: datetime) -> None:
        """Let hours that cannot be settled now wait behind all others."""
        hours = [(hour.datastream, hour.hour_ms) for hour in stretch.hours]
        with self._book.begin() as connection:
            late.mark(connection, hours, to_ms(now))

    def _stretches(self, read: Sequence[LateHour]) -> Iterator[_Stretch]:
        for datastream, group in groupby(read, key=lambda hour: hour.datastream):
            if datastream not in self._index:
                _log.warning("no flags: not in sites.toml", extra={"datastream": datastream})
                continue
            stream = self._index[datastream]
            limits = self._limits(stream)
            hours: list[LateHour] = []
            end_ms = 0
            for hour in group:
                if hours and hour.hour_ms >= end_ms:
                    yield _Stretch(stream, hours[0].hour_ms, end_ms, hours)
                    hours = []
                hours.append(hour)
                end_ms = hour.hour_ms + HOUR_MS + self._look_ahead_ms(stream, limits)
            yield _Stretch(stream, hours[0].hour_ms, end_ms, hours)

    def _limits(self, stream: int) -> LearnedLimits:
        row = slice(stream, stream + 1)
        given = LimitTable(*(getattr(self._given, name)[row] for name in LimitTable.__slots__))
        return LearnedLimits(given, self._may_learn[row])

    def _look_ahead_ms(self, stream: int, limits: LearnedLimits) -> int:
        given = look_back_ms(limits.table, 0)
        is_learned = len(limits.open_streams) and np.isnan(self._given.flat_line_h[stream])
        return max(given, AHEAD // timedelta(milliseconds=1)) if is_learned else given

    def _settle(self, stretch: _Stretch) -> None:
        series = self._before_and_after(stretch)
        first = int(np.searchsorted(series.time, np.datetime64(stretch.start_ms, "ms")))
        flags = self._flags(stretch, series, first)
        settled = Series(series.datastream, series.time, series.value, flags)
        changed = [self._changed(stretch.stream, series, settled, first)]
        if stretch.stream in self._derived:
            derived = self._derived[stretch.stream]
            changed.append(self._changed_discharge(derived, settled, first))
        batch = _joined(changed)
        time_ms = batch.time.astype(np.int64)
        if len(batch):
            with self._book.begin() as connection:
                rollups.mark_dirty(connection, hours_of(self._ids, batch.stream, time_ms))
            self._store.write(batch)
            _log.info(
                "flags judged again", extra={"datastream": series.datastream, "n": len(batch)}
            )
        with self._book.begin() as connection:
            late.clear(connection, stretch.hours)

    def _before_and_after(self, stretch: _Stretch) -> Series:
        """Return what the tests, and whoever learns, have to see of a datastream."""
        limits = self._limits(stretch.stream)
        learns = LOOK_BACK if len(limits.open_streams) else timedelta(0)
        midnight_ms = stretch.start_ms // _DAY_MS * _DAY_MS
        start = from_ms(midnight_ms - look_back_ms(limits.table, 0)) - learns - _DAY
        return self._store.series(self._ids[stretch.stream], start, from_ms(stretch.end_ms))

    def _flags(self, stretch: _Stretch, series: Series, first: int) -> Flags:
        time_ms = series.time.astype(np.int64)
        limits = self._limits(stretch.stream)
        flags = flag_again(limits, time_ms, series.value, series.quality, first)
        with self._book.read() as connection:
            corrected = late.corrected(
                connection, series.datastream, stretch.start_ms, stretch.end_ms
            )
        stays = np.isin(time_ms // HOUR_MS * HOUR_MS, corrected)
        stays &= series.quality == Quality.SUSPECT
        flags[stays] = combine_flags([flags[stays], series.quality[stays]])
        return flags

    def _changed(self, stream: int, before: Series, after: Series, first: int) -> ObservationBatch:
        """Return the rows from `first` on whose flag is another one."""
        rows = first + np.flatnonzero(before.quality[first:] != after.quality[first:])
        return self._batch(stream, after, rows)

    def _changed_discharge(self, derived: Derived, stage: Series, first: int) -> ObservationBatch:
        """Return derived discharge whose flag its stage has changed.

        Held against what is stored, not against what changed just now: a store that was cut off
        in the middle may have taken the one and not the other.
        """
        none = np.empty(0, np.intp)
        if first == len(stage):
            return self._batch(derived.discharge, stage, none)
        time = stage.time[first:]
        end = from_ms(int(time[-1].astype(np.int64)) + 1)
        start = from_ms(int(time[0].astype(np.int64)))
        stored = self._store.series(self._ids[derived.discharge], start, end)
        rated = derived.rating.discharge(time.astype(np.int64), stage.value[first:])
        flags = combine_flags([stage.quality[first:], rated.quality])
        of_stage = np.searchsorted(time, stored.time)
        of_stage = np.minimum(of_stage, len(time) - 1)
        has_stage = time[of_stage] == stored.time
        is_other = flags[of_stage] != stored.quality
        value = rated.discharge_lps[of_stage]
        after = Series(stored.datastream, stored.time, value, flags[of_stage])
        rows = np.flatnonzero(has_stage & is_other & np.isfinite(value))
        return self._batch(derived.discharge, after, rows)

    def _batch(self, stream: int, series: Series, rows: NDArray[np.intp]) -> ObservationBatch:
        return ObservationBatch(
            self._ids,
            np.full(len(rows), stream, np.int32),
            series.time[rows],
            series.value[rows],
            series.quality[rows],
        )


def _joined(batches: Sequence[ObservationBatch]) -> ObservationBatch:
    return ObservationBatch(
        batches[0].datastreams,
        np.concatenate([batch.stream for batch in batches]),
        np.concatenate([batch.time for batch in batches]),
        np.concatenate([batch.value for batch in batches]),
        np.concatenate([batch.quality for batch in batches]),
    )
