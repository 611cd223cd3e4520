"""Whether water becomes less over the years, and how fast; no trend is made of weather's memory.

Theil and Sen's slope is the median of the slopes between all pairs of values, so no flood and no
broken month bends it. Mann and Kendall's test asks whether later values tend to be lower. A dry
month follows a dry month, and that alone makes trends where there are none: its variance is
corrected by Hamed & Rao (1998). They were chosen over pre-whitening (Yue & Wang 2002), which takes
a part of a real trend away with the memory. The memory is taken as that of a draining store: each
lag remembers r_1 of the one before. Every lag's own correlation, as far as it is significant, was
tried first: chance at long lags undoes the correction (docs/statistics.md has the figures).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from kahriz.observations import Values

FEWEST = 10
"""Values below which the normal approximation of the test says nothing."""
SIGNIFICANT = 0.05
SEASONS = 12
_LONGEST_MEMORY = 0.97
FEWEST_YEARS = 3
"""With fewer the season cannot be told from the trend."""


@dataclass(frozen=True, slots=True)
class Trend:
    """How a series moved.

    Attributes
    ----------
    n
        Values it rests on.
    slope
        Change in a unit of time, by Theil and Sen.
    slope_low, slope_high
        Its 95 % confidence interval, with the corrected variance.
    p
        Chance of such an order of the values, or a stricter one, without any trend; two-sided.
    inflation
        By how much the memory of the series widened the variance of the test; 1: it has none.
    """

    n: int
    slope: float
    slope_low: float
    slope_high: float
    p: float
    inflation: float

    @property
    def is_significant(self) -> bool:
        """Whether a trend may be spoken of at all."""
        return self.p < SIGNIFICANT


def trend(time: Values, value: Values) -> Trend | None:
    """Return the trend of values (n,) at times (n,), evenly spaced but for a few that are absent.

    Formulas: slope b = median of (x_j - x_i) / (t_j - t_i), i < j. S = sum of sign(x_j - x_i);
    var(S) = (n (n-1) (2n+5) - sum over ties of m (m-1) (2m+5)) / 18, times
    1 + 2 / (n (n-1) (n-2)) * sum over k of (n-k) (n-k-1) (n-k-2) r_1^k. r_1 is the first
    autocorrelation of the ranks of x - b t, plus (1 + 4 r_1) / n, by which a short series shows too
    little of it; 0 unless it is above 0 at 5 %: a memory that alternates would only make a trend
    easier to claim. z = (S -+ 1) / sqrt(var).

    Parameters
    ----------
    time, value
        In order of time, times unique. Fewer than `FEWEST`: None.

    Limits: absent values are closed up when lags are counted. Sources: Theil 1950; Sen 1968, J. Am.
    Stat. Assoc. 63, 1379 (the interval, too); Mann 1945; Kendall 1975; Hamed & Rao 1998, J. Hydrol.
    204, 182; the bias of r_1: Kendall 1954, Biometrika 41, 403.
    """
    n = len(value)
    if n < FEWEST:
        return None
    first, second = np.triu_indices(n, 1)
    rise = value[second] - value[first]
    slopes = np.sort(rise / (time[second] - time[first]))
    slope = float(np.median(slopes))
    score = float(np.sign(rise).sum())
    inflation = variance_inflation(_memory(value - slope * time))
    variance = _variance(value) * inflation
    low, high = _interval(slopes, variance)
    return Trend(n, slope, low, high, _two_sided(score, variance), inflation)


def without_season(month: NDArray[np.int64], value: Values) -> Values | None:
    """Return monthly values (n,) less the shape of the year, so that a trend is not a season's.

    The slope between equal months of different years (seasonal Kendall slope) is taken off first,
    then the median of each calendar month is what the season adds, less their mean. Nothing is
    said (None) if any calendar month is known of fewer than `FEWEST_YEARS` years.

    Parameters
    ----------
    month
        (n,) counted through the years: 12 * year + month - 1.
    value
        (n,).

    Source: Hirsch, Slack & Smith 1982, Water Resour. Res. 18, 107.
    """
    calendar = month % SEASONS
    groups = [np.flatnonzero(calendar == season) for season in range(SEASONS)]
    if min(len(group) for group in groups) < FEWEST_YEARS:
        return None
    slopes: list[float] = []
    for group in groups:
        first, second = (group[index] for index in np.triu_indices(len(group), 1))
        slopes += ((value[second] - value[first]) / (month[second] - month[first])).tolist()
    level = value - float(np.median(slopes)) * month
    shape = np.array([np.median(level[group]) for group in groups])
    return np.asarray(value - (shape - shape.mean())[calendar])


def _variance(value: Values) -> float:
    n = len(value)
    ties = np.unique(value, return_counts=True)[1].astype(np.float64)
    tied = float(np.sum(ties * (ties - 1) * (2 * ties + 5)))
    return (n * (n - 1) * (2 * n + 5) - tied) / 18.0


def _memory(level: Values) -> Values:
    """Return what n values remember of the one k before (n - 1,), k = 1 ... n - 1."""
    n = len(level)
    first = float(autocorrelation(_ranks(level))[0])
    if first <= NormalDist().inv_cdf(1.0 - SIGNIFICANT / 2.0) / math.sqrt(n):
        return np.zeros(n - 1)
    unbiased = min(first + (1.0 + 4.0 * first) / n, _LONGEST_MEMORY)
    return np.asarray(unbiased ** np.arange(1.0, n))


def variance_inflation(memory: Values) -> float:
    """Return n / n*: by how much the memory of n values widens the variance of S.

    Parameters
    ----------
    memory
        (n - 1,) autocorrelations of their ranks at lags 1 ... n - 1.
    """
    n = len(memory) + 1
    lag = np.arange(1.0, n)
    weight = (n - lag) * (n - lag - 1.0) * (n - lag - 2.0)
    return 1.0 + 2.0 / (n * (n - 1.0) * (n - 2.0)) * float(weight @ memory)


def _ranks(value: Values) -> Values:
    """Return the ranks (n,), equal values sharing the mean of theirs."""
    _, which, counts = np.unique(value, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return np.asarray((last - (counts - 1) / 2.0)[which], np.float64)


def autocorrelation(value: Values) -> Values:
    """Return (n - 1,) the autocorrelations r_1 ... r_(n-1) of values (n,)."""
    away = value - value.mean()
    whole = float(away @ away)
    if whole == 0:
        return np.zeros(len(value) - 1)
    return np.asarray(np.correlate(away, away, "full")[len(value) :] / whole)


def _two_sided(score: float, variance: float) -> float:
    if score == 0 or variance <= 0:
        return 1.0
    z = (abs(score) - 1.0) / math.sqrt(variance)
    return math.erfc(z / math.sqrt(2.0))


def _interval(slopes: Values, variance: float) -> tuple[float, float]:
    """Return the slopes whose ranks lie z sqrt(var) / 2 either side of the middle."""
    pairs = len(slopes)
    reach = NormalDist().inv_cdf(0.975) * math.sqrt(max(variance, 0.0))
    low = max(round((pairs - reach) / 2.0) - 1, 0)
    high = min(round((pairs + reach) / 2.0), pairs - 1)
    return float(slopes[low]), float(slopes[high])
