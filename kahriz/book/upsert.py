"""Insert rows, or change those that are there: one statement that SQLite and PostgreSQL share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import ColumnElement, Connection, Table
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql import ColumnCollection

Row = Mapping[str, Any]


def upsert(
    connection: Connection,
    table: Table,
    rows: Sequence[Row],
    keys: Sequence[str],
    update: Sequence[str] | Mapping[str, Any],
    where: ColumnElement[bool] | None = None,
    adding: Sequence[str] = (),
) -> None:
    """Insert `rows`; where a row of the same `keys` exists, change it as `update` says.

    Parameters
    ----------
    connection
        An open transaction; nothing is committed here.
    rows
        All with the same columns, those of `keys` included; of two with one key the later counts.
    keys
        Columns of the primary key or of a unique constraint.
    update
        Names of columns that take the new row's value; or column -> value or expression, in which
        ``table.c`` is the row that exists and ``excluded(table)`` the new one. Empty: a row that
        exists stays as it is.
    where
        Change the row that exists only where this holds.
    adding
        Names of columns to which the new row's value is added.
    """
    if not rows:
        return
    dialect, key = connection.dialect.name, tuple(keys)
    if where is None and not isinstance(update, Mapping):
        statement = _plain(dialect, table, key, tuple(update), tuple(adding))
    else:
        statement = statement_of(dialect, table, key, update, where, adding)
    connection.execute(statement, list(rows))


@lru_cache(maxsize=64)
def excluded(table: Table) -> ColumnCollection[str, Any]:
    """Return the columns of the row that could not be inserted, for expressions in `upsert`."""
    return table.alias("excluded").c


@lru_cache(maxsize=64)
def _plain(
    dialect: str,
    table: Table,
    keys: tuple[str, ...],
    update: tuple[str, ...],
    adding: tuple[str, ...],
) -> Any:
    # Making a statement takes longer than inserting a few rows with it.
    return statement_of(dialect, table, keys, update, None, adding)


def statement_of(
    dialect: str,
    table: Table,
    keys: tuple[str, ...],
    update: Sequence[str] | Mapping[str, Any],
    where: ColumnElement[bool] | None = None,
    adding: Sequence[str] = (),
) -> Any:
    """Return the statement of `upsert`, for whoever runs the same one often and keeps it."""
    insert = (postgresql if dialect == "postgresql" else sqlite).insert(table)
    if not update and not adding:
        return insert.on_conflict_do_nothing(index_elements=keys)
    changes = (
        dict(update)
        if isinstance(update, Mapping)
        else {name: excluded(table)[name] for name in update}
    )
    changes |= {name: table.c[name] + excluded(table)[name] for name in adding}
    return insert.on_conflict_do_update(index_elements=keys, set_=changes, where=where)
