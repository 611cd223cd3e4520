"""Statistics of one kahriz from the book: balance, recession, trend, forecast and repair times."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import numpy as np

from api import grounds
from api.reads import Connection
from api.shapes import Shape
from kahriz.book import alerts, messages, rollups
from kahriz.clock import from_ms, to_ms
from kahriz.observations import DatastreamId, Values, datastream_id
from kahriz.rating.uncertainty import instrument_uncertainty
from kahriz.sites import Kahriz, Site, SiteKind
from kahriz.stats import balance, repair
from kahriz.stats.daily import Daily, daily, monthly
from kahriz.stats.forecast import BAND, Forecast, forecast
from kahriz.stats.local_days import day_bounds, days_touching, local_date
from kahriz.stats.recession import recession
from kahriz.stats.trend import SIGNIFICANT, trend, without_season
from kahriz.units import Property

RECORD = timedelta(days=3653)
"""How much of the past recession, trend and forecast look at."""

_AUDIENCES = ("committee", "engineer")
_HOUR = timedelta(hours=1)


def of_book(
    book: Connection,
    kahriz: Kahriz,
    start: datetime,
    end: datetime,
    now: datetime,
    *,
    with_forecast: bool,
) -> Shape:
    """Return balance, recession, trend, repair times and, if asked for, the forecast."""
    record = _record(book, kahriz, end)
    return {
        "balance": _balance(book, kahriz, start, end),
        "recession": None if record is None else _recession(record),
        "trend": None if record is None else _trend(record),
        "forecasts": _forecasts(kahriz, record) if with_forecast and record is not None else [],
        "repair": _repair(book, kahriz, start, end, now),
    }


@dataclass(frozen=True, slots=True)
class _Record:
    """The source's days, from the first one anything is known of, and what figures rest on."""

    days: Daily
    rests_on: list[Shape]


def _record(book: Connection, kahriz: Kahriz, end: datetime) -> _Record | None:
    source = _discharge(kahriz, SiteKind.OUTLET) or kahriz.delivery
    if source is None:
        return None
    until = local_date(end, kahriz.zone)
    closing, _ = day_bounds(until, kahriz.zone)
    rows = rollups.rows(book, source, "day", to_ms(closing - RECORD), to_ms(closing))
    days = daily(rows, kahriz.zone, until)
    if days is None:
        return None
    return _Record(days, [grounds.rests_on(source, rows, from_ms(rows[0].start_ms), closing)])


def _balance(book: Connection, kahriz: Kahriz, start: datetime, end: datetime) -> Shape | None:
    outlet = kahriz.measuring(SiteKind.OUTLET, Property.DISCHARGE)
    line = kahriz.measuring(SiteKind.DELIVERY_LINE, Property.DISCHARGE)
    if outlet is None or line is None:
        return None
    days = _whole_days(kahriz, start, end)
    if not days:
        return None
    storage = _storage(book, kahriz, days)
    parts = [(outlet, Property.DISCHARGE), (line, Property.DISCHARGE)]
    came, arrived = (_days_of(book, kahriz, *part, days) for part in parts)
    tank = kahriz.measuring(SiteKind.RESERVOIR, Property.STAGE)
    if storage is not None and tank is not None:
        parts.append((tank, Property.STAGE))
    found = balance.balance(
        _passed(kahriz, outlet, days, came), _passed(kahriz, line, days, arrived), storage
    )
    if found is None:
        return None
    reservoir = "counted" if storage is not None else "not_counted"
    return {
        "reservoir": reservoir if kahriz.sites_of(SiteKind.RESERVOIR) else "none",
        "days": found.intervals,
        "known_days": found.known,
        "source_m3": found.source_m3,
        "delivered_m3": found.delivered_m3,
        "stored_m3": found.stored_m3,
        "loss_m3": found.loss_m3,
        "uncertainty_m3": found.uncertainty_m3,
        "share": found.share,
        "is_certain": found.is_certain,
        "rests_on": [_rests_on(book, kahriz, *part, days) for part in parts],
    }


def _rests_on(
    book: Connection, kahriz: Kahriz, site: Site, prop: Property, days: Sequence[date]
) -> Shape:
    start, end = day_bounds(days[0], kahriz.zone)[0], day_bounds(days[-1], kahriz.zone)[1]
    rows = _days_of(book, kahriz, site, prop, days)
    return grounds.rests_on(datastream_id(kahriz.id, site.id, prop), rows, start, end)


def _days_of(
    book: Connection, kahriz: Kahriz, site: Site, prop: Property, days: Sequence[date]
) -> list[rollups.Rollup]:
    start, end = day_bounds(days[0], kahriz.zone)[0], day_bounds(days[-1], kahriz.zone)[1]
    name = datastream_id(kahriz.id, site.id, prop)
    return rollups.rows(book, name, "day", to_ms(start), to_ms(end))


def _whole_days(kahriz: Kahriz, start: datetime, end: datetime) -> list[date]:
    bounds = (
        (day, *day_bounds(day, kahriz.zone)) for day in days_touching(start, end, kahriz.zone)
    )
    return [day for day, opening, closing in bounds if start <= opening and closing <= end]


def _passed(
    kahriz: Kahriz, site: Site, days: Sequence[date], kept: Sequence[rollups.Rollup]
) -> balance.Passed:
    """Return what passed a site in local days, as sure as its rating or its meter."""
    edges = [to_ms(day_bounds(day, kahriz.zone)[0]) for day in days]
    rows = {row.start_ms: row for row in kept}
    found = [rows.get(edge) for edge in edges]
    mean: Values = np.array(
        [np.nan if row is None or row.mean is None else row.mean for row in found], np.float64
    )
    noon = np.array(edges, np.int64) + 12 * 3_600_000
    return balance.passed(found, instrument_uncertainty(site, kahriz.zone, noon, mean))


def _storage(book: Connection, kahriz: Kahriz, days: Sequence[date]) -> balance.Storage | None:
    site = kahriz.measuring(SiteKind.RESERVOIR, Property.STAGE)
    if site is None or site.area_m2 is None:
        return None
    opening = [day_bounds(day, kahriz.zone)[0] for day in days]
    edges = [*opening, day_bounds(days[-1], kahriz.zone)[1]]
    name = datastream_id(kahriz.id, site.id, Property.STAGE)
    hours = rollups.rows(book, name, "hour", to_ms(edges[0] - _HOUR), to_ms(edges[-1] + _HOUR))
    level = balance.level_at([to_ms(edge) for edge in edges], {h.start_ms: h for h in hours})
    return balance.Storage(level * site.area_m2, balance.LEVEL_UNCERTAINTY_M * site.area_m2)


def _recession(record: _Record) -> Shape | None:
    found = recession(record.days.lps)
    if found is None:
        return None
    return {
        "law": found.law,
        "days": found.days,
        "days_low": found.days_low,
        "days_high": found.days_high,
        "reference_lps": found.reference_lps,
        "scatter": found.scatter,
        "spells": found.spells,
        "spell_days": found.spell_days,
        "days_of_record": len(record.days.lps),
        "known_days": record.days.known,
        "rests_on": record.rests_on,
    }


def _trend(record: _Record) -> Shape | None:
    months, means = monthly(record.days)
    level = without_season(months, means)
    found = None if level is None else trend(months / 12.0, level)
    if found is None:
        return None
    return {
        "first_month": _month(int(months[0])),
        "last_month": _month(int(months[-1])),
        "months": found.n,
        "of_months": int(months[-1] - months[0]) + 1,
        "slope_lps_a_year": found.slope,
        "slope_low": found.slope_low,
        "slope_high": found.slope_high,
        "p": found.p,
        "is_significant": found.p < SIGNIFICANT,
        "inflation": found.inflation,
        "rests_on": record.rests_on,
    }


def _month(index: int) -> str:
    return f"{index // 12:04d}-{index % 12 + 1:02d}"


def _forecasts(kahriz: Kahriz, record: _Record) -> list[Shape]:
    """Return when the source falls below each norm; nothing where people are not known."""
    if not kahriz.served:
        return []
    days = record.days
    last = days.first + timedelta(days=len(days.lps) - 1)
    found = []
    for norm in sorted(kahriz.norms, key=lambda norm: norm.lpcd):
        made = forecast(days.lps, norm.lpcd * kahriz.served / 86_400.0)
        if made is not None:
            told = {"norm": norm.name, "lpcd": norm.lpcd, "made_of": last}
            found.append(told | _forecast(made, last) | {"rests_on": record.rests_on})
    return found


def _forecast(made: Forecast, last: date) -> Shape:
    early, likely, late = (
        None if days is None else last + timedelta(days=days)
        for days in (made.earliest, made.likely, made.latest)
    )
    return {
        "is_extrapolated": made.basis != "measured",
        "threshold_lps": made.threshold_lps,
        "now_lps": made.now_lps,
        "basis": made.basis,
        "earliest": early,
        "likely": likely,
        "latest": late,
        "band": BAND[-1] - BAND[0],
        "chance": made.chance,
        "years": made.years,
        "paths": made.paths,
    }


def _repair(
    book: Connection, kahriz: Kahriz, start: datetime, end: datetime, now: datetime
) -> list[Shape]:
    fired = alerts.fired(book, kahriz.id, start, end)
    told = messages.first_reached(book, [row.id for row in fired])
    found = []
    for audience in _AUDIENCES:
        rows = [row for row in fired if row.audience == audience]
        handled = [_handled(row, told.get(row.id, (None, None))[0]) for row in rows]
        found.append(
            {
                "audience": audience,
                "alerts": len(rows),
                "false_alarms": sum(each.is_false_alarm for each in handled),
                "stages": [
                    {
                        "stage": each.stage,
                        "n": each.n,
                        "n_reached": each.n_reached,
                        "median_min": each.median_min,
                        "slow_min": each.slow_min,
                        "median_low_min": each.median_low_min,
                        "median_high_min": each.median_high_min,
                    }
                    for each in repair.stage_times(handled, now)
                ],
            }
        )
    return found


def _handled(row: alerts.Alert, told_ms: int | None) -> repair.Handled:
    def instant(at_ms: int | None) -> datetime | None:
        return None if at_ms is None else from_ms(at_ms)

    return repair.Handled(
        fired=from_ms(row.fired_at_ms or row.pending_at_ms),
        told=instant(told_ms),
        acknowledged=instant(row.acknowledged_at_ms),
        on_site=instant(row.on_site_at_ms),
        resolved=instant(row.resolved_at_ms),
        is_false_alarm=row.false_alarm_at_ms is not None,
    )


def _discharge(kahriz: Kahriz, kind: SiteKind) -> DatastreamId | None:
    site = kahriz.measuring(kind, Property.DISCHARGE)
    return None if site is None else datastream_id(kahriz.id, site.id, Property.DISCHARGE)
