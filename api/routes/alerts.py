"""What is wrong, why we say so, who was told; and taking it on."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import Field

from api import shapes, story
from api.answers import CSVAnswer, JSONAnswer, csv_of_rows
from api.auth import Caller, Reader, Writer
from api.deps import Service, ServiceDep
from api.documented import READ, WRITE, or_csv, problems
from api.negotiation import CSV, JsonOrCsv
from api.paging import Paged, cut, link, place
from api.reads import Connection
from api.routes import PREFIX
from api.routes.messages import MAX_ID, with_alerts
from api.schemas import Acknowledgement, AlertAnswer, AlertDetail, Alerts, AlertState
from kahriz.book import alerts, audit, messages
from kahriz.book.alerts import Alert

router = APIRouter(prefix=PREFIX, tags=["alerts"])

_MESSAGES_SHOWN = 1000
_AS_CSV = (
    "id,code,kahriz,kind,key,audience,state,since\r\n12,K7,agh-dere,blockage,,committee,firing,"
)
_AS_CSV += "2026-11-22T03:10:00Z\r\n"

Saying = Callable[[Connection, int, str, datetime], Alert]
Id = Annotated[int, Path(ge=1, le=MAX_ID, examples=[12])]


class AlertsQuery(Paged):
    """Which alerts."""

    state: AlertState | None = Field(None, examples=["firing"])
    kahriz: str | None = Field(None, description="Its id.", examples=["agh-dere"])


@router.get("/alerts", response_model=Alerts, responses=or_csv(_AS_CSV) | problems(404, 422))
async def list_alerts(
    query: Annotated[AlertsQuery, Query()],
    request: Request,
    service: ServiceDep,
    kind: JsonOrCsv,
    _: Reader,
) -> Response:
    """Return alerts, the newest trouble first, page by page."""
    if query.kahriz is not None:
        service.registry.find(query.kahriz)
    at = place(query.cursor, 2, "alerts", query.state, query.kahriz)
    more = query.limit + 1
    found = await service.reads.book(
        lambda book: alerts.list_alerts(book, query.state, query.kahriz, more, at.pair)
    )
    rows, following = cut(found, query.limit, at, lambda row: (row.since_ms, row.id))
    shown = [shapes.alert(row) for row in rows]
    headers = {"Vary": "Accept", **link(request, following)}
    if kind == CSV:
        return CSVAnswer(csv_of_rows(list(AlertAnswer.model_fields), shown), headers)
    return JSONAnswer({"alerts": shown, "next": following}, headers=headers)


@router.get("/alerts/{id}", response_model=AlertDetail, responses=READ | problems(404, 422))
async def one_alert(id: Id, service: ServiceDep, caller: Reader) -> JSONAnswer:
    """Return one alert, what happened to it, who was told by which text, and how fast.

    The timeline holds the alert's own events and those of the texts about it, in time order.
    """
    whole = caller.sees_addresses
    return JSONAnswer(await service.reads.book(lambda book: _detail(book, id, is_whole=whole)))


@router.post(
    "/alerts/{id}/acknowledgement", response_model=AlertAnswer, responses=WRITE | problems(404)
)
async def acknowledge(
    id: Id, body: Acknowledgement, service: ServiceDep, caller: Writer
) -> JSONAnswer:
    """Write down that somebody takes an alert on; the first one to do so stays.

    Needs an API key with write scope. The audit log keeps the key's name beside ``by``.
    """
    return await _say(service, alerts.acknowledge, "alert.acknowledge", id, body.by, caller)


@router.post("/alerts/{id}/on-site", response_model=AlertAnswer, responses=WRITE | problems(404))
async def on_site(id: Id, body: Acknowledgement, service: ServiceDep, caller: Writer) -> JSONAnswer:
    """Write down that somebody is where the trouble is; the first one to be there stays.

    Who is there has taken the alert on, if nobody had.
    """
    return await _say(service, alerts.on_site, "alert.on_site", id, body.by, caller)


@router.post(
    "/alerts/{id}/false-alarm", response_model=AlertAnswer, responses=WRITE | problems(404)
)
async def false_alarm(
    id: Id, body: Acknowledgement, service: ServiceDep, caller: Writer
) -> JSONAnswer:
    """Write down that somebody found nothing wrong; the first one to say so stays.

    The alert is acknowledged by that, and ends when the instruments say so.
    """
    return await _say(service, alerts.false_alarm, "alert.false_alarm", id, body.by, caller)


def _detail(book: Connection, id: int, *, is_whole: bool) -> dict[str, Any]:
    row = alerts.find(book, id)
    texts = messages.list_messages(book, id, _MESSAGES_SHOWN)
    return shapes.alert(row) | {
        "timeline": story.timeline(book, id, texts, is_whole=is_whole),
        "response": story.response(row, texts),
        "messages": with_alerts(book, texts),
    }


async def _say(
    service: Service, say: Saying, what: str, id: int, by: str, caller: Caller
) -> JSONAnswer:
    now = service.clock()

    def said(book: Connection) -> shapes.Shape:
        row = say(book, id, by, now)
        audit.append(book, now, caller.name, what, {"alert": id, "by": by, "key": caller.key_id})
        return shapes.alert(row)

    return JSONAnswer(await service.reads.change_book(said))
