"""Observations as they are judged: by the quarter of an hour, in the kahriz's own time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta

import numpy as np

from kahriz.clock import from_ms, to_ms
from kahriz.detect.station.channel import IMPOSSIBLE
from kahriz.observations import DatastreamId, Quality, Series, Values
from kahriz.sites import Kahriz

QUARTER = timedelta(minutes=15)
QUARTER_MS = 900_000
# Hours of the day are compared with each other. A zone whose clocks change in summer keeps its
# winter time here: people's habits shift by an hour then, and the hour is learned anew.
_WINTER = datetime(2024, 1, 1)  # noqa: DTZ001 - asked of the kahriz's zone


class Quarters:
    """Turns instants into quarters of an hour and back.

    A quarter holds the readings in ``(end - 15 min, end]``: what a device that measures on the
    quarter says is judged when it has come, and not at the next one.
    """

    def __init__(self, kahriz: Kahriz) -> None:
        offset = kahriz.zone.utcoffset(_WINTER) or timedelta(0)
        self._offset_ms = round(offset / timedelta(milliseconds=1))

    def of(self, instant: datetime) -> int:
        """Return the quarter an instant lies in."""
        return -(-(to_ms(instant) + self._offset_ms) // QUARTER_MS)

    def end(self, quarter: int) -> datetime:
        """Return when a quarter is over."""
        return from_ms(quarter * QUARTER_MS - self._offset_ms)

    def over(self, now: datetime) -> int:
        """Return the last quarter that is over."""
        return (to_ms(now) + self._offset_ms) // QUARTER_MS

    def values(self, series: Series, first: int, last: int) -> Values:
        """Return the median of each quarter (n,) from `first` to `last`, both included.

        NaN where nothing was measured, `IMPOSSIBLE` where all that was said failed.
        """
        found = np.full(last - first + 1, np.nan)
        time_ms = series.time.astype("datetime64[ms]").astype(np.int64)
        quarter = -(-(time_ms + self._offset_ms) // QUARTER_MS)
        inside = (quarter >= first) & (quarter <= last) & np.isfinite(series.value)
        inside &= series.quality != Quality.MISSING
        failed = series.quality == Quality.FAIL
        found[quarter[inside & failed] - first] = IMPOSSIBLE
        kept = inside & ~failed
        if kept.any():
            row, middle = _medians(quarter[kept] - first, series.value[kept])
            found[row] = middle
        return found


def _medians(row: np.ndarray, value: Values) -> tuple[np.ndarray, Values]:
    """Return (rows, the median of each row's values)."""
    order = np.lexsort((value, row))
    row, value = row[order], value[order]
    starts = np.flatnonzero(np.append(True, row[1:] != row[:-1]))
    count = np.diff(np.append(starts, len(row)))
    low, high = starts + (count - 1) // 2, starts + count // 2
    return row[starts], (value[low] + value[high]) / 2


def steps(
    quarters: Quarters, log: Mapping[DatastreamId, Series], first: int, last: int
) -> Iterator[tuple[int, dict[DatastreamId, float]]]:
    """Yield each quarter with what was measured in it, those of silence too."""
    columns = {name: quarters.values(s, first, last).tolist() for name, s in log.items()}
    for i in range(last - first + 1):
        yield first + i, {name: column[i] for name, column in columns.items()}
