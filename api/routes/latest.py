"""The newest observation of everything that is measured."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter

from api import shapes
from api.answers import JSONAnswer
from api.auth import Reader
from api.deps import ServiceDep
from api.documented import READ
from api.routes import PREFIX
from api.schemas import Latest
from kahriz.clock import iso
from kahriz.observations import DatastreamId, Observation
from kahriz.sites import Registry

router = APIRouter(prefix=PREFIX, tags=["observations"])


@router.get("/latest", response_model=Latest, responses=READ)
async def latest(service: ServiceDep, _: Reader) -> JSONAnswer:
    """Return the newest observation of every datastream, in the order of the registry."""
    newest = await service.reads.store(lambda store: store.latest())
    rows = _rows(service.registry, newest)
    return JSONAnswer({"now": iso(service.clock()), "observations": rows})


def _rows(registry: Registry, newest: Mapping[DatastreamId, Observation]) -> list[dict[str, Any]]:
    known = ((newest.get(d.id), d) for d in registry.datastreams)
    return [shapes.latest(seen, d) for seen, d in known if seen is not None]
