"""What the OpenAPI document says of every route alike: its problems, and its examples."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from api import (
    schemas,
    schemas_letters,
    schemas_people,
    schemas_ratings,
    schemas_statistics,
)
from api.problems import MEDIA_TYPE, Problem, body

Responses = dict[int | str, dict[str, Any]]

_ABOUT = {
    401: "No API key, or one that is not known, expired or revoked.",
    403: "The key's scope does not cover this.",
    404: "Nothing has this name.",
    406: "Neither JSON nor CSV is accepted; `available` says what there is.",
    409: "What is there already does not go with it.",
    413: "The body is larger than 16 KiB.",
    422: "A part of the request cannot be used; `errors` names it and its value.",
    503: "The store, the book or the event streams cannot answer now; see `Retry-After`.",
}
_WRONG_LIMIT = {
    "in": "query",
    "name": "limit",
    "value": "'0'",
    "problem": "Input should be greater than or equal to 1",
}
_EXAMPLES = {
    401: ("unauthorised", "API key 3f9a1c2e is revoked"),
    403: ("forbidden", "API key 3f9a1c2e has read scope; this needs write"),
    404: ("not-found", "alert '12' does not exist"),
    406: ("not-acceptable", "Accept 'text/html' takes neither application/json nor text/csv"),
    409: ("conflict", "agh-dere: +994500000001 is 'Committee chair' already"),
    413: ("too-large", "the body is larger than 16384 bytes"),
    422: ("invalid-request", f"query limit: {_WRONG_LIMIT['problem']} (got '0')"),
    503: ("store-unavailable", "store unavailable: no answer within 15 s"),
}
_MODELS: dict[str, Any] = {
    name: model
    for module in (schemas, schemas_people, schemas_letters, schemas_ratings, schemas_statistics)
    for name, model in vars(module).items()
}
_SCHEMA = {"$ref": "#/components/schemas/ProblemAnswer"}


def _example(status: int) -> dict[str, Any]:
    name, detail = _EXAMPLES[status]
    errors = [_WRONG_LIMIT] if status == 422 else []
    available = ("application/json", "text/csv") if status == 406 else ()
    problem = Problem(status, name, detail, errors, available=available)
    return body(problem, "/api/v1/alerts/12")


def problems(*statuses: int) -> Responses:
    """Return how a route's problems are documented."""
    return {
        status: {
            "description": _ABOUT[status],
            "content": {MEDIA_TYPE: {"schema": _SCHEMA, "example": _example(status)}},
        }
        for status in statuses
    }


READ: Responses = {
    304: {"description": "It says the same as the answer whose ETag `If-None-Match` names."},
    **problems(401, 503),
}
"""What any read may answer beside what was asked for."""


def or_csv(example: str) -> Responses:
    """Return how a read is documented that gives its rows as CSV, too."""
    as_csv = {"text/csv": {"schema": {"type": "string"}, "example": example}}
    return READ | problems(406) | {200: {"description": "As asked for.", "content": as_csv}}


WRITE = problems(401, 403, 413, 422, 503)
"""What can go wrong with any change."""


def document(app: FastAPI) -> dict[str, Any]:
    """Return the OpenAPI document; made once, kept by the app."""
    if app.openapi_schema is None:
        app.openapi_schema = _made(app)
    kept: dict[str, Any] = app.openapi_schema
    return kept


def _made(app: FastAPI) -> dict[str, Any]:
    made: dict[str, Any] = get_openapi(
        title=app.title,
        version=app.version,
        summary=app.summary,
        description=app.description,
        routes=app.routes,
    )
    components: dict[str, Any] = made["components"]["schemas"]
    components |= _own_schemas()
    _leave_out_unused(components)
    _bring_back_nulls(components)
    for operations in made["paths"].values():
        for operation in operations.values():
            _add_examples(operation, components)
    return made


def _own_schemas() -> dict[str, Any]:
    schema = schemas.ProblemAnswer.model_json_schema(ref_template="#/components/schemas/{model}")
    parts: dict[str, Any] = schema.pop("$defs")
    return parts | {"ProblemAnswer": schema}


def _leave_out_unused(components: dict[str, Any]) -> None:
    # FastAPI's own shape of a 422, which no route here answers with.
    for name in ("HTTPValidationError", "ValidationError"):
        components.pop(name, None)


def _bring_back_nulls(components: dict[str, Any]) -> None:
    # FastAPI leaves every null out of the document, also where an example needs it.
    for name, component in components.items():
        extra = getattr(_MODELS[name], "model_config", {}).get("json_schema_extra")
        if isinstance(extra, dict):
            component |= extra


def _add_examples(operation: dict[str, Any], components: dict[str, Any]) -> None:
    for answer in (*operation["responses"].values(), operation.get("requestBody", {})):
        for content in answer.get("content", {}).values():
            name = content.get("schema", {}).get("$ref", "").rpartition("/")[2]
            examples = components.get(name, {}).get("examples")
            if examples and "example" not in content:
                content["example"] = examples[0]
