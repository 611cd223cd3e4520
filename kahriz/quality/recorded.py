"""The flags of a recorded series as it would have got them while it came, day by day."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from kahriz.observations import Flags, Values
from kahriz.quality import LimitTable
from kahriz.quality.flagger import Flagger
from kahriz.quality.learned import LEARNABLE, LOOK_BACK, LearnedLimits, learn
from kahriz.quality.limits import possible
from kahriz.units import Property

_DAY_MS = 86_400_000
_LOOK_BACK_MS = LOOK_BACK // timedelta(milliseconds=1)


def flag_recorded(
    measures: Property,
    time_ms: NDArray[np.int64],
    value: Values,
    given: LimitTable | None = None,
) -> Flags:
    """Return the flag (n,) of every row; limits are learned at each midnight, from what was.

    Parameters
    ----------
    measures
        What the series is of.
    time_ms, value
        (n,) each, in time order, times unique; NaN where missing.
    given
        Limits of one row that somebody has given; none but what is possible where left out.
    """
    limits = LearnedLimits(given or possible(measures), np.array([measures in LEARNABLE]))
    flagger = Flagger(limits.table)
    flags: Flags = np.empty(len(value), np.uint8)
    starts = np.flatnonzero(np.diff(time_ms // _DAY_MS, prepend=-1))
    for first, end in pairwise([*starts, len(value)]):
        old = np.searchsorted(time_ms, time_ms[first] - _LOOK_BACK_MS)
        past = slice(int(old), int(first))
        limits.put(0, learn(time_ms[past], value[past], flags[past]))
        rows = slice(int(first), int(end))
        streams = np.zeros(end - first, np.int32)
        flags[rows] = flagger.flag(streams, time_ms[rows], value[rows])
    return flags
