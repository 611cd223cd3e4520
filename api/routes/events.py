"""News for open pages, as server-sent events."""

from __future__ import annotations

from fastapi import APIRouter

from api.auth import Reader
from api.deps import ServiceDep
from api.documented import Responses, problems
from api.events import EventStream
from api.routes import PREFIX

PATH = PREFIX + "/events"

router = APIRouter(prefix=PREFIX, tags=["events"])

_EXAMPLE = 'event: change\ndata: {"now":"2026-11-21T20:00:00Z","topics":["alerts","latest"]}\n\n'
_STREAM: Responses = {
    200: {
        "description": "A stream that lasts until either side ends it.",
        "content": {"text/event-stream": {"schema": {"type": "string"}, "example": _EXAMPLE}},
    }
}


@router.get(
    "/events",
    status_code=200,
    response_class=EventStream,
    responses=_STREAM | problems(401, 503),
)
async def events(service: ServiceDep, _: Reader) -> EventStream:
    """Say when something has changed, at most once a second; a comment every 15 s otherwise.

    ``topics`` are of ``latest``, ``water``, ``alerts``, ``messages``, ``devices``: what to ask for
    again. At most 100 streams are open at once.
    """
    return EventStream(service.changes, service.clock)
