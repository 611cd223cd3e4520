"""Cheap counters that differ when something in the book has changed since they were last read."""

from __future__ import annotations

from collections.abc import Hashable

from sqlalchemy import Connection, func, select

from kahriz.book import checkpoints
from kahriz.book.tables import alert, alert_event, device, message


def counters(connection: Connection) -> dict[str, Hashable]:
    """Return, for water, alerts, messages and devices, a value that changes when they do.

    Meant to be read once a second however large the tables are: each figure comes from an index
    or from a table with few rows.
    """
    return {
        "water": repr(checkpoints.get(connection, "rollups")),
        "alerts": _only(connection, func.max(alert_event.c.id), func.max(alert.c.id)),
        "messages": _only(connection, func.max(message.c.id)) + _states(connection),
        "devices": _only(
            connection,
            func.max(device.c.received_at_ms),
            func.sum(device.c.received),
            func.count(device.c.boot),
        )
        + _device_words(connection),
    }


def _only(connection: Connection, *figures: object) -> tuple[Hashable, ...]:
    return tuple(connection.execute(select(*figures)).one())  # type: ignore[call-overload]


def _states(connection: Connection) -> tuple[Hashable, ...]:
    by_state = select(message.c.state, func.count()).group_by(message.c.state)
    return tuple(sorted(tuple(row) for row in connection.execute(by_state)))


def _device_words(connection: Connection) -> tuple[Hashable, ...]:
    words = select(device.c.device, device.c.status).order_by(device.c.device)
    return tuple(tuple(row) for row in connection.execute(words))
