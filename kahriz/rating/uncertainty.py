"""How sure a discharge is that was kept: by the curve it was derived by, or by its meter."""

from __future__ import annotations

from datetime import tzinfo

import numpy as np
from numpy.typing import NDArray

from kahriz.observations import Values
from kahriz.rating.dated import DatedRating
from kahriz.sites import Site


def instrument_uncertainty(
    site: Site, zone: tzinfo, time_ms: NDArray[np.int64], discharge_lps: Values
) -> Values:
    """Return the standard uncertainty (n,) [L/s] of discharges at a site: its rating's or meter's.

    A meter's is `Site.meter_uncertainty` times the discharge. Below `Site.dry_below_lps` it cannot
    be told from a line that stands: anything up to there is as likely (JCGM 100:2008, 4.3.7). A
    rating's is NaN where no curve held, or where it knows no such discharge.
    """
    if site.rating:
        return DatedRating(site.rating, zone).uncertainty(time_ms, discharge_lps)
    standing = site.dry_below_lps / 3.0**0.5
    moving = site.meter_uncertainty * discharge_lps
    return np.where(discharge_lps < site.dry_below_lps, standing, moving)
