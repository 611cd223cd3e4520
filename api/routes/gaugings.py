"""Flows measured by hand, beside what the site's own instruments said then."""

from __future__ import annotations

from statistics import fmean
from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import Field

from api import shapes_people as shapes
from api.answers import JSONAnswer
from api.auth import Reader, Writer
from api.deps import Service, ServiceDep
from api.documented import READ, WRITE, problems
from api.paging import Paged, cut, link, place
from api.problems import invalid_parameter
from api.reads import Connection
from api.routes import PREFIX
from api.schemas_people import GaugingAnswer, Gaugings, NewGauging
from kahriz.alert.beside import beside
from kahriz.book import audit, gaugings
from kahriz.book.gaugings import Gauging
from kahriz.clock import iso, to_ms
from kahriz.errors import NotFoundError

router = APIRouter(prefix=PREFIX, tags=["people"])


class GaugingsQuery(Paged):
    """Which gaugings."""

    site: str | None = Field(None, description="Only of this one.", examples=["agh-dere.outlet"])


@router.get("/gaugings", response_model=Gaugings, responses=READ | problems(404, 422))
async def list_gaugings(
    query: Annotated[GaugingsQuery, Query()], request: Request, service: ServiceDep, _: Reader
) -> JSONAnswer:
    """Return flows measured by hand, the newest first, page by page."""
    if query.site is not None:
        _site(service, query.site)
    at = place(query.cursor, 2, "gaugings", query.site)
    found = await service.reads.book(
        lambda book: gaugings.list_gaugings(book, query.site, query.limit + 1, at.pair)
    )
    rows, following = cut(found, query.limit, at, lambda each: (to_ms(each.at), each.id))
    said = {"gaugings": [shapes.gauging(each) for each in rows], "next": following}
    return JSONAnswer(said, headers=link(request, following))


@router.post(
    "/gaugings", status_code=201, response_model=GaugingAnswer, responses=WRITE | problems(404)
)
async def add_gauging(body: NewGauging, service: ServiceDep, caller: Writer) -> JSONAnswer:
    """Write a bucket gauging down, with the nearest reading within 30 minutes beside it."""
    kahriz, site = _site(service, body.site)
    now = service.clock()
    at = body.at or now
    if at > now:
        raise invalid_parameter("at", iso(at), f"still to come: it is {iso(now)}", "body")
    known = await service.reads.store(lambda store: beside(store, kahriz, site, at))

    def added(book: Connection) -> Gauging:
        gauging = gaugings.add(
            book,
            body.site,
            at,
            volume_l=body.volume_l,
            duration_s=fmean(body.seconds),
            trials=len(body.seconds),
            rated_lps=known.discharge_lps,
            stage_m=known.stage_m,
            by=f"{body.by} ({caller.name})",
        )
        detail = {"gauging": gauging.id, "site": gauging.site, "by": body.by}
        audit.append(book, now, caller.name, "gauging.add", detail)
        return gauging

    return JSONAnswer(shapes.gauging(await service.reads.change_book(added)), 201)


def _site(service: Service, id: str) -> tuple[str, str]:
    kahriz, _, site = id.partition(".")
    if site not in {each.id for each in service.registry.find(kahriz).site}:
        raise NotFoundError("site", id)
    return kahriz, site
