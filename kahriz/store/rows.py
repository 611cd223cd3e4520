"""What of a batch is to be stored: the rules every store shares, by column."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kahriz.observations import ObservationBatch, Quality

# A datetime holds the years 1 to 9999; NaT lies below.
_EARLIEST = np.datetime64("0001-01-01", "ms")
_LATEST = np.datetime64("9999-12-31T23:59:59.999", "ms")

_IS_FLAG = np.zeros(256, dtype=bool)
_IS_FLAG[[int(flag) for flag in Quality]] = True


@dataclass(frozen=True, slots=True)
class Settled:
    """The rows of a batch to store, and those no store can hold.

    Attributes
    ----------
    rows
        (m,) positions in the batch, by stream and then by time; keys (stream, time) unique.
    refused
        Positions in the batch, ascending, each with the reason in words.
    """

    rows: NDArray[np.intp]
    refused: dict[int, str]


def settle(batch: ObservationBatch) -> Settled:
    """Return what to store of `batch`: of equal keys the last, nothing MISSING, NaN or impossible.

    A row that is MISSING or NaN says nothing about the water and is left out. An infinite value,
    an instant outside the years 1 to 9999 and an unknown flag are errors of whoever made the row,
    and refused: kept, they would spoil the answers about all the others.
    """
    infinite = np.isinf(batch.value)
    timeless = ~((batch.time >= _EARLIEST) & (batch.time <= _LATEST))
    flagless = ~_IS_FLAG[batch.quality]
    impossible = infinite | timeless | flagless
    refused: dict[int, str] = {}
    for i in np.flatnonzero(impossible).tolist():
        refused[i] = (
            f"value {batch.value[i]} is infinite"
            if infinite[i]
            else f"time {batch.time[i]} is no date"
            if timeless[i]
            else f"quality {batch.quality[i]} is no flag"
        )
    said = ~(np.isnan(batch.value) | (batch.quality == Quality.MISSING) | impossible)
    return Settled(_last_of_each_key(batch, np.flatnonzero(said)), refused)


def _last_of_each_key(batch: ObservationBatch, rows: NDArray[np.intp]) -> NDArray[np.intp]:
    # lexsort is stable: of equal keys the one given last comes last.
    rows = rows[np.lexsort((batch.time[rows], batch.stream[rows]))]
    stream, time = batch.stream[rows], batch.time[rows]
    last = np.ones(len(rows), dtype=bool)
    last[:-1] = (stream[1:] != stream[:-1]) | (time[1:] != time[:-1])
    return rows[last]


def newest_of_each_stream(stream: NDArray[np.int32]) -> NDArray[np.bool_]:
    """Return a mask (n,) of the last row of each run of equal streams, in a settled batch."""
    last = np.ones(len(stream), dtype=bool)
    last[:-1] = stream[1:] != stream[:-1]
    return last
