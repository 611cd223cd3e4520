"""How a source runs dry when nothing recharges it: its recession, over all dry spells there were.

Two laws are fitted to the same spells. Maillet's (1905) is a store that gives in proportion to what
it holds, Q = Q0 exp(-t / T): ln Q falls in a straight line. Boussinesq's (1904) is an aquifer that
gets thinner as it drains, Q = Q0 / (1 + a t)^2: 1 / sqrt(Q) rises in a straight line, and the
aquifer's own constant is that line's slope. Each spell begins where it likes and all share the
slope: the master recession.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from kahriz.observations import Values

RISE = 0.02
"""A day higher than the lowest before by more than this part has had water from somewhere."""
SHORTEST_DAYS = 15
LEAD_DAYS = 5
"""After the highest day: what runs off by fissures is not the store's."""
LEAST_FALL = 0.05
"""A spell in which the water fell by less than this part tells chance rather than recession."""

Law = Literal["maillet", "boussinesq"]


@dataclass(frozen=True, slots=True)
class Recession:
    """What the dry spells of a source have in common.

    Attributes
    ----------
    law
        The one of the two that lies closer to the spells.
    days
        T at `reference_lps` [d]: in so many days it would run dry at the rate it falls at then.
        Maillet's is the same at every flow; Boussinesq's is longer the less there is.
    days_low, days_high
        Its 95 % interval; None where it has no upper end, or only one spell tells of it.
    reference_lps
        The spells' median flow.
    scatter
        Standard deviation of the days about the law, as a part of the flow.
    spells, spell_days
        What it rests on.
    """

    law: Law
    days: float
    days_low: float | None
    days_high: float | None
    reference_lps: float
    scatter: float
    spells: int
    spell_days: int


@dataclass(frozen=True, slots=True)
class _Line:
    slope: float
    error: float | None
    scatter: float


def dry_spells(lps: Values) -> list[slice]:
    """Return where the water only fell, the first `LEAD_DAYS` after each peak left out.

    Parameters
    ----------
    lps
        (n,) mean flow of each day [L/s]; NaN where the day is not complete, which ends a spell.
    """
    found, begin, lowest = [], 0, math.nan
    for day, flow in enumerate([*lps.tolist(), math.nan]):
        if flow > 0 and flow <= lowest * (1.0 + RISE):
            lowest = min(lowest, flow)
            continue
        first = begin + LEAD_DAYS
        if day - first >= SHORTEST_DAYS and lps[day - 1] < (1.0 - LEAST_FALL) * lps[first]:
            found.append(slice(first, day))
        begin, lowest = day, flow if flow > 0 else math.nan
    return found


def recession(lps: Values) -> Recession | None:
    """Return the master recession of a source; None where no dry spell tells of it.

    Formulas: ln Q = c_j - t / T, and 1 / sqrt(Q) = c_j + b t with T(Q) = 1 / (2 b sqrt(Q)), by
    least squares with one slope for all spells j and an intercept for each. The standard error of
    the slope is taken between spells (each is one observation, however many days it has):
    s^2 = m / (m - 1) * sum over spells of (sum of w r)^2 / (sum of w^2)^2, with w = t - mean(t)
    and r the residual. The law is the one about which ln Q scatters less.

    Parameters
    ----------
    lps
        (n,) mean flow of each day [L/s], one day apart; NaN where the day is not complete.

    Limits: recharge that goes on through a spell makes T longer than the aquifer's own; it is the
    recession that people there live with. Sources: Maillet 1905 and Boussinesq 1904 as quoted
    by Dewandel et al. 2003, J. Hydrol. 274, 248; error by spells: Liang & Zeger 1986,
    Biometrika 73, 13.
    """
    spells = [lps[spell] for spell in dry_spells(lps)]
    if not spells:
        return None
    flows = np.concatenate(spells)
    reference = float(np.median(flows))
    maillet = _line(spells, lambda q: -np.log(q), lambda z: -z)
    boussinesq = _line(spells, lambda q: q**-0.5, lambda w: -2.0 * np.log(w))
    is_maillet = maillet.scatter <= boussinesq.scatter
    line = maillet if is_maillet else boussinesq
    # Rate -dQ/dt / Q at the reference for a slope of 1.
    rate = 1.0 if is_maillet else 2.0 * math.sqrt(reference)
    low, high = _interval(line, rate)
    return Recession(
        law="maillet" if is_maillet else "boussinesq",
        days=1.0 / (rate * line.slope),
        days_low=low,
        days_high=high,
        reference_lps=reference,
        scatter=line.scatter,
        spells=len(spells),
        spell_days=len(flows),
    )


def _line(
    spells: Sequence[Values],
    straighten: Callable[[Values], Values],
    log_of: Callable[[Values], Values],
) -> _Line:
    """Fit one slope to what `straighten` makes of flows; `log_of` makes ln Q of that again."""
    times = [np.arange(len(q)) - (len(q) - 1) / 2.0 for q in spells]
    values = [straighten(q) for q in spells]
    weight = sum(float(t @ t) for t in times)
    slope = sum(float(t @ v) for t, v in zip(times, values, strict=True)) / weight
    fitted = [v.mean() + slope * t for t, v in zip(times, values, strict=True)]
    pulls = [float(t @ (v - f)) for t, v, f in zip(times, values, fitted, strict=True)]
    m = len(spells)
    error = None
    if m > 1:
        error = math.sqrt(m / (m - 1) * sum(pull**2 for pull in pulls)) / weight
    off = np.concatenate([np.log(q) - log_of(f) for q, f in zip(spells, fitted, strict=True)])
    return _Line(slope, error, float(np.sqrt(np.mean(off**2))))


def _interval(line: _Line, rate: float) -> tuple[float | None, float | None]:
    if line.error is None:
        return None, None
    fast, slow = line.slope + 1.96 * line.error, line.slope - 1.96 * line.error
    return 1.0 / (rate * fast), 1.0 / (rate * slow) if slow > 0 else None
