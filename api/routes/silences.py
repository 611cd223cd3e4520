"""Nobody is told, for a while: silences, and works at a kahriz."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict, Field

from api import shapes_people as shapes
from api.answers import JSONAnswer
from api.auth import Reader, Writer
from api.deps import ServiceDep
from api.documented import READ, WRITE, problems
from api.problems import invalid_parameter
from api.reads import Connection
from api.routes import PREFIX
from api.routes.messages import MAX_ID
from api.schemas_people import (
    AllWorks,
    NewSilence,
    SilenceAnswer,
    Silences,
    WorksAnswer,
    WorksBegin,
    WorksEnd,
)
from kahriz.book import maintenance, silences
from kahriz.book.silences import Role, Silence, SilenceRefused

router = APIRouter(prefix=PREFIX, tags=["people"])

Id = Annotated[int, Path(ge=1, le=MAX_ID, examples=[2])]
Kahriz = Annotated[str, Path(max_length=40, examples=["agh-dere"])]


class SilencesQuery(BaseModel):
    """Which silences."""

    model_config = ConfigDict(extra="forbid")
    all: bool = Field(False, description="Those that are over, too.", examples=[True])


@router.get("/silences", response_model=Silences, responses=READ | problems(422))
async def list_silences(
    query: Annotated[SilencesQuery, Query()], service: ServiceDep, _: Reader
) -> JSONAnswer:
    """Return the silences that are on or still to come."""
    after = None if query.all else service.clock()
    found = await service.reads.book(lambda book: silences.list_silences(book, after=after))
    return JSONAnswer({"silences": [shapes.silence(each) for each in found]})


@router.post(
    "/silences", status_code=201, response_model=SilenceAnswer, responses=WRITE | problems(404)
)
async def add_silence(body: NewSilence, service: ServiceDep, caller: Writer) -> JSONAnswer:
    """Hold back the texts of what is known already; alerts come and go as ever."""
    if body.kahriz is not None:
        service.registry.find(body.kahriz)
    now = service.clock()
    start = body.start or now

    def added(book: Connection) -> Silence:
        return silences.add(
            book,
            body.kahriz,
            None if body.kind is None else body.kind.value,
            start,
            start + timedelta(hours=body.hours),
            note=body.note,
            by=f"{body.by} ({caller.name})",
            role=Role.ENGINEER,
            now=now,
        )

    try:
        kept = await service.reads.change_book(added)
    except SilenceRefused as refused:
        raise invalid_parameter("hours", body.hours, str(refused), "body") from refused
    return JSONAnswer(shapes.silence(kept), 201)


@router.delete("/silences/{id}", response_model=SilenceAnswer, responses=WRITE | problems(404))
async def end_silence(id: Id, service: ServiceDep, caller: Writer) -> JSONAnswer:
    """Tell again from now on; return the silence as it is then. One that is over stays so."""
    over = await service.reads.change_book(
        lambda book: silences.end(book, id, by=caller.name, now=service.clock())
    )
    return JSONAnswer(shapes.silence(over))


@router.get(
    "/kahrizes/{id}/maintenance", response_model=AllWorks, responses=READ | problems(404, 422)
)
async def list_works(id: Kahriz, service: ServiceDep, _: Reader) -> JSONAnswer:
    """Return all works at a kahriz, the oldest first."""
    service.registry.find(id)
    found = await service.reads.book(lambda book: maintenance.list_works(book, id))
    return JSONAnswer({"works": [shapes.works(each) for each in found]})


@router.post(
    "/kahrizes/{id}/maintenance",
    status_code=201,
    response_model=WorksAnswer,
    responses=WRITE | problems(404, 409),
)
async def start_works(
    id: Kahriz, body: WorksBegin, service: ServiceDep, caller: Writer
) -> JSONAnswer:
    """Say that somebody works at a kahriz: nothing is told of it, and nothing learned."""
    service.registry.find(id)
    now = service.clock()
    by = f"{body.by} ({caller.name})"
    begun = await service.reads.change_book(
        lambda book: maintenance.start(book, id, body.at or now, by=by, note=body.note, now=now)
    )
    return JSONAnswer(shapes.works(begun), 201)


@router.post(
    "/kahrizes/{id}/maintenance/end",
    response_model=WorksAnswer,
    responses=WRITE | problems(404, 409),
)
async def end_works(id: Kahriz, body: WorksEnd, service: ServiceDep, caller: Writer) -> JSONAnswer:
    """Say that the works that are on are over: what is measured is judged again."""
    service.registry.find(id)
    now = service.clock()
    ended = await service.reads.change_book(
        lambda book: maintenance.end(
            book,
            id,
            body.at or now,
            is_new_normal=body.is_new_normal,
            by=f"{body.by} ({caller.name})",
            now=now,
        )
    )
    return JSONAnswer(shapes.works(ended))
