"""What the API counts of itself, for Prometheus."""

from __future__ import annotations

from fastapi import APIRouter, Response
from fastapi.responses import PlainTextResponse

from api.auth import Reader
from api.deps import ServiceDep
from api.documented import Responses, problems

router = APIRouter(tags=["service"])

_EXAMPLE = 'kahriz_api_requests_total{method="GET",route="/api/v1/latest",status="200"} 12.0\n'
_TEXT: Responses = {
    200: {
        "description": "Prometheus' text format.",
        "content": {"text/plain": {"schema": {"type": "string"}, "example": _EXAMPLE}},
    }
}


@router.get("/metrics", response_class=PlainTextResponse, responses=_TEXT | problems(401, 503))
async def metrics(service: ServiceDep, _: Reader) -> Response:
    """Return counts and times of requests, and the state of each part of /health."""
    await service.health.report()
    service.metrics.streams.set(len(service.changes))
    return Response(
        service.metrics.text(),
        media_type=service.metrics.media_type,
        headers={"Cache-Control": "no-store"},
    )
