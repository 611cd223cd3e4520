"""Where an SMS gateway calls us: what became of a text, and what somebody answered."""

from __future__ import annotations

import asyncio
import hashlib
from typing import Annotated

from fastapi import APIRouter, Path, Request, Response

from api.deps import Service, ServiceDep
from api.documented import Responses, problems
from api.problems import Problem, invalid_parameter
from api.routes import PREFIX
from kahriz.book import inbound, messages
from kahriz.errors import NotFoundError
from kahriz.notify import Arrived, Fate
from kahriz.notify.pushed import Call, Door, NotTheGateway, NotUnderstood

router = APIRouter(prefix=PREFIX, tags=["gateways"])

TRIES = 5
PAUSE_S = 0.4
"""A receipt can be faster than the sender, which writes the reference down after it has it."""

Name = Annotated[str, Path(max_length=40, examples=["http"])]
_PROBLEMS = problems(401, 404, 413, 422, 503)
_NOTHING = {"text/plain": {"schema": {"type": "string", "maxLength": 0}, "example": ""}}
_TAKEN: Responses = {200: {"description": "Written down, now or before.", "content": _NOTHING}}


@router.post("/gateways/{name}/receipts", responses=_TAKEN | _PROBLEMS, response_class=Response)
async def take_receipt(name: Name, request: Request, service: ServiceDep) -> Response:
    """Take what became of a text, as the gateway's preset reads it.

    The gateway shows that it is one by `X-Kahriz-Secret`, by `secret` in the query, or by its
    signature, as its preset says; one that cannot POST may GET.
    """
    return await _receipt(name, request, service)


@router.get("/gateways/{name}/receipts", include_in_schema=False)
async def take_receipt_by_get(name: Name, request: Request, service: ServiceDep) -> Response:
    """Take what became of a text from a gateway that can only GET, as Kannel."""
    return await _receipt(name, request, service)


@router.post("/gateways/{name}/inbound", responses=_TAKEN | _PROBLEMS, response_class=Response)
async def take_answer(name: Name, request: Request, service: ServiceDep) -> Response:
    """Take a text that somebody sent us; the same one again changes nothing. GET works too."""
    return await _inbound(name, request, service)


@router.get("/gateways/{name}/inbound", include_in_schema=False)
async def take_answer_by_get(name: Name, request: Request, service: ServiceDep) -> Response:
    """Take a text that somebody sent us from a gateway that can only GET."""
    return await _inbound(name, request, service)


async def _receipt(name: str, request: Request, service: Service) -> Response:
    door, call = await _checked(name, request, service)
    try:
        fate = door.fate(call, service.clock())
    except NotUnderstood as error:
        raise invalid_parameter("receipt", _shown(call), str(error), "body") from error
    if fate is not None:
        await _write(service, name, fate)
    return _taken()


async def _inbound(name: str, request: Request, service: Service) -> Response:
    door, call = await _checked(name, request, service)
    try:
        arrived = door.arrived(call, service.clock())
    except NotUnderstood as error:
        raise invalid_parameter("answer", _shown(call), str(error), "body") from error
    await _keep(service, name, arrived)
    return _taken()


async def _checked(name: str, request: Request, service: Service) -> tuple[Door, Call]:
    door = service.doors.get(name)
    if door is None:
        raise NotFoundError("gateway", name)
    headers = {key.lower(): value for key, value in request.headers.items()}
    query = request.scope.get("query_string", b"").decode("latin-1")
    call = Call(request.url.path, query, headers, await request.body())
    try:
        door.check(call)
    except NotTheGateway as error:
        raise Problem(401, "unauthorised", f"gateway {name}: {error}") from error
    except NotUnderstood as error:
        raise invalid_parameter("body", _shown(call), str(error), "body") from error
    return door, call


async def _write(service: Service, name: str, fate: Fate) -> None:
    reference = f"{name}-{fate.reference}"
    for attempt in range(TRIES):
        is_known = await service.reads.change_book(
            lambda book: (
                messages.tell_fate(book, reference, fate.state, fate.at, fate.detail) > 0
                or messages.knows(book, reference)
            )
        )
        if is_known:
            return
        if attempt < TRIES - 1:
            await asyncio.sleep(PAUSE_S)
    raise NotFoundError("message of reference", fate.reference[:100])


async def _keep(service: Service, name: str, arrived: Arrived) -> None:
    reference = arrived.reference
    if len(reference) > inbound.LONGEST_REFERENCE:
        reference = hashlib.sha256(reference.encode()).hexdigest()
    await service.reads.change_book(
        lambda book: inbound.arrive(
            book, name, reference, arrived.address, arrived.text, arrived.received_at
        )
    )


def _taken() -> Response:
    # Nothing in it: some gateways send what is answered back to whoever wrote.
    return Response(status_code=200, media_type="text/plain")


def _shown(call: Call) -> str:
    # Never the query, which may hold the secret.
    return call.body.decode("utf-8", "replace") or "a query"
