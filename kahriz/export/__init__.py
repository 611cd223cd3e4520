"""Everything the service knows, as tables that other programs open; see docs/export.md.

One way out for the command line and for the API: a `Table` says its columns and yields its rows
part by part, and a writer (`csv_text`, `parquet`) makes bytes of each part. So what is held in
memory is one part, however long the range, and both ways give the same bytes.

Nothing is kept open between two parts: whoever reads slowly holds up no writer. So a table is not
one state of the book; a figure that is restated meanwhile stands there as it was when its part
was read, with its own revision.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from enum import StrEnum

from kahriz.export import alerts, csv_text, datastreams, observations, parquet, water
from kahriz.export.csv_text import Dialect
from kahriz.export.table import Source, Table, Wanted, WaterRows

__all__ = ["TABLES", "Dialect", "Format", "Source", "Table", "Wanted", "WaterRows", "written"]


class Format(StrEnum):
    """How a table is written."""

    CSV = "csv"
    PARQUET = "parquet"


TABLES: dict[str, Callable[[Source, Wanted], Table]] = {
    "observations": observations.table,
    "water": water.table,
    "alerts": alerts.table,
    "datastreams": datastreams.table,
}
"""By name: what makes the table of what is wanted."""


def written(table: Table, format: Format, dialect: Dialect) -> Iterator[bytes]:
    """Return the bytes of a table, part by part; `dialect` says how CSV looks.

    Raises
    ------
    ConfigError
        At once: Parquet is asked for and pyarrow is missing.
    """
    if format is Format.PARQUET:
        return parquet.written(table)
    return csv_text.written(table, dialect)
