"""The statistics of one kahriz: what book and store hold, brought to ``kahriz.stats``, and shaped.

Functions that take the book read rollups and alerts; those that take the store read the delivery
line's own values, of the span alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta

import numpy as np

from api.reads import Connection
from api.shapes import Shape
from kahriz.book import alerts, messages, rollups
from kahriz.clock import from_ms, to_ms
from kahriz.observations import DatastreamId, Values, datastream_id
from kahriz.rating.uncertainty import discharge_uncertainty
from kahriz.sites import Kahriz, Site, SiteKind
from kahriz.stats import balance, continuity, night_flow, repair
from kahriz.stats.daily import Daily, daily, monthly
from kahriz.stats.forecast import Forecast, forecast
from kahriz.stats.local_days import day_bounds, days_touching, local_date
from kahriz.stats.recession import recession
from kahriz.stats.trend import SIGNIFICANT, trend, without_season
from kahriz.stats.volume import REACH
from kahriz.store import Store
from kahriz.units import Property

RECORD = timedelta(days=3653)
"""How much of the past recession, trend and forecast look at."""

_AUDIENCES = ("committee", "engineer")
_HOUR = timedelta(hours=1)


def of_store(store: Store, kahriz: Kahriz, start: datetime, end: datetime) -> Shape:
    """Return hours of service and night flow of the delivery in [start, end)."""
    if kahriz.delivery is None:
        return {"service": None, "night_flow": None}
    series = store.series(kahriz.delivery, start - REACH, end + REACH)
    found = continuity.continuity(series, start, end)
    service = {
        "datastream": kahriz.delivery,
        "threshold_lps": found.threshold_lps,
        "completeness": found.completeness,
        "share": found.share,
        "hours_at_least": found.hours_at_least,
        "hours_at_most": found.hours_at_most,
        "interruptions": found.interruptions,
        "longest_h": found.longest_s / 3600.0,
        "is_longest_whole": found.is_longest_whole,
        "n": found.n,
        "n_suspect": found.n_suspect,
        "n_fail": found.n_fail,
    }
    if kahriz.measuring(SiteKind.DELIVERY_LINE, Property.DISCHARGE) is None:
        return {"service": service, "night_flow": None}
    nights = night_flow.nights(series, days_touching(start, end, kahriz.zone), kahriz.zone)
    return {"service": service, "night_flow": _nights(kahriz.delivery, nights)}


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
    source = _discharge(kahriz, SiteKind.OUTLET) or kahriz.delivery
    record = None
    if source is not None:
        rows = rollups.rows(book, source, "day", to_ms(end - RECORD), to_ms(end))
        record = daily(rows, kahriz.zone, local_date(end, kahriz.zone))
    return {
        "balance": _balance(book, kahriz, start, end),
        "recession": _recession(source, record),
        "trend": _trend(source, record),
        "forecasts": _forecasts(kahriz, source, record) if with_forecast else [],
        "repair": _repair(book, kahriz, start, end, now),
    }


def _nights(line: DatastreamId, nights: Sequence[night_flow.Night]) -> Shape:
    smooth = night_flow.night_flows(nights)
    return {
        "datastream": line,
        "nights": [
            {
                "day": each.day,
                "lowest_lps": each.lowest_lps,
                "at": each.at,
                "night_flow_lps": flow.lps,
                "known_nights": flow.nights,
                "completeness": each.completeness,
                "n": each.n,
                "n_suspect": each.n_suspect,
            }
            for each, flow in zip(nights, smooth, strict=True)
        ],
    }


def _balance(book: Connection, kahriz: Kahriz, start: datetime, end: datetime) -> Shape | None:
    outlet = kahriz.measuring(SiteKind.OUTLET, Property.DISCHARGE)
    line = kahriz.measuring(SiteKind.DELIVERY_LINE, Property.DISCHARGE)
    if outlet is None or line is None:
        return None
    days = _whole_days(kahriz, start, end)
    if not days:
        return None
    storage = _storage(book, kahriz, days)
    found = balance.balance(
        _passed(book, kahriz, outlet, days), _passed(book, kahriz, line, days), storage
    )
    if found is None:
        return None
    reservoir = "counted" if storage is not None else "not_counted"
    return {
        "source": datastream_id(kahriz.id, outlet.id, Property.DISCHARGE),
        "delivery": datastream_id(kahriz.id, line.id, Property.DISCHARGE),
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
    }


def _whole_days(kahriz: Kahriz, start: datetime, end: datetime) -> list[date]:
    bounds = (
        (day, *day_bounds(day, kahriz.zone)) for day in days_touching(start, end, kahriz.zone)
    )
    return [day for day, opening, closing in bounds if start <= opening and closing <= end]


def _passed(book: Connection, kahriz: Kahriz, site: Site, days: Sequence[date]) -> balance.Passed:
    """Return what passed a site in local days, as sure as its rating or its meter."""
    edges = [to_ms(day_bounds(day, kahriz.zone)[0]) for day in days]
    name = datastream_id(kahriz.id, site.id, Property.DISCHARGE)
    rows = {r.start_ms: r for r in rollups.rows(book, name, "day", edges[0], edges[-1] + 1)}
    found = [rows.get(edge) for edge in edges]
    mean: Values = np.array(
        [np.nan if row is None or row.mean is None else row.mean for row in found], np.float64
    )
    if site.rating:
        noon = np.array(edges, np.int64) + 12 * 3_600_000
        sure = discharge_uncertainty(site.rating, kahriz.zone, noon, mean)
    else:
        sure = balance.METER_UNCERTAINTY * mean
    return balance.passed(found, sure)


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


def _recession(source: DatastreamId | None, record: Daily | None) -> Shape | None:
    found = recession(record.lps) if record is not None else None
    if found is None or record is None:
        return None
    return {
        "datastream": source,
        "law": found.law,
        "days": found.days,
        "days_low": found.days_low,
        "days_high": found.days_high,
        "reference_lps": found.reference_lps,
        "scatter": found.scatter,
        "spells": found.spells,
        "spell_days": found.spell_days,
        "known_days": record.known,
    }


def _trend(source: DatastreamId | None, record: Daily | None) -> Shape | None:
    if record is None:
        return None
    months, means = monthly(record)
    level = without_season(months, means)
    found = None if level is None else trend(months / 12.0, level)
    if found is None:
        return None
    return {
        "datastream": source,
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
    }


def _month(index: int) -> str:
    return f"{index // 12:04d}-{index % 12 + 1:02d}"


def _forecasts(kahriz: Kahriz, source: DatastreamId | None, record: Daily | None) -> list[Shape]:
    """Return when the source falls below each norm; nothing where people are not known."""
    if record is None or not kahriz.served:
        return []
    last = record.first + timedelta(days=len(record.lps) - 1)
    found = []
    for norm in sorted(kahriz.norms, key=lambda norm: norm.lpcd):
        made = forecast(record.lps, norm.lpcd * kahriz.served / 86_400.0)
        if made is not None:
            told = {"datastream": source, "norm": norm.name, "lpcd": norm.lpcd, "made_of": last}
            found.append(told | _forecast(made, last))
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
        "chance": made.chance,
        "years": made.years,
        "paths": made.paths,
    }


def _repair(
    book: Connection, kahriz: Kahriz, start: datetime, end: datetime, now: datetime
) -> list[Shape]:
    fired = alerts.fired(book, kahriz.id, start, end)
    told = messages.first_sent(book, [row.id for row in fired])
    found = []
    for audience in _AUDIENCES:
        rows = [row for row in fired if row.audience == audience]
        handled = [_handled(row, told.get(row.id)) for row in rows]
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
