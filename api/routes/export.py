"""Everything out, as CSV or Parquet, for any range: what `kahriz export` writes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from api.auth import Reader
from api.deps import Service, ServiceDep
from api.documented import Responses, problems
from api.exported import water_rows
from api.exports import ExportStream
from api.instants import Instant
from api.problems import invalid_parameter
from api.routes import PREFIX
from kahriz.book import Book
from kahriz.clock import iso
from kahriz.errors import ConfigError
from kahriz.export import TABLES, Dialect, Format, Source, Wanted, written
from kahriz.stats.delivered import Period
from kahriz.store import Store

PATH = PREFIX + "/export"

router = APIRouter(prefix=PATH, tags=["export"])

_CSV = (
    "# kahriz: water telemetry 0.1.0: observations as they are stored\r\n"
    "datastream,time,value,unit,quality\r\n"
    "agh-dere.outlet.discharge,2026-11-22T06:00:00.000Z,2.41,L/s,1\r\n"
    "# end: 1 rows\r\n"
)
MEDIA_TYPES = {
    Format.CSV: "text/csv; charset=utf-8",
    Format.PARQUET: "application/vnd.apache.parquet",
}
_FILE: Responses = {
    200: {
        "description": "The file, sent while it is made.",
        "content": {
            "text/csv": {"schema": {"type": "string"}, "example": _CSV},
            MEDIA_TYPES[Format.PARQUET]: {
                "schema": {"type": "string", "format": "binary"},
                "example": "PAR1...PAR1",
            },
        },
    }
}
_RESPONSES = _FILE | problems(401, 404, 422, 503)

Name = Annotated[str, Field(max_length=140)]


class FileQuery(BaseModel):
    """How the file looks, and of which kahrizes it tells."""

    model_config = ConfigDict(extra="forbid")
    format: Literal["csv", "parquet"] = Field("csv", examples=["csv"])
    kahriz: list[Name] = Field([], max_length=100, description="Only these; without: all.")
    delimiter: Literal["comma", "semicolon"] = Field(
        "comma", description="Of CSV. `semicolon`: also a decimal comma, for spreadsheets."
    )
    bom: bool = Field(True, description="Of CSV: begin with the mark by which Excel knows UTF-8.")
    metadata: bool = Field(True, description="Of CSV: lines with `#` that say what it is.")

    def dialect(self) -> Dialect:
        """Return how CSV is to look."""
        return Dialect(";" if self.delimiter == "semicolon" else ",", self.bom, self.metadata)


class RangeQuery(FileQuery):
    """The same, of an interval."""

    start: Instant | None = Field(None, description="First instant; without: from the first.")
    end: Instant | None = Field(None, description="The first instant not meant.")


class ObservationsFileQuery(RangeQuery):
    """Which observations."""

    datastream: list[Name] = Field([], max_length=100, description="Only these.")


class WaterFileQuery(RangeQuery):
    """Which figures of water."""

    by: Period = Field("day", examples=["day"])


@router.get("/observations", status_code=200, response_class=ExportStream, responses=_RESPONSES)
async def export_observations(
    query: Annotated[ObservationsFileQuery, Query()], service: ServiceDep, _: Reader
) -> ExportStream:
    """Return every observation in [start, end), by datastream and in time order, with its unit.

    As they are stored, whatever their flags; also of what the registry knows no more.
    """
    wanted = replace(_wanted(service, query), datastreams=tuple(query.datastream))
    return await _file(service, "observations", query, wanted)


@router.get("/water", status_code=200, response_class=ExportStream, responses=_RESPONSES)
async def export_water(
    query: Annotated[WaterFileQuery, Query()], service: ServiceDep, _: Reader
) -> ExportStream:
    """Return water delivered, each figure with n, completeness, quality mix and its revision.

    The local hours or days that begin in [start, end), or the longer spans it touches.
    """
    wanted = replace(_wanted(service, query), by=query.by)
    return await _file(service, "water", query, wanted)


@router.get("/alerts", status_code=200, response_class=ExportStream, responses=_RESPONSES)
async def export_alerts(
    query: Annotated[RangeQuery, Query()], service: ServiceDep, _: Reader
) -> ExportStream:
    """Return the alerts whose trouble began in [start, end), and how fast people answered."""
    return await _file(service, "alerts", query, _wanted(service, query))


@router.get("/datastreams", status_code=200, response_class=ExportStream, responses=_RESPONSES)
async def export_datastreams(
    query: Annotated[FileQuery, Query()], service: ServiceDep, _: Reader
) -> ExportStream:
    """Return what is measured where, in which unit, and whom the water serves."""
    return await _file(service, "datastreams", query, _wanted(service, query))


def _wanted(service: Service, query: FileQuery) -> Wanted:
    kahrizes = tuple(dict.fromkeys(query.kahriz))
    if not isinstance(query, RangeQuery):
        return Wanted(service.clock(), kahrizes=kahrizes)
    if query.start is not None and query.end is not None and query.start >= query.end:
        raise invalid_parameter("start", iso(query.start), f"not before end, {iso(query.end)}")
    return Wanted(service.clock(), query.start, query.end, kahrizes)


async def _file(service: Service, name: str, query: FileQuery, wanted: Wanted) -> ExportStream:
    format = Format(query.format)

    def made(store: Store, book: Book) -> Iterator[bytes]:
        source = Source(service.registry, store, book, water_rows())
        return written(TABLES[name](source, wanted), format, query.dialect())

    service.exports.begin()
    try:
        rest = service.reads.pieces(made)
        first = await anext(rest, b"")
    except ConfigError as error:
        service.exports.end()
        raise invalid_parameter("format", query.format, error.problem) from error
    except BaseException:
        service.exports.end()
        raise
    file = _file_name(name, query, wanted)
    return ExportStream(first, rest, service.exports, file, MEDIA_TYPES[format])


def _file_name(name: str, query: FileQuery, wanted: Wanted) -> str:
    of = wanted.kahrizes[0] if len(wanted.kahrizes) == 1 else ""
    by = wanted.by if name == "water" else ""
    days = [f"{at:%Y-%m-%d}" for at in (wanted.start, wanted.end) if at is not None]
    return f"{'-'.join(filter(None, ('kahriz', name, by, of, *days)))}.{query.format}"
