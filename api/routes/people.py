"""What people were sent and would be sent, and who did what."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict, Field

from api import shapes_people as shapes
from api.answers import JSONAnswer
from api.auth import Reader, Writer
from api.deps import ServiceDep
from api.documented import READ, problems
from api.routes import PREFIX
from api.routes.messages import MAX_ID
from api.schemas_people import AuditLog, Previews
from kahriz.alert.preview import previews
from kahriz.book import audit, contacts
from kahriz.notify import hears_answers

router = APIRouter(prefix=PREFIX, tags=["people"])

Kahriz = Annotated[str, Path(max_length=40, examples=["agh-dere"])]


class AuditQuery(BaseModel):
    """Which entries."""

    model_config = ConfigDict(extra="forbid")
    before: int | None = Field(None, ge=1, le=MAX_ID, description="Only older ones.", examples=[9])
    limit: int = Field(100, ge=1, le=1000, examples=[100])


@router.get("/audit", response_model=AuditLog, responses=READ | problems(403, 422))
async def audit_log(
    query: Annotated[AuditQuery, Query()], service: ServiceDep, _: Writer
) -> JSONAnswer:
    """Return who did what, the newest first; it holds numbers, so it needs write scope."""
    found = await service.reads.book(
        lambda book: audit.list_entries(book, query.limit, query.before)
    )
    return JSONAnswer({"entries": [shapes.entry(each) for each in found]})


@router.get("/kahrizes/{id}/texts", response_model=Previews, responses=READ | problems(404, 422))
async def preview(id: Kahriz, service: ServiceDep, _: Reader) -> JSONAnswer:
    """Return every text the contacts of a kahriz may get, with the figures of an example."""
    kahriz = service.registry.find(id)
    people = await service.reads.book(lambda book: contacts.list_contacts(book, id))
    ids = [person.id for person in people]
    said = [person.as_contact() for person in people]
    can_answer = hears_answers(service.settings.notify)
    found = previews(kahriz, said, service.clock(), can_answer=can_answer)
    return JSONAnswer({"kahriz": id, "texts": [shapes.preview(each, ids) for each in found]})
