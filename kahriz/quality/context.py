"""What has to be remembered of each datastream so that a series may come in pieces."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kahriz.observations import Values
from kahriz.quality import Window
from kahriz.quality.rows import run_start
from kahriz.quality.spike import SPAN

_KEPT = SPAN - 1
NEVER = int(np.iinfo(np.int64).min)
"""The time of the newest value where there is none."""


class Context:
    """The last rows of each of `n_streams` datastreams, as many as any test looks back to.

    That is four values for the median of five, and before them, where the newest run of equal
    values is older, its first row: all that the flat line test needs to know of hours.

    Attributes
    ----------
    last_ms
        (n_streams,) int64, time of the newest value; the smallest integer where there is none.
    """

    def __init__(self, n_streams: int) -> None:
        self._time_ms = np.zeros((n_streams, 1 + _KEPT), np.int64)
        self._value = np.full((n_streams, 1 + _KEPT), np.nan)
        self.last_ms = np.full(n_streams, NEVER, np.int64)

    def rows(
        self, streams: NDArray[np.int32]
    ) -> tuple[NDArray[np.int32], NDArray[np.int64], Values]:
        """Return (stream, time_ms, value) of what is kept of `streams`, in their order."""
        value = self._value[streams]
        is_kept = ~np.isnan(value)
        stream = np.repeat(streams, is_kept.sum(axis=1))
        return stream, self._time_ms[streams][is_kept], value[is_kept]

    def pace_ms(self, streams: NDArray[np.int32]) -> NDArray[np.int64]:
        """Return the longest step (k,) between the last values of `streams`; 0 where unknown."""
        steps = np.diff(self._time_ms[streams, 1:], axis=1)
        steps[np.isnan(self._value[streams, 1:-1])] = 0
        longest: NDArray[np.int64] = steps.max(axis=1)
        return longest

    def is_changed_by(self, older: Window) -> NDArray[np.bool_]:
        """Return which rows (n,), older than the newest, change what had to be kept.

        Those among the last four values; and where these are all equal, an equal one from before
        their run (it may be longer) and another one within it (it is shorter).
        """
        time_ms, value = self._time_ms[older.stream], self._value[older.stream]
        newest = value[:, -1]
        has_four = ~np.isnan(value[:, 1])
        is_among = ~has_four | (older.time_ms >= time_ms[:, 1])
        is_flat = (value[:, 1:] == newest[:, np.newaxis]).all(axis=1)
        run_ms = np.where(np.isnan(value[:, 0]), time_ms[:, 1], time_ms[:, 0])
        is_other: NDArray[np.bool_] = (older.value == newest) == (older.time_ms < run_ms)
        # Delivered again it is there already.
        is_same = (time_ms == older.time_ms[:, np.newaxis]) & (value == older.value[:, np.newaxis])
        changes: NDArray[np.bool_] = (is_among | (is_flat & is_other)) & ~is_same.any(axis=1)
        return changes

    def forget(self, streams: NDArray[np.int32]) -> None:
        """Keep nothing of `streams`."""
        self._value[streams] = np.nan
        self.last_ms[streams] = NEVER

    def keep(self, window: Window) -> None:
        """Keep the end of each stream of `window`, which holds numbers only and what was kept."""
        if not len(window):
            return
        first = window.first
        ends = np.flatnonzero(np.append(first[1:] != first[:-1], True))
        streams, begins = window.stream[ends], first[ends]
        for back in range(_KEPT):
            self._put(streams, _KEPT - back, window, ends - back, ends - back >= begins)
        run = run_start(window)[ends]
        self._put(streams, 0, window, run, run < ends - (_KEPT - 1))
        self.last_ms[streams] = window.time_ms[ends]

    def _put(
        self,
        streams: NDArray[np.int32],
        column: int,
        window: Window,
        rows: NDArray[np.int64],
        is_there: NDArray[np.bool_],
    ) -> None:
        rows = np.where(is_there, rows, 0)
        self._time_ms[streams, column] = window.time_ms[rows]
        self._value[streams, column] = np.where(is_there, window.value[rows], np.nan)
