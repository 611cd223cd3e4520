"""Water as exports tell it: the rows of /water, and what each of their figures is."""

from __future__ import annotations

from typing import Any

from api import schemas, water
from kahriz.export.table import Column, Kind, WaterRows

_KINDS = {"number": Kind.NUMBER, "integer": Kind.INTEGER, "boolean": Kind.FLAG}
_UNITS = {
    "m3": "m3",
    "lps": "L/s",
    "lpcd": "L/person/day",
    "most": "L/person/day",
    "completeness": "1",
    "at": "UTC",
    "start": "UTC",
    "end": "UTC",
}


def water_rows() -> WaterRows:
    """Return how water is told, its columns read off the documented shape."""
    fields = schemas.WaterRow.model_json_schema()["properties"]
    return WaterRows(tuple(_column(name, said) for name, said in fields.items()), water.rows)


def _column(name: str, said: dict[str, Any]) -> Column:
    known = [each for each in said.get("anyOf", [said]) if each.get("type") != "null"]
    is_instant = any(each.get("format") == "date-time" for each in (said, *known))
    kind = Kind.INSTANT if is_instant else _KINDS.get(known[0]["type"], Kind.TEXT)
    unit = _UNITS.get(name.rpartition("_")[2], "")
    return Column(name, kind, unit, said.get("description", ""))
