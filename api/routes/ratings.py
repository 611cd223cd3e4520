"""How stage becomes discharge at a site, and whether what was gauged there agrees."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict, Field

from api import ratings
from api.answers import JSONAnswer
from api.auth import Reader
from api.deps import ServiceDep
from api.documented import READ, problems
from api.routes import PREFIX
from api.schemas_ratings import Ratings
from kahriz.book import gaugings

router = APIRouter(prefix=PREFIX, tags=["observations"])

Id = Annotated[str, Path(max_length=81, examples=["agh-dere.outlet"])]


class RatingsQuery(BaseModel):
    """How many gaugings."""

    model_config = ConfigDict(extra="forbid")
    limit: int = Field(100, ge=1, le=200, examples=[100], description="Gaugings, the newest.")


@router.get("/ratings/{id}", response_model=Ratings, responses=READ | problems(404, 422))
async def site_ratings(
    id: Id, query: Annotated[RatingsQuery, Query()], service: ServiceDep, _: Reader
) -> JSONAnswer:
    """Return a site's ratings with their limits and curves, and its gaugings with their residuals.

    Ratings in time order, none where stage is not rated there; gaugings the newest first, each
    beside the curve that held at its time, at the stage of its time.
    """
    kahriz, site = ratings.find_site(service.registry, id)
    kept = await service.reads.book(lambda book: gaugings.list_gaugings(book, id, query.limit))
    gauged = await service.reads.store(lambda store: ratings.with_stages(store, kahriz, site, kept))
    return JSONAnswer(ratings.told(kahriz, site, gauged, service.clock()))
