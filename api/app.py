"""Put the API together: every route, what happens around them, and what lives beside them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from fastapi import FastAPI

from api import documented, problems
from api.deps import Service
from api.events import LOOK_PATIENCE_S, Changes, Counters
from api.exports import Exports
from api.health import Health
from api.metrics import Metrics
from api.middleware import BodyLimit, HeadAsGet, NotModified, RequestCounts, SecurityHeaders
from api.reads import Reads
from api.routes import (
    alerts,
    contacts,
    datastreams,
    dead_letters,
    detection,
    devices,
    docs,
    events,
    export,
    gateways,
    gaugings,
    health,
    inbound,
    kahrizes,
    latest,
    messages,
    metrics,
    page,
    people,
    ratings,
    silences,
    statistics,
    water,
)
from kahriz.book import Book, changes
from kahriz.clock import Clock
from kahriz.notify.pushed import Door
from kahriz.settings import Settings
from kahriz.sites import Registry
from kahriz.store import Store

_DESCRIPTION = """Water of kahrizes: what they give now, what was delivered, what is wrong.

Times are ISO 8601 in UTC, intervals half-open, names carry their unit. Every error is
`application/problem+json`. Reads on the machine itself can be open; anything else needs an API key.
"""


def create_app(
    settings: Settings,
    registry: Registry,
    store: Store,
    book: Book,
    clock: Clock,
    *,
    wall: Callable[[], float] = time.time,
    page_folder: Path = page.FOLDER,
) -> FastAPI:
    """Return the API over what it is given; whoever gives closes it.

    Parameters
    ----------
    settings, registry
        What is deployed, and what is measured.
    store, book
        Observations, read only; and everything mutable.
    clock
        The water's now.
    wall
        Seconds since 1970 by the wall clock, which keys and heartbeats live by.
    page_folder
        Files served at ``/``.
    """
    service = _service(settings, registry, Reads(store, book), clock, wall)
    app = FastAPI(
        title="kahriz",
        summary="Telemetry for kahriz water",
        description=_DESCRIPTION,
        version=_version(),
        lifespan=_live,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.service = service
    app.openapi = lambda: documented.document(app)  # type: ignore[method-assign]
    problems.install(app)
    # The last one added sees a request first.
    app.add_middleware(NotModified)
    app.add_middleware(BodyLimit)
    app.add_middleware(SecurityHeaders)
    app.add_middleware(RequestCounts, metrics=service.metrics)
    app.add_middleware(HeadAsGet, not_at=(events.PATH, export.PATH))
    measured = (kahrizes, water, statistics, detection, datastreams, latest, ratings)
    told = (alerts, messages, contacts, silences, gaugings, inbound, people)
    beside = (export, gateways, devices, dead_letters, events, health, metrics, docs)
    for module in (*measured, *told, *beside):
        app.include_router(module.router)
    # Last: it takes every address that nothing else has.
    app.include_router(page.router(page_folder))
    return app


def stop_streams(app: FastAPI) -> None:
    """End what would go on for ever: without that, a server that stops waits for it."""
    service: Service = app.state.service
    service.changes.close()
    service.exports.close()


def _service(
    settings: Settings, registry: Registry, reads: Reads, clock: Clock, wall: Callable[[], float]
) -> Service:
    counts = Metrics()
    return Service(
        settings=settings,
        registry=registry,
        clock=clock,
        wall=wall,
        reads=reads,
        changes=Changes(
            {
                "store": lambda: reads.store(_newest, LOOK_PATIENCE_S),
                "book": lambda: reads.book(changes.counters, LOOK_PATIENCE_S),
            }
        ),
        exports=Exports(),
        health=Health(reads, wall, counts),
        metrics=counts,
        doors=_doors(settings),
    )


def _doors(settings: Settings) -> dict[str, Door]:
    """Return where gateways may call us: those that are asked over HTTP and told our address."""
    http = settings.notify.http
    is_used = "http" in settings.notify.notifiers and http.callback
    return {"http": Door.of(http)} if is_used else {}


def _newest(store: Store) -> Counters:
    # Not the value: NaN differs from itself.
    return {"latest": frozenset((o.datastream, o.time, o.quality) for o in store.latest().values())}


@asynccontextmanager
async def _live(app: Any) -> AsyncIterator[None]:
    service: Service = app.state.service
    looking = asyncio.create_task(service.changes.run())
    try:
        yield
    finally:
        service.changes.close()
        looking.cancel()
        with suppress(asyncio.CancelledError):
            await looking
        service.reads.close()


def _version() -> str:
    try:
        return version("kahriz")
    except PackageNotFoundError:
        return "0"
