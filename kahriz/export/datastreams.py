"""What is measured where: the registry as one row a datastream, without anybody's number."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kahriz.export.table import Column, Kind, Source, Table, Wanted, about
from kahriz.sites import Datastream

COLUMNS = (
    Column("datastream", Kind.TEXT, "", "kahriz.site.property"),
    Column("kahriz", Kind.NAME),
    Column("kahriz_name", Kind.NAME),
    Column("village", Kind.NAME),
    Column("district", Kind.NAME),
    Column("timezone", Kind.NAME, "", "whose days are its local days"),
    Column("use", Kind.NAME),
    Column("people", Kind.INTEGER, "", "served"),
    Column("people_assumed", Kind.FLAG, "", "only households were counted"),
    Column("is_delivery", Kind.FLAG, "", "the discharge that counts as delivered"),
    Column("site", Kind.NAME),
    Column("site_kind", Kind.NAME),
    Column("site_name", Kind.NAME),
    Column("latitude", Kind.NUMBER, "deg"),
    Column("longitude", Kind.NUMBER, "deg"),
    Column("property", Kind.NAME),
    Column("unit", Kind.NAME),
    Column("device", Kind.NAME, "", "empty where a rating derives it from a stage"),
    Column("channel", Kind.NAME),
    Column("placeholder", Kind.NAME, "", "fields of the kahriz whose value is invented"),
)


def table(source: Source, wanted: Wanted) -> Table:
    """Return every datastream of what is wanted, in the order of the registry.

    Raises
    ------
    NotFoundError
        A kahriz that is named is none of the registry's.
    """
    ids = {kahriz.id for kahriz in wanted.chosen(source.registry)}
    rows = [_row(d) for d in source.registry.datastreams if d.kahriz.id in ids]
    columns: list[Sequence[Any]] = [[row[c.name] for row in rows] for c in COLUMNS]
    said = about(wanted, "what is measured where", "")
    return Table("datastreams", COLUMNS, said, iter([tuple(columns)]))


def _row(of: Datastream) -> dict[str, Any]:
    kahriz, site, sensor = of.kahriz, of.site, of.sensor
    return {
        "datastream": of.id,
        "kahriz": kahriz.id,
        "kahriz_name": kahriz.name,
        "village": kahriz.village,
        "district": kahriz.district,
        "timezone": kahriz.timezone,
        "use": kahriz.use,
        "people": kahriz.served,
        "people_assumed": kahriz.is_served_assumed,
        "is_delivery": of.id == kahriz.delivery,
        "site": site.id,
        "site_kind": site.kind.value,
        "site_name": site.name,
        "latitude": site.latitude,
        "longitude": site.longitude,
        "property": of.measures.value,
        "unit": of.unit,
        "device": None if sensor is None else sensor.device,
        "channel": None if sensor is None else sensor.channel,
        "placeholder": " ".join(kahriz.placeholder),
    }
