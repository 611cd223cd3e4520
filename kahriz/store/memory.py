"""Observations in this process's memory, for tests; gone with the process."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from datetime import datetime

import numpy as np

from kahriz.clock import from_datetime64
from kahriz.errors import StoreRejected, StoreUnavailable
from kahriz.observations import DatastreamId, Observation, ObservationBatch, Quality, Series
from kahriz.store.rows import settle


class MemoryStore:
    """The contract of every store, but for the durability: one sorted series a datastream."""

    def __init__(self, url: str = "memory://", token: str = "", *, read_only: bool = False) -> None:
        self._read_only = read_only
        self._series: dict[DatastreamId, Series] = {}
        self._lock = threading.Lock()

    def write(self, batch: ObservationBatch) -> None:
        """Keep `batch`; see the contract."""
        if self._read_only:
            raise StoreUnavailable("memory store: opened for reading only")
        settled = settle(batch)
        with self._lock:
            for name, new in batch.take(settled.rows).by_datastream().items():
                self._series[name] = _merged(self._series.get(name, Series.empty(name)), new)
        if settled.refused:
            raise StoreRejected(next(iter(settled.refused.values())), tuple(settled.refused))

    def series(self, datastream: DatastreamId, start: datetime, end: datetime) -> Series:
        """Return the observations of one datastream in [start, end)."""
        with self._lock:
            kept = self._series.get(datastream, Series.empty(datastream))
        return kept.between(start, end)

    def latest(self) -> Mapping[DatastreamId, Observation]:
        """Return the newest observation of every datastream."""
        with self._lock:
            kept = list(self._series.values())
        return {series.datastream: _newest(series) for series in kept}

    def check(self) -> None:
        """Do nothing: it is there as long as we are."""

    def tidy(self, now: datetime) -> bool:
        """Do nothing: there is nothing to put in order."""
        return False

    def close(self) -> None:
        """Do nothing: there is nothing to let go of."""


def _merged(old: Series, new: Series) -> Series:
    """Return both in time order, `new` winning where times are equal."""
    untouched = ~np.isin(old.time, new.time)
    time = np.concatenate([old.time[untouched], new.time])
    order = np.argsort(time, kind="stable")
    return Series(
        old.datastream,
        time[order],
        np.concatenate([old.value[untouched], new.value])[order],
        np.concatenate([old.quality[untouched], new.quality])[order],
    )


def _newest(series: Series) -> Observation:
    return Observation(
        series.datastream,
        from_datetime64(series.time[-1]),
        float(series.value[-1]),
        Quality(int(series.quality[-1])),
    )
