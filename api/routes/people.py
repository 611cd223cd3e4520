"""What people were sent and would be sent, and who did what."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request
from pydantic import Field

from api import shapes_people as shapes
from api.answers import JSONAnswer
from api.auth import Reader, Writer
from api.deps import ServiceDep
from api.documented import READ, problems
from api.paging import Paged, cut, link, place
from api.routes import PREFIX
from api.routes.messages import MAX_ID
from api.schemas_people import AuditLog, Previews
from kahriz.alert.preview import previews
from kahriz.book import audit, contacts
from kahriz.notify import hears_answers

router = APIRouter(prefix=PREFIX, tags=["people"])

Kahriz = Annotated[str, Path(max_length=40, examples=["agh-dere"])]


class AuditQuery(Paged):
    """Which entries."""

    before: int | None = Field(None, ge=1, le=MAX_ID, description="Only older ones.", examples=[9])


@router.get("/audit", response_model=AuditLog, responses=READ | problems(403, 422))
async def audit_log(
    query: Annotated[AuditQuery, Query()], request: Request, service: ServiceDep, _: Writer
) -> JSONAnswer:
    """Return who did what, the newest first; it holds numbers, so it needs write scope."""
    at = place(query.cursor, 1, "audit", query.before)
    before = query.before if at.one is None else at.one
    found = await service.reads.book(lambda book: audit.list_entries(book, query.limit + 1, before))
    rows, following = cut(found, query.limit, at, lambda entry: (entry.id,))
    said = {"entries": [shapes.entry(each) for each in rows], "next": following}
    return JSONAnswer(said, headers=link(request, following))


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
