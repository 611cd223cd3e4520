"""The texts that went out, or did not, and why."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from api import shapes
from api.answers import JSONAnswer
from api.auth import Reader
from api.deps import Service, ServiceDep
from api.documented import READ, problems
from api.months import Month, bounds, month_of, summary
from api.reads import Connection
from api.routes import PREFIX
from api.schemas import Messages
from api.schemas_people import MonthOfMessages
from kahriz.book import alerts, messages
from kahriz.book.messages import OutboxMessage

router = APIRouter(prefix=PREFIX, tags=["alerts"])

MAX_ID = 2**63 - 1
"""The largest id a row can have."""


class MessagesQuery(BaseModel):
    """Which messages."""

    model_config = ConfigDict(extra="forbid")
    alert: int | None = Field(None, ge=1, le=MAX_ID, description="Only of this one.", examples=[12])
    kahriz: str | None = Field(None, description="Only of this one.", examples=["agh-dere"])
    month: Month | None = Field(None, description="Only of this local month.")
    limit: int = Field(100, ge=1, le=1000, examples=[100])


class MonthQuery(BaseModel):
    """Which month."""

    model_config = ConfigDict(extra="forbid")
    month: Month | None = Field(None, description="Local; without: the one that runs.")


@router.get("/messages", response_model=Messages, responses=READ | problems(404, 422))
async def list_messages(
    query: Annotated[MessagesQuery, Query()], service: ServiceDep, _: Reader
) -> JSONAnswer:
    """Return messages, the newest first; the middle of every address is masked."""
    zone = _zone(service, query.kahriz)
    between = None if query.month is None else bounds(query.month, zone)
    rows = await service.reads.book(
        lambda book: list_shapes(book, query.alert, query.limit, query.kahriz, between)
    )
    return JSONAnswer({"messages": rows})


@router.get("/messages/summary", response_model=MonthOfMessages, responses=READ | problems(422))
async def month_of_messages(
    query: Annotated[MonthQuery, Query()], service: ServiceDep, caller: Reader
) -> JSONAnswer:
    """Return how many texts a month had, by kahriz and contact, and what they cost."""
    month = query.month or month_of(service.clock(), _zone(service, None))
    notify, is_whole = service.settings.notify, caller.sees_addresses
    return JSONAnswer(
        await service.reads.book(
            lambda book: summary(book, service.registry, month, notify, is_whole=is_whole)
        )
    )


def list_shapes(
    book: Connection,
    alert: int | None,
    limit: int,
    kahriz: str | None = None,
    between: tuple[datetime, datetime] | None = None,
) -> list[shapes.Shape]:
    """Return messages with what their alerts say, newest first; NotFoundError: no such alert."""
    if alert is not None:
        alerts.find(book, alert)
    return with_alerts(book, messages.list_messages(book, alert, limit, kahriz, between))


def with_alerts(book: Connection, rows: Sequence[OutboxMessage]) -> list[shapes.Shape]:
    """Return messages with what the alerts say that they are about."""
    about = alerts.find_all(book, {row.alert_id for row in rows if row.alert_id is not None})
    return [shapes.message(row, about.get(row.alert_id or 0)) for row in rows]


def _zone(service: Service, kahriz: str | None) -> ZoneInfo:
    registry = service.registry
    return registry.kahriz[0].zone if kahriz is None else registry.find(kahriz).zone
