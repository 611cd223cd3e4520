"""The history of alerts, with how soon people were told and answered, and when it was over."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import orjson

from kahriz.book import alerts, messages
from kahriz.book.alerts import Alert
from kahriz.export.table import Column, Kind, Part, Source, Table, Wanted, about, instants

COLUMNS = (
    Column("id", Kind.INTEGER),
    Column("code", Kind.NAME, "", "what every text about it carried"),
    Column("kahriz", Kind.NAME),
    Column("kind", Kind.NAME),
    Column("key", Kind.NAME, "", "what of the kahriz, where it is not all of it"),
    Column("audience", Kind.NAME, "", "who has to act"),
    Column("state", Kind.NAME, "", "pending, firing or resolved"),
    Column("since", Kind.INSTANT, "UTC", "the trouble began"),
    Column("pending_at", Kind.INSTANT, "UTC", "first seen"),
    Column("fired_at", Kind.INSTANT, "UTC", "believed"),
    Column("last_seen", Kind.INSTANT, "UTC"),
    Column("resolved_at", Kind.INSTANT, "UTC"),
    Column("acknowledged_at", Kind.INSTANT, "UTC"),
    Column("acknowledged_by", Kind.TEXT),
    Column("on_site_at", Kind.INSTANT, "UTC"),
    Column("on_site_by", Kind.TEXT),
    Column("false_alarm_at", Kind.INSTANT, "UTC"),
    Column("false_alarm_by", Kind.TEXT),
    Column("told_min", Kind.NUMBER, "min", "from fired_at until a gateway took the first text"),
    Column("delivered_min", Kind.NUMBER, "min", "until the first one arrived"),
    Column("acknowledged_min", Kind.NUMBER, "min"),
    Column("on_site_min", Kind.NUMBER, "min"),
    Column("resolved_min", Kind.NUMBER, "min"),
    Column("detector", Kind.NAME),
    Column("explanation", Kind.TEXT),
    Column("evidence", Kind.TEXT, "", "JSON; each figure's unit is in its name"),
)

ROWS = 500
"""Rows of a part at most."""


def table(source: Source, wanted: Wanted) -> Table:
    """Return the alerts whose trouble began in [start, end), in the order they were written down.

    Not those that were dropped before anybody believed them.

    Raises
    ------
    NotFoundError
        A kahriz that is named is none of the registry's.
    """
    wanted.chosen(source.registry)
    said = about(wanted, "alerts and how people answered", "since")
    return Table("alerts", COLUMNS, said, _parts(source, wanted))


def of_rows(rows: Sequence[Alert], reached: Mapping[int, tuple[int | None, int | None]]) -> Part:
    """Return alerts as a part of the table.

    Parameters
    ----------
    rows
        The alerts.
    reached
        By alert: when the first text about it was taken, and arrived [ms]; absent: neither.
    """
    by_name = [_values(row, *reached.get(row.id, (None, None))) for row in rows]
    return tuple(
        instants([each[c.name] for each in by_name])
        if c.kind is Kind.INSTANT
        else [each[c.name] for each in by_name]
        for c in COLUMNS
    )


def _parts(source: Source, wanted: Wanted) -> Iterator[Part]:
    after = 0
    while True:
        with source.book.read() as connection:
            rows = alerts.page(connection, after, wanted.kahrizes, wanted.between_ms(), ROWS)
            if not rows:
                return
            reached = messages.first_reached(connection, [row.id for row in rows])
        yield of_rows(rows, reached)
        after = rows[-1].id


def _values(row: Alert, told_ms: int | None, delivered_ms: int | None) -> dict[str, Any]:
    named = {c.name: getattr(row, c.name, None) for c in COLUMNS}
    at = {c.name: getattr(row, f"{c.name}_ms") for c in COLUMNS if c.kind is Kind.INSTANT}
    return (
        named
        | at
        | {
            "told_min": row.minutes_until(told_ms),
            "delivered_min": row.minutes_until(delivered_ms),
            "acknowledged_min": row.minutes_until(row.acknowledged_at_ms),
            "on_site_min": row.minutes_until(row.on_site_at_ms),
            "resolved_min": row.minutes_until(row.resolved_at_ms),
            "evidence": orjson.dumps(dict(row.evidence)).decode(),
        }
    )
