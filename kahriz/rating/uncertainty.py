"""How sure a discharge is that was kept without its stage: found again by way of the curve."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import tzinfo

import numpy as np
from numpy.typing import NDArray

from kahriz.observations import Values
from kahriz.rating.dated import DatedRating, build
from kahriz.sites import RatingEntry, Site


def instrument_uncertainty(
    site: Site, zone: tzinfo, time_ms: NDArray[np.int64], discharge_lps: Values
) -> Values:
    """Return the standard uncertainty (n,) [L/s] of discharges at a site: its rating's or meter's.

    A meter's is `Site.meter_uncertainty` times the discharge. Below `Site.dry_below_lps` it cannot
    be told from a line that stands: anything up to there is as likely (JCGM 100:2008, 4.3.7). For a
    rating's see below.
    """
    if site.rating:
        return discharge_uncertainty(site.rating, zone, time_ms, discharge_lps)
    standing = site.dry_below_lps / 3.0**0.5
    moving = site.meter_uncertainty * discharge_lps
    return np.where(discharge_lps < site.dry_below_lps, standing, moving)


def discharge_uncertainty(
    entries: Sequence[RatingEntry], zone: tzinfo, time_ms: NDArray[np.int64], discharge_lps: Values
) -> Values:
    """Return the standard uncertainty (n,) [L/s] of discharges (n,) [L/s] rated at `time_ms` (n,).

    Each is that of the stage which gives this discharge by the curve that held then; NaN where
    none held, or where the curve knows no such discharge.
    """
    found = np.full(len(discharge_lps), np.nan)
    for entry in entries:
        stage = build(entry).stage(discharge_lps)
        sure = DatedRating([entry], zone).discharge(time_ms, stage).uncertainty_lps
        found = np.where(np.isfinite(sure), sure, found)
    return found
