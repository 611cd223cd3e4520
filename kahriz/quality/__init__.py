"""A flag for every value; nothing is dropped and nobody is alarmed here.

Contract of every quality test:

- Causal: the flag of row i depends on rows 0..i of the same datastream only.
- Works on a `Window`: many datastreams at once, sorted by (stream, time), so that a batch of
  thousands of sensors costs a few numpy calls. One series is a window of one stream.
- Returns (n,) uint8 of `Quality`: FAIL or SUSPECT where the test fails, GOOD where it passes,
  NOT_EVALUATED where it has no limit or not enough history, MISSING where the value is NaN.
- Rows that are NaN are invisible to the other rows.
- Limits are durations and rates, never counts of samples (the median of five apart).

Source: U.S. IOOS QARTOD, Manual for Real-Time Quality Control of Water Level Data.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from kahriz.observations import Flags, Values

TESTS: dict[str, str] = {
    "gross_range": "kahriz.quality.gross_range:GrossRange",
    "rate_of_change": "kahriz.quality.rate_of_change:RateOfChange",
    "spike": "kahriz.quality.spike:Spike",
    "noise": "kahriz.quality.noise:Noise",
    "flat_line": "kahriz.quality.flat_line:FlatLine",
}


@dataclass(frozen=True, slots=True)
class Window:
    """Values of many datastreams, sorted by (stream, time).

    Attributes
    ----------
    stream
        (n,) int32, row of the `LimitTable`.
    time_ms
        (n,) int64, milliseconds since 1970, increasing within a stream.
    value
        (n,) float64, NaN where missing.
    first
        (n,) int64, index of the first row of the row's own stream: nothing looks across it.
    """

    stream: NDArray[np.int32]
    time_ms: NDArray[np.int64]
    value: Values
    first: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.stream)

    @classmethod
    def of(cls, stream: NDArray[np.int32], time_ms: NDArray[np.int64], value: Values) -> Window:
        """Return the window of rows (n,) that are sorted by (stream, time) already."""
        begins = np.ones(len(stream), dtype=bool)
        np.not_equal(stream[1:], stream[:-1], out=begins[1:])
        starts = np.flatnonzero(begins)
        return cls(stream, time_ms, value, starts[np.cumsum(begins) - 1])

    def take(self, rows: NDArray[np.bool_]) -> Window:
        """Return the rows a mask (n,) keeps."""
        return Window.of(self.stream[rows], self.time_ms[rows], self.value[rows])


@dataclass(frozen=True, slots=True)
class LimitTable:
    """Limits by datastream: each array (n_streams,), NaN where a stream has no such limit.

    ``fail_*`` and ``suspect_*`` in the datastream's unit, ``max_rate_per_h`` in units an hour,
    ``spike`` and ``noise`` in units, ``flat_line_h`` in hours.
    """

    fail_low: Values
    fail_high: Values
    suspect_low: Values
    suspect_high: Values
    max_rate_per_h: Values
    spike: Values
    noise: Values
    flat_line_h: Values


class QualityTest(Protocol):
    """One way in which a value can be wrong; see the module for the contract."""

    def __call__(self, window: Window, limits: LimitTable) -> Flags:
        """Return the flag of every row (n,)."""
        ...
