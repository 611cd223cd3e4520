"""Observations as InfluxDB's line protocol, encoded by column.

``observation,kahriz=agh-dere,site=outlet,property=stage value=0.1,quality=1i 1700000000000``

`value` is always a float, so that a whole number never becomes an integer field and conflicts with
all the others. `quality` is a field: as a tag a changed flag would be another series, and writing
it again would not replace the first.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import orjson
from numpy.typing import NDArray

from kahriz.observations import DatastreamId, ObservationBatch, split_datastream_id

MEASUREMENT = "observation"
CANARY = b"kahriz_canary ok=1i"
"""A line every server that is well takes; without a time: the server puts its own."""

_NAME = re.compile(r"[A-Za-z0-9_:-]+\.[A-Za-z0-9_:-]+\.[A-Za-z0-9_:-]+")
_PARTS = 4
_QUALITY = [b",quality=%di " % flag for flag in range(256)]


def is_writable(datastream: DatastreamId) -> bool:
    """Return whether an id can be a point's tags, and a literal of a query, as it stands."""
    return _NAME.fullmatch(datastream) is not None


@dataclass(frozen=True, slots=True)
class Lines:
    """Encoded points, each still to be found by its place.

    Attributes
    ----------
    parts
        (4 n,) bytes: line break and key, value, quality, time of each point in turn.
    rows
        (n,) the row of the batch each point came from.
    """

    parts: list[bytes]
    rows: list[int]

    def __len__(self) -> int:
        return len(self.rows)

    def body(self, first: int, stop: int) -> bytes:
        """Return the points [first, stop) as one request's body."""
        return b"".join(self.parts[_PARTS * first : _PARTS * stop])[1:]


def encode(batch: ObservationBatch, rows: NDArray[np.intp]) -> Lines:
    """Return the given rows of `batch` as lines; their ids must be writable, their values finite.

    orjson writes whole columns of floats (the shortest text that reads back the same) and
    integers; only the joining is Python's.
    """
    keys = {i: _key(batch.datastreams[i]) for i in np.unique(batch.stream[rows]).tolist()}
    parts = [b""] * (_PARTS * len(rows))
    parts[0::_PARTS] = [keys[i] for i in batch.stream[rows].tolist()]
    parts[1::_PARTS] = _texts(batch.value[rows])
    parts[2::_PARTS] = [_QUALITY[flag] for flag in batch.quality[rows].tolist()]
    parts[3::_PARTS] = _texts(batch.time[rows].astype(np.int64))
    return Lines(parts, rows.tolist())


def _key(datastream: DatastreamId) -> bytes:
    kahriz, site, prop = split_datastream_id(datastream)
    return f"\n{MEASUREMENT},kahriz={kahriz},site={site},property={prop} value=".encode()


def _texts(column: NDArray[np.float64] | NDArray[np.int64]) -> list[bytes]:
    if not len(column):
        return []
    text = orjson.dumps(np.ascontiguousarray(column), option=orjson.OPT_SERIALIZE_NUMPY)
    return text[1:-1].split(b",")
