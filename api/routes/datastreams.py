"""What is measured where, and its observations by column."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict, Field

from api import shapes
from api.answers import JSONAnswer
from api.auth import Reader
from api.deps import ServiceDep
from api.documented import READ, problems
from api.downsample import extremes
from api.instants import Instant, interval
from api.routes import PREFIX
from api.schemas import Datastreams, Observations
from kahriz.clock import iso
from kahriz.observations import Series
from kahriz.rating.dated import DatedRating
from kahriz.sites import Datastream
from kahriz.store import Store
from kahriz.units import PROPERTIES

router = APIRouter(prefix=PREFIX, tags=["observations"])

_USUAL = timedelta(hours=24)

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


@router.get("/datastreams", response_model=Datastreams, responses=READ)
async def list_datastreams(service: ServiceDep, _: Reader) -> JSONAnswer:
    """Return every datastream of the registry, in its order."""
    return JSONAnswer({"datastreams": [shapes.datastream(d) for d in service.registry.datastreams]})


@router.get(
    "/datastreams/{id}/observations",
    response_model=Observations,
    responses=READ | problems(404, 422),
)
async def observations(
    id: Id, query: Annotated[ObservationsQuery, Query()], service: ServiceDep, _: Reader
) -> JSONAnswer:
    """Return observations in [start, end), the extremes of each stretch where there are many."""
    datastream = service.registry.datastream(id)
    start, end = interval(query.start, query.end, service.clock(), _USUAL)
    points = query.max_points
    return await service.reads.store(lambda s: JSONAnswer(_read(s, datastream, start, end, points)))


def _read(
    store: Store, datastream: Datastream, start: datetime, end: datetime, max_points: int
) -> dict[str, Any]:
    raw = store.series(datastream.id, start, end)
    shown = extremes(raw, start, end, max_points)
    return {
        "datastream": datastream.id,
        "unit": datastream.unit,
        "start": iso(start),
        "end": iso(end),
        "n": len(raw),
        "downsampled": len(raw) > max_points,
        "time": shown.time,
        PROPERTIES[datastream.measures].channel: shown.value,
        "quality": shown.quality,
        **_uncertainty(datastream, shown),
    }


def _uncertainty(datastream: Datastream, shown: Series) -> dict[str, Any]:
    """Return how sure each discharge is that a rating derived; of others nothing is known here."""
    if datastream.sensor is not None:
        return {}
    rating = DatedRating(datastream.site.rating, datastream.kahriz.zone)
    return {"uncertainty_lps": rating.uncertainty(shown.time.astype(np.int64), shown.value)}
