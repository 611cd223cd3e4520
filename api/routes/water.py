"""Water delivered: the figures a donor or an engineer asks for."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from api import shapes, water
from api.answers import CSVAnswer, JSONAnswer, csv_of_rows
from api.auth import Reader
from api.deps import ServiceDep
from api.documented import READ, or_csv, problems
from api.instants import LONGEST, Instant, interval
from api.negotiation import CSV, JsonOrCsv
from api.problems import invalid_parameter
from api.routes import PREFIX
from api.schemas import Summary, Water, WaterRow
from kahriz.clock import iso
from kahriz.sites import Kahriz
from kahriz.stats.delivered import COMPLETENESS_LIMIT, Period

router = APIRouter(prefix=PREFIX, tags=["water"])

_AS_CSV = "start,end,label,volume_m3,lpcd\r\n2026-11-20T20:00:00Z,2026-11-21T20:00:00Z,2026-11-21,"
_AS_CSV += "207.1,82.8\r\n"

LONGEST_BY_HOUR = timedelta(days=366)
_USUAL_DAYS = 30

SETTLES_IN = timedelta(minutes=1)
"""Figures may be computed so long before they can be read."""

Id = Annotated[str, Path(max_length=40, examples=["agh-dere"])]


class WaterQuery(BaseModel):
    """Which rows."""

    model_config = ConfigDict(extra="forbid")
    by: Period = Field("day", examples=["day"])
    start: Instant | None = Field(None, description="Without: 30 local days before `end`.")
    end: Instant | None = Field(None, description="Without: the end of the running local day.")
    modified_since: Instant | None = Field(
        None,
        description="Only rows that are new or were restated since: `as_of` of the answer before."
        " Of the last 10 years, by hour 366 days, if `start` is not given.",
    )
    fill: Literal["none", "typical"] = Field(
        "none",
        description="`typical`: add to what was measured what usually flows in as much time, and"
        " mark the rows. Not with `by=hour`, nor with `modified_since`.",
    )


@router.get(
    "/kahrizes/{id}/water", response_model=Water, responses=or_csv(_AS_CSV) | problems(404, 422)
)
async def water_delivered(
    id: Id, query: Annotated[WaterQuery, Query()], service: ServiceDep, kind: JsonOrCsv, _: Reader
) -> Response:
    """Return the water a kahriz delivered by local hour, day, month, season or year.

    In time order: rows that begin in [start, end), of months and longer those it touches; an
    interval nothing is known of has no row. At most 10 years, by hour 366 days. The last row
    usually is still running.
    To keep a copy up to date, ask with `modified_since` = `as_of` of the last answer: what late
    data, a rating or a flag changed comes again, with a higher revision.
    """
    kahriz = service.registry.find(id)
    now = service.clock()
    start, end = _interval(kahriz, query, now)
    is_filled = query.fill == "typical"
    if is_filled and query.by == "hour":
        raise invalid_parameter("fill", query.fill, "a day's water has a typical amount, no hour's")
    if is_filled and query.modified_since is not None:
        raise invalid_parameter("fill", query.fill, "a copy is kept of what was measured")
    rows = await service.reads.book(
        lambda book: water.rows(
            book, kahriz, query.by, start, end, now, query.modified_since, is_filled=is_filled
        )
    )
    headers = {"Vary": "Accept"}
    if kind == CSV:
        return CSVAnswer(csv_of_rows(list(WaterRow.model_fields), rows), headers)
    return JSONAnswer(
        {
            "kahriz": kahriz.id,
            "datastream": kahriz.delivery,
            "by": query.by,
            "timezone": kahriz.timezone,
            "people": kahriz.served,
            "people_assumed": kahriz.is_served_assumed,
            "completeness_limit": COMPLETENESS_LIMIT,
            "as_of": iso(now - SETTLES_IN),
            "fill": query.fill,
            "rows": rows,
        },
        headers=headers,
    )


class SummaryQuery(BaseModel):
    """Of which days."""

    model_config = ConfigDict(extra="forbid")
    start: Instant | None = Field(None, description="Without: 365 local days before `end`.")
    end: Instant | None = Field(None, description="Without: the beginning of the running day.")


@router.get("/kahrizes/{id}/summary", response_model=Summary, responses=READ | problems(404, 422))
async def water_summary(
    id: Id, query: Annotated[SummaryQuery, Query()], service: ServiceDep, _: Reader
) -> JSONAnswer:
    """Return a season or a year of water in a few figures: volume, L a person and day, Q10 to Q90.

    Of the local days that begin in [start, end) and are over, at most 10 years. Only complete
    days say how much water a day had; how many are not is said beside them.
    """
    kahriz = service.registry.find(id)
    now = service.clock()
    today, _end = water.last_days(kahriz, now, 1)
    last = today if query.end is None else query.end
    start, end = interval(query.start, last, now, timedelta(days=365))
    found, sure = await service.reads.book(lambda book: water.summed(book, kahriz, start, end, now))
    return JSONAnswer(shapes.summary(kahriz, start, end, found, sure))


def _interval(kahriz: Kahriz, query: WaterQuery, now: datetime) -> tuple[datetime, datetime]:
    first, last = water.last_days(kahriz, now, _USUAL_DAYS)
    end = last if query.end is None else query.end
    longest = LONGEST_BY_HOUR if query.by == "hour" else LONGEST
    usual = last - first if query.modified_since is None else longest
    return interval(query.start, end, now, usual, longest)
