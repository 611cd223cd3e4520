"""What detection knows of a kahriz by now, and what it will never see there."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path

from api import shapes
from api.answers import JSONAnswer
from api.auth import Reader
from api.deps import ServiceDep
from api.documented import READ, problems
from api.reads import Connection
from api.routes import PREFIX
from api.schemas import DetectionAnswer
from kahriz.book import snapshots
from kahriz.clock import iso
from kahriz.detect.gallery import Gallery, load
from kahriz.detect.learned import blind, learned
from kahriz.sites import Kahriz

router = APIRouter(prefix=PREFIX, tags=["alerts"])

Id = Annotated[str, Path(max_length=40, examples=["agh-dere"])]


@router.get(
    "/kahrizes/{id}/detection", response_model=DetectionAnswer, responses=READ | problems(404, 422)
)
async def detection(id: Id, service: ServiceDep, _: Reader) -> JSONAnswer:
    """Return what detection has learned of a kahriz, what it still learns, and what it cannot see.

    No alert means little where little is known yet. Only days without trouble count.
    """
    kahriz = service.registry.find(id)
    gallery = await service.reads.book(lambda book: _remembered(book, kahriz))
    is_judged = gallery.state.at >= 0
    return JSONAnswer(
        {
            "kahriz": kahriz.id,
            "judged_until": iso(gallery.quarters.end(gallery.state.at)) if is_judged else None,
            "learning": [shapes.learned(each) for each in learned(gallery)],
            "cannot_see": [{"kind": each.kind, "why": each.why} for each in blind(gallery)],
        }
    )


def _remembered(book: Connection, kahriz: Kahriz) -> Gallery:
    state = snapshots.newest(book, kahriz.id)
    if state is None:
        return Gallery(kahriz)
    try:
        return Gallery(kahriz, load(state))
    except ValueError:
        return Gallery(kahriz)  # of another release: ingest is about to learn anew
