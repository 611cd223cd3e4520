"""What people sent, and what was made of it."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request
from pydantic import Field

from api import shapes_people as shapes
from api.answers import JSONAnswer
from api.auth import Reader
from api.deps import ServiceDep
from api.documented import READ, problems
from api.paging import Paged, cut, link, place
from api.routes import PREFIX
from api.schemas_people import Inbox
from kahriz.book import inbound

router = APIRouter(prefix=PREFIX, tags=["people"])


class InboundQuery(Paged):
    """Which texts."""

    state: Literal["new", "done", "ignored"] | None = Field(
        None, description="Not looked at yet; done; strangers, floods and machines."
    )
    kahriz: str | None = Field(None, description="Only about this one.", examples=["agh-dere"])


@router.get("/inbound", response_model=Inbox, responses=READ | problems(404, 422))
async def list_inbound(
    query: Annotated[InboundQuery, Query()], request: Request, service: ServiceDep, caller: Reader
) -> JSONAnswer:
    """Return what people sent, the newest first; numbers are whole with write scope alone."""
    if query.kahriz is not None:
        service.registry.find(query.kahriz)
    at = place(query.cursor, 1, "inbound", query.state, query.kahriz)
    found = await service.reads.book(
        lambda book: inbound.list_inbound(
            book,
            state=query.state,
            kahriz=query.kahriz,
            limit=query.limit + 1,
            older_than=at.one,
        )
    )
    rows, following = cut(found, query.limit, at, lambda text: (text.id,))
    is_whole = caller.sees_addresses
    shown = [shapes.inbound_text(text, is_whole=is_whole) for text in rows]
    return JSONAnswer({"texts": shown, "next": following}, headers=link(request, following))
