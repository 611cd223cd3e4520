"""What a table is, before it is written: columns with their units, and rows part by part."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
from sqlalchemy import Connection

from kahriz.book import Book
from kahriz.clock import iso, to_ms
from kahriz.observations import DatastreamId, Times
from kahriz.sites import Kahriz, Registry
from kahriz.stats.delivered import Period
from kahriz.store import Store
from kahriz.units import PROPERTIES, Property

Part = tuple[Any, ...]
"""Rows by column: lists or arrays of the same length, in the order of the table's columns."""


class Kind(StrEnum):
    """What the values of a column are; a value that is not known is None, NaN or NaT."""

    TEXT = "text"
    NAME = "name"
    """Text of which there are few different ones."""
    INSTANT = "instant"
    """An array ``datetime64[ms]``, UTC."""
    NUMBER = "number"
    INTEGER = "integer"
    FLAG = "flag"


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its name, what its values are, their unit and what they mean."""

    name: str
    kind: Kind
    unit: str = ""
    about: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """A table that is still to be read.

    Attributes
    ----------
    name
        One of `kahriz.export.TABLES`, more exactly where there are several: ``water-day``.
    columns
        In their order.
    about
        (key, value) that say what it is, where it is from, and how it is to be read.
    parts
        Its rows; reading them may raise StoreUnavailable at any part.
    """

    name: str
    columns: tuple[Column, ...]
    about: tuple[tuple[str, str], ...]
    parts: Iterator[Part]


@dataclass(frozen=True, slots=True)
class WaterRows:
    """How water is told; whoever wires gives what the API tells it by.

    Attributes
    ----------
    columns
        Of a row, in their order.
    read
        Called with (book, kahriz, by, start, end, now): its rows in time order, instants as ISO
        8601, spans longer than a day whole where they are touched.
    """

    columns: tuple[Column, ...]
    read: Callable[[Connection, Kahriz, Any, datetime, datetime, datetime], list[dict[str, Any]]]


@dataclass(frozen=True, slots=True)
class Source:
    """Where everything is read from."""

    registry: Registry
    store: Store
    book: Book
    water: WaterRows


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked for.

    Attributes
    ----------
    now
        The water's; tells a running day from one that is over.
    start, end
        Half-open; None: from the first, to the last there is.
    kahrizes, datastreams
        Ids; without any of both: everything.
    by
        Of water: how long an interval is.
    """

    now: datetime
    start: datetime | None = None
    end: datetime | None = None
    kahrizes: tuple[str, ...] = ()
    datastreams: tuple[str, ...] = ()
    by: Period = "day"

    def between_ms(self) -> tuple[int, int]:
        """Return [start, end) as milliseconds since 1970, whatever was left out made wide."""
        first = _FIRST_MS if self.start is None else to_ms(self.start)
        return first, _LAST_MS if self.end is None else to_ms(self.end)

    def chosen(self, registry: Registry) -> list[Kahriz]:
        """Return the kahrizes meant, in the order of the registry.

        Raises
        ------
        NotFoundError
            One of the names is none of the registry's.
        """
        for name in self.kahrizes:
            registry.find(name)
        return [k for k in registry.kahriz if not self.kahrizes or k.id in self.kahrizes]


_FIRST_MS = to_ms(datetime.fromisoformat("0001-01-01T00:00:00Z"))
_LAST_MS = to_ms(datetime.fromisoformat("9999-12-31T00:00:00Z"))


def about(wanted: Wanted, what: str, range_of: str) -> tuple[tuple[str, str], ...]:
    """Return what every table says of itself.

    Parameters
    ----------
    wanted
        What was asked for.
    what
        One sentence.
    range_of
        Which instant of a row the interval is about; empty: none.
    """
    said = [
        ("kahriz", f"water telemetry {_version()}: {what}"),
        ("as of", iso(wanted.now)),
        ("kahrizes", " ".join(wanted.kahrizes) or "all"),
    ]
    if wanted.datastreams:
        said.append(("datastreams", " ".join(wanted.datastreams)))
    if range_of:
        first = "the first" if wanted.start is None else iso(wanted.start)
        last = "the last" if wanted.end is None else iso(wanted.end)
        said.append((range_of, f"from {first} until before {last}"))
    said.append(("instants", "UTC"))
    return tuple(said)


def instants(ms: Sequence[int | None]) -> Times:
    """Return milliseconds since 1970 as an array; None as NaT."""
    found = ["NaT" if at is None else np.datetime64(at, "ms") for at in ms]
    return np.array(found, "datetime64[ms]")


def unit_of(datastream: DatastreamId) -> str:
    """Return the unit of a datastream's values, also of one that the registry has no more."""
    try:
        return PROPERTIES[Property(datastream.rpartition(".")[2])].unit
    except ValueError:
        return ""


def _version() -> str:
    try:
        return version("kahriz")
    except PackageNotFoundError:
        return "0"
