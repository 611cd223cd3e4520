"""The same readings in a world where nothing goes wrong: what statistics and alerts ought to be."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import select

from kahriz.book import Book
from kahriz.book.alerts import list_alerts
from kahriz.book.rollups import FIGURES
from kahriz.book.tables import dirty_hour, rollup
from kahriz.clock import from_ms
from tests import servers
from tests.campaign.device_faults import messages_of
from tests.campaign.oracle import Sent, device_rows, sent_by_device, unbalanced
from tests.campaign.raw_device import publish_all
from tests.campaign.world import BROKER, PROBE, registry_file
from tests.e2e.processes import House, wait_until

Figures = dict[tuple[str, int], tuple[float | None, ...]]
Fired = set[tuple[str, str, str]]

_SPEED = 120
"""Alerts wait for minutes of the clock; but two hours without a reading would be one more."""


def book_url(folder: Path) -> str:
    """Return the address of a house's book."""
    return f"sqlite:///{folder / 'book.sqlite'}"


def is_computed(folder: Path, before_ms: int) -> bool:
    """Whether the figures of every hour before then are up to date."""
    query = select(dirty_hour.c.hour_ms).where(dirty_hour.c.hour_ms < before_ms).limit(1)
    with closing(Book(book_url(folder))) as book, book.read() as connection:
        return connection.execute(query).first() is None


def figures(folder: Path, before_ms: int) -> Figures:
    """Return what is kept of each (datastream, hour) that begins before then."""
    columns = [rollup.c[name] for name in ("datastream", "start_ms", *FIGURES)]
    query = select(*columns).where(rollup.c.period == "hour", rollup.c.start_ms < before_ms)
    with closing(Book(book_url(folder))) as book, book.read() as connection:
        return {(row[0], row[1]): tuple(row[2:]) for row in connection.execute(query)}


def fired(folder: Path) -> Fired:
    """Return (kahriz, kind, key) of every alert that was told to anybody.

    Not of the probe: it speaks when a fault needs it, and is silent for as long as the others take.
    """
    with closing(Book(book_url(folder))) as book, book.read() as connection:
        alerts = list_alerts(connection, limit=1000)
    return {
        (a.kahriz, a.kind, a.key) for a in alerts if a.fired_at_ms is not None and a.kahriz != PROBE
    }


def different(one: Figures, other: Figures) -> list[str]:
    """Return what differs by more than rounding."""
    return [
        f"{key}: {one.get(key)} and {other.get(key)}"
        for key in sorted(set(one) | set(other))
        if not _is_same(one.get(key, ()), other.get(key, ()))
    ]


def _is_same(one: Sequence[float | None], other: Sequence[float | None]) -> bool:
    return len(one) == len(other) and all(
        a == b or (a is not None and b is not None and math.isclose(a, b, rel_tol=1e-9))
        for a, b in zip(one, other, strict=True)
    )


def calm_run(folder: Path, readings: Sequence[Sent], alerts: Fired) -> Fired:
    """Let a fresh service take in `readings` right after the last; return the alerts it comes to.

    It ends when it has computed every hour and has come to `alerts`, or not within 40 s.
    """
    readings = [reading for reading in readings if reading.is_sent]
    now_ms = max(reading.time_ms for reading in readings)
    clock = {
        "KAHRIZ_CLOCK__SPEED": str(_SPEED),
        "KAHRIZ_CLOCK__ORIGIN": from_ms(now_ms).isoformat(),
        "KAHRIZ_CLOCK__STARTED": datetime.now(UTC).isoformat(),
        "KAHRIZ_SITES": str(registry_file(folder)),
    }
    with servers.mosquitto(BROKER) as broker:
        house = House(folder, broker.port, clock)
        with house.run("ingest"):
            house.wait_for_ingest()
            publish_all(broker.port, messages_of(readings, 100))
            n_sent = sent_by_device(readings)
            wait_until(lambda: not unbalanced(device_rows(book_url(folder)), n_sent), "all", 30)
            wait_until(lambda: is_computed(folder, now_ms), "every hour is computed", 60)
            with suppress(AssertionError):
                wait_until(lambda: fired(folder) >= alerts, "the same alerts", 40)
    return fired(folder)
