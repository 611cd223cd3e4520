"""Every error as RFC 9457 ``application/problem+json``: what is wrong, with which value.

One place decides what an exception means for the caller; handlers only raise.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from starlette.exceptions import HTTPException

from api.answers import encode
from api.middleware import SECURITY_HEADERS
from kahriz.book.contacts import ContactRefused
from kahriz.book.maintenance import WorksRefused
from kahriz.errors import NotFoundError, StoreUnavailable

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_S = 5
_LONGEST_VALUE = 100


class Problem(Exception):  # noqa: N818 - the RFC's own word
    """An answer that is not what was asked for.

    Attributes
    ----------
    status
        The HTTP status.
    name
        Stays the same for all time: the last part of ``type``.
    detail
        One sentence that names the thing and the value.
    errors
        Of a 422: the parameters that are wrong, each ``{"in", "name", "value", "problem"}``.
    headers
        Added to the answer.
    available
        Of a 406: the media types there are.
    """

    def __init__(
        self,
        status: int,
        name: str,
        detail: str,
        errors: Sequence[Mapping[str, Any]] = (),
        headers: Mapping[str, str] | None = None,
        available: Sequence[str] = (),
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.name = name
        self.detail = detail
        self.errors = errors
        self.headers = headers or {}
        self.available = available


EXPECTED: tuple[type[Exception], ...] = (
    Problem,
    RequestValidationError,
    HTTPException,
    NotFoundError,
    StoreUnavailable,
    ContactRefused,
    WorksRefused,
)
"""What `of` knows; anything else is a fault of the service."""


def invalid_parameter(name: str, value: object, problem: str, where: str = "query") -> Problem:
    """Return the 422 that says one parameter's value cannot be used."""
    return _invalid([{"in": where, "name": name, "value": _shown(value), "problem": problem}])


def invalid_body(error: ValidationError) -> Problem:
    """Return the 422 that says what of a body cannot be used."""
    return _invalid([_explained({**e, "loc": ("body", *e["loc"])}) for e in error.errors()])


def unavailable(what: str, reason: str, retry_after_s: float = RETRY_AFTER_S) -> Problem:
    """Return the 503 that says `what` cannot answer now, and when to try again."""
    wait = str(max(1, math.ceil(retry_after_s)))
    name = f"{what}-unavailable"
    return Problem(503, name, f"{what} unavailable: {reason}", headers={"Retry-After": wait})


def body(problem: Problem, path: str) -> dict[str, Any]:
    """Return what an answer says that is `problem`, at `path`."""
    said: dict[str, Any] = {
        "type": f"urn:kahriz:problem:{problem.name}",
        "title": HTTPStatus(problem.status).phrase,
        "status": problem.status,
        "detail": problem.detail,
        "instance": path,
    }
    if problem.errors:
        said["errors"] = list(problem.errors)
    if problem.available:
        said["available"] = list(problem.available)
    return said


def answer(problem: Problem, path: str) -> Response:
    """Return the HTTP answer that a problem is."""
    headers = {"Cache-Control": "no-store"} | dict(problem.headers)
    return Response(encode(body(problem, path)), problem.status, headers, MEDIA_TYPE)


def install(app: FastAPI) -> None:
    """Let `app` answer every exception as a problem."""
    for error in EXPECTED:
        app.add_exception_handler(error, _answer_known)
    app.add_exception_handler(Exception, _answer_unexpected)


def of(error: Exception) -> Problem:
    """Return the problem that an exception of `EXPECTED` means."""
    match error:
        case Problem():
            return error
        case RequestValidationError():
            return _invalid([_explained(e) for e in error.errors()])
        case HTTPException():
            return _of_http(error)
        case NotFoundError():
            return Problem(404, "not-found", str(error))
        case ContactRefused() | WorksRefused():
            return Problem(409, "conflict", str(error))
        case StoreUnavailable():
            wait = error.retry_after.total_seconds() if error.retry_after else RETRY_AFTER_S
            return unavailable("store", error.reason, wait)
        case _:
            raise TypeError(f"{type(error).__name__} is not expected")


async def _answer_known(request: Request, error: Exception) -> Response:
    problem = of(error)
    if problem.status == 405:
        # Each of an address's methods is a route of its own, and the framework names the first.
        named = problem.headers.get("Allow", "")
        problem.headers = {"Allow": ", ".join(_methods(request, named))}
    return answer(problem, request.url.path)


def _methods(request: Request, named: str) -> list[str]:
    """Return the methods that the address of a request takes; `named` is the framework's word."""
    path = getattr(request.scope.get("route"), "path", "")
    documented = request.app.openapi()["paths"].get(path, {})
    return sorted({method.upper() for method in documented} | set(filter(None, named.split(", "))))


async def _answer_unexpected(request: Request, _error: Exception) -> Response:
    problem = Problem(500, "unexpected", "the service failed; its log says why")
    response = answer(problem, request.url.path)
    # This answer is made outside of the middleware that adds them elsewhere.
    response.headers.update(SECURITY_HEADERS)
    return response


def _invalid(errors: Sequence[Mapping[str, Any]]) -> Problem:
    first = errors[0]
    what = first["in"] if first["name"] == first["in"] else f"{first['in']} {first['name']}"
    detail = f"{what}: {first['problem']} (got {first['value']})"
    return Problem(422, "invalid-request", detail, errors)


def _explained(error: Mapping[str, Any]) -> dict[str, Any]:
    where, *names = error["loc"]
    value = "nothing" if error["type"] == "missing" else _shown(error.get("input"))
    message = str(error["msg"]).removeprefix("Value error, ")
    if error["type"] == "json_invalid":
        message, value = f"not JSON: {error['ctx']['error']}", f"an error at byte {names[-1]}"
        names = []
    if error["type"] == "extra_forbidden":
        message = "no such parameter"
    name = ".".join(str(part) for part in names) or str(where)
    return {"in": str(where), "name": name, "value": value, "problem": message}


def _shown(value: object) -> str:
    text = value if isinstance(value, str) else str(value)
    shown = repr(text[: _LONGEST_VALUE + 1])
    return shown if len(text) <= _LONGEST_VALUE else repr(text[:_LONGEST_VALUE]) + "..."


def _of_http(error: HTTPException) -> Problem:
    if error.status_code == 400:  # FastAPI's word for a body that cannot even be read as JSON
        return invalid_parameter("body", "something else", "JSON in UTF-8 is wanted", "body")
    names = {404: "not-found", 405: "method-not-allowed", 413: "too-large"}
    details = {404: "nothing is at this address", 405: "this address does not take this method"}
    status = error.status_code
    phrase = HTTPStatus(status).phrase
    detail = details.get(status, error.detail or phrase)
    name = names.get(status, phrase.lower().replace(" ", "-"))
    return Problem(status, name, detail, headers=error.headers)
