"""Recorded series in a folder: one CSV a station, and what each column is."""

from __future__ import annotations

import csv
import gzip
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from kahriz.errors import ConfigError
from kahriz.observations import DatastreamId, Quality, Series, datastream_id, split_datastream_id
from kahriz.quality.limits import possible
from kahriz.quality.recorded import flag_recorded
from kahriz.sites import Kahriz, Registry, Sensor, Site, SiteKind
from kahriz.units import PROPERTIES, Property

_ANSWERS = frozenset({"events"})
_UNREADABLE = (OSError, EOFError, UnicodeDecodeError, csv.Error, zlib.error)
_KAHRIZ = "recorded"
_MOST_LPS = 5000.0  # a recording may be of a town's inflow

PLACES = {
    "outlet": SiteKind.OUTLET,
    "shaft": SiteKind.SHAFT,
    "mother_well": SiteKind.MOTHER_WELL,
    "line": SiteKind.DELIVERY_LINE,
    "reservoir": SiteKind.RESERVOIR,
}
"""Where a role can be."""


@dataclass(frozen=True, slots=True)
class Role:
    """Which quantity a column is, and where."""

    column: str
    measures: Property
    place: str


@dataclass(frozen=True, slots=True)
class Recording:
    """One station's series, by datastream, with the flags the quality layer gives them."""

    name: str
    registry: Registry
    log: Mapping[DatastreamId, Series]
    columns: Mapping[str, DatastreamId]

    @property
    def kahriz(self) -> Kahriz:
        """The station as a kahriz."""
        return self.registry.kahriz[0]


def role(said: str) -> Role:
    """Return the role that ``COLUMN=property@place`` says.

    Raises
    ------
    ConfigError
        It says none that there is.
    """
    column, _, what = said.partition("=")
    prop, _, place = what.partition("@")
    properties = {p.value: p for p in Property}
    if not column or prop not in properties or place not in PLACES:
        hint = f"COLUMN=property@place: {', '.join(properties)}; {', '.join(PLACES)}"
        raise ConfigError("--role", f"{said!r} is no role", hint)
    return Role(column, properties[prop], place)


def read_folder(folder: Path, roles: Sequence[Role]) -> Iterator[Recording]:
    """Yield the recording of every ``STATION.csv`` or ``.csv.gz`` of a folder.

    ``events.csv`` is the truth where there is one, and is never opened; columns without a role are
    not read.

    Raises
    ------
    ConfigError
        There is none, or a file is not what it should be.
    """
    files = sorted(path for pattern in ("*.csv", "*.csv.gz") for path in folder.glob(pattern))
    found = [path for path in files if _name(path) not in _ANSWERS]
    if not found:
        raise ConfigError(str(folder), "holds no series (STATION.csv or STATION.csv.gz)")
    _refuse_twice(roles)
    for path in found:
        try:
            recording = _read(path, roles)
        except _UNREADABLE as error:
            raise ConfigError(str(path), str(error)) from error
        yield recording


def _refuse_twice(roles: Sequence[Role]) -> None:
    by_what: dict[tuple[Property, str], str] = {}
    for r in roles:
        other = by_what.setdefault((r.measures, r.place), r.column)
        if other != r.column:
            what = f"{r.measures.value}@{r.place}"
            raise ConfigError("--role", f"{other!r} and {r.column!r} cannot both be {what}")


def _name(path: Path) -> str:
    return path.name.removesuffix(".gz").removesuffix(".csv")


def _read(path: Path, roles: Sequence[Role]) -> Recording:
    opening = gzip.open if path.suffix == ".gz" else open
    with opening(path, "rt", newline="", encoding="utf-8") as file:
        rows = csv.reader(file)
        header = next(rows, [])
        places = {name: i for i, name in enumerate(header)}
        if "time" not in places:
            raise ConfigError(str(path), f"no column 'time' among {header}")
        own = [r for r in roles if r.column in places]
        if not own:
            named = ", ".join(r.column for r in roles)
            raise ConfigError(str(path), f"none of the columns {named} among {header}")
        times: list[np.datetime64] = []
        values: list[list[float]] = [[] for _ in own]
        for number, row in enumerate(rows, 2):
            try:
                times.append(_instant(row[places["time"]]))
                for column, r in zip(values, own, strict=True):
                    said = row[places[r.column]]
                    column.append(float(said) if said else np.nan)
            except (ValueError, IndexError) as error:
                raise ConfigError(str(path), f"line {number}: {error}") from error
    registry = Registry(kahriz=(_kahriz(own),))
    time = np.array(times, "datetime64[ms]")
    order = np.argsort(time, kind="stable")
    columns = {r.column: datastream_id(_KAHRIZ, r.place, r.measures) for r in own}
    log = {
        columns[r.column]: (time[order], np.array(column)[order])
        for r, column in zip(own, values, strict=True)
    }
    return Recording(_name(path), registry, _flagged(log), columns)


def _instant(said: str) -> np.datetime64:
    at = datetime.fromisoformat(said)
    if at.tzinfo is not None:
        at = at.astimezone(UTC).replace(tzinfo=None)
    return np.datetime64(at, "ms")


def _kahriz(roles: Sequence[Role]) -> Kahriz:
    """Return a kahriz of one device a place, as the columns say it."""
    places = dict.fromkeys(r.place for r in roles)
    sites = tuple(
        Site(
            id=place,
            kind=PLACES[place],
            name=place,
            sensor=tuple(
                Sensor(device=place.replace("_", "-"), channel=_channel(r.measures))
                for r in roles
                if r.place == place
            ),
        )
        for place in places
    )
    return Kahriz(id=_KAHRIZ, name=_KAHRIZ, village="-", district="-", timezone="UTC", site=sites)


def _channel(prop: Property) -> str:
    return PROPERTIES[prop].channel


def _flagged(
    log: Mapping[DatastreamId, tuple[np.ndarray, np.ndarray]],
) -> dict[DatastreamId, Series]:
    series = {}
    for name, (time, value) in log.items():
        measures = Property(split_datastream_id(name)[2])
        limits = possible(measures)
        if measures is Property.DISCHARGE:
            limits.fail_high[0] = _MOST_LPS
        flags = flag_recorded(measures, time.astype(np.int64), value, limits)
        kept = flags != Quality.MISSING
        series[name] = Series(name, time[kept], value[kept], flags[kept])
    return series
