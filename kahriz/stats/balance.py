"""Water that came out and water that arrived: what is lost between source and village.

loss = source - delivery - what the reservoir holds more at the end. It is everything that neither
arrived nor stayed: leaks, taps, what runs over, and what is drawn before the meter. How sure it is
follows from the instruments, and a loss smaller than that is none that can be spoken of.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kahriz.observations import Values
from kahriz.stats.rollup import HasFigures

COVERAGE = 2.0
"""Standard uncertainties beyond which a loss is called one: about 95 %."""
WHOLE = 0.99
"""Part of a day that must be measured: what passed unseen would be called lost, or found."""
LEVEL_UNCERTAINTY_M = 0.01
"""Standard uncertainty of a reservoir's level: waves, and an hour's mean instead of an instant."""

_HOUR_MS = 3_600_000


@dataclass(frozen=True, slots=True)
class Passed:
    """What passed an instrument in each of k intervals.

    Attributes
    ----------
    volume_m3
        (k,); NaN where the interval was not measured enough.
    uncertainty_m3
        (k,) standard uncertainty.
    """

    volume_m3: Values
    uncertainty_m3: Values


@dataclass(frozen=True, slots=True)
class Storage:
    """What a reservoir holds at the k + 1 edges of the intervals.

    Attributes
    ----------
    held_m3
        (k + 1,); NaN where it is not known.
    uncertainty_m3
        Standard uncertainty of one of them, apart from what is the same at all.
    """

    held_m3: Values
    uncertainty_m3: float


@dataclass(frozen=True, slots=True)
class Balance:
    """The balance over the intervals in which every part is known.

    Attributes
    ----------
    intervals, known
        How many there are, and in how many everything was measured; the figures are of these.
    source_m3, delivered_m3, stored_m3
        What came out, what arrived, by how much more the reservoir holds; 0 without one.
    loss_m3
        The rest.
    uncertainty_m3
        Its standard uncertainty.
    """

    intervals: int
    known: int
    source_m3: float
    delivered_m3: float
    stored_m3: float
    loss_m3: float
    uncertainty_m3: float

    @property
    def share(self) -> float | None:
        """Loss as a part of what came out; None where nothing did."""
        return self.loss_m3 / self.source_m3 if self.source_m3 > 0 else None

    @property
    def is_certain(self) -> bool:
        """Whether the loss, or the gain, is more than instruments may make up."""
        return abs(self.loss_m3) > COVERAGE * self.uncertainty_m3


def passed(days: Sequence[HasFigures | None], uncertainty_lps: Values) -> Passed:
    """Return what passed an instrument in days (k,) that were measured whole; NaN in others.

    Parameters
    ----------
    days
        Its figures of each day; None where nothing is known.
    uncertainty_lps
        (k,) standard uncertainty of the mean discharge of each.
    """
    volume = np.array(
        [
            day.volume_m3
            if day is not None
            and day.volume_m3 is not None
            and day.covered_s * 1000.0 >= WHOLE * (day.end_ms - day.start_ms)
            else np.nan
            for day in days
        ],
        np.float64,
    )
    seconds = np.array([0.0 if day is None else day.covered_s for day in days])
    uncertainty = uncertainty_lps * seconds / 1000.0
    return Passed(np.where(np.isfinite(uncertainty), volume, np.nan), uncertainty)


def level_at(edges_ms: Sequence[int], hours: Mapping[int, HasFigures]) -> Values:
    """Return the level of a reservoir at instants (k,): between the hours before and after.

    NaN where either hour was not measured.

    Parameters
    ----------
    edges_ms
        Milliseconds since 1970, at which hours meet.
    hours
        Figures of its level by the hour's beginning.
    """
    before = [_mean(hours.get(edge - _HOUR_MS)) for edge in edges_ms]
    after = [_mean(hours.get(edge)) for edge in edges_ms]
    return (np.array(before, np.float64) + np.array(after, np.float64)) / 2.0


def _mean(hour: HasFigures | None) -> float:
    return math.nan if hour is None or hour.mean is None else hour.mean


def balance(source: Passed, delivered: Passed, storage: Storage | None = None) -> Balance | None:
    """Return what is lost between two instruments; None where no interval knows every part.

    Formulas: loss = sum(source) - sum(delivered) - sum(change of storage), over the known
    intervals; u^2 = (sum u_source)^2 + (sum u_delivered)^2 + 2 u_storage^2 * runs. A zero offset, a
    weir's coefficient and a meter's wear are the same all the time, so the uncertainties of one
    instrument are added before they are squared. A level's scatter is not, and in a run of
    intervals side by side only that at its two ends is left.

    Parameters
    ----------
    source, delivered
        By interval (k,); whole days are best, as water that left by night arrives by day.
    storage
        Of the reservoir in between; None: there is none.

    Source: IWA's water balance, losses as what was put in less what is known to have been used, as
    LEAKSSuite Library tells it (leakssuitelibrary.com/iwa-water-balance); uncertainties as JCGM
    100:2008, 5.2.
    """
    gone = source.volume_m3 - delivered.volume_m3
    change = np.zeros(len(gone)) if storage is None else np.diff(storage.held_m3)
    known = np.isfinite(gone) & np.isfinite(change)
    if not known.any():
        return None
    of_level = 0.0
    if storage is not None:
        of_level = 2.0 * storage.uncertainty_m3**2 * _runs(known)
    from_source = float(source.uncertainty_m3[known].sum())
    from_meter = float(delivered.uncertainty_m3[known].sum())
    came, arrived = float(source.volume_m3[known].sum()), float(delivered.volume_m3[known].sum())
    stored = float(change[known].sum())
    return Balance(
        intervals=len(known),
        known=int(np.count_nonzero(known)),
        source_m3=came,
        delivered_m3=arrived,
        stored_m3=stored,
        loss_m3=came - arrived - stored,
        uncertainty_m3=math.sqrt(from_source**2 + from_meter**2 + of_level),
    )


def _runs(known: NDArray[np.bool_]) -> int:
    """Return how many runs of known intervals side by side there are."""
    return int(np.count_nonzero(known & ~np.concatenate([[False], known[:-1]])))
