"""How the devices are: heard when, battery, and what of their count arrived."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter
from sqlalchemy import Connection

from api import shapes
from api.answers import JSONAnswer
from api.auth import Reader
from api.deps import Service, ServiceDep
from api.documented import READ
from api.routes import PREFIX
from api.schemas import Devices
from kahriz.book import devices, ledger
from kahriz.book.devices import DeviceRow
from kahriz.observations import DatastreamId, Observation
from kahriz.sites import Registry
from kahriz.units import Property

router = APIRouter(prefix=PREFIX, tags=["devices"])


@router.get("/devices", response_model=Devices, responses=READ)
async def list_devices(service: ServiceDep, _: Reader) -> JSONAnswer:
    """Return every device of the registry, in its order, and then any other that was heard."""
    rows, pending = await service.reads.book(_read)
    newest = await service.reads.store(lambda store: store.latest())
    return JSONAnswer({"devices": _shapes(service, rows, pending, newest)})


def _read(connection: Connection) -> tuple[list[DeviceRow], Mapping[str, int]]:
    return devices.list_devices(connection), ledger.pending(connection)


def _shapes(
    service: Service,
    rows: list[DeviceRow],
    pending: Mapping[str, int],
    newest: Mapping[DatastreamId, Observation],
) -> list[dict[str, Any]]:
    heard = {row.device: row for row in rows}
    battery = _batteries(service.registry, newest)
    places = {name: kahriz.id for name, kahriz in service.registry.devices.items()}
    now = service.clock()
    return [
        shapes.device(
            heard.get(name) or shapes.unheard(name),
            places.get(name),
            battery.get(name),
            pending.get(name, 0),
            now,
        )
        for name in dict.fromkeys([*places, *heard])
    ]


def _batteries(registry: Registry, newest: Mapping[DatastreamId, Observation]) -> dict[str, float]:
    """Return the newest battery voltage [V] of each device that says one."""
    return {
        d.sensor.device: newest[d.id].value
        for d in registry.datastreams
        if d.sensor is not None and d.measures is Property.BATTERY_VOLTAGE and d.id in newest
    }
