"""A site's ratings, drawn, and what was gauged there against them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import numpy as np

from api.shapes import Shape
from kahriz.alert.beside import beside
from kahriz.alert.gauged import residual, uncertainty_lps
from kahriz.book.gaugings import Gauging
from kahriz.clock import iso, to_ms
from kahriz.errors import NotFoundError
from kahriz.observations import Quality, datastream_id
from kahriz.rating.dated import DatedRating, build, in_order, options
from kahriz.sites import Kahriz, RatingEntry, Registry, Site
from kahriz.store import Store
from kahriz.units import Property

POINTS = 61
"""Of a curve, evenly over its stages."""


def find_site(registry: Registry, id: str) -> tuple[Kahriz, Site]:
    """Return a kahriz and its site by ``<kahriz>.<site>``; NotFoundError: there is none."""
    name, _, of = id.partition(".")
    kahriz = registry.find(name)
    for site in kahriz.site:
        if site.id == of:
            return kahriz, site
    raise NotFoundError("site", id)


def with_stages(
    store: Store, kahriz: Kahriz, site: Site, found: Iterable[Gauging]
) -> list[tuple[Gauging, float | None]]:
    """Return each gauging with the stage of its time: as kept with it, or as it is known by now."""
    return [
        (each, beside(store, kahriz.id, site.id, each.at).stage_m)
        if each.stage_m is None
        else (each, each.stage_m)
        for each in found
    ]


def told(
    kahriz: Kahriz, site: Site, found: Sequence[tuple[Gauging, float | None]], now: datetime
) -> Shape:
    """Return a site's ratings in time order, and gaugings as they were given."""
    dated = DatedRating(site.rating, kahriz.zone)
    holds_now = int(dated.holding(np.array([to_ms(now)]))[0])
    gauged = [_gauged(dated, each, stage) for each, stage in found]
    return {
        "site": f"{kahriz.id}.{site.id}",
        "datastream": datastream_id(kahriz.id, site.id, Property.DISCHARGE),
        "timezone": kahriz.timezone,
        "ratings": [
            _rating(entry, holds_now == i, [each for each in gauged if each["rating"] == i])
            for i, entry in enumerate(in_order(site.rating))
        ],
        "gaugings": gauged,
    }


def _rating(entry: RatingEntry, holds_now: bool, gauged: Sequence[Shape]) -> Shape:
    curve = build(entry)
    at = curve.limits
    stage = np.linspace(at.lowest_m, at.highest_m, POINTS)
    rated = curve.discharge(stage)
    compared = [each for each in gauged if each["residual_lps"] is not None]
    parts = [each["residual"] for each in compared if each["residual"] is not None]
    return {
        "method": entry.method,
        "version": entry.version,
        "author": entry.author,
        "note": entry.note,
        "valid_from": entry.valid_from.isoformat(),
        "valid_to": None if entry.valid_to is None else entry.valid_to.isoformat(),
        "holds_now": holds_now,
        "options": options(entry),
        "zero_stage_m": at.zero_m,
        "lowest_stage_m": at.lowest_m,
        "best_from_stage_m": at.best_from_m,
        "highest_stage_m": at.highest_m,
        "curve": {
            "stage_m": stage,
            "discharge_lps": rated.discharge_lps,
            "uncertainty_lps": rated.uncertainty_lps,
        },
        "n_gaugings": len(compared),
        "n_within": sum(each["is_within"] for each in compared),
        "mean_residual": float(np.mean(parts)) if parts else None,
    }


def _gauged(dated: DatedRating, each: Gauging, stage_m: float | None) -> Shape:
    """Return a gauging beside the curve of its time; null where that curve says nothing."""
    at = np.array([to_ms(each.at)], np.int64)
    which = int(dated.holding(at)[0])
    said: dict[str, Any] = {
        "id": each.id,
        "at": iso(each.at),
        "method": each.method,
        "by": each.by,
        "discharge_lps": each.discharge_lps,
        "uncertainty_lps": uncertainty_lps(each),
        "stage_m": stage_m,
        "rating": None if which < 0 else which,
    }
    rated = dated.discharge(at, np.array([np.nan if stage_m is None else stage_m]))
    if rated.quality[0] in (Quality.FAIL, Quality.MISSING):
        return said | dict.fromkeys(_COMPARED)
    curve, unsure = float(rated.discharge_lps[0]), float(rated.uncertainty_lps[0])
    found = residual(each, curve, unsure)
    return said | {
        "curve_lps": curve,
        "curve_uncertainty_lps": unsure,
        "residual_lps": found.residual_lps,
        "residual": found.residual,
        "expanded_uncertainty_lps": found.expanded_lps,
        "is_within": found.is_within,
    }


_COMPARED = (
    "curve_lps",
    "curve_uncertainty_lps",
    "residual_lps",
    "residual",
    "expanded_uncertainty_lps",
    "is_within",
)
