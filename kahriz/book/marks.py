"""Hours (UTC) of datastreams that are marked, and the marks taken away again.

Each call that marks leaves a mark of its own: whoever works on an hour meanwhile cannot take away
what was said after it looked.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from typing import Any, Protocol

from sqlalchemy import Connection, Table, bindparam, delete

from kahriz.book.upsert import upsert
from kahriz.observations import DatastreamId


class MarkedHour(Protocol):
    """An hour as it was read, with the mark it had."""

    @property
    def datastream(self) -> DatastreamId:
        """Whose."""

    @property
    def hour_ms(self) -> int:
        """When it begins."""

    @property
    def mark(self) -> int:
        """The mark."""


def put(
    connection: Connection, table: Table, hours: Iterable[tuple[str, int]], **said: Any
) -> None:
    """Mark (datastream, hour_ms) in `table`, with what is `said` of all; repeats are welcome."""
    mark = random.getrandbits(62)
    rows = [
        {"datastream": datastream, "hour_ms": hour_ms, "mark": mark, **said}
        for datastream, hour_ms in sorted(set(hours))  # one order for all: no deadlock
    ]
    upsert(connection, table, rows, ("datastream", "hour_ms"), ("mark", *said))


def take_away(connection: Connection, table: Table, read: Sequence[MarkedHour]) -> None:
    """Take these marks away, but where an hour was marked again since it was `read`."""
    if not read:
        return
    statement = delete(table).where(
        table.c.datastream == bindparam("of"),
        table.c.hour_ms == bindparam("at"),
        table.c.mark == bindparam("as_read"),
    )
    rows = sorted((hour.datastream, hour.hour_ms, hour.mark) for hour in read)
    connection.execute(statement, [{"of": d, "at": h, "as_read": m} for d, h, m in rows])
