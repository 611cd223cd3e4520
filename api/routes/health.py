"""Whether the service is well."""

from __future__ import annotations

from fastapi import APIRouter

from api.answers import JSONAnswer
from api.deps import ServiceDep
from api.documented import Responses
from api.schemas import HealthAnswer

router = APIRouter(tags=["service"])

_DEGRADED: Responses = {503: {"model": HealthAnswer, "description": "Something is not well."}}


@router.get("/health", response_model=HealthAnswer, responses=_DEGRADED)
async def health(service: ServiceDep) -> JSONAnswer:
    """Say whether the store, the book and ingest are well; open to everybody, checked each second.

    ``since`` is the wall clock's, and when this process first found things so.
    """
    report = await service.health.report()
    return JSONAnswer(report.answer(), 200 if report.is_ok else 503)
