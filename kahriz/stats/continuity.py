"""Hours of service: for how much of the time there was water, and how often and long there was not.

Only time that readings cover says anything. What was not measured is neither water nor its lack:
hours of service have a least and a most, and an interruption that runs into a gap lasted at least
as long as was seen of it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from kahriz.clock import to_ms
from kahriz.observations import Quality, Series
from kahriz.stats.volume import is_bridged

SHORTEST = timedelta(minutes=30)
"""Less than this without water is no interruption, though its time is without water."""

SURE = 2.0
"""Standard uncertainties either way within which about 95 % lie."""

_Ms = NDArray[np.int64]
_HOUR_S = 3600.0


@dataclass(frozen=True, slots=True)
class Continuity:
    """Service of one line in a span of time.

    Attributes
    ----------
    threshold_lps
        From this discharge on there is water.
    with_water_s, covered_s, length_s
        Time with water; time that was measured; the span's own length [s].
    interruptions
        At least so many stretches without water; what a gap lies in between of is one.
    longest_s
        The longest stretch without water that was seen in one piece [s]; 0: there was none.
    is_longest_whole
        Its beginning and end were seen; if not it may have been longer.
    n, n_suspect, n_fail
        Values in the span that count, those of them that are suspect, and those that do not count.
    surely_s, perhaps_s
        Time with water if the instrument shows too much by `SURE` standard uncertainties at the
        threshold, and if it shows too little by as much; None: how sure it is is not known.
    """

    threshold_lps: float
    with_water_s: float
    covered_s: float
    length_s: float
    interruptions: int
    longest_s: float
    is_longest_whole: bool
    n: int
    n_suspect: int
    n_fail: int
    surely_s: float | None
    perhaps_s: float | None

    @property
    def completeness(self) -> float:
        """Covered time / length, 0 to 1."""
        return self.covered_s / self.length_s

    @property
    def share(self) -> float | None:
        """Time with water / covered time, 0 to 1; None where nothing was measured."""
        return self._part(self.with_water_s)

    @property
    def share_low(self) -> float | None:
        """The same if the instrument shows too much."""
        return self._part(self.surely_s)

    @property
    def share_high(self) -> float | None:
        """The same if the instrument shows too little."""
        return self._part(self.perhaps_s)

    def _part(self, seconds: float | None) -> float | None:
        if seconds is None or self.covered_s <= 0:
            return None
        return seconds / self.covered_s

    @property
    def hours_at_least(self) -> float:
        """Hours in which water was seen."""
        return self.with_water_s / _HOUR_S

    @property
    def hours_at_most(self) -> float:
        """The same, were there water whenever nobody measured."""
        return (self.length_s - self.covered_s + self.with_water_s) / _HOUR_S


def continuity(
    series: Series,
    start: datetime,
    end: datetime,
    threshold_lps: float,
    uncertainty_lps: float = math.nan,
    shortest: timedelta = SHORTEST,
) -> Continuity:
    """Return how much of [start, end) a line had water.

    Between two readings the discharge runs straight, so the instant at which it crosses the
    threshold is known; a gap is what `volume.is_bridged` says.

    Parameters
    ----------
    series
        (n,) discharge [L/s], reaching `volume.REACH` beyond the span where the store has any.
    start, end
        The span, not empty.
    threshold_lps
        A discharge from this on is water, in L/s.
    uncertainty_lps
        Standard uncertainty of the instrument at the threshold; NaN where it is not known.
    shortest
        Less without water is no interruption.

    Uncertainty: the shares with the threshold 2 u higher and lower; of the time a reading's step
    at most at each crossing. Source: hours a day with water, as utilities report them to IBNET (as
    told by Kaminsky & Kumpel 2018, Water 10, 1032); here it is measured.
    """
    if not start < end:
        raise ValueError(f"no time between {start} and {end}")
    first, last = to_ms(start), to_ms(end)
    begin, until, is_dry = _pieces(series, threshold_lps)
    begin, until = np.maximum(begin, first), np.minimum(until, last)
    inside = until > begin
    begin, until, is_dry = begin[inside], until[inside], is_dry[inside]
    seconds = (until - begin) / 1000.0
    surely, perhaps = (
        _with_water_s(series, (first, last), threshold_lps + away * uncertainty_lps)
        for away in (SURE, -SURE)
    )
    times, longest, is_whole = _dry_spells(begin, until, is_dry, (first, last), shortest)
    within = (series.time >= np.datetime64(first, "ms")) & (series.time < np.datetime64(last, "ms"))
    flags = series.quality[within]
    return Continuity(
        threshold_lps=threshold_lps,
        with_water_s=float(seconds[~is_dry].sum()),
        covered_s=float(seconds.sum()),
        length_s=(last - first) / 1000.0,
        interruptions=times,
        longest_s=longest,
        is_longest_whole=is_whole,
        n=int(np.count_nonzero((flags != Quality.FAIL) & (flags != Quality.MISSING))),
        n_suspect=int(np.count_nonzero(flags == Quality.SUSPECT)),
        n_fail=int(np.count_nonzero(flags == Quality.FAIL)),
        surely_s=surely,
        perhaps_s=perhaps,
    )


def _with_water_s(series: Series, span: tuple[int, int], threshold: float) -> float | None:
    """Return the covered seconds from `threshold` on; None for a threshold nobody knows."""
    if math.isnan(threshold):
        return None
    begin, until, is_dry = _pieces(series, threshold)
    begin, until = np.maximum(begin, span[0]), np.minimum(until, span[1])
    return float(np.maximum(until - begin, 0)[~is_dry].sum()) / 1000.0


def _pieces(series: Series, threshold: float) -> tuple[_Ms, _Ms, NDArray[np.bool_]]:
    """Return beginning, end and dryness of each stretch (k,) between readings, cut at crossings."""
    usable = series.usable()
    time = usable.time.astype("datetime64[ms]").astype(np.int64)
    value = usable.value
    step = np.flatnonzero(is_bridged(usable.time))
    begin, until = time[step], time[step + 1]
    before, after = value[step], value[step + 1]
    is_dry, turns_dry = before < threshold, after < threshold
    crossing = until.copy()
    cut = np.flatnonzero(is_dry != turns_dry)
    part = (threshold - before[cut]) / (after[cut] - before[cut])
    crossing[cut] = begin[cut] + np.rint(part * (until[cut] - begin[cut])).astype(np.int64)
    # Each step is two stretches, the second one empty where nothing is crossed.
    return (
        np.column_stack([begin, crossing]).ravel(),
        np.column_stack([crossing, until]).ravel(),
        np.column_stack([is_dry, turns_dry]).ravel(),
    )


def _dry_spells(
    begin: _Ms,
    until: _Ms,
    is_dry: NDArray[np.bool_],
    span: tuple[int, int],
    shortest: timedelta,
) -> tuple[int, float, bool]:
    """Return how many interruptions there were, the longest one [s], and whether it was seen whole.

    Stretches without water side by side are one; with a gap in between they are one interruption,
    of which no piece is longer than what was seen.
    """
    shortest_ms = shortest // timedelta(milliseconds=1)
    times, longest, is_whole = 0, 0, True
    is_long = False  # the interruption that runs has been counted
    seen = 0  # its present piece
    opened = False  # ... whose beginning was seen
    for i, (start, end, dry) in enumerate(
        zip(begin.tolist(), until.tolist(), is_dry.tolist(), strict=True)
    ):
        if not dry:
            is_long, seen = False, 0
            continue
        follows = i > 0 and int(until[i - 1]) == start
        if not follows or not is_dry[i - 1]:
            seen, opened = 0, follows
        seen += end - start
        closed = i + 1 < len(begin) and int(begin[i + 1]) == end
        if seen >= shortest_ms and seen > 0:
            times += not is_long
            is_long = True
            if seen > longest:
                longest, is_whole = seen, opened and closed
    return times, longest / 1000.0, is_whole
