"""The texts that went out, or did not, and why."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from api import shapes
from api.answers import JSONAnswer
from api.auth import Reader
from api.deps import Service, ServiceDep
from api.documented import READ, problems
from api.months import Month, bounds, month_of, summary
from api.paging import Paged, cut, link, place
from api.reads import Connection
from api.routes import PREFIX
from api.schemas import Messages
from api.schemas_people import MonthOfMessages
from kahriz.book import alerts, messages
from kahriz.book.messages import OutboxMessage

router = APIRouter(prefix=PREFIX, tags=["alerts"])

MAX_ID = 2**63 - 1
"""The largest id a row can have."""


class MessagesQuery(Paged):
    """Which messages."""

    alert: int | None = Field(None, ge=1, le=MAX_ID, description="Only of this one.", examples=[12])
    kahriz: str | None = Field(None, description="Only of this one.", examples=["agh-dere"])
    month: Month | None = Field(None, description="Only of this local month.")


class MonthQuery(BaseModel):
    """Which month."""

    model_config = ConfigDict(extra="forbid")
    month: Month | None = Field(None, description="Local; without: the one that runs.")


@router.get("/messages", response_model=Messages, responses=READ | problems(404, 422))
async def list_messages(
    query: Annotated[MessagesQuery, Query()], request: Request, service: ServiceDep, _: Reader
) -> JSONAnswer:
    """Return messages, the newest first, page by page; the middle of every address is masked."""
    zone = _zone(service, query.kahriz)
    between = None if query.month is None else bounds(query.month, zone)
    at = place(query.cursor, 2, "messages", query.alert, query.kahriz, query.month)

    def read(book: Connection) -> tuple[list[shapes.Shape], str | None]:
        if query.alert is not None:
            alerts.find(book, query.alert)
        more = query.limit + 1
        found = messages.list_messages(book, query.alert, more, query.kahriz, between, at.pair)
        rows, following = cut(found, query.limit, at, lambda row: (row.created_at_ms, row.id))
        return with_alerts(book, rows), following

    shown, following = await service.reads.book(read)
    headers = link(request, following)
    return JSONAnswer({"messages": shown, "next": following}, headers=headers)


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


def with_alerts(book: Connection, rows: Sequence[OutboxMessage]) -> list[shapes.Shape]:
    """Return messages with what the alerts say that they are about."""
    about = alerts.find_all(book, {row.alert_id for row in rows if row.alert_id is not None})
    return [shapes.message(row, about.get(row.alert_id or 0)) for row in rows]


def _zone(service: Service, kahriz: str | None) -> ZoneInfo:
    registry = service.registry
    return registry.kahriz[0].zone if kahriz is None else registry.find(kahriz).zone
