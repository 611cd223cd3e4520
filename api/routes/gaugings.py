"""Flows measured by hand, beside what the site's own instruments said then."""

from __future__ import annotations

from statistics import fmean
from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import Field

from api import shapes_people as shapes
from api.answers import JSONAnswer
from api.auth import Reader, Writer
from api.deps import ServiceDep
from api.documented import READ, WRITE, problems
from api.paging import Paged, cut, link, place
from api.problems import invalid_parameter
from api.ratings import find_site
from api.reads import Connection
from api.routes import PREFIX
from api.schemas_people import GaugingAnswer, Gaugings, NewGauging
from kahriz.alert.beside import beside
from kahriz.book import audit, gaugings
from kahriz.book.gaugings import Gauging
from kahriz.clock import iso, to_ms

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
        find_site(service.registry, query.site)
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
    """Write a gauging down, with the nearest reading within 30 minutes beside it."""
    kahriz, site = find_site(service.registry, body.site)
    measured = _measured(body)
    now = service.clock()
    at = body.at or now
    if at > now:
        raise invalid_parameter("at", iso(at), f"still to come: it is {iso(now)}", "body")
    known = await service.reads.store(lambda store: beside(store, kahriz.id, site.id, at))

    def added(book: Connection) -> Gauging:
        gauging = gaugings.add(
            book,
            body.site,
            at,
            measured,
            rated_lps=known.discharge_lps,
            stage_m=known.stage_m if body.stage_m is None else body.stage_m,
            by=f"{body.by} ({caller.name})",
        )
        detail = {"gauging": gauging.id, "site": gauging.site, "by": body.by}
        audit.append(book, now, caller.name, "gauging.add", detail)
        return gauging

    return JSONAnswer(shapes.gauging(await service.reads.change_book(added)), 201)


def _measured(body: NewGauging) -> gaugings.Bucket | gaugings.Metered:
    """Return what was measured; the 422 that names what is missing, or of the other method."""
    is_bucket = body.method == "bucket"
    bucket = {"volume_l": body.volume_l, "seconds": body.seconds}
    meter = {"discharge_lps": body.discharge_lps}
    for name, value in (bucket if is_bucket else meter).items():
        if value is None:
            raise invalid_parameter(name, None, f"a {body.method} gauging needs it", "body")
    others = meter | {"uncertainty_lps": body.uncertainty_lps} if is_bucket else bucket
    for name, value in others.items():
        if value is not None:
            raise invalid_parameter(name, value, f"not of a {body.method} gauging", "body")
    if body.discharge_lps is not None:
        return gaugings.Metered(body.discharge_lps, body.uncertainty_lps)
    assert body.volume_l is not None
    assert body.seconds is not None
    return gaugings.Bucket(body.volume_l, fmean(body.seconds), len(body.seconds))
