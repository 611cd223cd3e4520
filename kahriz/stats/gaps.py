"""What may have passed while nobody measured: a bound always, a guess only for those who ask.

What was measured is the least that passed. The most is that and each gap filled at the highest rate
seen on the days around it. It is a bound as far as no more flowed unseen than was ever seen near.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from functools import cached_property
from zoneinfo import ZoneInfo

from kahriz.clock import from_ms, to_ms
from kahriz.stats.delivered import COMPLETENESS_LIMIT, Gap, HasRevision, RevisedFigures
from kahriz.stats.local_days import day_bounds, days_touching, local_date
from kahriz.stats.rollup import HasFigures

NEAR = timedelta(days=7)
"""Days so near either side tell how much may have flowed, or usually does."""
FEWEST_DAYS = 3
"""Complete days near, below which nothing is called typical."""

NO_GAP = Gap(0.0, 0.0)

_ROUNDING_S = 1.0
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class _Rates:
    """What flows around a day [L/s]; None: too little is known."""

    greatest: float | None
    typical: float | None
    changed_ms: int


class Unmeasured:
    """The gaps of one discharge.

    Formulas: gap = (time until the interval ends, or until now) - covered time, by local days. At
    most gap x the greatest value of that day and the seven either side, or the site's capacity if
    that is more, passed in it; a day that still runs tells of itself alone. Typically gap x the
    median of the mean flows of the complete ones of these days, at least `FEWEST_DAYS`; before the
    first reading nothing. A longer span is the sum of its days.

    Parameters
    ----------
    days
        Local days in time order, reaching `NEAR` beyond what will be asked of.
    zone
        The kahriz's.
    now
        Of what is still to come nothing is missing.
    capacity_lps
        The most that can flow there; None where nobody knows.
    begun
        Before it nothing was ever measured, and nothing is filled; None: before `days`.

    Limits: water beyond anything seen within a week of a gap is beyond the bound; without a
    capacity the middle of a gap of more than two weeks has no bound.
    """

    def __init__(
        self,
        days: Sequence[HasRevision],
        zone: ZoneInfo,
        now: datetime,
        capacity_lps: float | None = None,
        begun: datetime | None = None,
    ) -> None:
        self._of = days
        self._zone = zone
        self._now, self._now_ms = now, to_ms(now)
        self._capacity = capacity_lps
        if begun is None and days:
            begun = from_ms(days[0].start_ms)
        self._first = None if begun is None else local_date(begun, zone)
        self._rates: dict[date, _Rates] = {}

    @cached_property
    def _days(self) -> dict[date, HasRevision]:
        # Only if anything is missing: finding the local day costs more than all the rest.
        return {local_date(from_ms(day.start_ms), self._zone): day for day in self._of}

    def of(self, figures: HasFigures) -> Gap:
        """Return what may be missing from an interval that lies in one local day."""
        seconds = self._missing_s(figures.start_ms, figures.end_ms, figures.covered_s)
        if seconds < _ROUNDING_S:
            return NO_GAP
        found = self._filled(local_date(from_ms(figures.start_ms), self._zone), seconds)
        if figures.end_ms > self._now_ms:
            return found
        # An hour's gap grew until the hour was over, though its day goes on.
        return replace(found, changed_ms=max(found.changed_ms, figures.end_ms))

    def of_span(self, start: datetime, end: datetime) -> Gap:
        """Return what may be missing from the whole local days of [start, end), known or not."""
        return _summed(
            self._of_day(day) for day in days_touching(start, min(end, self._now), self._zone)
        )

    def unknown_days(self, start: datetime, end: datetime) -> list[RevisedFigures]:
        """Return the local days that begin in [start, end) without figures but with a typical flow.

        Nothing of them was measured. Their `computed_at` is that of the last day around them.
        """
        found = []
        for day in days_touching(start, min(end, self._now), self._zone):
            opening, closing = day_bounds(day, self._zone)
            if day in self._days or opening < start or self._is_before(day):
                continue
            if self._near(day).typical is None:
                continue
            nothing = (to_ms(opening), to_ms(closing), 0, 0, 0, 0, None, None, None, None, 0.0)
            found.append(RevisedFigures(*nothing, 1, self._near(day).changed_ms))
        return found

    def _of_day(self, day: date) -> Gap:
        if day in self._days:
            return self.of(self._days[day])
        opening, closing = day_bounds(day, self._zone)
        seconds = self._missing_s(to_ms(opening), to_ms(closing), 0.0)
        return self._filled(day, seconds) if seconds >= _ROUNDING_S else NO_GAP

    def _missing_s(self, start_ms: int, end_ms: int, covered_s: float) -> float:
        return (min(end_ms, self._now_ms) - start_ms) / 1000.0 - covered_s

    def _filled(self, day: date, seconds: float) -> Gap:
        near = self._near(day)
        return Gap(
            None if near.greatest is None else near.greatest * seconds / 1000.0,
            None if near.typical is None else near.typical * seconds / 1000.0,
            near.changed_ms,
        )

    def _near(self, day: date) -> _Rates:
        found = self._rates.get(day)
        if found is None:
            found = self._rates[day] = self._look_around(day)
        return found

    def _look_around(self, day: date) -> _Rates:
        around = (day + n * _DAY for n in range(-NEAR.days, NEAR.days + 1))
        days = [
            self._days[each]
            for each in around
            if each in self._days and (each == day or self._days[each].end_ms <= self._now_ms)
        ]
        seen = [each.max for each in days if each.max is not None]
        if self._capacity is not None:
            seen.append(self._capacity)
        means = [each.mean for each in days if each.mean is not None and _is_complete(each)]
        typical = statistics.median(means) if len(means) >= FEWEST_DAYS else None
        return _Rates(
            max(seen, default=None),
            0.0 if self._is_before(day) else typical,
            self._changed_ms(day, days),
        )

    def _is_before(self, day: date) -> bool:
        """Return whether a day is before the first reading there ever was."""
        return self._first is None or day < self._first

    def _changed_ms(self, day: date, near: Sequence[HasRevision]) -> int:
        """Return when last one of the days was computed, or came to its end and began to count."""
        instants = [each.computed_at_ms for each in near]
        ends = [to_ms(day_bounds(day, self._zone)[1]), *(each.end_ms for each in near)]
        return max([*instants, *(end for end in ends if end <= self._now_ms)], default=0)


def _is_complete(day: HasFigures) -> bool:
    return day.covered_s * 1000.0 >= COMPLETENESS_LIMIT * (day.end_ms - day.start_ms)


def _summed(gaps: Iterable[Gap]) -> Gap:
    """Return the sum; where one part has no bound, or nothing typical, the whole has none.

    Half a gap filled would be half the water, marked as all of it.
    """
    parts = list(gaps)
    most = [gap.at_most_m3 for gap in parts if gap.at_most_m3 is not None]
    typical = [gap.typical_m3 for gap in parts if gap.typical_m3 is not None]
    changed = max((gap.changed_ms for gap in parts), default=0)
    return Gap(
        sum(most) if len(most) == len(parts) else None,
        sum(typical) if len(typical) == len(parts) else None,
        changed,
    )
