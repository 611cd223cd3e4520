"""Flows measured by hand, with a bucket or a current meter, beside what the weir said then."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Connection, insert, select, tuple_

from kahriz.book.tables import gauging
from kahriz.clock import from_ms, to_ms

Method = Literal["bucket", "current_meter"]


@dataclass(frozen=True, slots=True)
class Bucket:
    """So many litres, how long they took to run on average, and how often that was measured."""

    volume_l: float
    duration_s: float
    trials: int


@dataclass(frozen=True, slots=True)
class Metered:
    """A flow found with a current meter; `uncertainty_lps` (standard) None: nobody said."""

    discharge_lps: float
    uncertainty_lps: float | None = None


@dataclass(frozen=True, slots=True)
class Gauging:
    """One flow measured by hand.

    Attributes
    ----------
    site
        ``<kahriz>.<site>``.
    volume_l, duration_s, trials
        Of a bucket; None of a current meter.
    discharge_lps
        What follows of them, or what the meter gave.
    rated_lps, stage_m
        What the site's own instruments said then; None: nothing.
    inbound_id
        The text it came by; None: it came another way.
    uncertainty_lps
        Standard uncertainty as whoever measured says; None: nobody said.
    """

    id: int
    site: str
    at: datetime
    volume_l: float | None
    duration_s: float | None
    trials: int | None
    discharge_lps: float
    rated_lps: float | None
    stage_m: float | None
    by: str
    inbound_id: int | None
    method: Method = "bucket"
    uncertainty_lps: float | None = None

    @property
    def deviation(self) -> float | None:
        """How far the instruments are above what was measured, as a fraction of it."""
        return None if self.rated_lps is None else self.rated_lps / self.discharge_lps - 1


def add(
    connection: Connection,
    site: str,
    at: datetime,
    measured: Bucket | Metered,
    *,
    rated_lps: float | None,
    stage_m: float | None,
    by: str,
    inbound_id: int | None = None,
) -> Gauging:
    """Write a gauging down, and return it; volume, duration and discharge are above zero."""
    row = {
        "site": site,
        "at_ms": to_ms(at),
        "rated_lps": rated_lps,
        "stage_m": stage_m,
        "by": by,
        "inbound_id": inbound_id,
    }
    if isinstance(measured, Bucket):
        discharge_lps = measured.volume_l / measured.duration_s
        row |= asdict(measured) | {"method": "bucket", "discharge_lps": discharge_lps}
    else:
        row |= asdict(measured) | {"method": "current_meter"}
    added = connection.execute(insert(gauging).returning(gauging), row)
    return _gauging(added.one())


def list_gaugings(
    connection: Connection,
    site: str | None = None,
    limit: int = 100,
    after: tuple[int, int] | None = None,
) -> list[Gauging]:
    """Return gaugings of a site, or of every one, the newest first; those behind (ms, id) only."""
    query = select(gauging).order_by(gauging.c.at_ms.desc(), gauging.c.id.desc()).limit(limit)
    if site is not None:
        query = query.where(gauging.c.site == site)
    if after is not None:
        query = query.where(tuple_(gauging.c.at_ms, gauging.c.id) < after)
    return [_gauging(row) for row in connection.execute(query)]


def _gauging(row: Any) -> Gauging:
    return Gauging(
        row.id,
        row.site,
        from_ms(row.at_ms),
        row.volume_l,
        row.duration_s,
        row.trials,
        row.discharge_lps,
        row.rated_lps,
        row.stage_m,
        row.by,
        row.inbound_id,
        row.method,
        row.uncertainty_lps,
    )
