"""Each kahriz at a glance: who lives by it, what it gives now, and what is wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Path

from api import shapes
from api.answers import JSONAnswer
from api.auth import Reader
from api.deps import Service, ServiceDep
from api.documented import READ, problems
from api.reads import Connection
from api.routes import PREFIX
from api.schemas import KahrizAnswer, Kahrizes
from api.water import yesterday_and_today
from kahriz.book import alerts
from kahriz.book.alerts import Alert
from kahriz.clock import iso
from kahriz.detect import Audience, Kind
from kahriz.observations import DatastreamId, Observation, datastream_id
from kahriz.sites import Kahriz, Registry, Site, SiteKind
from kahriz.units import Property

router = APIRouter(prefix=PREFIX, tags=["water"])

_MOST_FIRING = 1000

Id = Annotated[str, Path(max_length=40, examples=["agh-dere"])]
Newest = Mapping[DatastreamId, Observation]


@router.get("/kahrizes", response_model=Kahrizes, responses=READ)
async def list_kahrizes(service: ServiceDep, _: Reader) -> JSONAnswer:
    """Return every kahriz, in the order of the registry, and the service's now."""
    now = service.clock()
    seen = await _look(service, service.registry.kahriz, now)
    speed = service.settings.clock.speed
    return JSONAnswer({"now": iso(now), "speed": speed, "kahrizes": seen})


@router.get("/kahrizes/{id}", response_model=KahrizAnswer, responses=READ | problems(404, 422))
async def one_kahriz(id: Id, service: ServiceDep, _: Reader) -> JSONAnswer:
    """Return one kahriz."""
    kahriz = service.registry.find(id)
    (seen,) = await _look(service, [kahriz], service.clock())
    return JSONAnswer(seen)


async def _look(service: Service, kahrizes: Sequence[Kahriz], now: datetime) -> list[shapes.Shape]:
    newest = await service.reads.store(lambda store: store.latest())
    return await service.reads.book(
        lambda book: _shapes(book, service.registry, kahrizes, newest, now)
    )


def _shapes(
    book: Connection,
    registry: Registry,
    kahrizes: Sequence[Kahriz],
    newest: Newest,
    now: datetime,
) -> list[shapes.Shape]:
    ids: dict[str, list[str]] = {}
    for d in registry.datastreams:
        ids.setdefault(d.kahriz.id, []).append(d.id)
    only = kahrizes[0].id if len(kahrizes) == 1 else None
    firing: dict[str, list[Alert]] = {}
    for row in alerts.list_alerts(book, "firing", only, _MOST_FIRING):
        firing.setdefault(row.kahriz, []).append(row)
    days = yesterday_and_today(book, kahrizes, now)
    return [
        shapes.registered(k, ids) | _now(k, newest, firing.get(k.id, []), days[k.id])
        for k in kahrizes
    ]


def _now(
    kahriz: Kahriz,
    newest: Newest,
    firing: Sequence[Alert],
    days: tuple[shapes.Shape | None, shapes.Shape | None],
) -> shapes.Shape:
    outlet = next((newest[id] for id in _outlets(kahriz) if id in newest), None)
    delivery = newest.get(kahriz.delivery) if kahriz.delivery is not None else None
    yesterday, today = days
    return {
        "outlet_now": shapes.discharge_now(outlet),
        "delivery_now": shapes.discharge_now(delivery),
        "yesterday": yesterday,
        "today": today,
        "state": state(kahriz, firing, has_data=outlet is not None or delivery is not None),
        "alerts": [shapes.alert(row) for row in firing],
    }


def state(kahriz: Kahriz, firing: Sequence[Alert], *, has_data: bool) -> str:
    """Return how a kahriz is in one word.

    ``no_signal`` while a device at its outlet or delivery line is silent: what the water does is
    then not known, whatever was said before. Then ``alert``, where the committee has to act;
    ``unknown`` without any data; else ``ok``.
    """
    devices = {s.device for site in _measuring(kahriz) for s in site.sensor}
    if any(a.kind == Kind.OFFLINE and (not a.key or a.key in devices) for a in firing):
        return "no_signal"
    if any(a.audience == Audience.COMMITTEE for a in firing):
        return "alert"
    return "ok" if has_data else "unknown"


def _measuring(kahriz: Kahriz) -> list[Site]:
    return [*kahriz.sites_of(SiteKind.OUTLET), *kahriz.sites_of(SiteKind.DELIVERY_LINE)]


def _outlets(kahriz: Kahriz) -> list[DatastreamId]:
    sites = kahriz.sites_of(SiteKind.OUTLET)
    return [datastream_id(kahriz.id, site.id, Property.DISCHARGE) for site in sites]
