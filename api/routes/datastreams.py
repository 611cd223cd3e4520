"""What is measured where, and its observations by column."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from api import shapes
from api.answers import CSVAnswer, JSONAnswer
from api.auth import Reader
from api.deps import Service, ServiceDep
from api.documented import READ, or_csv, problems
from api.downsample import extremes
from api.instants import Instant, interval
from api.negotiation import CSV, JsonOrCsv
from api.paging import link, place
from api.problems import invalid_parameter
from api.routes import PREFIX
from api.schemas import Datastreams, Observations
from kahriz.clock import from_datetime64, from_ms, iso, to_ms
from kahriz.export.csv_text import Dialect, written
from kahriz.export.observations import pieces
from kahriz.export.table import Column, Kind, Table
from kahriz.observations import Series, Values
from kahriz.rating.dated import DatedRating
from kahriz.sites import Datastream
from kahriz.store import Store
from kahriz.units import PROPERTIES

router = APIRouter(prefix=PREFIX, tags=["observations"])

_USUAL = timedelta(hours=24)
_AS_CSV = "time,discharge_lps,quality\r\n2026-11-22T11:50:00.000Z,2.41,1\r\n"

Id = Annotated[str, Path(max_length=140, examples=["agh-dere.outlet.stage"])]


class ObservationsQuery(BaseModel):
    """Which observations, and how many points at most."""

    model_config = ConfigDict(extra="forbid")
    start: Instant | None = Field(None, description="First instant; without: 24 h before `end`.")
    end: Instant | None = Field(None, description="The first instant not meant; without: now.")
    max_points: int = Field(
        1000,
        ge=2,
        le=10_000,
        description="Beyond this, the lowest and highest value of each stretch of time are given.",
        examples=[1000],
    )
    limit: int | None = Field(
        None,
        ge=1,
        le=10_000,
        description="Instead of `max_points`: every observation, so many a page.",
    )
    cursor: str | None = Field(
        None,
        max_length=200,
        description="`next` of the answer before; everything else has to be as it was then.",
    )


@router.get("/datastreams", response_model=Datastreams, responses=READ)
async def list_datastreams(service: ServiceDep, _: Reader) -> JSONAnswer:
    """Return every datastream of the registry, in its order."""
    return JSONAnswer({"datastreams": [shapes.datastream(d) for d in service.registry.datastreams]})


@router.get(
    "/datastreams/{id}/observations",
    response_model=Observations,
    responses=or_csv(_AS_CSV) | problems(404, 422),
)
async def observations(
    id: Id,
    query: Annotated[ObservationsQuery, Query()],
    request: Request,
    service: ServiceDep,
    kind: JsonOrCsv,
    _: Reader,
) -> Response:
    """Return observations in [start, end), the extremes of each stretch where there are many.

    With `limit` every one of them, in time order, page by page: `n` is then of this page. What
    comes late behind the cursor is not met any more.
    """
    datastream = service.registry.datastream(id)
    start, end = interval(query.start, query.end, service.clock(), _USUAL)
    if query.limit is None:
        if query.cursor is not None:
            raise invalid_parameter("cursor", query.cursor, "is for pages, and needs limit")
        shown = await service.reads.store(
            lambda store: _extremes(store, datastream, start, end, query.max_points)
        )
    else:
        if "max_points" in query.model_fields_set:
            raise invalid_parameter("limit", query.limit, "every one, or max_points: not both")
        shown = await _page(service, query, query.limit, datastream, start, end)
    headers = {"Vary": "Accept", **link(request, shown.following)}
    if kind == CSV:
        return CSVAnswer(shown.csv(), headers)
    return JSONAnswer(shown.shape(), moving={"start", "end"}, headers=headers)


@dataclass(frozen=True, slots=True)
class _Shown:
    """Observations that are given, `n` of them in all; None: these are the last."""

    datastream: Datastream
    start: datetime
    end: datetime
    series: Series
    n: int
    following: str | None = None

    @property
    def channel(self) -> str:
        return PROPERTIES[self.datastream.measures].channel

    def shape(self) -> dict[str, Any]:
        return {
            "datastream": self.datastream.id,
            "unit": self.datastream.unit,
            "start": iso(self.start),
            "end": iso(self.end),
            "n": self.n,
            "downsampled": self.n > len(self.series),
            "next": self.following,
            "time": self.series.time,
            self.channel: self.series.value,
            "quality": self.series.quality,
            **_uncertainty(self.datastream, self.series),
        }

    def csv(self) -> str:
        sure = _uncertainty(self.datastream, self.series)
        columns = (
            Column("time", Kind.INSTANT),
            Column(self.channel, Kind.NUMBER),
            Column("quality", Kind.INTEGER),
            *(Column(name, Kind.NUMBER) for name in sure),
        )
        part = (self.series.time, self.series.value, self.series.quality, *sure.values())
        bare = Dialect(has_bom=False, has_metadata=False)
        return b"".join(written(Table("", columns, (), iter([part])), bare)).decode()


def _extremes(
    store: Store, datastream: Datastream, start: datetime, end: datetime, max_points: int
) -> _Shown:
    raw = store.series(datastream.id, start, end)
    return _Shown(datastream, start, end, extremes(raw, start, end, max_points), len(raw))


async def _page(
    service: Service,
    query: ObservationsQuery,
    limit: int,
    datastream: Datastream,
    start: datetime,
    end: datetime,
) -> _Shown:
    at = place(query.cursor, 2, "observations", datastream.id, query.start, query.end)
    if at.pair is not None:
        # Whoever named no end goes on towards the one there was at first.
        start, end = (_instant(ms, query.cursor) for ms in at.pair)
    found = await service.reads.store(
        lambda store: _first(store, datastream, start, end, limit + 1)
    )
    more = len(found) > limit
    shown = found.between(start, from_datetime64(found.time[limit])) if more else found
    following = at.next((to_ms(from_datetime64(found.time[limit])), to_ms(end))) if more else None
    return _Shown(datastream, start, end, shown, len(shown), following)


def _instant(ms: int, cursor: str | None) -> datetime:
    try:
        return from_ms(ms)
    except OverflowError as error:
        raise invalid_parameter("cursor", cursor, "no answer gave it as `next`") from error


def _first(
    store: Store, datastream: Datastream, start: datetime, end: datetime, most: int
) -> Series:
    """Return at least the first `most` there are, or all."""
    found: list[Series] = []
    for series in pieces(store, datastream.id, start, end):
        found.append(series)
        if sum(map(len, found)) >= most:
            break
    if not found:
        return Series.empty(datastream.id)
    time, value, quality = (
        np.concatenate([getattr(series, name) for series in found])
        for name in ("time", "value", "quality")
    )
    return Series(datastream.id, time, value, quality)


def _uncertainty(datastream: Datastream, shown: Series) -> dict[str, Values]:
    """Return how sure each discharge is that a rating derived; of others nothing is known here."""
    if datastream.sensor is not None:
        return {}
    rating = DatedRating(datastream.site.rating, datastream.kahriz.zone)
    return {"uncertainty_lps": rating.uncertainty(shown.time.astype(np.int64), shown.value)}
