"""What a figure rests on, said alike of every figure: values, their quality, what is missing.

A figure without it cannot be weighed: half a month's loss looks like a month's, and a figure that
late data changed like the one before.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from kahriz.clock import from_ms
from kahriz.stats.delivered import HasRevision


@dataclass(frozen=True, slots=True)
class Grounds:
    """What of one datastream a figure rests on.

    Attributes
    ----------
    n, n_suspect, n_fail
        Values that count, those of them that are suspect, and those that do not count.
    completeness
        Time that readings cover / length of the span, 0 to 1.
    revision
        1 + how often the days of the span were revised.
    computed_at
        When the last of them was computed; None: nothing is known of any.
    """

    n: int
    n_suspect: int
    n_fail: int
    completeness: float
    revision: int
    computed_at: datetime | None


def grounds(days: Sequence[HasRevision], start: datetime, end: datetime) -> Grounds:
    """Return what a figure of [start, end), not empty, rests on.

    Parameters
    ----------
    days
        The local days in the span of which anything is known; a day without figures counts as not
        measured.
    start, end
        The span.
    """
    length_s = (end - start).total_seconds()
    return Grounds(
        n=sum(day.n for day in days),
        n_suspect=sum(day.n_suspect for day in days),
        n_fail=sum(day.n_fail for day in days),
        completeness=min(1.0, sum(day.covered_s for day in days) / length_s),
        revision=1 + sum(day.revision - 1 for day in days),
        computed_at=from_ms(max(day.computed_at_ms for day in days)) if days else None,
    )
