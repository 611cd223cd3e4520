"""The figures of an interval: how many values, how low, how high, how much, how well covered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from kahriz.observations import Quality, Series, Times, Values, split_datastream_id
from kahriz.stats.volume import integrals
from kahriz.units import Property


class HasFigures(Protocol):
    """Anything that carries the figures of an interval: `Figures`, or a row of the book."""

    @property
    def start_ms(self) -> int:
        """First millisecond of the interval, since 1970."""
        ...

    @property
    def end_ms(self) -> int:
        """First millisecond after the interval."""
        ...

    @property
    def n(self) -> int:
        """Usable values: all but FAIL and MISSING."""
        ...

    @property
    def n_good(self) -> int:
        """Values flagged GOOD."""
        ...

    @property
    def n_suspect(self) -> int:
        """Values flagged SUSPECT; they count."""
        ...

    @property
    def n_fail(self) -> int:
        """Values flagged FAIL; they do not count."""
        ...

    @property
    def min(self) -> float | None:
        """Lowest usable value, in the datastream's unit."""
        ...

    @property
    def max(self) -> float | None:
        """Highest usable value."""
        ...

    @property
    def mean(self) -> float | None:
        """Mean over the covered time, each value weighted by the time it stood for."""
        ...

    @property
    def volume_m3(self) -> float | None:
        """Of a discharge: what passed in the covered time [m3]."""
        ...

    @property
    def covered_s(self) -> float:
        """Seconds of the interval that readings cover."""
        ...


@dataclass(frozen=True, slots=True)
class Figures:
    """The figures of one datastream in [start_ms, end_ms); `HasFigures` says what each means.

    ``min`` and ``max`` are None without a usable value; ``mean`` and ``volume_m3`` are None where
    no time is covered: "not measured" is not "no water".
    """

    start_ms: int
    end_ms: int
    n: int
    n_good: int
    n_suspect: int
    n_fail: int
    min: float | None
    max: float | None
    mean: float | None
    volume_m3: float | None
    covered_s: float

    @property
    def is_empty(self) -> bool:
        """Whether nothing is known of the interval."""
        return self.n == 0 and self.n_fail == 0 and self.covered_s == 0


def rollup(series: Series, edges: Times) -> list[Figures]:
    """Return the figures of each interval between `edges`.

    Parameters
    ----------
    series
        (n,) observations of one datastream, reaching `volume.REACH` beyond the first and last
        edge where the store has any.
    edges
        (m + 1,) increasing; interval i is [edges[i], edges[i + 1]).

    Returns
    -------
    list of Figures
        (m,) in order, empty ones included.
    """
    passed = integrals(series, edges)
    covered_s = passed.covered_s.tolist()
    mean = [
        total / covered if covered > 0 else None
        for total, covered in zip(passed.value_s.tolist(), covered_s, strict=True)
    ]
    is_discharge = split_datastream_id(series.datastream)[2] == Property.DISCHARGE
    volume_m3 = [
        total / 1000.0 if is_discharge and covered > 0 else None
        for total, covered in zip(passed.value_s.tolist(), covered_s, strict=True)
    ]
    usable = series.usable()
    low, high = _extremes(usable, edges)
    edges_ms: list[int] = edges.astype("datetime64[ms]").astype(np.int64).tolist()
    return list(
        map(
            Figures,
            edges_ms[:-1],
            edges_ms[1:],
            _count(usable.time, edges),
            _count(usable.time[usable.quality == Quality.GOOD], edges),
            _count(usable.time[usable.quality == Quality.SUSPECT], edges),
            _count(series.time[series.quality == Quality.FAIL], edges),
            low,
            high,
            mean,
            volume_m3,
            covered_s,
        )
    )


def joined(parts: Sequence[HasFigures], start_ms: int, end_ms: int) -> Figures:
    """Return the figures of [start_ms, end_ms) from those of intervals in it, in time order.

    The same as from the values themselves: counts and volumes add up, a mean weighs by covered
    time. Intervals without figures may be left out.
    """
    lows = [p.min for p in parts if p.min is not None]
    highs = [p.max for p in parts if p.max is not None]
    volumes = [p.volume_m3 for p in parts if p.volume_m3 is not None]
    covered = sum(p.covered_s for p in parts)
    total = sum(p.mean * p.covered_s for p in parts if p.mean is not None)
    return Figures(
        start_ms=start_ms,
        end_ms=end_ms,
        n=sum(p.n for p in parts),
        n_good=sum(p.n_good for p in parts),
        n_suspect=sum(p.n_suspect for p in parts),
        n_fail=sum(p.n_fail for p in parts),
        min=min(lows, default=None),
        max=max(highs, default=None),
        mean=total / covered if covered > 0 else None,
        volume_m3=sum(volumes) if volumes else None,
        covered_s=covered,
    )


def _count(time: Times, edges: Times) -> list[int]:
    counts: list[int] = np.diff(np.searchsorted(time, edges)).tolist()
    return counts


def _extremes(usable: Series, edges: Times) -> tuple[list[float | None], list[float | None]]:
    """Return the (m,) lowest and the (m,) highest value between `edges`, None without a value."""
    at: NDArray[np.intp] = np.searchsorted(usable.time, edges)
    filled = np.flatnonzero(at[1:] > at[:-1])
    low: list[float | None] = [None] * (len(edges) - 1)
    high = low.copy()
    if len(filled):
        values: Values = usable.value[: at[-1]]
        for i, lowest, highest in zip(
            filled.tolist(),
            np.minimum.reduceat(values, at[filled]).tolist(),
            np.maximum.reduceat(values, at[filled]).tolist(),
            strict=True,
        ):
            low[i], high[i] = lowest, highest
    return low, high
