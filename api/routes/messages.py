"""The texts that went out, or did not, and why."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from api import shapes
from api.answers import JSONAnswer
from api.auth import Reader
from api.deps import ServiceDep
from api.documented import READ, problems
from api.reads import Connection
from api.routes import PREFIX
from api.schemas import Messages
from kahriz.book import alerts, messages

router = APIRouter(prefix=PREFIX, tags=["alerts"])

MAX_ID = 2**63 - 1
"""The largest id a row can have."""


class MessagesQuery(BaseModel):
    """Which messages."""

    model_config = ConfigDict(extra="forbid")
    alert: int | None = Field(None, ge=1, le=MAX_ID, description="Only of this one.", examples=[12])
    limit: int = Field(100, ge=1, le=1000, examples=[100])


@router.get("/messages", response_model=Messages, responses=READ | problems(404, 422))
async def list_messages(
    query: Annotated[MessagesQuery, Query()], service: ServiceDep, _: Reader
) -> JSONAnswer:
    """Return messages, the newest first; the middle of every address is masked."""
    rows = await service.reads.book(lambda book: list_shapes(book, query.alert, query.limit))
    return JSONAnswer({"messages": rows})


def list_shapes(book: Connection, alert: int | None, limit: int) -> list[shapes.Shape]:
    """Return messages with what their alerts say, newest first; NotFoundError: no such alert."""
    if alert is not None:
        alerts.find(book, alert)
    rows = messages.list_messages(book, alert, limit)
    about = alerts.find_all(book, {row.alert_id for row in rows if row.alert_id is not None})
    return [shapes.message(row, about.get(row.alert_id or 0)) for row in rows]
