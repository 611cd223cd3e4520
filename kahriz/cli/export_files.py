"""The files that `kahriz export` writes: one observation a row, whole or not at all."""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import numpy as np

from kahriz.errors import ConfigError
from kahriz.observations import Series

COLUMNS = ("datastream", "time", "value", "quality")
_AT_ONCE = 20_000
# A spreadsheet takes a cell that begins so for a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


class Format(StrEnum):
    """How a table is written."""

    CSV = "csv"
    PARQUET = "parquet"


class Table(Protocol):
    """Takes observations, part by part."""

    def add(self, series: Series) -> None:
        """Write the observations of `series`."""
        ...


@contextmanager
def table(to: Path | None, format: Format) -> Iterator[Table]:
    """Give a table to fill, on standard output where `to` is None.

    A file is written beside its name and put in its place at the end: what is there is whole.
    """
    if to is None:
        yield CsvTable(sys.stdout.buffer)
        sys.stdout.buffer.flush()
        return
    part = to.with_name(to.name + ".part")
    try:
        if format is Format.PARQUET:
            parquet = ParquetTable(part)
            try:
                yield parquet
            finally:
                parquet.close()
        else:
            with part.open("wb") as stream:
                yield CsvTable(stream)
        part.replace(to)
    finally:
        part.unlink(missing_ok=True)


class CsvTable:
    """RFC 4180 with a header, instants in ISO 8601 UTC to the millisecond, values to the last bit.

    A name that a spreadsheet would run as a formula gets an apostrophe in front.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        stream.write((",".join(COLUMNS) + "\n").encode())

    def add(self, series: Series) -> None:
        """Write the observations of `series`."""
        name = _cell(series.datastream)
        for first in range(0, len(series), _AT_ONCE):
            part = slice(first, first + _AT_ONCE)
            rows = zip(
                np.datetime_as_string(series.time[part], unit="ms").tolist(),
                series.value[part].tolist(),
                series.quality[part].tolist(),
                strict=True,
            )
            self._stream.write("".join(f"{name},{t}Z,{v!r},{q}\n" for t, v, q in rows).encode())


class ParquetTable:
    """The same columns with their types: instants as ms in UTC, names as a dictionary."""

    def __init__(self, path: Path) -> None:
        try:
            import pyarrow
            from pyarrow import parquet
        except ImportError as error:
            raise ConfigError(
                "export", "Parquet needs pyarrow, which is missing", "pip install '.[parquet]'"
            ) from error
        self._arrow: Any = pyarrow
        types = (
            pyarrow.dictionary(pyarrow.int32(), pyarrow.string()),
            pyarrow.timestamp("ms", tz="UTC"),
            pyarrow.float64(),
            pyarrow.uint8(),
        )
        self._schema = pyarrow.schema(list(zip(COLUMNS, types, strict=True)))
        self._writer = parquet.ParquetWriter(path, self._schema, compression="zstd")

    def add(self, series: Series) -> None:
        """Write the observations of `series` as one row group."""
        arrow = self._arrow
        place = np.zeros(len(series), np.int32)
        columns = [
            arrow.DictionaryArray.from_arrays(place, [str(series.datastream)]),
            arrow.array(series.time).cast(self._schema.field("time").type),
            arrow.array(series.value),
            arrow.array(series.quality),
        ]
        self._writer.write_table(arrow.Table.from_arrays(columns, schema=self._schema))

    def close(self) -> None:
        """Write the end of the file."""
        self._writer.close()


def _cell(name: str) -> str:
    cell = io.StringIO()
    csv.writer(cell, lineterminator="").writerow(
        [f"'{name}" if name.startswith(_FORMULA) else name]
    )
    return cell.getvalue()
