"""What a quality test looks back on, read from the store."""

from __future__ import annotations

from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from kahriz.clock import from_ms, to_ms
from kahriz.observations import DatastreamId
from kahriz.quality import LimitTable
from kahriz.quality.flagger import no_history
from kahriz.quality.limits import look_back_ms
from kahriz.sites import Registry
from kahriz.store import Store


class History:
    """What the quality tests look back on: the last hours of one datastream, from the store.

    Nobody but this process writes what it has not seen yet, so "the newest" is asked for once.
    """

    def __init__(self, registry: Registry, store: Store, limits: LimitTable) -> None:
        self._ids = [d.id for d in registry.datastreams]
        self._limits = limits
        self._store = store
        self._newest: dict[DatastreamId, datetime] | None = None

    def __call__(
        self, stream: int, before_ms: int | None
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Return times (n,) [ms] and values (n,) before `before_ms`, or up to the newest."""
        datastream = self._ids[stream]
        if before_ms is None:
            if self._newest is None:
                self._newest = {id: o.time for id, o in self._store.latest().items()}
            if datastream not in self._newest:
                return no_history(stream, None)
            before_ms = to_ms(self._newest[datastream]) + 1
        start = from_ms(before_ms - look_back_ms(self._limits, stream))
        series = self._store.series(datastream, start, from_ms(before_ms))
        return series.time.astype(np.int64), series.value
