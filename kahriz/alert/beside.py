"""What a site's own instruments said when somebody held a bucket under the water."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from kahriz.clock import to_datetime64
from kahriz.observations import Series, datastream_id
from kahriz.store import Store
from kahriz.units import Property

WITHIN = timedelta(minutes=30)
"""What was measured longer before or after says nothing of the moment."""

_JUST = timedelta(milliseconds=1)  # intervals are half-open


@dataclass(frozen=True, slots=True)
class Beside:
    """Discharge and stage of a site at one moment; None: not known."""

    discharge_lps: float | None
    stage_m: float | None


def beside(store: Store, kahriz: str, site: str, at: datetime) -> Beside:
    """Return what is stored of a site nearest to an instant, at most `WITHIN` away from it.

    What failed its tests says nothing; what is suspect may be the very thing the bucket shows.
    """

    def said(measured: Property) -> float | None:
        stream = datastream_id(kahriz, site, measured)
        return nearest(store.series(stream, at - WITHIN, at + WITHIN + _JUST), at)

    return Beside(said(Property.DISCHARGE), said(Property.STAGE))


def nearest(series: Series, at: datetime) -> float | None:
    """Return the usable value nearest to an instant, of two the earlier; None: there is none."""
    usable = series.usable()
    if not len(usable):
        return None
    away = np.abs(usable.time - to_datetime64(at))
    return float(usable.value[int(np.argmin(away))])
