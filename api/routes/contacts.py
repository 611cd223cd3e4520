"""Who is told: looked up, added, changed, left alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from api import shapes_people as shapes
from api.answers import JSONAnswer
from api.auth import Caller, Reader, Writer
from api.deps import Service, ServiceDep
from api.documented import READ, WRITE, problems
from api.problems import invalid_body
from api.reads import Connection
from api.routes import PREFIX
from api.routes.messages import MAX_ID
from api.schemas_people import ContactAnswer, ContactChange, Contacts, NewContact
from kahriz.book import contacts
from kahriz.book.contacts import Person
from kahriz.contacts import Contact

router = APIRouter(prefix=PREFIX, tags=["people"])

Id = Annotated[int, Path(ge=1, le=MAX_ID, examples=[3])]

_NOT_SAID = {"kahriz", "position", "is_opted_out"}


class ContactsQuery(BaseModel):
    """Which contacts."""

    model_config = ConfigDict(extra="forbid")
    kahriz: str | None = Field(None, description="Its id.", examples=["agh-dere"])


@router.get("/contacts", response_model=Contacts, responses=READ | problems(404, 422))
async def list_contacts(
    query: Annotated[ContactsQuery, Query()], service: ServiceDep, caller: Reader
) -> JSONAnswer:
    """Return contacts; numbers are masked but for a key with write scope."""
    if query.kahriz is not None:
        service.registry.find(query.kahriz)
    people = await service.reads.book(lambda book: contacts.list_contacts(book, query.kahriz))
    return JSONAnswer({"contacts": [_shape(person, caller) for person in people]})


@router.post(
    "/contacts", status_code=201, response_model=ContactAnswer, responses=WRITE | problems(404, 409)
)
async def add_contact(body: NewContact, service: ServiceDep, caller: Writer) -> JSONAnswer:
    """Add a contact, at the end of the order where no position is given.

    Needs an API key with write scope, as every change; the audit log keeps the key's name.
    """
    said = _contact(service, body.kahriz, _given(body))
    return await _changed(
        service, caller, lambda book: _added(book, service, body, said, caller.name), 201
    )


@router.get("/contacts/{id}", response_model=ContactAnswer, responses=READ | problems(404, 422))
async def one_contact(id: Id, service: ServiceDep, caller: Reader) -> JSONAnswer:
    """Return one contact."""
    person = await service.reads.book(lambda book: contacts.find(book, id))
    return JSONAnswer(_shape(person, caller))


@router.patch("/contacts/{id}", response_model=ContactAnswer, responses=WRITE | problems(404, 409))
async def change_contact(
    id: Id, body: ContactChange, service: ServiceDep, caller: Writer
) -> JSONAnswer:
    """Change what is given; sites.toml never changes it back."""
    return await _changed(
        service, caller, lambda book: _patched(book, service, id, body, caller.name)
    )


@router.delete("/contacts/{id}", response_model=ContactAnswer, responses=WRITE | problems(404))
async def remove_contact(id: Id, service: ServiceDep, caller: Writer) -> JSONAnswer:
    """Tell a contact nothing more, also where sites.toml goes on naming it; return it."""

    def removed(book: Connection) -> Person:
        person = contacts.find(book, id)
        contacts.remove(book, id, by=caller.name, now=service.clock())
        return person

    return await _changed(service, caller, removed)


async def _changed(
    service: Service, caller: Caller, work: Callable[[Connection], Person], status: int = 200
) -> JSONAnswer:
    person = await service.reads.change_book(work)
    return JSONAnswer(_shape(person, caller), status)


def _added(book: Connection, service: Service, body: NewContact, said: Contact, by: str) -> Person:
    now = service.clock()
    person = contacts.add(book, body.kahriz, said, by=by, now=now, position=body.position)
    if body.is_opted_out is None:
        return person
    return contacts.stop(book, person.id, is_stopped=body.is_opted_out, by=by, now=now)


def _patched(book: Connection, service: Service, id: int, body: ContactChange, by: str) -> Person:
    now = service.clock()
    before = contacts.find(book, id)
    known = before.as_contact().model_dump(exclude={"country"})
    said = _contact(service, before.kahriz, known | _given(body))
    person = contacts.change(book, id, said, by=by, now=now, position=body.position)
    if body.is_opted_out is None:
        return person
    return contacts.stop(book, id, is_stopped=body.is_opted_out, by=by, now=now)


def _given(body: ContactChange) -> dict[str, Any]:
    given = body.model_dump(exclude_unset=True, exclude=_NOT_SAID)
    # A null takes an address away; of the rest only the consent can be taken back.
    absent = {"phone": "", "email": "", "consent_on": None}
    return {k: absent.get(k, v) if v is None else v for k, v in given.items()}


def _contact(service: Service, kahriz: str, said: Mapping[str, Any]) -> Contact:
    country = service.registry.find(kahriz).country
    try:
        return Contact.model_validate({"country": country, **said})
    except ValidationError as error:
        raise invalid_body(error) from error


def _shape(person: Person, caller: Caller) -> dict[str, Any]:
    return shapes.contact(person, is_whole=caller.sees_addresses)
