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
    return flag_again(limits, time_ms, value, np.empty(len(value), np.uint8), 0)


def flag_again(
    limits: LearnedLimits, time_ms: NDArray[np.int64], value: Values, flags: Flags, first: int
) -> Flags:
    """Return the flags (n,) of a datastream, those from row `first` on judged by all of it.

    What is learned for each day it learns from the rows of the days before, as they are flagged:
    where these are whole, the flags are those of values that came one by one, in time.

    Parameters
    ----------
    limits
        Of this one datastream: row 0. What is learned is put into it.
    time_ms, value, flags
        (n,) each, in time order, times unique, NaN where missing; `learned.LOOK_BACK` before
        `first` and a day more, as far as there is so much.
    """

    def before(_: int, __: int | None) -> tuple[NDArray[np.int64], Values]:
        return time_ms[:first], value[:first]

    flagger = Flagger(limits.table, before)
    flags = flags.copy()
    day = time_ms // _DAY_MS
    starts = first + np.flatnonzero(np.diff(day[first:], prepend=-1))
    for begin, end in pairwise([*starts.tolist(), len(value)]):
        if len(limits.open_streams):
            old = int(np.searchsorted(time_ms, day[begin] * _DAY_MS - _LOOK_BACK_MS))
            new = int(np.searchsorted(time_ms, day[begin] * _DAY_MS))
            past = slice(old, new)
            limits.put(0, learn(time_ms[past], value[past], flags[past]), int(day[begin]))
        rows = slice(begin, end)
        streams = np.zeros(end - begin, np.int32)
        flags[rows] = flagger.flag(streams, time_ms[rows], value[rows])
    return flags
