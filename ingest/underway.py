"""What a changed rating leaves in the store is no damage: old discharge, and refused discharge.

An audit decodes with sites.toml as it is. Where ingest has yet to derive discharge again, what is
stored is by the rating before; and what the new rating refuses stays, flagged FAIL.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection

from ingest.judge import derived_of
from ingest.restate import unsettled
from kahriz.observations import DatastreamId, Quality, Series
from kahriz.sites import Registry


class Underway:
    """Which discharge an audit asks nothing of.

    Parameters
    ----------
    registry
        What is measured.
    connection
        The book, asked before the store is read: what is derived again in between is left out.
    """

    def __init__(self, registry: Registry, connection: Connection) -> None:
        ids = tuple(d.id for d in registry.datastreams)
        self._stage_of = {ids[d.discharge]: ids[d.stage] for d in derived_of(registry)}
        self._spans = unsettled(connection, registry)

    def is_in(self, datastream: DatastreamId, time_ms: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return (n,) whether discharge at these times is to be derived again."""
        found = np.zeros(len(time_ms), np.bool_)
        for start, end in self._spans.get(datastream, ()):
            found |= (start <= time_ms) & (time_ms < end)
        return found

    def is_refused(
        self, datastream: DatastreamId, stored: Mapping[DatastreamId, Series]
    ) -> NDArray[np.bool_]:
        """Return (n,) whether what is stored is discharge that a rating refused afterwards."""
        series = stored[datastream]
        stage = self._stage_of.get(datastream)
        if stage is None:
            return np.zeros(len(series), np.bool_)
        is_failed: NDArray[np.bool_] = series.quality == Quality.FAIL
        return is_failed & np.isin(series.time, stored[stage].time)
