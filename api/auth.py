"""Who may ask: API keys, and readers on the loopback interface where the settings say so."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address
from typing import Annotated

from fastapi import Depends, Request, Security
from fastapi.security import APIKeyHeader, HTTPAuthorizationCredentials, HTTPBearer

from api.deps import Service, ServiceDep
from api.problems import Problem
from kahriz.book import keys
from kahriz.book.keys import KeyRefused, Scope

_BEARER = HTTPBearer(
    auto_error=False, description="`Authorization: Bearer kz_<id>_<secret>`", scheme_name="bearer"
)
_HEADER = APIKeyHeader(
    name="X-API-Key", auto_error=False, description="the same key", scheme_name="header"
)

Bearer = Annotated[HTTPAuthorizationCredentials | None, Security(_BEARER)]
Header = Annotated[str | None, Security(_HEADER)]

_LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
_FORWARDED = ("forwarded", "x-forwarded-for", "x-real-ip")


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks: a key's name, or somebody at this very machine."""

    name: str
    key_id: str | None = None
    scope: Scope = Scope.READ

    @property
    def sees_addresses(self) -> bool:
        """Whether numbers are shown whole: to those who may change them."""
        return self.scope.covers(Scope.WRITE)


async def may_read(request: Request, service: ServiceDep, bearer: Bearer, key: Header) -> Caller:
    """Let in who may read: any valid key, or a local reader where reads are open."""
    token = _token(bearer, key)
    if token is None and service.settings.api.open_reads and is_local(request):
        return Caller("local reader")
    return await _caller(service, token, Scope.READ)


async def may_write(service: ServiceDep, bearer: Bearer, key: Header) -> Caller:
    """Let in who may change something: a valid key with write scope."""
    return await _caller(service, _token(bearer, key), Scope.WRITE)


Reader = Annotated[Caller, Depends(may_read)]
Writer = Annotated[Caller, Depends(may_write)]


def is_local(request: Request) -> bool:
    """Return whether a request comes from this machine and is meant for it.

    A proxy on this machine has a loopback address too, but speaks for somebody else; and a page
    of another site can have its own name resolved to 127.0.0.1, but the browser then sends that
    name as the Host.
    """
    if request.client is None or any(name in request.headers for name in _FORWARDED):
        return False
    return _is_loopback(request.client.host) and request.url.hostname in _LOOPBACK_NAMES


def _is_loopback(host: str) -> bool:
    try:
        address = ip_address(host)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback


def _token(bearer: HTTPAuthorizationCredentials | None, header: str | None) -> str | None:
    return bearer.credentials if bearer is not None else header


async def _caller(service: Service, token: str | None, needed: Scope) -> Caller:
    if token is None:
        raise _unauthorised(f"an API key with {needed} scope is needed", "Bearer")
    now = service.wall_now()
    try:
        key = await service.reads.book(lambda connection: keys.verify(connection, token, now))
    except KeyRefused as refused:
        raise _unauthorised(refused.reason, 'Bearer error="invalid_token"') from refused
    if not key.scope.covers(needed):
        raise Problem(
            403, "forbidden", f"API key {key.id} has {key.scope} scope; this needs {needed}"
        )
    return Caller(key.name, key.id, key.scope)


def _unauthorised(detail: str, challenge: str) -> Problem:
    return Problem(401, "unauthorised", detail, headers={"WWW-Authenticate": challenge})
