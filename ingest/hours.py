"""The hours (UTC) that rows touch, as the book is told of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from kahriz.observations import DatastreamId

HOUR_MS = 3_600_000

Hour = tuple[DatastreamId, int]
"""(datastream, when an hour begins [ms])."""


def hours_of(
    ids: Sequence[DatastreamId], stream: NDArray[np.int32], time_ms: NDArray[np.int64]
) -> list[Hour]:
    """Return each hour that rows (n,) touch, once; `stream` points into `ids`."""
    if not len(stream):
        return []
    hours = time_ms // HOUR_MS
    least = int(hours.min())
    span = int(hours.max()) - least + 1
    keys = np.unique(stream.astype(np.int64) * span + (hours - least))
    return [
        (ids[at], (hour + least) * HOUR_MS)
        for at, hour in zip((keys // span).tolist(), (keys % span).tolist(), strict=True)
    ]
