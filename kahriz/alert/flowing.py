"""How much water there is now, and what the outlet said when a bucket was held under it."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np

from kahriz.alert.answering import outlet
from kahriz.alert.answering.scene import Water
from kahriz.alert.beside import beside
from kahriz.clock import from_datetime64, to_ms
from kahriz.observations import DatastreamId, datastream_id
from kahriz.rating.dated import DatedRating
from kahriz.sites import Kahriz
from kahriz.store import Store
from kahriz.units import Property

LATELY = timedelta(hours=1)
"""What was measured within it is how the water is now."""

LOOKS_BACK = timedelta(days=7)
"""When it was measured last is said if it was within this."""

_JUST = timedelta(milliseconds=1)  # intervals are half-open


def lately(store: Store, stream: DatastreamId, now: datetime) -> tuple[float, datetime] | None:
    """Return the median of the last hour and when its newest value was; None: nothing usable."""
    hour = store.series(stream, now - LATELY, now + _JUST).usable()
    return (float(np.median(hour.value)), from_datetime64(hour.time[-1])) if len(hour) else None


def flowing(store: Store, kahriz: Kahriz, now: datetime) -> Water:
    """Return the median of the last hour at a kahriz's outlet; what failed its tests says nothing.

    Raises
    ------
    StoreUnavailable
        The store is away.
    """
    stream = datastream_id(kahriz.id, outlet(kahriz).id, Property.DISCHARGE)
    if found := lately(store, stream, now):
        return Water(*found)
    week = store.series(stream, now - LOOKS_BACK, now).usable()
    return Water(None, from_datetime64(week.time[-1]) if len(week) else None)


def flowing_at(store: Store, kahriz: Kahriz, at: datetime) -> Water:
    """Return what a kahriz's outlet said at a moment, with its uncertainty; raises as `flowing`."""
    site = outlet(kahriz)
    said = beside(store, kahriz.id, site.id, at)
    water = Water(rated_lps=said.discharge_lps, stage_m=said.stage_m)
    if said.stage_m is None or not site.rating:
        return water
    rating = DatedRating(site.rating, kahriz.zone)
    rated = rating.discharge(np.array([to_ms(at)], np.int64), np.array([said.stage_m]))
    uncertainty = float(rated.uncertainty_lps[0])
    return replace(water, uncertainty_lps=uncertainty if np.isfinite(uncertainty) else None)
