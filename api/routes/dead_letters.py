"""What devices sent that nobody could use: which device, how often, and why."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import Field

from api import shapes
from api.answers import JSONAnswer
from api.auth import Reader
from api.deps import ServiceDep
from api.documented import READ, problems
from api.paging import Paged, cut, link, place
from api.problems import invalid_parameter
from api.routes import PREFIX
from api.schemas_letters import DeadLetters
from kahriz.book import dead_letters
from kahriz.book.days import Reason
from kahriz.book.dead_letters import ListedLetter

router = APIRouter(prefix=PREFIX, tags=["devices"])


class LettersQuery(Paged):
    """Which letters."""

    device: str | None = Field(None, max_length=40, examples=["agh-dere-outlet"])
    kind: str | None = Field(None, max_length=24, description="Of reason.", examples=["time_past"])


@router.get("/dead-letters", response_model=DeadLetters, responses=READ | problems(422))
async def list_letters(
    query: Annotated[LettersQuery, Query()], request: Request, service: ServiceDep, _: Reader
) -> JSONAnswer:
    """Return payloads that could not be used, the last to be new first, page by page.

    Without the payload, which `kahriz dead-letters show` prints: it may be anything.
    """
    if query.kind is not None and query.kind not in set(Reason):
        raise invalid_parameter("kind", query.kind, f"is none of {', '.join(Reason)}")
    at = place(query.cursor, 1, "dead letters", query.device, query.kind)
    found = await service.reads.book(
        lambda book: dead_letters.listed(book, query.device, query.kind, query.limit + 1, at.one)
    )
    rows, following = cut(found, query.limit, at, lambda letter: (letter.id,))
    said = {"letters": [_shape(each) for each in rows], "next": following}
    return JSONAnswer(said, headers=link(request, following))


def _shape(each: ListedLetter) -> shapes.Shape:
    return {
        "id": each.id,
        "received_at": shapes.instant(each.received_at_ms),
        "topic": each.topic,
        "device": each.device,
        "kind": each.kind,
        "reason": each.reason,
        "bytes": each.size,
        "times": each.times,
    }
