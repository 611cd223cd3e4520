"""Cheap counters that differ when something in the book has changed since they were last read."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, func, select

from kahriz.book import checkpoints
from kahriz.book.tables import alert, alert_event, audit_log, device, message


def counters(connection: Connection) -> dict[str, Hashable]:
    """Return, for water, alerts, messages, devices and people, a value that changes when they do.

    Meant to be read once a second however large the tables are: each figure comes from an index
    or from a table with few rows.
    """
    return {
        "water": repr(checkpoints.get(connection, "rollups")),
        "alerts": _one(connection, func.max(alert_event.c.id)) + _one(connection, _LAST_ALERT),
        "messages": _one(connection, func.max(message.c.id)) + _all(connection, _MESSAGE_STATES),
        "devices": _all(connection, _DEVICES),
        # Contacts, silences and works are changed by nobody without a line in it.
        "people": _one(connection, func.max(audit_log.c.id)),
    }


_LAST_ALERT = func.max(alert.c.id)
_MESSAGE_STATES = (
    select(message.c.state, func.count()).group_by(message.c.state).order_by(message.c.state)
)
_DEVICES = select(device.c.device, device.c.received, device.c.status).order_by(device.c.device)


def _one(connection: Connection, figure: ColumnElement[int]) -> tuple[Hashable, ...]:
    return (connection.scalar(select(figure)),)


def _all(connection: Connection, query: Select[Any]) -> tuple[Hashable, ...]:
    return tuple(tuple(row) for row in connection.execute(query))
