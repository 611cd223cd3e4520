"""Water delivered as it is told: by local hour, day and longer spans, a person, beside norms."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import groupby
from typing import Literal, Protocol
from zoneinfo import ZoneInfo

from kahriz.clock import from_ms, to_ms
from kahriz.sites import Norm
from kahriz.stats.local_days import Span, local_date, span_bounds
from kahriz.stats.rollup import Figures, HasFigures, joined

Period = Literal["hour", "day", "month", "season", "year"]

COMPLETENESS_LIMIT = 0.9
"""Share of an interval that must be measured for its figures to be called complete."""

_SEASONS = ("winter", "spring", "summer", "autumn")
_MONTH = timedelta(days=31)


class HasRevision(HasFigures, Protocol):
    """Figures that were kept: how often they changed, and when they last did."""

    @property
    def revision(self) -> int:
        """1 at first, one more each time a figure changed after the interval was over."""
        ...

    @property
    def computed_at_ms(self) -> int:
        """When these figures were first found."""
        ...


@dataclass(frozen=True, slots=True)
class RevisedFigures(Figures):
    """Figures with their revision; `HasRevision` says what it means."""

    revision: int = 1
    computed_at_ms: int = 0


@dataclass(frozen=True, slots=True)
class Gap:
    """What may have passed in the part of an interval that was not measured [m3].

    Attributes
    ----------
    at_most_m3
        None: there is no telling how much.
    typical_m3
        What usually flows there in so much time, as far as that is known; None: it is not at all.
    changed_ms
        When last something it rests on was computed, or came to its end; 0 without a gap.
    """

    at_most_m3: float | None
    typical_m3: float | None
    changed_ms: int = 0


UNKNOWN_GAP = Gap(None, None)


@dataclass(frozen=True, slots=True)
class WaterRow:
    """Water delivered in [start, end).

    Attributes
    ----------
    label
        The local hour ``2026-11-21T14:00+04:00``, day ``2026-11-21``, month ``2026-11``, season
        ``2026-autumn`` (winter has the year of its January) or year ``2026``.
    volume_m3
        What passed while it was measured, at least so much; None where nothing was. With what is
        typical of the gaps added, if that was asked for.
    volume_at_most_m3
        What was measured, and the gaps filled at the greatest rate near; None: it is not known.
    estimated_m3
        The part of `volume_m3` that was not measured; 0 unless it was asked for.
    lpcd, lpcd_at_most
        The volumes in litres a person and day. None for an hour (norms speak of days), without a
        count of people, or where nothing is known.
    mean_lps, min_lps, max_lps
        Over the covered time, and over the usable values.
    completeness
        Covered time / length of the interval, 0 to 1; of a running interval, of its full length.
    is_complete
        The interval is over and completeness reaches the limit.
    norm_met
        Name of the highest norm that the lpcd of what was measured reaches; None: none.
    """

    start: datetime
    end: datetime
    label: str
    volume_m3: float | None
    lpcd: float | None
    mean_lps: float | None
    min_lps: float | None
    max_lps: float | None
    completeness: float
    is_complete: bool
    n: int
    n_suspect: int
    n_fail: int
    revision: int
    computed_at: datetime
    norm_met: str | None
    volume_at_most_m3: float | None
    lpcd_at_most: float | None
    estimated_m3: float

    @property
    def is_estimated(self) -> bool:
        """Whether anything in `volume_m3` was not measured."""
        return self.estimated_m3 > 0


def water_row(
    figures: HasRevision,
    period: Period,
    zone: ZoneInfo,
    now: datetime,
    people: int | None = None,
    norms: Sequence[Norm] = (),
    gap: Gap = UNKNOWN_GAP,
    *,
    is_filled: bool = False,
    completeness_limit: float = COMPLETENESS_LIMIT,
) -> WaterRow:
    """Return the water delivered in one interval of a discharge datastream.

    Parameters
    ----------
    figures
        A row of `kahriz.book.rollups`, or one of `spans_from_days`.
    period
        What the interval is in local time.
    zone
        The kahriz's.
    now
        Tells a running interval from one that is over; of a running month, season or year the days
        begun count.
    people
        Whom the water serves; None where nobody counted.
    norms
        Litres a person and day, in any order.
    gap
        What may have passed while nobody measured; of `kahriz.stats.gaps`.
    is_filled
        Whether `volume_m3` takes what is typical of the gap in.
    completeness_limit
        Share of the interval that must be measured to be called complete.

    Source: lpcd and its levels: WHO 2020, Domestic water quantity; Sphere Handbook 2018.
    """
    start, end = from_ms(figures.start_ms), from_ms(figures.end_ms)
    completeness = min(1.0, figures.covered_s / (end - start).total_seconds())
    days = _days(period, start, end, zone, now)
    measured = figures.volume_m3
    estimated = (gap.typical_m3 or 0.0) if is_filled else 0.0
    volume = (measured or 0.0) + estimated if estimated > 0 else measured
    most = None if gap.at_most_m3 is None else (measured or 0.0) + gap.at_most_m3
    return WaterRow(
        start=start,
        end=end,
        label=_label(period, start, zone),
        volume_m3=volume,
        lpcd=litres_a_person_and_day(volume, people, days),
        mean_lps=figures.mean,
        min_lps=figures.min,
        max_lps=figures.max,
        completeness=completeness,
        is_complete=end <= now and completeness >= completeness_limit,
        n=figures.n,
        n_suspect=figures.n_suspect,
        n_fail=figures.n_fail,
        revision=figures.revision,
        computed_at=from_ms(figures.computed_at_ms),
        norm_met=norm_met(litres_a_person_and_day(measured, people, days), norms),
        volume_at_most_m3=most,
        lpcd_at_most=litres_a_person_and_day(most, people, days),
        estimated_m3=estimated,
    )


def spans_from_days(
    days: Iterable[HasRevision], zone: ZoneInfo, span: Span
) -> list[RevisedFigures]:
    """Return the figures of each local month, season or year that has any of `days`.

    Its revision is one more than how often its days were revised; it was computed when the last of
    them was.

    Parameters
    ----------
    days
        Local days, in time order.
    zone
        The kahriz's.
    span
        Of which length.
    """
    found: list[RevisedFigures] = []
    for (start, end), group in groupby(days, key=lambda d: _span(d, span, zone)):
        parts = list(group)
        whole = joined(parts, to_ms(start), to_ms(end))
        found.append(
            RevisedFigures(
                **{name: getattr(whole, name) for name in Figures.__slots__},
                revision=1 + sum(part.revision - 1 for part in parts),
                computed_at_ms=max(part.computed_at_ms for part in parts),
            )
        )
    return found


def litres_a_person_and_day(
    volume_m3: float | None, people: int | None, days: float
) -> float | None:
    """Return volume [m3] x 1000 / people / days [L/person/day].

    None where one of them is unknown, or for less than a day.
    """
    if volume_m3 is None or people is None or not days:
        return None
    return volume_m3 * 1000.0 / people / days


def norm_met(lpcd: float | None, norms: Sequence[Norm]) -> str | None:
    """Return the name of the highest norm that `lpcd` reaches, or None.

    True also of an incomplete interval: what was not measured could only add to it.
    """
    reached = [norm for norm in norms if lpcd is not None and lpcd >= norm.lpcd]
    return max(reached, key=lambda norm: norm.lpcd).name if reached else None


def _days(period: Period, start: datetime, end: datetime, zone: ZoneInfo, now: datetime) -> int:
    """Return how many local days of the interval have begun by `now`; 0 for an hour."""
    if period == "hour":
        return 0
    if period == "day":
        return 1
    first = local_date(start, zone)
    last = local_date(min(max(now, start), end - timedelta(milliseconds=1)), zone)
    return (last - first).days + 1


def _label(period: Period, start: datetime, zone: ZoneInfo) -> str:
    if period == "hour":
        return start.astimezone(zone).isoformat(timespec="minutes")
    day: date = local_date(start, zone)
    if period == "day":
        return day.isoformat()
    if period == "month":
        return f"{day:%Y-%m}"
    if period == "year":
        return f"{day:%Y}"
    return f"{(day + _MONTH).year}-{_SEASONS[day.month % 12 // 3]}"


def _span(figures: HasRevision, span: Span, zone: ZoneInfo) -> tuple[datetime, datetime]:
    return span_bounds(local_date(from_ms(figures.start_ms), zone), span, zone)
