"""Does the water fall at the same hours of each day: a well that pumps by the clock.

A tube well that is switched on draws the water down within hours and lets it come back when it
stops; a drought and a blockage know no hour.
"""

from __future__ import annotations

import math

DAY_H = 24
NEEDS_H = 2 * DAY_H
_ALIKE = 0.7
_COMES_BACK = 0.6


def is_pumped(hours: list[float]) -> bool:
    """Return whether a flow's change [ln], by the hour, has the same deep rhythm on two days.

    Parameters
    ----------
    hours
        The last 48 at least; NaN where not known, in which case the answer is no.
    """
    if len(hours) < NEEDS_H:
        return False
    first, second = hours[-NEEDS_H:-DAY_H], hours[-DAY_H:]
    a, b = _centred(first), _centred(second)
    size = math.sqrt(sum(v * v for v in a) * sum(v * v for v in b))
    if not size > 0 or sum(p * q for p, q in zip(a, b, strict=True)) / size < _ALIKE:
        return False
    mean = sorted((p + q) / 2 for p, q in zip(first, second, strict=True))
    low, high = mean[2], mean[-3]
    return high - low > _COMES_BACK * abs(low)


def _centred(values: list[float]) -> list[float]:
    mean = sum(values) / len(values)
    return [value - mean for value in values]
