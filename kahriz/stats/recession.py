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


# 97.5 % points of Student's t with 1, 2, ... degrees of freedom.
_STUDENT = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228)


def student(degrees: int) -> float:
    """Return the 97.5 % point of Student's t; beyond 10 degrees by its expansion."""
    if degrees <= len(_STUDENT):
        return _STUDENT[degrees - 1]
    z = 1.959964
    return z + (z**3 + z) / (4 * degrees) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * degrees**2)


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
    least squares with one slope for all spells j and an intercept for each. Each spell is one
    observation, however many days it has, and the long ones weigh most: the slope's standard error
    is found by leaving out each in turn (jackknife), s^2 = (m - 1) / m * sum of (b_-j - b)^2, and
    the interval is Student's with m - 1 degrees. The law is the one about which ln Q scatters less.

    Parameters
    ----------
    lps
        (n,) mean flow of each day [L/s], one day apart; NaN where the day is not complete.

    Limits: recharge that goes on through a spell makes T longer than the aquifer's own; it is the
    recession that people there live with. Sources: Maillet 1905 and Boussinesq 1904 as quoted
    by Dewandel et al. 2003, J. Hydrol. 274, 248; the interval has none but how often it held
    (docs/statistics.md).
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
    if line.slope <= 0:  # a spring that stands for weeks and drops at the end is no recession
        return None
    # Rate -dQ/dt / Q at the reference for a slope of 1.
    rate = 1.0 if is_maillet else 2.0 * math.sqrt(reference)
    low, high = _interval(line, len(spells), rate)
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
    weights = np.array([float(t @ t) for t in times])
    pulls = np.array([float(t @ v) for t, v in zip(times, values, strict=True)])
    slope = float(pulls.sum() / weights.sum())
    fitted = [v.mean() + slope * t for t, v in zip(times, values, strict=True)]
    m, error = len(spells), None
    if m > 1:
        without = (pulls.sum() - pulls) / (weights.sum() - weights)
        error = math.sqrt((m - 1) / m * float(np.sum((without - slope) ** 2)))
    off = np.concatenate([np.log(q) - log_of(f) for q, f in zip(spells, fitted, strict=True)])
    return _Line(slope, error, float(np.sqrt(np.mean(off**2))))


def _interval(line: _Line, spells: int, rate: float) -> tuple[float | None, float | None]:
    if line.error is None:
        return None, None
    reach = student(spells - 1) * line.error
    fast, slow = line.slope + reach, line.slope - reach
    return 1.0 / (rate * fast), 1.0 / (rate * slow) if slow > 0 else None
