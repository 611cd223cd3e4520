"""What is wrong, why we say so, who was told; and taking it on."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict, Field

from api import shapes
from api.answers import JSONAnswer
from api.auth import Caller, Reader, Writer
from api.deps import ServiceDep
from api.documented import READ, problems
from api.reads import Connection
from api.routes import PREFIX
from api.routes.messages import MAX_ID, list_shapes
from api.schemas import Acknowledgement, AlertAnswer, AlertDetail, Alerts, AlertState
from kahriz.book import alerts, audit
from kahriz.clock import Clock

router = APIRouter(prefix=PREFIX, tags=["alerts"])

_MESSAGES_SHOWN = 1000

Id = Annotated[int, Path(ge=1, le=MAX_ID, examples=[12])]


class AlertsQuery(BaseModel):
    """Which alerts."""

    model_config = ConfigDict(extra="forbid")
    state: AlertState | None = Field(None, examples=["firing"])
    kahriz: str | None = Field(None, description="Its id.", examples=["agh-dere"])
    limit: int = Field(100, ge=1, le=1000, examples=[100])


@router.get("/alerts", response_model=Alerts, responses=READ | problems(404, 422))
async def list_alerts(
    query: Annotated[AlertsQuery, Query()], service: ServiceDep, _: Reader
) -> JSONAnswer:
    """Return alerts, the newest trouble first."""
    if query.kahriz is not None:
        service.registry.find(query.kahriz)
    rows = await service.reads.book(
        lambda book: alerts.list_alerts(book, query.state, query.kahriz, query.limit)
    )
    return JSONAnswer({"alerts": [shapes.alert(row) for row in rows]})


@router.get("/alerts/{id}", response_model=AlertDetail, responses=READ | problems(404, 422))
async def one_alert(id: Id, service: ServiceDep, _: Reader) -> JSONAnswer:
    """Return one alert, what happened to it, and who was told."""
    return JSONAnswer(await service.reads.book(lambda book: _detail(book, id)))


@router.post(
    "/alerts/{id}/acknowledgement",
    response_model=AlertAnswer,
    responses=problems(401, 403, 404, 413, 422, 503),
)
async def acknowledge(
    id: Id, body: Acknowledgement, service: ServiceDep, caller: Writer
) -> JSONAnswer:
    """Write down that somebody takes an alert on; the first one to do so stays.

    Needs an API key with write scope. The audit log keeps the key's name beside ``by``.
    """
    return JSONAnswer(
        await service.reads.change_book(
            lambda book: _acknowledge(book, id, body.by, caller, service.clock)
        )
    )


def _detail(book: Connection, id: int) -> dict[str, Any]:
    row = alerts.find(book, id)
    return shapes.alert(row) | {
        "timeline": [shapes.event(event) for event in alerts.timeline(book, id)],
        "messages": list_shapes(book, id, _MESSAGES_SHOWN),
    }


def _acknowledge(book: Connection, id: int, by: str, caller: Caller, clock: Clock) -> shapes.Shape:
    now = clock()
    row = alerts.acknowledge(book, id, by, now)
    detail = {"alert": id, "by": by, "key": caller.key_id}
    audit.append(book, now, caller.name, "alert.acknowledge", detail)
    return shapes.alert(row)
