"""Every observation: datastream by datastream, each in time order."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import UTC, datetime, timedelta

from kahriz.clock import from_ms
from kahriz.errors import NotFoundError
from kahriz.export.table import Column, Kind, Part, Source, Table, Wanted, about, unit_of
from kahriz.observations import DatastreamId, Observation, Series
from kahriz.store import Store

COLUMNS = (
    Column("datastream", Kind.NAME, "", "kahriz.site.property"),
    Column("time", Kind.INSTANT, "UTC", "when the water had it"),
    Column("value", Kind.NUMBER, "as in column unit", "as measured, or rated from a stage"),
    Column("unit", Kind.NAME, "", "of the value"),
    Column(
        "quality",
        Kind.INTEGER,
        "",
        "QARTOD: 1 good / 2 not evaluated / 3 suspect / 4 fail / 9 missing",
    ),
)

ROWS = 20_000
"""Rows of a part at most."""

# Before there were sensors that send: asked for at once.
_SENSORS_SEND = datetime(2000, 1, 1, tzinfo=UTC)
_LAST = datetime.max.replace(tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_AT_FIRST = timedelta(days=31)
_LEAST, _MOST = timedelta(days=1), timedelta(days=366)
_FEW, _MANY = 10_000, 80_000


def table(source: Source, wanted: Wanted) -> Table:
    """Return the observations in [start, end) of what is wanted, also of what was once measured.

    Raises
    ------
    NotFoundError
        Neither registry nor store know a kahriz or a datastream that is named.
    StoreUnavailable
        The store cannot be read.
    """
    newest = _chosen(source, wanted)
    said = about(wanted, "observations as they are stored", "time")
    return Table("observations", COLUMNS, said, _parts(source.store, newest, wanted))


def _chosen(source: Source, wanted: Wanted) -> list[Observation]:
    """Return the newest observation of every datastream that is asked for, by name."""
    held = dict(source.store.latest())
    known = {*held, *(d.id for d in source.registry.datastreams)}
    _check("kahriz", wanted.kahrizes, {_kahriz_of(name) for name in known})
    _check("datastream", wanted.datastreams, known)
    is_all = not wanted.kahrizes and not wanted.datastreams
    return [
        held[name]
        for name in sorted(held)
        if is_all or name in wanted.datastreams or _kahriz_of(name) in wanted.kahrizes
    ]


def _check(kind: str, asked: Collection[str], known: Collection[str]) -> None:
    for name in asked:
        if name not in known:
            raise NotFoundError(kind, name)


def _kahriz_of(datastream: DatastreamId) -> str:
    return datastream.partition(".")[0]


def _parts(store: Store, chosen: list[Observation], wanted: Wanted) -> Iterator[Part]:
    first_ms, last_ms = wanted.between_ms()
    for newest in chosen:
        name, unit = newest.datastream, unit_of(newest.datastream)
        end = min(from_ms(last_ms), _later(newest.time, _MILLISECOND))
        for series in pieces(store, name, from_ms(first_ms), end):
            for first in range(0, len(series), ROWS):
                cut = slice(first, first + ROWS)
                time = series.time[cut]
                n = len(time)
                yield [name] * n, time, series.value[cut], [unit] * n, series.quality[cut]


def pieces(
    store: Store, datastream: DatastreamId, start: datetime, end: datetime
) -> Iterator[Series]:
    """Yield what there is in [start, end), in order and in pieces that fit into memory.

    How long a piece is follows what the one before held: a year of an hourly logger is one, a
    year of one that sends each second a few hundred.
    """
    step = _AT_FIRST
    while start < end:
        until = min(end, max(_SENSORS_SEND, _later(start, step)))
        series = store.series(datastream, start, until)
        if len(series):
            yield series
        if len(series) < _FEW:
            step = min(2 * step, _MOST)
        elif len(series) > _MANY:
            step = max(step / 2, _LEAST)
        start = until


def _later(instant: datetime, by: timedelta) -> datetime:
    return instant + by if instant <= _LAST - by else _LAST
