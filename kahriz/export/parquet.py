"""Parquet: the same columns with their types, units and meaning in the file itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from kahriz.errors import ConfigError
from kahriz.export.table import Column, Kind, Table

ROWS = 60000
"""Rows of a row group, about: parts are gathered until there are so many."""


def written(table: Table) -> Iterator[bytes]:
    """Return a table's bytes, a row group at a time; the end of the file comes last.

    Raises
    ------
    ConfigError
        pyarrow is missing.
    """
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise ConfigError(
            "export", "Parquet needs pyarrow, which is missing", "pip install '.[parquet]'"
        ) from error
    # Its own pool keeps what it was given; a service that exports now and then has to give it back.
    pyarrow.set_memory_pool(pyarrow.system_memory_pool())
    return _Writing(pyarrow, parquet, table).bytes()


class _Sink:
    """What a writer writes to: gives away what has come so far, and keeps nothing."""

    closed = False

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._at = 0

    def write(self, data: Any) -> int:
        part = bytes(data)
        self._parts.append(part)
        self._at += len(part)
        return len(part)

    def tell(self) -> int:
        return self._at

    def flush(self) -> None:
        """Do nothing: whoever wants the bytes takes them."""

    def close(self) -> None:
        """Do nothing, likewise."""

    def taken(self) -> bytes:
        parts, self._parts = self._parts, []
        return b"".join(parts)


class _Writing:
    def __init__(self, arrow: Any, parquet: Any, table: Table) -> None:
        self._arrow = arrow
        self._parquet = parquet
        self._table = table
        fields = [self._field(column) for column in table.columns]
        self._schema = arrow.schema(fields, metadata=dict(table.about))

    def bytes(self) -> Iterator[bytes]:
        sink = _Sink()
        file = self._arrow.PythonFile(sink, mode="w")
        with self._parquet.ParquetWriter(file, self._schema, compression="zstd") as writer:
            for group in self._groups():
                writer.write_table(group, row_group_size=len(group))
                yield sink.taken()
        yield sink.taken()

    def _groups(self) -> Iterator[Any]:
        parts: list[Any] = []
        rows = 0
        for part in self._table.parts:
            parts.append(self._arrowed(part))
            rows += len(part[0])
            if rows >= ROWS:
                yield self._joined(parts)
                parts, rows = [], 0
        if rows:
            yield self._joined(parts)

    def _joined(self, parts: list[Any]) -> Any:
        return self._arrow.concat_tables(parts).unify_dictionaries().combine_chunks()

    def _arrowed(self, part: Sequence[Sequence[Any]]) -> Any:
        arrays = [
            self._array(values, field.type)
            for field, values in zip(self._schema, part, strict=True)
        ]
        return self._arrow.Table.from_arrays(arrays, schema=self._schema)

    def _array(self, values: Sequence[Any], type: Any) -> Any:
        if self._arrow.types.is_dictionary(type):
            return self._arrow.array(values, self._arrow.string()).dictionary_encode()
        if self._arrow.types.is_timestamp(type):
            return self._arrow.array(values).cast(type)
        return self._arrow.array(values, type)

    def _field(self, column: Column) -> Any:
        said = {"unit": column.unit, "description": column.about}
        metadata = {key: value for key, value in said.items() if value}
        return self._arrow.field(column.name, self._type(column.kind), metadata=metadata or None)

    def _type(self, kind: Kind) -> Any:
        arrow = self._arrow
        return {
            Kind.TEXT: arrow.string(),
            Kind.NAME: arrow.dictionary(arrow.int32(), arrow.string()),
            Kind.INSTANT: arrow.timestamp("ms", tz="UTC"),
            Kind.NUMBER: arrow.float64(),
            Kind.INTEGER: arrow.int64(),
            Kind.FLAG: arrow.bool_(),
        }[kind]
