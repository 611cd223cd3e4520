"""Hours of service and night flow of a delivery, from its own values in the store."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np

from api import grounds
from api.shapes import Shape
from kahriz.book.rollups import Rollup
from kahriz.clock import from_ms, to_ms
from kahriz.observations import Series
from kahriz.rating.uncertainty import instrument_uncertainty
from kahriz.sites import Kahriz, Site, SiteKind
from kahriz.stats import continuity, night_flow
from kahriz.stats.grounds import grounds as grounds_of
from kahriz.stats.local_days import day_bounds, days_touching, local_date
from kahriz.stats.volume import REACH
from kahriz.store import Store

_NIGHTS_BEFORE = timedelta(days=night_flow.NIGHTS - 1)


def of_store(
    store: Store, kahriz: Kahriz, start: datetime, end: datetime, days: Sequence[Rollup]
) -> Shape:
    """Return hours of service and night flow of the delivery in [start, end).

    Parameters
    ----------
    days
        The delivery's local days that touch the span: their revisions.
    """
    line, site = kahriz.delivery, kahriz.delivery_site
    if line is None or site is None:
        return {"service": None, "night_flow": None}
    first = day_bounds(local_date(start, kahriz.zone) - _NIGHTS_BEFORE, kahriz.zone)[0]
    series = store.series(line, first - REACH, end + REACH)
    return {
        "service": _service(series, kahriz, site, start, end, days),
        "night_flow": _night_flow(series, kahriz, site, (first, start, end), days)
        if site.kind is SiteKind.DELIVERY_LINE
        else None,
    }


def _service(
    series: Series,
    kahriz: Kahriz,
    site: Site,
    start: datetime,
    end: datetime,
    days: Sequence[Rollup],
) -> Shape:
    threshold = site.dry_below_lps
    sure = _uncertainty(kahriz, site, [end], [threshold])[0]
    found = continuity.continuity(series, start, end, threshold, np.nan if sure is None else sure)
    of_span = replace(
        grounds_of(days, start, end),
        n=found.n,
        n_suspect=found.n_suspect,
        n_fail=found.n_fail,
        completeness=found.completeness,
    )
    return {
        "threshold_lps": threshold,
        "share": found.share,
        "share_low": found.share_low,
        "share_high": found.share_high,
        "hours_at_least": found.hours_at_least,
        "hours_at_most": found.hours_at_most,
        "interruptions": found.interruptions,
        "longest_h": found.longest_s / 3600.0,
        "is_longest_whole": found.is_longest_whole,
        "rests_on": [grounds.shape(series.datastream, of_span)],
    }


def _night_flow(
    series: Series,
    kahriz: Kahriz,
    site: Site,
    instants: tuple[datetime, datetime, datetime],
    days: Sequence[Rollup],
) -> Shape:
    """Return the nights of [start, end); those six before them are looked at, too."""
    first, start, end = instants
    nights = night_flow.nights(series, days_touching(first, end, kahriz.zone), kahriz.zone)
    told = set(days_touching(start, end, kahriz.zone))
    openings = [day_bounds(each.day, kahriz.zone)[0] for each in nights]
    smooth = night_flow.night_flows(nights)
    of_night = _uncertainty(kahriz, site, openings, [each.lowest_lps for each in nights])
    of_week = _uncertainty(kahriz, site, openings, [flow.lps for flow in smooth])
    by_day = {local_date(from_ms(row.start_ms), kahriz.zone): row for row in days}
    return {
        "datastream": series.datastream,
        "nights": [
            _night(each, sure, by_day.get(each.day))
            | {
                "night_flow_lps": flow.lps,
                "night_flow_low_lps": flow.low_lps,
                "night_flow_high_lps": flow.high_lps,
                "night_flow_uncertainty_lps": sure_of_week,
                "known_nights": flow.nights,
            }
            for each, flow, sure, sure_of_week in zip(
                nights, smooth, of_night, of_week, strict=True
            )
            if each.day in told
        ],
    }


def _night(found: night_flow.Night, sure: float | None, row: Rollup | None) -> Shape:
    return {
        "day": found.day,
        "lowest_lps": found.lowest_lps,
        "uncertainty_lps": sure,
        "at": found.at,
        "n": found.n,
        "n_suspect": found.n_suspect,
        "n_fail": found.n_fail,
        "completeness": found.completeness,
        "revision": 1 if row is None else row.revision,
        "computed_at": None if row is None else from_ms(row.computed_at_ms),
    }


def _uncertainty(
    kahriz: Kahriz, site: Site, at: Sequence[datetime], lps: Sequence[float | None]
) -> list[float | None]:
    """Return how sure a site's instrument is of each discharge; None where that is not known."""
    flow = np.array([np.nan if each is None else each for each in lps], np.float64)
    time = np.array([to_ms(instant) for instant in at], np.int64)
    sure = instrument_uncertainty(site, kahriz.zone, time, flow)
    return [value if np.isfinite(value) else None for value in sure.tolist()]
