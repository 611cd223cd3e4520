"""A season or a year of water in a few figures: what a donor's report and an engineer's ask for.

It rests on the local days of one discharge. Only *complete* days (measured for 90 % of their time)
say how much water a day had; of the others it is said how many there are, and what passed at least.
Nothing is extrapolated: neither over days that nobody measured, nor beyond the days there are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from kahriz.observations import Values
from kahriz.sites import Norm
from kahriz.stats.delivered import UNKNOWN_GAP, Gap, WaterRow, litres_a_person_and_day

EXCEEDED = (0.10, 0.50, 0.90)
"""Parts of the days on which at least so much flowed: Q10 is high water, Q90 low water."""

SURE = 2.0
"""Standard uncertainties either way within which about 95 % lie."""


@dataclass(frozen=True, slots=True)
class NormDays:
    """How many days stayed below a norm; None without a count of people.

    `days_below` are complete days. `at_most` adds those that may have: incomplete days in which
    less than the norm was seen, and days nobody measured.
    """

    norm: Norm
    days_below: int | None
    at_most: int | None


@dataclass(frozen=True, slots=True)
class Summary:
    """The water of a span of local days.

    Attributes
    ----------
    days, complete_days, incomplete_days
        Days that are over, those measured enough, and those of which something is known but too
        little; the rest is unknown.
    volume_m3
        What was measured in all of them: at least so much passed. None where nothing was.
    complete_volume_m3
        The part of it on complete days.
    volume_at_most_m3
        `volume_m3` and all gaps filled at the greatest rate near; None: it is not known.
    mean_lpcd
        Litres a person and day over the complete days; None without them or without people.
    lpcd_at_least, lpcd_at_most
        The volumes in litres a person and day, over all days.
    exceeded_lps
        By `EXCEEDED`: the mean flow of a day that so many of the complete days reached [L/s];
        None where there are too few days to say.
    exceeded_low_lps, exceeded_high_lps
        The same if the other days all had less, or more, and the instrument shows too much, or too
        little, by `SURE` standard uncertainties; None where that is not known.
    completeness
        Covered time / time of all days, 0 to 1.
    """

    days: int
    complete_days: int
    incomplete_days: int
    volume_m3: float | None
    complete_volume_m3: float | None
    mean_lpcd: float | None
    exceeded_lps: tuple[float | None, ...]
    exceeded_low_lps: tuple[float | None, ...]
    exceeded_high_lps: tuple[float | None, ...]
    volume_at_most_m3: float | None
    lpcd_at_least: float | None
    lpcd_at_most: float | None
    completeness: float
    norms: tuple[NormDays, ...]
    n: int
    n_suspect: int
    n_fail: int
    revision: int
    computed_at: datetime | None


def summary(
    rows: Sequence[WaterRow],
    days: int,
    norms: Sequence[Norm],
    people: int | None = None,
    gap: Gap = UNKNOWN_GAP,
    uncertainty_lps: Values | None = None,
) -> Summary:
    """Return the figures of a span of days.

    Parameters
    ----------
    rows
        Its local days that are over and of which anything is known, as measured (not filled).
    days
        How many local days of it are over.
    norms
        Litres a person and day, in any order.
    people
        Whom the water serves.
    gap
        What may have passed in all time of these days that nobody measured.
    uncertainty_lps
        Standard uncertainty of the mean flow of each of `rows`; NaN, or None: it is not known.

    Source: duration: Weibull's plotting position m / (n + 1), as Vogel & Fennessey 1994 (J. Water
    Resour. Plann. Manage. 120, 485) are quoted to use it. lpcd and its levels:
    `kahriz.stats.delivered`.
    """
    complete = [row for row in rows if row.is_complete]
    known = [row.volume_m3 for row in rows if row.volume_m3 is not None]
    whole = [row.volume_m3 for row in complete if row.volume_m3 is not None]
    lpcd = [row.lpcd for row in complete if row.lpcd is not None]
    volume = sum(known) if known else None
    most = None if gap.at_most_m3 is None or not days else (volume or 0.0) + gap.at_most_m3
    flows = [row.mean_lps for row in complete if row.mean_lps is not None]
    sure = np.full(len(rows), np.nan) if uncertainty_lps is None else uncertainty_lps
    of_flows = [
        sure[i] for i, row in enumerate(rows) if row.is_complete and row.mean_lps is not None
    ]
    low, high = duration_bounds(flows, np.array(of_flows, np.float64), days - len(flows))
    return Summary(
        days=days,
        complete_days=len(complete),
        incomplete_days=len(rows) - len(complete),
        volume_m3=volume,
        complete_volume_m3=sum(whole) if whole else None,
        mean_lpcd=sum(lpcd) / len(lpcd) if lpcd else None,
        exceeded_lps=duration(flows),
        exceeded_low_lps=low,
        exceeded_high_lps=high,
        volume_at_most_m3=most,
        lpcd_at_least=litres_a_person_and_day(volume, people, days),
        lpcd_at_most=litres_a_person_and_day(most, people, days),
        completeness=sum(row.completeness for row in rows) / days if days else 0.0,
        norms=tuple(_below(norm, rows, days) for norm in sorted(norms, key=lambda norm: norm.lpcd)),
        n=sum(row.n for row in rows),
        n_suspect=sum(row.n_suspect for row in rows),
        n_fail=sum(row.n_fail for row in rows),
        revision=1 + sum(row.revision - 1 for row in rows),
        computed_at=max((row.computed_at for row in rows), default=None),
    )


def duration(
    flows: Sequence[float], exceeded: Sequence[float] = EXCEEDED
) -> tuple[float | None, ...]:
    """Return the flows that were reached for these parts of the time: the flow duration curve.

    Parameters
    ----------
    flows
        Mean flow of each day [L/s], in any order.
    exceeded
        Parts of the time, 0 to 1.

    The m-th largest of n is taken to be reached for m / (n + 1) of the time, straight lines in
    between. Beyond the largest and the smallest nothing is said (None): Q90 takes nine days.
    """
    ordered = np.sort(np.asarray(flows, np.float64))[::-1]
    n = len(ordered)
    position = np.arange(1, n + 1) / (n + 1)
    found: list[float | None] = []
    for part in exceeded:
        is_known = n > 0 and position[0] <= part + _ROUNDING and part - _ROUNDING <= position[-1]
        found.append(float(np.interp(part, position, ordered)) if is_known else None)
    return tuple(found)


def duration_bounds(
    flows: Sequence[float],
    uncertainty_lps: Values,
    absent: int,
    exceeded: Sequence[float] = EXCEEDED,
) -> tuple[tuple[float | None, ...], tuple[float | None, ...]]:
    """Return between which flows each of `duration` lies; None where there is no telling.

    Parameters
    ----------
    flows
        Mean flow of each day that is known (n,) [L/s].
    uncertainty_lps
        (n,) standard uncertainty of each: an instrument's, so that all are wrong the same way.
    absent
        Days nobody knows: all lower than any other for the lower bound, all higher for the upper.
    exceeded
        Parts of the time, 0 to 1.
    """
    flow = np.asarray(flows, np.float64)
    told = duration(flows, exceeded)
    low = duration([*np.maximum(flow - SURE * uncertainty_lps, 0.0), *[0.0] * absent], exceeded)
    high = duration([*(flow + SURE * uncertainty_lps), *[np.inf] * absent], exceeded)
    return _where_told(told, low), _where_told(told, high)


def _where_told(
    told: tuple[float | None, ...], bounds: tuple[float | None, ...]
) -> tuple[float | None, ...]:
    return tuple(
        None if figure is None or bound is None or not np.isfinite(bound) else bound
        for figure, bound in zip(told, bounds, strict=True)
    )


_ROUNDING = 1e-12


def _below(norm: Norm, rows: Sequence[WaterRow], days: int) -> NormDays:
    known = [row for row in rows if row.lpcd is not None]
    if not known:
        return NormDays(norm, None, None)
    reached = sum(row.lpcd is not None and row.lpcd >= norm.lpcd for row in known)
    complete = [row.lpcd for row in known if row.is_complete and row.lpcd is not None]
    below = sum(lpcd < norm.lpcd for lpcd in complete) if complete else None
    # An incomplete day that has reached a norm has met it: more could only be added.
    return NormDays(norm, below, days - reached)
