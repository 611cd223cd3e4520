"""Statistics of one kahriz: what an engineer asks beyond how much water there was."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict, Field

from api import grounds, line_statistics, statistics, water
from api.answers import JSONAnswer
from api.auth import Reader
from api.deps import ServiceDep
from api.documented import READ, problems
from api.instants import Instant, interval
from api.routes import PREFIX
from api.schemas_statistics import Statistics
from kahriz.stats.delivered import COMPLETENESS_LIMIT

router = APIRouter(prefix=PREFIX, tags=["water"])

LONGEST = timedelta(days=366)
_USUAL = timedelta(days=30)

Id = Annotated[str, Path(max_length=40, examples=["agh-dere"])]


class StatisticsQuery(BaseModel):
    """Of which span, and whether to look ahead."""

    model_config = ConfigDict(extra="forbid")
    start: Instant | None = Field(None, description="Without: 30 days before `end`.")
    end: Instant | None = Field(None, description="Without: the beginning of the running day.")
    forecast: bool = Field(
        False, description="Also when the source falls below each norm: an extrapolation."
    )


@router.get(
    "/kahrizes/{id}/statistics", response_model=Statistics, responses=READ | problems(404, 422)
)
async def water_statistics(
    id: Id, query: Annotated[StatisticsQuery, Query()], service: ServiceDep, _: Reader
) -> JSONAnswer:
    """Return service, night flow, balance and repair times of a span; recession, trend, forecast.

    The first four are of [start, end), at most 366 days and not beyond now; the others of the ten
    years before `end`. What is not known, or of too few days, is null.
    """
    kahriz = service.registry.find(id)
    now = service.clock()
    today, _end = water.last_days(kahriz, now, 1)
    last = today if query.end is None else min(query.end, now)
    start, end = interval(query.start, last, now, _USUAL, LONGEST)
    of_book, days = await service.reads.book(
        lambda book: (
            statistics.of_book(book, kahriz, start, end, now, with_forecast=query.forecast),
            []
            if kahriz.delivery is None
            else grounds.days(book, kahriz, kahriz.delivery, start, end),
        )
    )
    of_line = await service.reads.store(
        lambda store: line_statistics.of_store(store, kahriz, start, end, days)
    )
    return JSONAnswer(
        {
            "kahriz": kahriz.id,
            "timezone": kahriz.timezone,
            "start": start,
            "end": end,
            "people": kahriz.served,
            "people_assumed": kahriz.is_served_assumed,
            "completeness_limit": COMPLETENESS_LIMIT,
        }
        | of_line
        | of_book
    )
