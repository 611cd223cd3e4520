"""What handlers are given."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated

from fastapi import Depends, Request

from api.events import Changes
from api.exports import Exports
from api.health import Health
from api.metrics import Metrics
from api.reads import Reads
from kahriz.clock import Clock
from kahriz.notify.pushed import Door
from kahriz.settings import Settings
from kahriz.sites import Registry


@dataclass(frozen=True, slots=True)
class Service:
    """The parts of one running API.

    ``clock`` is the water's now, which a demonstration lets run faster; ``wall`` gives seconds
    since 1970 by the wall clock, which keys and heartbeats live by; ``doors`` are where gateways
    come in, by their names.
    """

    settings: Settings
    registry: Registry
    clock: Clock
    wall: Callable[[], float]
    reads: Reads
    changes: Changes
    exports: Exports
    health: Health
    metrics: Metrics
    doors: Mapping[str, Door]

    def wall_now(self) -> datetime:
        """Return the wall clock's instant."""
        return datetime.fromtimestamp(self.wall(), UTC)


async def _service(request: Request) -> Service:
    service: Service = request.app.state.service
    return service


ServiceDep = Annotated[Service, Depends(_service)]
